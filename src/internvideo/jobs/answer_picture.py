"""Answers of `classify` as one picture: frames that were looked at, bars of the labels, and how they change over time.

Knows no model and no file of a video; what it draws is all in the answers.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from internvideo.errors import UsageError
from internvideo.jobs.classify import Answer
from internvideo.store.faults import told

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MOST = 40  # videos in one picture
FRAMES, LABELS = 6, 5  # of each video, at most
WIDTH, MARGIN, GAP, ROW, STRIP = 1200, 48, 12, 38, 132  # pixels; STRIP: highest frames
FINE = 2  # drawn this much larger, then reduced: smooth edges
INK, GREY, TRACK, PAPER = "#16191d", "#71777f", "#eef0f3", "#ffffff"
COLOURS = ("#2f6fde", "#e2743b", "#2f9e77", "#b64fb0", "#d1a11c")
OTHER_SCRIPTS = ("NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "Arial Unicode.ttf", "msyh.ttc", "DejaVuSans.ttf")
Row = tuple[int, str, str]  # number of a label, its name as shown, colour
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def check_picture_name(path: Path) -> None:
    """Raise UsageError for a picture that could not be written, before anything is computed."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"`{path}` is no name of a picture", f"end it with {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"there is no folder `{path.parent}`", "make it first, or name another")


def draw_answers(answers: Sequence[Answer], path: Path, title: str = "") -> None:
    """Write the picture; answers with a problem are left out, as are those after the first MOST."""
    panels = [_panel(answer, title) for answer in answers if answer.problem is None][:MOST]
    if not panels:
        return
    page = Image.new("RGB", (WIDTH, sum(panel.height for panel in panels)), PAPER)
    top = 0
    for panel in panels:
        page.paste(panel, (0, top))
        top += panel.height
    with told("write", path):
        page.save(path)


def _panel(answer: Answer, title: str) -> Image.Image:
    """One video: heading, frames, bars, and if it has segments their timeline."""
    best = [answer.labels.index(label) for label, _ in answer.top(LABELS)]
    if answer.spans:  # labels that win a segment come before those that never do
        winners = [int(row.argmax()) for row in answer.timeline]
        best = sorted(dict.fromkeys([*winners, *best]), key=lambda k: (-winners.count(k), -answer.scores[k]))[:LABELS]
        best.sort(key=lambda k: -answer.scores[k])
    strip = _strip_height(answer.pictures)
    height = MARGIN + 62 + (strip + 2 * GAP if strip else 0) + len(best) * ROW + MARGIN // 2
    height += (56 + len(best) * ROW + 28) if answer.spans else 0
    image = Image.new("RGB", (WIDTH * FINE, height * FINE), PAPER)
    pen = _Pen(ImageDraw.Draw(image))
    y: float = MARGIN
    pen.text((MARGIN, y), pen.fitted(answer.video, 27, WIDTH - 2 * MARGIN), 27, INK)
    pen.text((MARGIN, y + 34), pen.fitted(title, 15, WIDTH - 2 * MARGIN), 15, GREY)
    y += 62 + GAP // 2
    if strip:
        _frames(image, answer.pictures, round(y), strip)
        y += strip + 2 * GAP
    names = [pen.fitted(answer.labels[k], 19, 460) for k in best]
    left = MARGIN + max(pen.width(name, 19) for name in names) + 22
    rows = list(zip(best, names, COLOURS, strict=False))
    y = _bars(pen, answer, rows, left, y)
    if answer.spans:
        _timeline(pen, answer, rows, left, y + 26)
    return image.resize((WIDTH, height), Image.Resampling.LANCZOS)


