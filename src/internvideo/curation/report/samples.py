"""Which clips to show: an even, repeatable spread over sources, and those on either side of a threshold.

Rows in, rows out; no chance is involved, so the same dataset gives the same page.
"""

from collections.abc import Sequence

import numpy as np

from internvideo.curation.report.data import Threshold


def spread(groups: Sequence[str], rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of `rows`, as equally many of each group as there are, evenly spaced within each.

    groups: the group of every row of the table; rows: (R,) int64, candidates in the order of the table. -> ascending
    """
    by_group: dict[str, list[int]] = {}
    for row in rows.tolist():
        by_group.setdefault(groups[row], []).append(row)
    names = sorted(by_group)
    if len(names) > most:  # too many groups to show one of each: take groups evenly
        names = [names[place] for place in _even(len(names), most)]
    quota = dict.fromkeys(names, 0)
    left = min(most, sum(len(by_group[name]) for name in names))
    while left:
        open_groups = [name for name in names if quota[name] < len(by_group[name])]
        each = max(1, left // len(open_groups))
        for name in open_groups:
            more = min(each, len(by_group[name]) - quota[name], left)
            quota[name] += more
            left -= more
    chosen = [by_group[name][place] for name in names for place in _even(len(by_group[name]), quota[name])]
    return np.array(sorted(chosen), np.int64)


def around(values: np.ndarray, threshold: Threshold, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows with the values nearest to a threshold: (those that fail, those that pass), each by ascending value.

    values: (N,) float64, NaN for missing; of either side at most `each` rows are given.
    """
    passes, known = threshold.passes(values), np.isfinite(values)
    sides = []
    for side in (known & ~passes, known & passes):
        rows = np.flatnonzero(side)
        near = rows[np.argsort(np.abs(values[rows] - threshold.value), kind="stable")[:each]]
        sides.append(near[np.argsort(values[near], kind="stable")])
    return sides[0], sides[1]


def _even(count: int, picks: int) -> list[int]:
    """The middles of `picks` equal parts of `count` things."""
    return [(2 * i + 1) * count // (2 * picks) for i in range(picks)]
