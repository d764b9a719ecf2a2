"""How the curation run scales: against plain scripts, over workers, killed and gone on, on Ray, and how much it holds.

Run     python benchmarks/curate.py [--quick] [--hour] [--only ROW ...]
Gives   JSON lines and a table. The values of the runs that are compared are compared first.
Rows    scaling   two workers against one, the same bytes
        memory    peak of all processes, one long file
        scripts   the default recipe on 20 minutes of 720p against `curate_script.py`: a pass per operator; one pass
        resume    killed at half of the time and started again, against a run that nobody killed
        ray       `--runner ray` on this machine against the local runner; the start of Ray is taken off
        endpoint  share of the time for which as many questions are under way as may be, against a mock of fixed latency
Files   made here: eight 720p H.264 files of 60 s (--quick: 8 s; twenty for `scripts`, `resume`, `ray`), three B-frames,
        moving texture with cuts; one long file whose packets are those of a short one again and again.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
import pyarrow.parquet as pq

from internvideo.video.render import write_video
from pairing import circumstances

OUT = Path(__file__).parent / "out"


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth random picture, twice as wide as shown, so that it can move."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 16, width // 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(small, 16, axis=0), 16, axis=1)


def moving(seed: int, seconds: int, height: int, width: int, shot: int = 4):
    """Frames of a film whose texture moves; a new texture every `shot` seconds."""
    for first in range(0, seconds * 30, shot * 30):
        picture = texture(seed * 1000 + first, height, width)
        for i in range(first, min(first + shot * 30, seconds * 30)):
            left = (i * 4) % width
            yield np.ascontiguousarray(picture[:height, left : left + width])


def make_films(folder: Path, count: int, seconds: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"film-{number:02}.mp4"
        if not path.exists():
            options = {"preset": "veryfast", "b": "3M", "bf": "3", "g": "250"}
            write_video(path, moving(number, seconds, 720, 1280), fps=Fraction(30), options=options)
    return folder


def run(folder: Path, out: Path, workers: int, *, watch: bool = False, more: Sequence[str] = ()) -> dict[str, float]:
    """One run in a process of its own: wall seconds; with `watch`, which costs CPU, peak bytes of its process tree."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "internvideo", "curate", str(folder), "--out", str(out), "--workers", str(workers)]
    command += more
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while watch and process.poll() is None:
        peak = max(peak, tree_bytes(process.pid))
        time.sleep(0.05)
    process.wait()
    assert process.returncode == 0, process.returncode
    return {"wall": time.perf_counter() - began, "peak_bytes": peak}


def tree_bytes(pid: int) -> int:
    """Proportional memory of a process and its descendants, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, todo = 0, [pid]
    while todo:
        one = todo.pop()
        todo += children.get(one, [])
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except OSError:
            continue
    return total


def values(dataset: Path) -> dict[str, bytes]:
    return {str(p.relative_to(dataset)): p.read_bytes() for p in sorted((dataset / "values").rglob("*")) if p.is_file()}


def scaling(rounds: int, seconds: int) -> dict[str, object]:
    films = make_films(OUT / f"films-{seconds}", 8, seconds)
    walls: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as scratch:
        kept = {}
        for turn in range(rounds):
            for workers in (1, 2) if turn % 2 == 0 else (2, 1):
                dataset = Path(scratch) / f"{turn}-{workers}"
                walls[workers].append(run(films, dataset, workers)["wall"])
                kept.setdefault(workers, values(dataset))
        assert kept[1] == kept[2], "one and two workers must give the same bytes"
    ratio = median(walls[1]) / median(walls[2])
    return {"what": "two workers against one", "one": walls[1], "two": walls[2], "ratio": round(ratio, 2), "goal": 1.7}


def repeated(source: Path, path: Path, times: int) -> Path:
    """The packets of a film, `times` over, in one file: an hour of video without encoding an hour."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path) + ".part", "w", format="matroska") as target:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(source)) as film:
                given = film.streams.video[0]
                stream = stream or target.add_stream_from_template(given)
                length = given.duration
                for packet in film.demux(given):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    target.mux(packet)
                shift += length
    Path(str(path) + ".part").rename(path)
    return path


