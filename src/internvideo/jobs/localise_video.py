"""A video with what was found in it: boxes around whom it concerns, names, and where in the whole this is.

Frames are shown at an even rate; small pictures are enlarged so that names can be read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from internvideo.metrics.detection import assign, overlaps
from internvideo.store.faults import told
from internvideo.video.reader import open_video
from internvideo.video.render import write_video

COLOURS = ("#2f6fde", "#e2743b", "#2f9e77", "#b64fb0", "#d1a11c", "#5b6ee1", "#c0392b", "#16a085")
LEAST_SIDE, BLOCK = 360, 32  # pixels; frames that are decoded at once
SAME = 0.3  # overlap from which boxes of neighbouring keyframes are one person
BAR = 14  # pixels of the line of time


@dataclass(frozen=True)
class Named:
    """Boxes at one keyframe, (n, 4) in [0, 1], and of each what is written beside it."""

    second: float
    boxes: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Stretch:
    """Something that happens during [start, end) seconds."""

    start: float
    end: float
    label: str


def write_annotated(video: str, out: Path, *, shown: Sequence[Named] = (), stretches: Sequence[Stretch] = ()) -> None:
    """Write `video` to the file `out` with boxes and stretches drawn into it. Raises a `VideoError`, UsageError."""
    labels = list(dict.fromkeys(each.label for each in stretches))
    colours = {label: COLOURS[place % len(COLOURS)] for place, label in enumerate(labels)}
    with open_video(video) as opened:
        first, last = float(opened.seconds(0)), float(opened.seconds(len(opened) - 1))
        rate = Fraction((len(opened) - 1) / (last - first) if last > first else 25).limit_denominator(1001)

    def draw(picture: np.ndarray, second: float) -> np.ndarray:
        image = _enlarged(picture)
        if shown:
            _boxes(image, *boxes_at(shown, second))
        if stretches:
            _stretches(image, stretches, colours, second, last)
        return np.asarray(image)

    with told("write", out):
        write_video(out, _frames(video, first, last, rate, draw), fps=rate)


def boxes_at(shown: Sequence[Named], second: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Boxes at any time, (n, 4), and their names: of the nearest keyframe, not farther than half the way to the next.

    Between two keyframes, boxes that overlap by a third or so go from the one place to the other.
    """
    times = np.array([each.second for each in shown])
    near = int(np.abs(times - second).argmin())
    one = shown[near]
    gaps = np.diff(np.sort(times))
    if len(gaps) and abs(times[near] - second) > float(np.median(gaps)):
        return np.zeros((0, 4)), ()
    towards = near + (1 if second > one.second else -1)
    if not 0 <= towards < len(shown) or not len(one.boxes) or not len(shown[towards].boxes):
        return one.boxes, one.names
    other = shown[towards]
    alike = overlaps(one.boxes[:, None], other.boxes[None])
    rows, columns = np.nonzero(alike >= SAME)
    chosen = assign(rows, columns, alike[rows, columns])
    share = (second - one.second) / (other.second - one.second)
    boxes = one.boxes.copy()
    boxes[rows[chosen]] += share * (other.boxes[columns[chosen]] - boxes[rows[chosen]])
    return boxes, one.names


def _frames(
    video: str, first: float, last: float, rate: Fraction, draw: Callable[[np.ndarray, float], np.ndarray]
) -> Iterator[np.ndarray]:
    seconds = first + np.arange(round((last - first) * rate) + 1) / float(rate)
    with open_video(video) as opened:
        for start in range(0, len(seconds), BLOCK):
            some = seconds[start : start + BLOCK]
            for picture, second in zip(opened.at_seconds(some.tolist()), some.tolist(), strict=True):
                yield draw(picture, second)


def _enlarged(picture: np.ndarray) -> Image.Image:
    """At least LEAST_SIDE pixels on the short side, both sides even."""
    factor = max(1.0, LEAST_SIDE / min(picture.shape[:2]))
    height, width = (round(side * factor) // 2 * 2 for side in picture.shape[:2])
    return Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)


def _boxes(image: Image.Image, boxes: np.ndarray, names: Sequence[str]) -> None:
    pen = ImageDraw.Draw(image)
    for place, (box, name) in enumerate(zip(boxes.tolist(), names, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        left, top, right, bottom = (value * side for value, side in zip(box, (*image.size, *image.size), strict=True))
        pen.rectangle((left, top, right, bottom), outline=colour, width=max(2, image.height // 180))
        _label(image, (left, top), name, colour, max(12, image.height // 28))


def _stretches(
    image: Image.Image, stretches: Sequence[Stretch], colours: dict[str, str], second: float, last: float
) -> None:
    pen, letters = ImageDraw.Draw(image), max(12, image.height // 24)
    scale = image.width / max(last, 1e-6)
    pen.rectangle((0, image.height - BAR, image.width, image.height), "#16191d")
    for each in stretches:
        span = (each.start * scale, image.height - BAR + 2, max(each.end, each.start) * scale + 1, image.height - 3)
        pen.rectangle(span, colours[each.label])
    pen.line((second * scale, image.height - BAR, second * scale, image.height), "#ffffff", 2)
    now = [each.label for each in stretches if each.start <= second < each.end]
    for row, label in enumerate(dict.fromkeys(now)):
        _label(image, (6, 6 + (row + 1) * (letters + 8)), label, colours[label], letters)


def _label(image: Image.Image, at: tuple[float, float], text: str, colour: str, size: int) -> None:
    """White letters on a plate that ends at `at` below, kept inside the picture."""
    if not text:
        return
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    wide, high = pen.textlength(text, font) + 8, size + 6
    left, top = max(0.0, min(at[0], image.width - wide)), max(0.0, at[1] - high)
    pen.rectangle((left, top, left + wide, top + high), colour)
    pen.text((left + 4, top + 2), text, "#ffffff", font)
