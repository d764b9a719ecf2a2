"""Shot detection against PySceneDetect: the same cuts first, then the time.

    python benchmarks/shots.py                       # films made here, five rounds in turns with the command line tool
    python benchmarks/shots.py --agreement FOLDER... # every video below the folders: do the cuts agree, and the scores?

Timed are whole processes, from start to printed cuts: `scenedetect` as people run it (it decodes and detects in two
threads), and this package with one decoder thread; one film at a time, and two films at once for two cores. The films
are 1280 x 720, libx264 with 3 B-frames at 1, 2 and 4 Mbit/s, with planted cuts, fades to black and flashes.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.curation.measures import MEASURES, DensePass
from internvideo.curation.segmenters import Shots
from internvideo.curation.threshold_pass import threshold_pass
from internvideo.errors import VideoError
from internvideo.ops.shots import content_scores
from internvideo.video.reader import open_video
from pairing import PEER_PYTHON, ROOT, Seconds, circumstances, median, paired, spread, write
from shot_films import FILMS, Film, film

TARGETS = {"content": 1.5, "adaptive": 1.0}  # times as fast as the command line tool
SCORES_TARGET = 1.3  # all measures together against those of shot detection
TOOL = PEER_PYTHON.with_name("scenedetect")
OURS = Path(__file__).with_name("shots_ours.py")
COMMANDS = {"content": ["detect-content"], "adaptive": ["detect-adaptive"]}  # with their defaults, shots of 0.6 s
NEEDED = ("clock", "change", "brightness")

SETTINGS = {  # names as in `shots_peer.py`
    "content": Shots(detector="content", min_shot_frames=15),
    "content-t30": Shots(detector="content", threshold=30, min_shot_frames=15),
    "content-0.6s": Shots(detector="content"),
    "adaptive": Shots(detector="adaptive", ratio=3.0, window=2, min_shot_frames=15),
    "adaptive-t5": Shots(detector="adaptive", ratio=5.0, window=2, min_shot_frames=15),
    "adaptive-3.5-w3-0.6s": Shots(detector="adaptive"),
    "threshold": Shots(detector="threshold", min_shot_frames=15),
}


def found_cuts(shots: Shots, path: Path, series: dict[str, Any], time_base: Any) -> list[int]:
    """As a worker of `curate` finds them when shots are all that is due."""
    if shots.frames.threshold is not None:
        with open_video(path) as video:
            series = threshold_pass(video, shots.frames.threshold)
    return [int(cut) for cut in shots.cuts(series, time_base)]


def look(path: Path, measures: Iterable[str] = NEEDED) -> tuple[dict[str, Any], Any]:
    """The series of a file, and the time base of its ticks."""
    dense = DensePass(measures)
    with open_video(path) as video:
        for picture in video.pictures():
            dense.feed(picture)
        return dense.result(), video.time_base


# ---- agreement


def agreement(folders: Sequence[Path]) -> int:
    """Compare all files; list every difference with both scores around it. How many differ."""
    files = sorted(file for folder in folders for file in ([folder] if folder.is_file() else folder.rglob("*")))
    files = [file for file in files if file.is_file() and file.suffix not in {".json", ".md"}]
    differing, frames, far = 0, 0, []
    for file, theirs in zip(files, peer_answers(files), strict=True):
        try:
            series, time_base = look(file)
        except VideoError as error:
            print(f"{file.name}: {error.problem} (PySceneDetect: {theirs.get('error', 'reads it')})")
            continue
        if "error" in theirs:
            print(f"{file.name}: PySceneDetect cannot read it ({theirs['error'][:60]})")
            continue
        change = series["change"]
        scores = content_scores(*(change.columns[name] for name in ("hue", "saturation", "value")))
        frames += len(scores)
        same = len(scores) == len(theirs["scores"])
        far.append(float(np.abs(scores - theirs["scores"]).max()) if same and len(scores) else float("nan"))
        for name, shots in SETTINGS.items():
            cuts = found_cuts(shots, file, series, time_base)
            expected = cut_frames(theirs, name, series["clock"].ticks, float(time_base))
            if cuts != expected:
                differing += 1
                print(f"{file.name} {name}: ours {cuts}, PySceneDetect {expected}")
                for frame in sorted(set(cuts) ^ set(expected)):
                    around = slice(max(0, frame - 3), frame + 4)
                    print(f"  frame {frame}: ours {np.round(scores[around], 3).tolist()}")
                    print(f"  PySceneDetect {np.round(theirs['scores'][around], 3).tolist()}")
        if not same or far[-1] > 0:
            print(
                f"{file.name}: {len(scores)} frames here, {len(theirs['scores'])} there; scores differ by {far[-1]:.4f}"
            )
    equal = sum(distance == 0 for distance in far)
    print(f"{len(far)} files, {frames} frames, {len(SETTINGS)} settings: {differing} lists of cuts differ;")
    print(
        f"in {equal} files every score is the same number, largest difference elsewhere {np.nanmax(far, initial=0):.4f}"
    )
    return differing


def peer_answers(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """What PySceneDetect says, in the order of the files."""
    command = [str(PEER_PYTHON), str(Path(__file__).with_name("shots_peer.py")), *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield from map(json.loads, process.stdout)


def cut_frames(theirs: dict[str, Any], name: str, ticks: np.ndarray, time_base: float) -> list[int]:
    """Cuts of PySceneDetect as frame numbers: those whose time is nearest, as it counts frames at a constant rate."""
    seconds = (ticks - ticks[0]) * time_base if len(ticks) else ticks
    first = theirs["seconds"][0] if theirs["seconds"] else 0.0
    return sorted({int(np.abs(seconds + first - cut).argmin()) for _, cut in theirs["cuts"][name]})


# ---- time


def run(commands: Sequence[Sequence[str]]) -> tuple[Seconds, list[str]]:
    """Start all at once: wall seconds until the last has ended, CPU seconds of all, what they printed."""
    before, wall = os.times(), time.perf_counter()
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    printed = [process.communicate()[0] for process in processes]
    wall = time.perf_counter() - wall
    after = os.times()
    if any(process.returncode for process in processes):
        raise RuntimeError(f"one of these failed: {commands}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Seconds(wall, cpu), printed


def ours(setting: str, paths: Sequence[Path]) -> tuple[Seconds, list[list[int]]]:
    """This package, one process per film."""
    took, printed = run([[sys.executable, str(OURS), setting, str(path)] for path in paths])
    return took, [json.loads(text) for text in printed]


def tool(setting: str, paths: Sequence[Path]) -> tuple[Seconds, list[list[int]]]:
    """The command line tool, one process per film."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, str(number)) for number in range(len(paths))]
        took, _ = run(
            [
                [str(TOOL), "-q", "-i", str(path), "-o", str(place), *COMMANDS[setting], "list-scenes", "-q"]
                for path, place in zip(paths, places, strict=True)
            ]
        )
        return took, [listed_cuts(place) for place in places]


