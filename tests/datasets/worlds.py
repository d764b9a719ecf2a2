"""Small lists with real films: each film shows its number as a brightness, so that a clip says whose it is."""

import os
from fractions import Fraction

import numpy as np
from PIL import Image

from internvideo.datasets.items import ClipRecipe
from internvideo.datasets.sample import Sample, Samples, uid_of
from internvideo.records import Preprocess
from internvideo.video.render import write_video

PLAIN = Preprocess(size=16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), resize="squash", frame_count=2)


def level(number):
    return 10 + 12 * number


def film(path, number, frames=8):
    write_video(path, [np.full((24, 32, 3), level(number), np.uint8)] * frames, fps=Fraction(8))


def films(folder, count, corpus="films", frames=8):
    """`count` films below `folder`, each with its number as label and caption."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        film(folder / f"{number}.mp4", number, frames)
    return Samples(
        Sample(
            uid_of(corpus, str(number)),
            os.fspath(folder / f"{number}.mp4"),
            None,
            (f"film {number}",),
            number,
            f"s{number // 2}",
        )
        for number in range(count)
    )


def images(folder, count, corpus="images"):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (20, 30), (level(number),) * 3).save(folder / f"{number}.png")
    return Samples(
        Sample(
            uid_of(corpus, str(number)),
            os.fspath(folder / f"{number}.png"),
            None,
            (f"image {number}",),
            number,
            media="image",
        )
        for number in range(count)
    )


def recipe(**more):
    return ClipRecipe(**{"preprocess": PLAIN, "context": 6, **more})


def shown(clip):
    """The number of the film that a clip of `PLAIN` shows."""
    return round((float(clip.mean()) * 255 - 10) / 12)
