"""Histograms, bars and the funnel as inline SVG: colours and type come from the page's style, so they follow its theme.

Draws what it is given; counts nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from internvideo.curation.report.data import Threshold
from internvideo.curation.report.figures import Figure
from internvideo.curation.report.histogram import Histogram, axis_ticks
from internvideo.curation.report.markup import Markup, element, join
from internvideo.curation.report.wording import count, number

WIDTH, HEIGHT = 360, 208
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 44, 40
LETTER = 6.1  # mean width of a character of the labels, in SVG units


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """A step of the funnel: of `came` things `kept` went on; `total` gives the full width of the bar."""

    label: str
    came: int
    kept: int
    total: int
    detail: str = ""
    head: bool = False  # begins a new unit of counting


@dataclass(frozen=True, slots=True)
class _Axes:
    low: float
    high: float
    tallest: int

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - self.low) / (self.high - self.low)

    def y(self, bar: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * bar / max(1, self.tallest)


def histogram_chart(figure: Figure, bars: Histogram) -> Markup:
    """Two-coloured bars with axes, the median, and the thresholds with what they cut off shaded."""
    axes = _Axes(float(bars.edges[0]), float(bars.edges[-1]), bars.tallest)
    unit = figure.title.unit
    drawn = [*_grid(axes), *(_cut_off(axes, threshold) for threshold in figure.thresholds)]
    for i in range(len(bars.kept)):
        low, high = float(bars.edges[i]), float(bars.edges[i + 1])
        kept, dropped = int(bars.kept[i]), int(bars.dropped[i])
        what = number(low) if figure.whole and high - low == 1 else f"{number(low)} to {number(high)}"
        drawn.append(_bar(axes, axes.x(low), axes.x(high), kept, dropped, f"{what} {unit}".strip()))
    ticks = axis_ticks(axes.low, axes.high)
    drawn += [_text(axes.x(tick), HEIGHT - BOTTOM + 16, number(tick), anchor="middle") for tick in ticks]
    if bars.count:
        drawn.append(_median(axes, bars.median, unit))
    drawn += [_threshold(axes, threshold, unit) for threshold in figure.thresholds]
    drawn.append(_text(WIDTH - RIGHT, HEIGHT - 6, unit or figure.title.axis, anchor="end", class_="axis"))
    drawn.append(_text(LEFT - 6, TOP - 11, figure.subject, anchor="end", class_="axis"))
    return _svg(WIDTH, HEIGHT, _described(figure, bars), drawn)


def category_chart(title: str, subject: str, unit: str, rows: Sequence[tuple[str, int, int]]) -> Markup:
    """Bars for named classes in the order given: (label, kept, dropped)."""
    axes = _Axes(0.0, float(len(rows)), max((kept + dropped for _, kept, dropped in rows), default=0))
    drawn = _grid(axes)
    for i, (label, kept, dropped) in enumerate(rows):
        drawn.append(_bar(axes, axes.x(i + 0.12), axes.x(i + 0.88), kept, dropped, label))
        drawn.append(_text(axes.x(i + 0.5), HEIGHT - BOTTOM + 16, label, anchor="middle"))
    drawn.append(_text(WIDTH - RIGHT, HEIGHT - 6, unit, anchor="end", class_="axis"))
    drawn.append(_text(LEFT - 6, TOP - 11, subject, anchor="end", class_="axis"))
    said = "; ".join(f"{label}: {kept} kept, {dropped} dropped" for label, kept, dropped in rows)
    return _svg(WIDTH, HEIGHT, f"{title}, {subject} per class. {said}.", drawn)


def funnel_chart(rows: Sequence[FunnelRow], *, narrow: bool) -> Markup:
    """One bar per step: what went on, what was dropped there, and, as an empty track, what was gone before."""
    width, step, top = (360, 56, 30) if narrow else (960, 38, 8)
    left, right = (0, width) if narrow else (300, 770)
    drawn: list[Markup] = []
    y, bottom = -step, 0
    for place, row in enumerate(rows):
        y += step + (14 if place and row.head else 0)
        bottom = y + step
        total = max(1, row.total)
        kept, came = ((right - left) * part / total for part in (row.kept, row.came))
        label_end, label_y = (0, y + 20) if narrow else (left - 18, y + top + 15)
        drawn.append(
            _text(
                label_end,
                label_y,
                _fit(row.label, 38 if narrow else 44),
                anchor=None if narrow else "end",
                class_="step head" if row.head else "step",
            )
        )
        drawn.append(element("rect", x=left, y=y + top, width=right - left, height=20, class_="track"))
        if came > kept:
            drawn.append(
                element("rect", x=left + kept, y=y + top, width=max(1.5, came - kept), height=20, class_="dropped")
            )
        drawn.append(element("rect", x=left, y=y + top, width=kept, height=20, class_="kept"))
        tally_x, tally_y = (width, y + 20) if narrow else (right + 18, y + top + 15)
        drawn.append(_tally(row, tally_x, tally_y, anchor="end" if narrow else None))
    said = "; ".join(f"{row.label}: {row.kept} of {row.came}" for row in rows)
    return _svg(width, bottom, f"Funnel. {said}.", drawn, "funnel narrow" if narrow else "funnel wide")


def share_bar(part: int, whole: int) -> Markup:
    """A small bar for a cell of a table; the number stands beside it, so it is hidden from screen readers."""
    width = 120 * part / max(1, whole)
    track = element("rect", x=0, y=0, width=120, height=8, class_="track")
    bar = element("rect", x=0, y=0, width=width, height=8, class_="kept")
    return element("svg", track, bar, viewbox="0 0 120 8", class_="share", aria_hidden="true")


def _tally(row: FunnelRow, x: float, y: float, anchor: str | None) -> Markup:
    dropped = row.came - row.kept
    parts: list[Markup | str] = [element("tspan", count(row.kept), class_="strong")]
    if row.head:
        parts.append(f" {row.detail}")
    elif dropped:
        parts.append(element("tspan", f"  −{count(dropped)}", class_="loss"))
    return element("text", parts, x=x, y=y, text_anchor=anchor)


def _fit(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _grid(axes: _Axes) -> list[Markup]:
    drawn = []
    for level in axis_ticks(0.0, float(max(1, axes.tallest)), 3):
        if level != int(level):
            continue
        y = axes.y(level)
        drawn.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid" if level else "base"))
        drawn.append(_text(LEFT - 6, y + 3.5, count(int(level)), anchor="end"))
    return drawn


def _bar(axes: _Axes, x1: float, x2: float, kept: int, dropped: int, what: str) -> Markup:
    if not kept + dropped:
        return Markup()
    gap = min(1.5, (x2 - x1) * 0.12)
    x, width, base, middle = x1 + gap / 2, x2 - x1 - gap, axes.y(0), axes.y(kept)
    parts = [element("title", f"{what}: {count(kept)} kept, {count(dropped)} dropped")]
    if kept:
        parts.append(element("rect", x=x, y=middle, width=width, height=base - middle, class_="kept"))
    if dropped:
        high = axes.y(kept + dropped)
        parts.append(element("rect", x=x, y=high, width=width, height=middle - high, class_="dropped"))
    return element("g", parts)


def _median(axes: _Axes, value: float, unit: str) -> Markup:
    x = min(max(axes.x(value), LEFT), WIDTH - RIGHT)
    line = element("line", x1=x, x2=x, y1=TOP - 34, y2=HEIGHT - BOTTOM, class_="median")
    return join([line, _beside(x, TOP - 26, f"median {number(value, unit)}", "median")])


def _cut_off(axes: _Axes, threshold: Threshold) -> Markup:
    """The part of the plot that a threshold drops."""
    edge = min(max(axes.x(threshold.value), LEFT), WIDTH - RIGHT)
    x, end = (LEFT, edge) if threshold.keeps_above else (edge, WIDTH - RIGHT)
    return element("rect", x=x, y=TOP, width=end - x, height=HEIGHT - BOTTOM - TOP, class_="cut")


def _threshold(axes: _Axes, threshold: Threshold, unit: str) -> Markup:
    x = axes.x(threshold.value)
    line = element("line", x1=x, x2=x, y1=TOP - 19, y2=HEIGHT - BOTTOM, class_="rule")
    return join([line, _beside(x, TOP - 11, f"{threshold.words} {number(threshold.value, unit)}", "rule")])


def _beside(x: float, y: float, text: str, class_: str) -> Markup:
    """A label beside a vertical line, on the side where there is room."""
    fits = x + 5 + LETTER * len(text) <= WIDTH - RIGHT + 4
    return _text(x + 5 if fits else x - 5, y, text, anchor=None if fits else "end", class_=class_)


def _text(x: float, y: float, text: str, *, anchor: str | None = None, class_: str | None = None) -> Markup:
    return element("text", text, x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def _described(figure: Figure, bars: Histogram) -> str:
    unit, name = figure.title.unit, figure.title.name
    if not bars.count:
        return f"{name}: no value."
    said = [
        f"Histogram of {name.lower()}, {count(bars.count)} {figure.subject}",
        f"median {number(bars.median, unit)}",
        f"from {number(bars.lowest, unit)} to {number(bars.highest, unit)}",
    ]
    said += [f"{threshold.words} {number(threshold.value, unit)} is kept" for threshold in figure.thresholds]
    return ", ".join(said) + "."


def _svg(width: int, height: int, label: str, drawn: Sequence[Markup], class_: str = "chart") -> Markup:
    return element("svg", drawn, viewbox=f"0 0 {width} {height}", role="img", aria_label=label, class_=class_)
