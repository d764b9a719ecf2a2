"""The curves of a training run as one picture: a panel per number of its log, over steps. Knows no network."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from internvideo.store.faults import told

PANEL = (  # in this order
    *("loss", "accuracy", "t2v_R@1", "v2t_R@1", "contrastive", "caption", "scale"),
    *("norm", "rate", "clips_per_s", "input_wait", "mfu"),
)
WIDTH, HEIGHT, MARGIN, PER_ROW = 440, 250, 56, 3  # pixels of a panel; panels side by side
FINE = 2  # drawn this much larger, then reduced: smooth lines
INK, GREY, GRID, PAPER = "#16191d", "#71777f", "#e4e7ea", "#ffffff"
TRAINING, HELD_OUT = "#2f6fde", "#e2743b"
Points = list[tuple[float, float]]


def draw_curves(lines: Sequence[Mapping[str, float]], path: Path, title: str = "") -> None:
    """Write the picture; nothing if there are no lines. lines: of the log, with `step` and numbers.

    A number of the held-out list (`eval/...`) is drawn into the panel of the same number in training.
    """
    panels = [(name, _points(lines, name), _points(lines, f"eval/{name}")) for name in PANEL]
    panels = [panel for panel in panels if panel[1] or panel[2]]
    if not panels:
        return
    across, down = min(PER_ROW, len(panels)), math.ceil(len(panels) / PER_ROW)
    head = 44
    size = (across * WIDTH, head + down * HEIGHT)
    image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN * FINE, 14 * FINE), title, INK, ImageFont.load_default(18 * FINE))
    for place, (name, training, held_out) in enumerate(panels):
        left, top = place % PER_ROW * WIDTH, head + place // PER_ROW * HEIGHT
        _panel(draw, left, top, name, training, held_out)
    with told("write", path):
        image.resize(size, Image.Resampling.LANCZOS).save(path)


def _points(lines: Sequence[Mapping[str, float]], name: str) -> Points:
    return [(line["step"], line[name]) for line in lines if math.isfinite(line.get(name, math.nan))]


def _panel(draw: ImageDraw.ImageDraw, left: int, top: int, name: str, training: Points, held_out: Points) -> None:
    font = ImageFont.load_default(12 * FINE)
    everything = training + held_out
    low, high = min(y for _, y in everything), max(y for _, y in everything)
    first, last = min(x for x, _ in everything), max(x for x, _ in everything)
    if high == low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    box = (left + MARGIN, top + 28, left + WIDTH - 16, top + HEIGHT - 30)

    def at(x: float, y: float) -> tuple[float, float]:
        across = box[0] + (x - first) / max(last - first, 1) * (box[2] - box[0])
        return across * FINE, (box[3] - (y - low) / (high - low) * (box[3] - box[1])) * FINE

    draw.text((box[0] * FINE, (top + 6) * FINE), name, INK, ImageFont.load_default(14 * FINE))
    if held_out:
        draw.text((box[2] * FINE, (top + 8) * FINE), "held out", HELD_OUT, font, "ra")
    for quarter in range(5):
        value = low + (high - low) * quarter / 4
        y = at(first, value)[1]
        draw.line((box[0] * FINE, y, box[2] * FINE, y), GRID, FINE)
        draw.text(((box[0] - 6) * FINE, y), f"{value:.3g}", GREY, font, "rm")
    for x, anchor in ((first, "la"), (last, "ra")):
        draw.text((at(x, low)[0], (box[3] + 6) * FINE), f"{x:,.0f}", GREY, font, anchor)
    for points, colour in ((training, TRAINING), (held_out, HELD_OUT)):
        places = [at(x, y) for x, y in points]
        if len(places) > 1:
            draw.line(places, colour, 2 * FINE, "curve")
        for x, y in places if len(places) < 30 else []:
            draw.ellipse((x - 2 * FINE, y - 2 * FINE, x + 2 * FINE, y + 2 * FINE), colour)
