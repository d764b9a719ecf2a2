"""Untrimmed videos of the small world, and lists of what happens in them as public benchmarks write theirs.

A video is a row of shots. In each is one thing that rests, moves for a while and rests again; in some it only rests, so
that neither cuts nor things say when something happens. No two shots of a video show the same thing, so that a caption
asks for one stretch of time.

Run  python -m internvideo.datasets.moving_shapes.untrimmed FOLDER --train 240 --test 60
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.datasets.moving_shapes.draw import render
from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.wording import caption
from internvideo.datasets.moving_shapes.world import MOTIONS, Scene, Split, scene
from internvideo.video.render import write_video

FPS = Fraction(16)
SHOTS, SHORTEST, LONGEST = 8, 3.0, 5.0  # of a video; seconds of a shot
STILL_SHARE = 0.25  # of shots in which nothing happens
WORKERS = 2  # threads; the encoders run outside the interpreter lock


@dataclass(frozen=True)
class Shot:
    """A scene that begins at `start` seconds of its video; its thing moves during [first, last), or never."""

    scene: Scene
    start: float
    first: float
    last: float

    @property
    def moves(self) -> bool:
        return self.last > self.first


def untrimmed(split: Split, number: int, *, seed: int = 0) -> tuple[Shot, ...]:
    """The shots of video `number` of a split."""
    draws = Draws("moving-shapes", "untrimmed", seed, split, number)
    shots: list[Shot] = []
    start, taken, index = 0.0, set[str](), number * 4 * SHOTS
    while len(shots) < SHOTS:
        seconds = round(draws.uniform(SHORTEST, LONGEST) * FPS) / float(FPS)
        one = scene(split, index, seed=seed + 1, plot="single", seconds=seconds)
        index += 1
        if one.things[0].name in taken:
            continue
        taken.add(one.things[0].name)
        first = draws.uniform(0.4, 0.9)
        last = first + draws.uniform(1.4, seconds - 0.4 - first)
        if draws.chance(STILL_SHARE):
            first = last = seconds
        thing = replace(one.things[0], start=first, end=max(last, first + 1.0))
        shots.append(Shot(replace(one, things=(thing,)), start, start + first, start + last))
        start += seconds
    return tuple(shots)


def frames(shots: Sequence[Shot], size: int = 96) -> Iterator[np.ndarray]:
    """All frames of a video, (size, size, 3) uint8 each."""
    for shot in shots:
        yield from render(shot.scene, size=size, fps=FPS)


def write_untrimmed(folder: Path, counts: dict[Split, int], *, seed: int = 0, size: int = 96) -> None:
    """`<split>/00000.mp4` on, `segments.json` in ActivityNet's form and `queries_<split>.json` in Ego4D's."""
    database: dict[str, Any] = {}
    for split, count in counts.items():
        videos = {f"{split}-{number:05}": untrimmed(split, number, seed=seed) for number in range(count)}
        (folder / split).mkdir(parents=True, exist_ok=True)

        def write(item: tuple[str, tuple[Shot, ...]], place: Path = folder / split) -> None:
            write_video(place / f"{item[0]}.mp4", frames(item[1], size), fps=FPS, options={"crf": "20"})

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(write, videos.items()))
        database |= {name: _segments(shots, split) for name, shots in videos.items()}
        asked = [_queries(name, shots, split) for name, shots in videos.items()]
        (folder / f"queries_{split}.json").write_text(json.dumps({"version": "1", "videos": asked}), "utf-8")
    (folder / "segments.json").write_text(json.dumps({"database": database}), "utf-8")


def _segments(shots: Sequence[Shot], split: Split) -> dict[str, Any]:
    found = [
        {"label": shot.scene.label, "label_id": MOTIONS.index(shot.scene.label), "segment": [shot.first, shot.last]}
        for shot in shots
        if shot.moves
    ]
    return {"subset": split, "duration": _length(shots), "fps": float(FPS), "annotations": found}


def _queries(name: str, shots: Sequence[Shot], split: Split) -> dict[str, Any]:
    asked = [
        {"query": caption(shot.scene), "clip_start_sec": shot.first, "clip_end_sec": shot.last, "template": ""}
        for shot in shots
        if shot.moves
    ]
    clip = {"clip_uid": name, "video_start_sec": 0.0, "video_end_sec": _length(shots)}
    return {
        "video_uid": name,
        "split": split,
        "clips": [{**clip, "annotations": [{"annotation_uid": name, "language_queries": asked}]}],
    }


def _length(shots: Sequence[Shot]) -> float:
    return shots[-1].start + shots[-1].scene.seconds


def main(words: Sequence[str] | None = None) -> None:
    """Write videos and lists into a folder."""
    parser = argparse.ArgumentParser(description="Untrimmed videos of coloured shapes, with lists of what happens")
    parser.add_argument("folder", type=Path)
    for split, count in (("train", 240), ("validation", 0), ("test", 60)):
        parser.add_argument(f"--{split}", type=int, default=count, help="number of videos")
    given = parser.parse_args(words)
    splits: tuple[Split, ...] = ("train", "validation", "test")
    write_untrimmed(given.folder, {split: getattr(given, split) for split in splits if getattr(given, split)})


if __name__ == "__main__":
    main()