def listed_cuts(folder: Path) -> list[int]:
    """Frame numbers of cuts from the table of scenes that the tool writes (its frames count from 1)."""
    with next(folder.glob("*.csv")).open(newline="") as file:
        rows = list(csv.reader(file))
    start = rows[1].index("Start Frame")
    return [int(row[start]) - 1 for row in rows[3:]]


def compare(setting: str, films: Sequence[Film], rounds: int) -> list[dict[str, object]]:
    """Rows for one setting: films one at a time, or two at once. Cuts are compared before anything is timed."""
    paths = [film(wanted) for wanted in films]
    cuts, expected = ours(setting, paths)[1], tool(setting, paths)[1]
    if cuts != expected:
        sys.exit(f"{setting}: ours {cuts}, scenedetect {expected}")
    taken = paired({"ours": lambda: ours(setting, paths)[0], "scenedetect": lambda: tool(setting, paths)[0]}, rounds)
    found = [
        sum(any(abs(cut - planted) <= 1 for cut in cuts[i]) for planted in films[i].cuts) for i in range(len(films))
    ]
    return [
        {
            "setting": setting,
            "films": " + ".join(wanted.name for wanted in films),
            "method": name,
            "cpu_s": round(median(seconds), 2),
            "wall_s": round(median(seconds, "wall"), 2),
            "spread": round(spread(seconds), 3),
            "times_cpu": round(median(taken["scenedetect"]) / median(seconds), 2),
            "times_wall": round(median(taken["scenedetect"], "wall") / median(seconds, "wall"), 2),
            "cuts": sum(map(len, cuts)),
            "planted_hit": f"{sum(found)}/{sum(len(wanted.cuts) for wanted in films)}",
        }
        for name, seconds in taken.items()
    ]


def scores(wanted: Film, rounds: int) -> dict[str, object]:
    """All measures in one pass against those of shot detection."""
    path = film(wanted)
    taken = paired({"shots": lambda: look(path), "all": lambda: look(path, MEASURES)}, rounds)
    return {
        "films": wanted.name,
        "measures": len(MEASURES),
        "shots_cpu_s": round(median(taken["shots"]), 2),
        "all_cpu_s": round(median(taken["all"]), 2),
        "times": round(median(taken["all"]) / median(taken["shots"]), 2),
        "spread": round(max(spread(seconds) for seconds in taken.values()), 3),
    }


def show(rows: Sequence[dict[str, object]]) -> None:
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--agreement", nargs="+", type=Path, metavar="FOLDER", help="compare cuts and scores of files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one film, two rounds")
    chosen = parser.parse_args()
    if chosen.agreement:
        sys.exit(agreement(chosen.agreement) > 0)
    films, rounds = (FILMS[:1], 2) if chosen.quick else (FILMS, chosen.rounds)
    rows: list[dict[str, object]] = []
    for setting in COMMANDS:
        for wanted in films:
            for at_once in ([wanted], [wanted, wanted]):
                rows += compare(setting, at_once, rounds)
                show(rows[-2:])
    passes = [scores(wanted, rounds) for wanted in films]
    show(passes)
    told = circumstances()
    print(json.dumps(told))
    write("shots", [{**row, **told} for row in [*rows, *passes]])
    for setting, target in TARGETS.items():
        ours = [row for row in rows if row["setting"] == setting and row["method"] == "ours"]
        two = [row for row in ours if "+" in str(row["films"])]  # wall time counts with two films on two cores
        times = [(row, "times_cpu") for row in ours] + [(row, "times_wall") for row in two]
        least = min(float(str(row[kind])) for row, kind in times)
        verdict = "met" if least >= target else "MISSED"
        print(f"{setting}: at least {least} x the command line tool (target {target}): {verdict}")
    most = max(float(str(row["times"])) for row in passes)
    verdict = "met" if most <= SCORES_TARGET else "MISSED"
    print(f"all measures: at most {most} x shot detection (target {SCORES_TARGET}): {verdict}")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
