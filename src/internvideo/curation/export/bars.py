"""Distributions as one picture: a panel of bars each. For pages that show no vector graphics."""

import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from internvideo.curation.export.statistics import Distribution

WIDTH, ROW, HEAD, MARGIN, PER_ROW = 460, 24, 44, 16, 2  # pixels; panels side by side
LABEL = 150  # pixels for the name of a bar
FINE = 2  # drawn this much larger, then reduced
INK, GREY, BAR, PAPER = "#16191d", "#71777f", "#2f6fde", "#ffffff"


def draw_bars(distributions: Sequence[Distribution]) -> bytes:
    """A PNG."""
    columns: list[list[Distribution]] = [[] for _ in range(PER_ROW)]
    heights = [0] * PER_ROW
    for one in distributions:  # into the column that ends higher
        column = heights.index(min(heights))
        columns[column].append(one)
        heights[column] += HEAD + ROW * len(one.labels) + MARGIN
    size = (PER_ROW * WIDTH, max(*heights, HEAD) + MARGIN)
    image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(image)
    for place, column_of in enumerate(columns):
        top = MARGIN
        for one in column_of:
            _panel(draw, place * WIDTH + MARGIN, top, one)
            top += HEAD + ROW * len(one.labels) + MARGIN
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "PNG")
    return buffer.getvalue()


def _panel(draw: ImageDraw.ImageDraw, left: int, top: int, one: Distribution) -> None:
    bold, plain = (ImageFont.load_default(points * FINE) for points in (15, 12))
    total, most = sum(one.counts), max(one.counts, default=0) or 1
    title = f"{one.name}" + (f", {one.unit}" if one.unit else "")
    draw.text((left * FINE, top * FINE), title, INK, bold)
    told = f"{total:,} {one.of}" + (f", mean {one.mean:.3g}" if one.mean is not None else "")
    draw.text((left * FINE, (top + 20) * FINE), told, GREY, plain)
    room = WIDTH - 2 * MARGIN - LABEL - 90
    for row, (label, count) in enumerate(zip(one.labels, one.counts, strict=True)):
        y = top + HEAD + row * ROW
        draw.text(((left + LABEL - 8) * FINE, (y + 10) * FINE), _fit(label, plain), INK, plain, "rm")
        width = math.ceil(room * count / most) if count else 0
        if width:
            box = (left + LABEL, y + 2, left + LABEL + width, y + 18)
            draw.rectangle([edge * FINE for edge in box], BAR)
        share = f"{count:,}  {count / total:.0%}" if total else f"{count:,}"
        draw.text(((left + LABEL + width + 6) * FINE, (y + 10) * FINE), share, GREY, plain, "lm")


def _fit(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while len(label) > 4 and font.getlength(label) > (LABEL - 12) * FINE:
        label = label.removesuffix("…")[:-1] + "…"
    return label
