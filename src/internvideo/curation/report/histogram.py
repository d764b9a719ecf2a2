"""Numbers into bars: round bin edges, counts of two groups, a median, and what lies beyond the axis.

Pure numpy; draws nothing.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_BARS = 28
SOME = 50_000  # values that the ends of an axis are found by
TAIL = 0.005  # share of the values on either side that may lie beyond the axis, so that one outlier does not squeeze it


@dataclass(frozen=True, slots=True)
class Histogram:
    """edges: (B + 1,) ascending; kept, dropped: (B,) counts. Values below or above the axis count in the outer bars.

    median: of all values, NaN without any. missing: clips without a value. below, above: values beyond the axis.
    """

    edges: np.ndarray
    kept: np.ndarray
    dropped: np.ndarray
    median: float
    lowest: float
    highest: float
    missing: int
    below: int
    above: int

    @property
    def count(self) -> int:
        return int(self.kept.sum() + self.dropped.sum())

    @property
    def tallest(self) -> int:
        return int((self.kept + self.dropped).max(initial=0))


def histogram(
    values: np.ndarray, kept: np.ndarray, *, marks: Sequence[float] = (), whole: bool = False, median: bool = True
) -> Histogram:
    """Count `values` (N,) float64, NaN for missing, apart for `kept` (N,) bool and the rest.

    marks: values that must lie on the axis (thresholds). whole: the values are whole numbers, so are the edges. median:
    False leaves it out (NaN), which takes half the time. Of very many values some tell where the axis ends.
    """
    known = np.isfinite(values)
    whole_column = bool(known.all())
    present = values if whole_column else values[known]
    some = present[:: max(1, len(present) // SOME)]
    low, high = np.quantile(some, [TAIL, 1 - TAIL]) if len(present) else (0.0, 1.0)
    real = [mark for mark in marks if math.isfinite(mark)]
    edges = _edges(float(low), float(high), len(present), real, whole)
    if real:  # edges are rounded: a threshold may not fall off the axis by that
        edges[0], edges[-1] = min(edges[0], *real), max(edges[-1], *real)
    inside = _bars_of(present, edges)
    bars, blur = len(edges) - 1, 1e-6 * float(edges[1] - edges[0])  # edges are rounded
    of_kept = np.bincount(inside[(kept if whole_column else kept[known]).astype(bool)], minlength=bars)
    return Histogram(
        edges=edges,
        kept=of_kept,
        dropped=np.bincount(inside, minlength=bars) - of_kept,
        median=float(np.median(present)) if median and len(present) else math.nan,
        lowest=float(present.min()) if len(present) else math.nan,
        highest=float(present.max()) if len(present) else math.nan,
        missing=int((~known).sum()),
        below=int((present < edges[0] - blur).sum()),
        above=int((present > edges[-1] + blur).sum()),
    )


def _bars_of(present: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(N,) int: the bar of each value, the outer ones for what lies beyond.

    Bars are equally wide but for the outer ones, so a division finds them, to one: several times as fast as searching.
    """
    step = (edges[-2] - edges[1]) / (len(edges) - 3) if len(edges) > 3 else edges[1] - edges[0]
    last = len(edges) - 2
    bars = np.clip((present - edges[min(1, last)]) / step + min(1, last), 0, last).astype(np.int32)
    bars -= present < edges[bars]
    bars += present >= edges[bars + 1]
    inside: np.ndarray = np.clip(bars, 0, last)
    return inside


def _edges(low: float, high: float, count: int, marks: Sequence[float], whole: bool) -> np.ndarray:
    if count and low > 0 and low < 0.35 * high:
        low = 0.0  # an axis that nearly begins at zero begins there
    low, high = min([low, *marks]), max([high, *marks])
    if high <= low:
        low, high = (low - 0.5, high + 0.5) if low else (0.0, 1.0)
    wanted = min(MOST_BARS, max(8, round(2 * count**0.4)))
    step = round_step((high - low) / wanted)
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if last * step <= high:  # the last bar holds its own upper edge; values exactly there get a bar of their own
        last += int(whole)
    return np.arange(first, max(last, first + 1) + 1) * step


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below `rough`.

    >>> round_step(0.3), round_step(7)
    (0.5, 10.0)
    """
    scale = 10.0 ** math.floor(math.log10(rough))
    return next(factor * scale for factor in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0) if factor * scale >= rough * (1 - 1e-9))


def axis_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values on [low, high], at most about `most`, evenly spaced.

    >>> axis_ticks(0.0, 20.0)
    [0.0, 5.0, 10.0, 15.0, 20.0]
    """
    if not high > low:
        return [low]
    step = round_step((high - low) / most)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def shares(values: np.ndarray, edges: Sequence[float]) -> list[float]:
    """Share of the finite values in each of the bins [edges[i], edges[i + 1]); zeros without values."""
    present = values[np.isfinite(values)]
    if not len(present):
        return [0.0] * (len(edges) - 1)
    return [float(((present >= low) & (present < high)).mean()) for low, high in itertools.pairwise(edges)]
