"""Training clips per second from frame shards, against decoding the source of every sample.

    python benchmarks/feed.py            # five rounds: pre-cut clips of 10 s, and spans of 10 s in films of 60 s
    python benchmarks/feed.py --quick    # two rounds, fewer clips

Both go through the same `Loader` with ViCLIP's training views (8 frames, 224 x 224), in one thread; the sources are
720p H.264, the shards hold 16 pictures of each clip with a short side of 256 pixels. Before anything is timed the
evaluation views of both are compared: the same frames must be seen, as well as JPEG keeps them. Ratios are medians of
CPU seconds, taken in turns. Making the shards is not timed here but printed: it is paid once, not once per epoch.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from films import FILMS, film
from internvideo.datasets.augment import AUGMENTS
from internvideo.datasets.frame_shards import FrameShardOptions, read_frame_shards, write_frame_shards
from internvideo.datasets.items import ClipRecipe
from internvideo.datasets.loader import Corpus, Loader, in_order
from internvideo.datasets.sample import Sample, Samples, uid_of
from internvideo.records import Preprocess, Span
from pairing import circumstances, median, paired, spread, timed, write

TARGET = 10.0  # times the clips per second
ALIKE = 30.0  # dB between the evaluation views: other pictures are below 15
PREPROCESS = Preprocess(
    size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize="squash", antialias=True, frames="middle"
)
TRAINING = ClipRecipe(preprocess=PREPROCESS, augment=AUGMENTS["viclip"])
BATCH = 4


def sources(count: int) -> dict[str, Samples]:
    """`count` clips of each kind, different samples of few films: their bytes are in the page cache either way."""
    known = {each.name: film(each) for each in FILMS if each.seconds <= 60}
    spans = [Span(10.0 * (i % 6), 10.0 * (i % 6) + 10.0) for i in range(count)]
    short, long = (str(known[name]) for name in ("10s-gop250", "60s-gop250"))
    return {
        "clips of 10 s": Samples(Sample(uid_of("short", str(i)), short) for i in range(count)),
        "10 s in 60 s": Samples(Sample(uid_of("long", str(i)), long, span) for i, span in enumerate(spans)),
    }


def likeness(first: Samples, second: Samples) -> float:
    """The lowest signal-to-noise ratio of the evaluation views, in dB of the range of a picture."""
    how = ClipRecipe(preprocess=replace(PREPROCESS, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), frame_count=16))
    pairs = zip(in_order(first, how, [], batch=1), in_order(second, how, [], batch=1), strict=True)
    errors = [np.mean((np.asarray(a["video"]) - np.asarray(b["video"])) ** 2) for a, b in pairs]
    return float(-10 * math.log10(max(errors)))


def fed(samples: Samples) -> None:
    """One epoch of training batches."""
    with Loader([Corpus("clips", samples)], TRAINING, batch=BATCH) as loader:
        for batch in loader.batches(0):
            assert not isinstance(batch["video"], str)
        if loader.broken:
            sys.exit(f"clips were broken: {loader.broken[0]}")


def measure(name: str, samples: Samples, folder: Path, rounds: int) -> dict[str, object]:
    """One row: both ways to feed the same clips."""
    making = timed(lambda: write_frame_shards(samples, folder, FrameShardOptions(), workers=1))
    shards = read_frame_shards(folder)
    alike = likeness(samples[:6], shards[:6])
    if alike < ALIKE:
        sys.exit(f"{name}: shards and sources agree to {alike:.1f} dB only: they show other frames")
    taken = paired({"sources": lambda: fed(samples), "shards": lambda: fed(shards)}, rounds)
    frames = len(samples) * PREPROCESS.frame_count
    size = sum(path.stat().st_size for path in folder.glob("*.tar"))
    row: dict[str, object] = {"row": name, "clips": len(samples), "alike_db": round(alike, 1)}
    for way, seconds in taken.items():
        row |= {
            f"{way}_fps": round(frames / median(seconds), 1),
            f"{way}_wall_fps": round(frames / median(seconds, "wall"), 1),
            f"{way}_spread": round(spread(seconds), 3),
        }
    row["ratio"] = round(median(taken["sources"]) / median(taken["shards"]), 2)
    row["wall_ratio"] = round(median(taken["sources"], "wall") / median(taken["shards"], "wall"), 2)
    return {
        **row,
        "kb_per_clip": round(size / len(samples) / 1e3, 1),
        "making_s_per_clip": round(making.cpu / len(samples), 3),
    }


def show(row: Mapping[str, object]) -> None:
    """A line, and whether the goal is met."""
    verdict = "met" if float(str(row["ratio"])) >= TARGET else "MISSED"
    print(
        "{row}: {shards_fps} frames per CPU second from shards, {sources_fps} from sources: {ratio} x"
        " (wall {wall_ratio} x), spread {shards_spread:.0%} and {sources_spread:.0%}, views alike to {alike_db} dB,"
        " {kb_per_clip} kB and {making_s_per_clip} s per clip".format(**row)
        + f"; goal {TARGET} x: {verdict}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds of eight clips")
    quick = parser.parse_args().quick
    rounds, count = (2, 8) if quick else (5, 24)
    about = circumstances()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for place, (name, samples) in enumerate(sources(count).items()):
            rows.append(measure(name, samples, Path(folder) / str(place), rounds))
            show(rows[-1])
    write("feed-quick" if quick else "feed", [{**row, **about, "load_after": circumstances()["load"]} for row in rows])
    return 0 if quick or all(float(str(row["ratio"])) >= TARGET for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
