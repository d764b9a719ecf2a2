"""A dataset of a million clips: how soon `status`, a new view and the page of histograms answer, in how much memory.

Run     python benchmarks/million_clips.py [--clips 1000000]
Gives   JSON lines and a table. The dataset is written by the store's own writer (some minutes) and kept in `out/`.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from internvideo.curation.planner import spec_of
from internvideo.curation.presets import DEFAULT
from internvideo.store import Dataset, FileRecord, Result
from pairing import circumstances

OUT = Path(__file__).parent / "out"
PER_VIDEO = 100  # clips
TIME_BASE, TICKS = "1/1000", 11_700
CLIP_OPERATORS = (
    "shots",
    "motion",
    "exposure",
    "bars",
    "stillness",
    "sharpness",
    "colour",
    "captions",
    "caption_statistics",
)
WORDS = "a man rides his bike down the road while two dogs run beside him in the rain".split()  # noqa: SIM905


def column(field: pa.Field, rows: int, rng: np.random.Generator) -> pa.Array:
    """Anything of the right type."""
    if pa.types.is_floating(field.type):
        return pa.array(rng.random(rows), field.type)
    if pa.types.is_integer(field.type):
        return pa.array(rng.integers(0, 100, rows), field.type)
    if pa.types.is_boolean(field.type):
        return pa.array(rng.random(rows) < 0.9)
    if pa.types.is_string(field.type):
        return pa.array([" ".join(rng.permutation(WORDS)[:12]) if field.name == "text" else "clip"] * rows, field.type)
    return pa.nulls(rows, field.type)


def keyed(spec, keys: dict[str, pa.Array], fixed: dict[str, pa.Array], rows: int, rng: np.random.Generator) -> pa.Table:
    columns = [
        fixed[field.name]
        if field.name in fixed
        else keys[field.name]
        if field.name in keys
        else column(field, rows, rng)
        for field in spec.schema
    ]
    return pa.table(columns, schema=spec.schema)


def build(folder: Path, clips: int) -> None:
    """The values that the default recipe would have, random but of the right form."""
    rng = np.random.default_rng(0)
    videos = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(-(-clips // PER_VIDEO))]
    specs = {operator.name: spec_of(operator) for operator in (*DEFAULT.operators, *DEFAULT.dataset_operators)}
    dataset = Dataset.create(folder, shards=max(16, clips // 10_000))
    per_video = ("probe", "decoding", "sidecars")
    with dataset.writer() as writer:
        writer.register(*specs.values())
        writer.set_recipe("")
        for first in range(0, len(videos), 500):
            with writer.together():
                for number, video in enumerate(videos[first : first + 500], first):
                    record = FileRecord(b"/films", f"{number:06}.mp4".encode(), 10_000_000, number + 1, number + 1, 1)
                    writer.remember(record, video)
                    start = np.arange(PER_VIDEO) * TICKS
                    keys = {
                        "video": pa.array([video] * PER_VIDEO), "stream": pa.array(np.zeros(PER_VIDEO, np.int16)),
                        "start": pa.array(start), "end": pa.array(start + TICKS),
                        "item": pa.array(np.zeros(PER_VIDEO, np.int32)),
                    }  # fmt: skip
                    length = {"start_seconds": pa.array(start / 1000), "end_seconds": pa.array((start + TICKS) / 1000)}
                    one = {"video": pa.array([video]), "item": pa.array(np.zeros(1, np.int32))}
                    facts = {"time_base": pa.array([TIME_BASE]), "missing": pa.array([0])}
                    results = [
                        Result(
                            specs[n],
                            "",
                            keyed(
                                specs[n],
                                keys,
                                length if n == "shots" else {"scale": pa.array(["clip"] * PER_VIDEO)},
                                PER_VIDEO,
                                rng,
                            ),
                        )
                        for n in CLIP_OPERATORS
                    ]
                    results += [
                        Result(
                            specs[n],
                            "",
                            keyed(
                                specs[n],
                                one,
                                {
                                    k: v.cast(specs[n].schema.field(k).type)
                                    for k, v in facts.items()
                                    if k in specs[n].schema.names
                                },
                                1,
                                rng,
                            ),
                        )
                        for n in per_video
                    ]
                    writer.commit(video, results)
            if writer.pending_bytes > 64 << 20:
                writer.flush()
            print(f"\r{first + 500:,} of {len(videos):,} videos", end="", file=sys.stderr)
        writer.flush()
        rows = writer.rows(specs["shots"]).select(["video", "stream", "start", "end", "item"])
        copies = specs["duplicates"]
        grouped = rng.random(rows.num_rows) < 0.05
        names = pa.array([f"g{n // 2}" if g else None for n, g in enumerate(grouped.tolist())], pa.string())
        fixed = {"group": names, "keeper": pa.array(~grouped | (rng.random(rows.num_rows) < 0.5))}
        keys = {name: rows[name].combine_chunks() for name in rows.column_names}
        writer.replace_all(copies, keyed(copies, keys, fixed, rows.num_rows, rng), "all")
        for name in ("leaks", "ranks"):
            writer.replace_all(specs[name], specs[name].schema.empty_table(), "all")
        writer.flush()
    print(file=sys.stderr)


def timed(call: Callable[[], object]) -> float:
    """Wall seconds; where others use the machine, CPU seconds of all threads (BENCH_CPU=1)."""
    clock = time.process_time if os.environ.get("BENCH_CPU") else time.perf_counter
    began = clock()
    call()
    return clock() - began


def questions(folder: Path) -> dict[str, float]:
    """Seconds of each question, in one process, and the memory that it took."""
    from internvideo.curation.clip_tables import columns_of
    from internvideo.curation.finish import make_views
    from internvideo.curation.presets import DEFAULT_VIEWS
    from internvideo.jobs.browse import Browser, Range

    dataset = Dataset(folder)
    found = {"first build of the table": timed(lambda: columns_of(dataset, "shots"))}
    view = DEFAULT_VIEWS[0]
    with dataset.writer() as writer:
        found["first view"] = timed(lambda: make_views(writer, dataset, [view], lambda _: None))
        import dataclasses

        for number in range(3):
            other = dataclasses.replace(view, name="other", also=(f"sharpness_median > 0.{number + 4}",))
            found["new view"] = timed(lambda other=other: make_views(writer, dataset, [other], lambda _: None))
    browsers: list[Browser] = []
    found["opening the page"] = timed(lambda: browsers.append(Browser(dataset, "default")))
    found["page of histograms"] = timed(lambda: browsers[0].overview())
    found["moving a slider"] = timed(lambda: browsers[0].count([Range("sharpness_median", 0.5)], "sharpness_median"))
    found["cards of a page"] = timed(
        lambda: browsers[0].clips([Range("sharpness_median", 0.5)], sort="sharpness_median")
    )
    found["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--ask", metavar="FOLDER", help="the questions alone, on a dataset that is there")
    parser.add_argument("--fresh", action="store_true", help="make the dataset again")
    given = parser.parse_args()
    if given.ask:
        print(json.dumps(questions(Path(given.ask))))
        return
    folder = OUT / f"clips-{given.clips}"
    if given.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        print(f"written in {timed(lambda: build(folder, given.clips)):.0f} s", file=sys.stderr)
    for cached in (folder / "cache").glob("table-*"):
        cached.unlink()
    print(json.dumps(circumstances()))
    here = Path(__file__)
    asked = subprocess.run(
        [sys.executable, str(here), "--ask", str(folder)], check=True, capture_output=True, text=True
    )
    rows = json.loads(asked.stdout)
    words = [sys.executable, "-m", "internvideo", "dataset", "status", str(folder)]
    rows["`dataset status`, whole process"] = min(
        timed(lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL)) for _ in range(3)
    )
    again = subprocess.run(
        [sys.executable, str(here), "--ask", str(folder)], check=True, capture_output=True, text=True
    )
    rows |= {f"{name}, table built": seconds for name, seconds in json.loads(again.stdout).items()}
    print(json.dumps({name: round(value, 3) for name, value in rows.items()}))
    print("\n| what | result |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:.2f}{'' if 'GB' in name else ' s'} |")


if __name__ == "__main__":
    main()