class _Pen:
    """Draws in pixels of the final picture."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def text(self, at: tuple[float, float], text: str, size: int, colour: str, anchor: str = "la") -> None:
        self._draw.text((at[0] * FINE, at[1] * FINE), text, colour, _font(size, _plain(text)), anchor)

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: str, radius: float = 0) -> None:
        corners = [x0 * FINE, y0 * FINE, max(x1, x0 + 0.5) * FINE - 1, max(y1, y0 + 0.5) * FINE - 1]
        self._draw.rounded_rectangle(corners, min(radius * FINE, (corners[2] - corners[0]) / 2), colour)

    def width(self, text: str, size: int) -> float:
        return self._draw.textlength(text, _font(size, _plain(text))) / FINE

    def fitted(self, text: str, size: int, width: float) -> str:
        """The text, its end replaced by dots where it is too wide."""
        text = " ".join(text.split())
        if self.width(text, size) <= width:
            return text
        while text and self.width(text + " ...", size) > width:
            text = text[:-1]
        return text.rstrip() + " ..."


def _bars(pen: _Pen, answer: Answer, rows: Sequence[Row], left: float, y: float) -> float:
    """A bar per label; gives where they end."""
    right = WIDTH - MARGIN - 84
    for k, name, colour in rows:
        share = float(np.exp(answer.scores[k]))
        middle = y + ROW / 2
        pen.text((left - 22, middle), name, 19, INK, "rm")
        pen.box(left, middle - 9, right, middle + 9, TRACK, 5)
        if share * (right - left) >= 1:
            pen.box(left, middle - 9, left + share * (right - left), middle + 9, colour, 5)
        pen.text((WIDTH - MARGIN, middle), f"{share:.1%}", 19, INK, "rm")
        y += ROW
    return y


def _timeline(pen: _Pen, answer: Answer, rows: Sequence[Row], left: float, y: float) -> None:
    """For each label how likely it is in each segment, as the height of a step; seconds below."""
    right = WIDTH - MARGIN
    begin, end = answer.spans[0].start, answer.spans[-1].end
    scale = (right - left) / (end - begin)
    for k, name, colour in rows:
        floor = y + ROW - 6
        pen.text((left - 22, y + (ROW - 6) / 2), name, 19, INK, "rm")
        pen.box(left, y, right, floor, TRACK, 3)
        for span, row in zip(answer.spans, answer.timeline, strict=True):
            high = float(np.exp(row[k])) * (ROW - 6)
            if high >= 0.5:
                x0, x1 = (left + (second - begin) * scale for second in (span.start, span.end))
                pen.box(x0 + 0.5, floor - high, x1 - 0.5, floor, colour)
        y += ROW
    step = _round_step((end - begin) / 8)
    for count in range(int((end - begin) / step + 1e-9) + 1):
        x = left + count * step * scale
        pen.box(x, y - 2, x + 1, y + 4, GREY)
        pen.text((x, y + 8), f"{round(begin + count * step, 2):g} s", 13, GREY, "ra" if x > right - 20 else "ma")


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 ... seconds (or tenths).

    >>> [_round_step(s) for s in (0.07, 1.2, 30.0)]
    [0.1, 2.0, 50.0]
    """
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(round(power * n, 9) for n in (1, 2, 5, 10) if power * n >= least * (1 - 1e-9)))


def _strip_height(pictures: Sequence[np.ndarray]) -> int:
    if not pictures:
        return 0
    height, width = pictures[0].shape[:2]
    return max(1, min(STRIP, int((WIDTH - 2 * MARGIN - (FRAMES - 1) * GAP) / FRAMES * height / width)))


def _frames(image: Image.Image, pictures: Sequence[np.ndarray], y: int, height: int) -> None:
    """The frames side by side, with round corners."""
    wide = round(pictures[0].shape[1] * height / pictures[0].shape[0])
    size = (wide * FINE, height * FINE)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 6 * FINE, 255)
    for place, picture in enumerate(pictures[:FRAMES]):
        frame = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
        image.paste(frame, ((MARGIN + place * (wide + GAP)) * FINE, y * FINE), mask)


def _plain(text: str) -> bool:
    """Only letters that Pillow's own font has."""
    return all(ord(letter) < 0x250 for letter in text)


@lru_cache(maxsize=32)
def _font(size: int, plain: bool) -> Font:
    for name in () if plain else OTHER_SCRIPTS:
        try:
            return ImageFont.truetype(name, size * FINE)
        except OSError:
            continue
    return ImageFont.load_default(size * FINE)
