"""Numbers, times and counts as people read them.

>>> number(0.034567), number(12_345.6), clock(75.3), many(1, "shot")
('0.0346', '12,346', '1:15.3', '1 shot')
"""

import math
from pathlib import PurePath

NONE = "–"
TIE = "\u00a0"  # a space at which no line breaks: between a number and its unit


def number(value: float | None, unit: str = "") -> str:
    """About three significant digits; thousands are grouped."""
    if value is None or not math.isfinite(value):
        return NONE
    size = abs(value)
    if size >= 100:
        text = f"{value:,.0f}"
    elif size and size < 0.001:
        text = f"{value:.1e}".replace("e-0", "e-")
    else:
        text = f"{value:.3g}"
    return f"{text}{TIE}{unit}" if unit else text


def count(value: int) -> str:
    """A whole number, thousands grouped."""
    return f"{value:,}"


def many(value: int, noun: str) -> str:
    """A count with its noun in singular or plural."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def clock(seconds: float) -> str:
    """Time in a film: minutes, seconds and tenths; hours where there are any."""
    tenths = round(abs(seconds) * 10)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600 / 10
    sign = "-" if seconds < 0 and tenths else ""
    return f"{sign}{hours}:{minutes:02}:{rest:04.1f}" if hours else f"{sign}{minutes}:{rest:04.1f}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units, such as 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f}{TIE}s" if 0 < seconds < 10 else f"{whole}{TIE}s"
    if whole < 3600:
        return f"{whole // 60}{TIE}min{TIE}{whole % 60:02}{TIE}s"
    return f"{whole // 3600:,}{TIE}h{TIE}{whole % 3600 // 60:02}{TIE}min"


def share(part: int, whole: int) -> str:
    """Percent without decimals, but never 0 or 100 for something that is neither."""
    if not whole:
        return NONE
    percent = 100 * part / whole
    if 0 < percent < 1:
        return f"<{TIE}1{TIE}%"
    if 99 < percent < 100:
        return f">{TIE}99{TIE}%"
    return f"{percent:.0f}{TIE}%"


def shortened(text: str, most: int) -> str:
    """The beginning of a long text, with a sign that there is more."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def file_name(path: str, most: int = 60) -> str:
    """The last part of a path, shortened in the middle."""
    name = PurePath(path).name or path
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2) :]}"