def memory(seconds: int) -> dict[str, object]:
    film = make_films(OUT / "films-20", 1, 20) / "film-00.mp4"
    films = repeated(film, OUT / f"long-{seconds}" / "long.mkv", seconds // 20).parent
    with tempfile.TemporaryDirectory() as scratch:
        result = run(films, Path(scratch) / "dataset", 2, watch=True)
    peak = result["peak_bytes"] / 1e9
    return {"what": f"peak memory, one file of {seconds} s", "GB": round(peak, 2), "wall": result["wall"], "goal": 2.0}


def many_films(quick: bool) -> Path:
    """20 minutes of 720p in 20 files, or 5 of 8 s."""
    return make_films(OUT / ("films-8-5" if quick else "films-60-20"), 5 if quick else 20, 8 if quick else 60)


def script(form: str, films: Path, out: Path) -> float:
    """Wall seconds of a plain script, see `curate_script.py`."""
    began = time.perf_counter()
    words = [sys.executable, str(Path(__file__).with_name("curate_script.py")), form, str(films), str(out)]
    subprocess.run(words, check=True)
    return time.perf_counter() - began


def same_values(dataset: Path, tables: Path) -> None:
    """Every operator of the script has the rows that the dataset has."""
    from internvideo.store.dataset import Dataset

    opened = Dataset(dataset)
    for path in sorted(tables.glob("*.parquet")):
        ours, theirs = opened.rows(path.stem).drop_columns(["input"]), pq.read_table(path)
        assert ours.num_rows == theirs.num_rows and ours.equals(theirs.cast(ours.schema)), path.stem


def scripts(rounds: int, quick: bool) -> list[dict[str, object]]:
    films = many_films(quick)
    walls: dict[str, list[float]] = {"ours": [], "passes": [], "shared": []}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(rounds):
            place = Path(scratch)
            walls["ours"].append(run(films, place / f"ours-{turn}", os.cpu_count() or 1)["wall"])
            for form in ("passes", "shared"):
                walls[form].append(script(form, films, place / f"{form}-{turn}"))
            same_values(place / f"ours-{turn}", place / f"passes-{turn}")
            same_values(place / f"ours-{turn}", place / f"shared-{turn}")
    return [
        {"what": f"against a script, {words}", "ours": walls["ours"], "script": walls[form],
         "ratio": round(median(walls[form]) / median(walls["ours"]), 2), "goal": goal}
        for form, words, goal in (("passes", "a pass per operator", 1.8), ("shared", "one shared pass", 1.5))
    ]  # fmt: skip


def longer(films: Path, times: int) -> Path:
    """Every film `times` over, so that a run is as much longer."""
    if times == 1:
        return films
    folder = films.with_name(f"{films.name}-times-{times}")
    for film in sorted(films.iterdir()):
        repeated(film, folder / f"{film.stem}.mkv", times)
    return folder


def resume(quick: bool, times: int) -> dict[str, object]:
    films, workers = longer(many_films(quick), times), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        wall = run(films, whole, workers)["wall"]
        words = [sys.executable, "-m", "internvideo", "curate", str(films), "--out", str(killed)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(wall / 2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        rest = run(films, killed, workers)["wall"]
        assert values(whole) == values(killed), "a run that was killed must give the same bytes"
    unit = wall * workers / len(list(films.iterdir()))  # a film in flight per worker is begun again, side by side
    over = (wall / 2 + rest - unit) / wall - 1
    return {"what": f"killed at half and resumed, {times} x, beyond the unit in flight", "whole": wall,
            "half_and_rest": wall / 2 + rest, "unit": unit, "share": round(over, 3), "most": 0.02}  # fmt: skip


def on_ray(rounds: int, quick: bool) -> dict[str, object]:
    films, one, workers = many_films(quick), make_films(OUT / "films-one", 1, 2), os.cpu_count() or 1
    walls: dict[str, list[float]] = {"local": [], "ray": [], "start": []}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(rounds):
            place = Path(scratch)
            walls["local"].append(run(films, place / f"local-{turn}", workers)["wall"])
            walls["ray"].append(run(films, place / f"ray-{turn}", workers, more=["--runner", "ray"])["wall"])
            assert values(place / f"local-{turn}") == values(place / f"ray-{turn}"), "the same bytes"
            alone = run(one, place / f"one-{turn}", workers)["wall"]
            walls["start"].append(
                run(one, place / f"one-ray-{turn}", workers, more=["--runner", "ray"])["wall"] - alone
            )
    over = (median(walls["ray"]) - median(walls["start"])) / median(walls["local"]) - 1
    return {"what": "Ray on one machine, its start taken off", **walls, "share": round(over, 3), "most": 0.15}


def endpoint(quick: bool) -> dict[str, object]:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.curation.endpoint_mock import Mock

    films, at_once, latency = many_films(quick), 8, 2.0
    mock = Mock(latency=latency)
    threading.Thread(target=mock.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        more = [
            f"captioning.endpoint.url={mock.url}",
            "captioning.endpoint.model=mock",
            "captioning.scales=coarse,fine",
        ]
        more += ["captioning.view=none", f"captioning.endpoint.in_flight={at_once}"]
        run(films, Path(scratch) / "dataset", os.cpu_count() or 1, more=more)
    moments = np.array([moment for moment, _ in mock.busy])
    busy = np.array([count for _, count in mock.busy])
    rising = np.flatnonzero(np.diff(busy, prepend=0) > 0)
    lasts = np.diff(moments, append=moments[-1])
    span = slice(
        int(rising[min(at_once, len(rising)) - 1]), int(rising[-1]) + 1
    )  # from the first full house to the last question
    # A place that is empty for a moment between an answer and the next question is counted as empty.
    share = float((lasts[span] * np.minimum(busy[span], at_once)).sum() / (lasts[span].sum() * at_once))
    return {"what": f"{at_once} questions under way, of {len(mock.bodies)}", "full": round(share, 3), "least": 0.95}


def say(row: dict[str, object]) -> str:
    """A line of the table."""
    if "ratio" in row:
        return f"| {row['what']} | {row['ratio']}x | >= {row['goal']}x |"
    if "GB" in row:
        return f"| {row['what']} | {row['GB']} GB | < {row['goal']} GB |"
    if "share" in row:
        return f"| {row['what']} | {row['share']:+.1%} | <= {row['most']:.0%} |"
    return f"| {row['what']} | {row['full']:.1%} | >= {row['least']:.0%} |"


ROWS = ("scaling", "memory", "scripts", "resume", "ray", "endpoint")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one round on short files")
    parser.add_argument("--hour", action="store_true", help="peak memory on a file of one hour instead of ten minutes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=1, help="of `resume`: how often each film follows on itself")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS)
    given = parser.parse_args()
    rounds, rows = 1 if given.quick else given.rounds, list[dict[str, object]]()
    print(json.dumps(circumstances()))
    for name in given.only:
        if name == "scaling":
            made = [scaling(rounds, 8 if given.quick else 60)]
        elif name == "memory":
            made = [memory(3600 if given.hour else 60 if given.quick else 600)]
        elif name == "scripts":
            made = scripts(rounds, given.quick)
        elif name == "ray":
            made = [on_ray(rounds, given.quick)]
        else:
            made = [resume(given.quick, given.times) if name == "resume" else endpoint(given.quick)]
        for row in made:
            print(json.dumps(row), flush=True)
        rows += made
    print("\n| what | result | goal |\n|---|---|---|")
    print("\n".join(map(say, rows)))


if __name__ == "__main__":
    main()
