"""Indexing one hour of 360p video with the bundled network: against real time, and against a plain script.

Run     python benchmarks/index.py [--quick] [--rounds 3]
Gives   JSON lines and a table. Every row of every operator is compared first, vectors by their cosines.
How     whole processes in turns, with all that they import. The script (`curate_script.py index`) is one process that
        decodes every video once, with the same operators, and computes the clips of a video in batches on all cores.
Files   made here: twelve 640 x 360 H.264 films of 300 s, 600 kbit/s, three B-frames, a cut every 4 s; the packets of a
        minute five times over. --quick: two films of 60 s.
"""

import argparse
import json
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, check_call

import numpy as np
import pyarrow.parquet as pq

from curate import moving, repeated, script
from internvideo.store.dataset import Dataset
from internvideo.video.render import write_video
from pairing import OUT, circumstances, write

GOALS = {"times real time": 20.0, "times the script": 1.5}
LEAST_COSINE = 0.9999  # of vectors in float16


def make_films(count: int, times: int) -> Path:
    """`count` films of `times` minutes."""
    folder = OUT / f"films-360-{count}-{times}"
    for number in range(count):
        minute = OUT / "minutes-360" / f"{number:02}.mp4"
        minute.parent.mkdir(parents=True, exist_ok=True)
        if not minute.exists():
            options = {"preset": "veryfast", "b": "600k", "bf": "3", "g": "250"}
            write_video(minute, moving(number, 60, 360, 640), fps=Fraction(30), options=options)
        repeated(minute, folder / f"film-{number:02}.mkv", times)
    return folder


def indexed(films: Path, out: Path) -> float:
    """Wall seconds of `internvideo index`."""
    words = [sys.executable, "-m", "internvideo", "index", str(films), "--out", str(out), "--model", "viclip-tiny"]
    began = time.perf_counter()
    check_call(words, stdout=DEVNULL, stderr=DEVNULL)
    return time.perf_counter() - began


def same_rows(dataset: Path, tables: Path) -> int:
    """Raises AssertionError where the script found anything else; gives the number of vectors."""
    opened, vectors = Dataset(dataset), 0
    for path in sorted(tables.glob("*.parquet")):
        ours, theirs = opened.rows(path.stem).drop_columns(["input"]), pq.read_table(path)
        if "vector" in theirs.column_names:
            pairs = [np.stack(table["vector"].to_numpy()).astype(np.float32) for table in (ours, theirs)]
            lengths = np.linalg.norm(pairs[0], axis=1) * np.linalg.norm(pairs[1], axis=1)  # float16: not quite 1
            assert ((pairs[0] * pairs[1]).sum(1) / lengths).min() > LEAST_COSINE, path.stem
            vectors = len(pairs[0])
            ours, theirs = ours.drop_columns(["vector"]), theirs.drop_columns(["vector"])
        assert ours.num_rows == theirs.num_rows and ours.equals(theirs.cast(ours.schema)), path.stem
    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two films of one minute, one round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    count, times = (2, 1) if given.quick else (12, 5)
    films, ours, theirs = make_films(count, times), [], []
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(1 if given.quick else given.rounds):
            place = Path(scratch)
            ours.append(indexed(films, place / f"ours-{turn}"))
            theirs.append(script("index", films, place / f"script-{turn}"))
            vectors = same_rows(place / f"ours-{turn}", place / f"script-{turn}")
    seconds = 60 * count * times
    row = {"video_s": seconds, "vectors": vectors, "ours": ours, "script": theirs,
           "times real time": round(seconds / median(ours), 1),
           "times the script": round(median(theirs) / median(ours), 2), **circumstances()}  # fmt: skip
    print(json.dumps(row))
    write("index-quick" if given.quick else "index", [row])
    print("| what | result | goal |\n|---|---|---|")
    for name, goal in GOALS.items():
        print(f"| {name} | {row[name]}x | >= {goal}x |")


if __name__ == "__main__":
    main()
