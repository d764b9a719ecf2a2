"""How the curation run scales: two workers against one, and peak memory whatever the length of the videos.

Run     python benchmarks/curate.py [--quick] [--hour]
Gives   JSON lines and a table. The values of both runs are compared first: they must be the same bytes.
Files   made here: eight 720p H.264 files of 60 s (--quick: 8 s), three B-frames, moving texture with cuts; one long
        file whose packets are those of a short one again and again.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np

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


def run(folder: Path, out: Path, workers: int, *, watch: bool = False) -> dict[str, float]:
    """One run in a process of its own: wall seconds; with `watch`, which costs CPU, peak bytes of its process tree."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "internvideo", "curate", str(folder), "--out", str(out), "--workers", str(workers)]
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one round on short files")
    parser.add_argument("--hour", action="store_true", help="peak memory on a file of one hour instead of ten minutes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["scaling", "memory"])
    given = parser.parse_args()
    rows = [] if given.only == "memory" else [scaling(1 if given.quick else given.rounds, 8 if given.quick else 60)]
    rows += [] if given.only == "scaling" else [memory(3600 if given.hour else 60 if given.quick else 600)]
    print(json.dumps(circumstances()))
    for row in rows:
        print(json.dumps(row))
    print("\n| what | result | goal |\n|---|---|---|")
    for row in rows:
        got = f"{row['ratio']}x" if "ratio" in row else f"{row['GB']} GB"
        goal = f">= {row['goal']}x" if "ratio" in row else f"< {row['goal']} GB"
        print(f"| {row['what']} | {got} | {goal} |")


if __name__ == "__main__":
    main()
