"""Curves as one picture: of a training run, a panel per number of its log; of anything else. Knows no network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
COLOURS = ("#2f6fde", "#e2743b", "#2f9e77")
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One plot. lines: by name, in the order of COLOURS; straight: points are joined as they are, without smoothing."""

    name: str
    lines: Mapping[str, Points]
    straight: bool = False


def draw_curves(lines: Sequence[Mapping[str, float]], path: Path, title: str = "") -> None:
    """Write the picture; nothing if there are no lines. lines: of the log, with `step` and numbers.

    A number of the held-out list (`eval/...`) is drawn into the panel of the same number in training.
    """
    panels = [Panel(name, {"": _points(lines, name), "held out": _points(lines, f"eval/{name}")}) for name in PANEL]
    draw_panels([panel for panel in panels if any(panel.lines.values())], path, title)


def draw_panels(panels: Sequence[Panel], path: Path, title: str = "") -> None:
    """Write the picture; nothing if there are no panels."""
    if not panels:
        return
    across, down = min(PER_ROW, len(panels)), math.ceil(len(panels) / PER_ROW)
    head = 44
    size = (across * WIDTH, head + down * HEIGHT)
    image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN * FINE, 14 * FINE), title, INK, ImageFont.load_default(18 * FINE))
    for place, panel in enumerate(panels):
        _draw(draw, place % PER_ROW * WIDTH, head + place // PER_ROW * HEIGHT, panel)
    with told("write", path):
        image.resize(size, Image.Resampling.LANCZOS).save(path)


def _points(lines: Sequence[Mapping[str, float]], name: str) -> Points:
    return [(line["step"], line[name]) for line in lines if math.isfinite(line.get(name, math.nan))]


def _draw(draw: ImageDraw.ImageDraw, left: int, top: int, panel: Panel) -> None:
    font = ImageFont.load_default(12 * FINE)
    everything = [point for points in panel.lines.values() for point in points]
    low, high = min(y for _, y in everything), max(y for _, y in everything)
    first, last = min(x for x, _ in everything), max(x for x, _ in everything)
    if high == low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    box = (left + MARGIN, top + 28, left + WIDTH - 16, top + HEIGHT - 30)

    def at(x: float, y: float) -> tuple[float, float]:
        across = box[0] + (x - first) / ((last - first) or 1) * (box[2] - box[0])
        return across * FINE, (box[3] - (y - low) / (high - low) * (box[3] - box[1])) * FINE

    draw.text((box[0] * FINE, (top + 6) * FINE), panel.name, INK, ImageFont.load_default(14 * FINE))
    for quarter in range(5):
        value = low + (high - low) * quarter / 4
        y = at(first, value)[1]
        draw.line((box[0] * FINE, y, box[2] * FINE, y), GRID, FINE)
        draw.text(((box[0] - 6) * FINE, y), f"{value:.3g}", GREY, font, "rm")
    for x, anchor in ((first, "la"), (last, "ra")):
        shown = f"{x:,.0f}" if first == round(first) and last == round(last) else f"{x:.3g}"
        draw.text((at(x, low)[0], (box[3] + 6) * FINE), shown, GREY, font, anchor)
    right = float(box[2] * FINE)
    for (name, points), colour in zip(panel.lines.items(), COLOURS, strict=False):
        places = [at(x, y) for x, y in points]
        if len(places) > 1:
            draw.line(places, colour, 2 * FINE, None if panel.straight else "curve")
        for x, y in places if len(places) < 30 else []:
            draw.ellipse((x - 2 * FINE, y - 2 * FINE, x + 2 * FINE, y + 2 * FINE), colour)
        if name and points:
            draw.text((right, (top + 8) * FINE), name, colour, font, "ra")
            right -= font.getlength(name) + 12 * FINE
