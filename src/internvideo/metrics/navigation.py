"""How well a walk follows an instruction: success, path lengths, and how closely it keeps to the path that was meant.

numpy only. Positions are (x, y, z) in metres with y up; a path is (N, 3), from the start to where the agent stopped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

SUCCESS_METRES = 3.0
TOGETHER = 128  # episodes whose warping is computed at once
ALIKE = 16  # positions by which their paths may differ in length
Warp = Literal["exact", "fast"]
Cells = list[tuple[int, int, int]]  # (row, first column, last column) of each row of a band


@dataclass(frozen=True)
class Episode:
    """One walk. path: (N, 3), truth: (M, 3); to_goal: (N,) metres still to walk from each position of the path."""

    path: np.ndarray
    truth: np.ndarray
    to_goal: np.ndarray
    stopped: bool = True
    collisions: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not len(self.path) or len(self.path) != len(self.to_goal) or not len(self.truth):
            raise ValueError(
                f"a walk needs positions, each with its distance to the goal, and a true path; got {len(self.path)} "
                f"positions, {len(self.to_goal)} distances, {len(self.truth)} true positions"
            )


def path_length(path: np.ndarray) -> float:
    """Metres walked: (N, 3) -> sum of the steps."""
    return float(np.linalg.norm(np.diff(path, axis=0), axis=-1).sum())


def spl(success: np.ndarray, shortest: np.ndarray, walked: np.ndarray) -> np.ndarray:
    """Success weighted by path length: success * shortest / max(shortest, walked), each (E,) -> (E,).

    Source: Anderson et al. 2018, "On Evaluation of Embodied Navigation Agents". Where nothing is to
    be walked and nothing was, it is 1.
    """
    longer = np.maximum(shortest, walked)
    share = np.divide(shortest, longer, out=np.ones_like(longer, dtype=np.float64), where=longer > 0)
    return np.asarray(success * share)


def warping_costs(paths: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """Exact cost of dynamic time warping of each path with its truth: E of (N_e, D), E of (M_e, D) -> (E,).

    The cheapest monotone pairing of all positions, Euclidean. Episodes of similar lengths advance together along
    anti-diagonals, so the loop is as long as the longest pair, not as their product.
    """
    costs = np.zeros(len(paths))
    rows, columns = (np.array([len(each) for each in column]) for column in (paths, truths))
    order = np.lexsort((columns, rows // ALIKE))
    for first in range(0, len(order), TOGETHER):
        chosen = order[first : first + TOGETHER]
        costs[chosen] = _together([paths[row] for row in chosen], [truths[row] for row in chosen])
    return costs


def _together(paths: Sequence[np.ndarray], truths: Sequence[np.ndarray]) -> np.ndarray:
    """One anti-diagonal after the other; cell (i, j) lies at i + 1 of its diagonal, episodes side by side.

    Padding behind the ends of paths does no harm: no way leads back from there.
    """
    rows, columns = (np.array([len(path) for path in each]) for each in (paths, truths))
    ours, theirs = _beside(paths), np.ascontiguousarray(_beside(truths)[:, ::-1])  # truths run backwards
    high, wide, count = ours.shape[1], theirs.shape[1], len(rows)
    costs, ends = np.empty(count), rows + columns - 2
    here, last, before = np.full((3, high + 1, count), np.inf)
    before[0] = 0.0
    steps, apart = np.empty((2, high, count))
    for number in range(high + wide - 1):
        low, past = max(0, number - wide + 1), min(number + 1, high)
        step, difference, cells = steps[: past - low], apart[: past - low], here[low + 1 : past + 1]
        shift = wide - 1 - number
        step[:] = 0.0
        for mine, other in zip(ours, theirs, strict=True):
            np.subtract(mine[low:past], other[low + shift : past + shift], out=difference)
            np.multiply(difference, difference, out=difference)
            step += difference
        np.sqrt(step, out=step)
        np.minimum(last[low + 1 : past + 1], last[low:past], out=cells)
        np.minimum(cells, before[low:past], out=cells)
        cells += step
        ended = np.flatnonzero(ends == number)
        costs[ended] = here[rows[ended], ended]
        before[0] = np.inf
        here, last, before = before, here, last
    return costs


def _beside(paths: Sequence[np.ndarray]) -> np.ndarray:
    """(D, N, E): axis, position, episode; zeros behind the ends."""
    table = np.zeros((len(paths), max(map(len, paths)), np.shape(paths[0])[-1]))
    for row, path in zip(table, paths, strict=True):
        row[: len(path)] = path
    return np.ascontiguousarray(table.transpose(2, 1, 0))


def ndtw(
    paths: Sequence[np.ndarray], truths: Sequence[np.ndarray], *, within: float = SUCCESS_METRES, warp: Warp = "exact"
) -> np.ndarray:
    """Normalised dynamic time warping: exp(-cost / (M * within)) per episode, in (0, 1], 1 for the true path.

    Source: Ilharco et al. 2019. warp="fast" is the approximation that published evaluations use (`fast_warping_cost`);
    its cost is never lower than the exact one, so the score is never higher.
    """
    if warp == "exact":
        costs = warping_costs(paths, truths)
    else:
        costs = np.array([fast_warping_cost(path, truth) for path, truth in zip(paths, truths, strict=True)])
    return np.asarray(np.exp(-costs / (np.array([len(truth) for truth in truths]) * within)))


def fast_warping_cost(path: np.ndarray, truth: np.ndarray) -> float:
    """Approximate warping cost within one cell of the pairing found at half the resolution (FastDTW, radius 1).

    Source: Salvador and Chan 2007, as in the Python package fastdtw, which the published evaluations call.
    """
    return _fast(np.asarray(path, np.float64), np.asarray(truth, np.float64))[0]


def _fast(path: np.ndarray, truth: np.ndarray) -> tuple[float, list[tuple[int, int]]]:
    if min(len(path), len(truth)) < 3:
        return _banded(path, truth, [(row, 0, len(truth) - 1) for row in range(len(path))])
    _, coarse = _fast(*(each[: len(each) // 2 * 2].reshape(-1, 2, each.shape[-1]).mean(1) for each in (path, truth)))
    return _banded(path, truth, list(_band(coarse, len(path), len(truth))))


def _band(coarse: list[tuple[int, int]], rows: int, columns: int) -> Iterator[tuple[int, int, int]]:
    """One run of columns per row: the cells of a coarse pairing and their neighbours, each as 2 x 2 cells.

    A run begins not before the one above and ends at the first gap.
    """
    wide = {(i + a, j + b) for i, j in coarse for a in (-1, 0, 1) for b in (-1, 0, 1)}
    fine = {(2 * i + a, 2 * j + b) for i, j in wide for a in (0, 1) for b in (0, 1)}
    start = 0
    for row in range(rows):
        first = next((column for column in range(start, columns) if (row, column) in fine), None)
        if first is None:
            continue
        last = first
        while last + 1 < columns and (row, last + 1) in fine:
            last += 1
        yield row, first, last
        start = first


def _banded(path: np.ndarray, truth: np.ndarray, cells: Cells) -> tuple[float, list[tuple[int, int]]]:
    """The cheapest pairing inside a band, and its cells. Of equally cheap steps: down, then right, then both."""
    infinite = (float("inf"), -1, -1)
    best: dict[tuple[int, int], tuple[float, int, int]] = {(-1, -1): (0.0, -1, -1)}
    for row, first, last in cells:
        steps = np.linalg.norm(truth[first : last + 1] - path[row], axis=-1)
        for column, step in zip(range(first, last + 1), steps.tolist(), strict=True):
            froms = ((row - 1, column), (row, column - 1), (row - 1, column - 1))
            cost, *came = min(((best.get(at, infinite)[0], *at) for at in froms), key=lambda found: found[0])
            best[row, column] = (cost + step, *came)
    place = (len(path) - 1, len(truth) - 1)
    total, walked = best[place][0], []
    while place != (-1, -1):
        walked.append(place)
        place = best[place][1:]
    return total, walked[::-1]


def densified(path: np.ndarray, step: float = 0.25) -> np.ndarray:
    """A path with points between, as the published trainer lays them: (N, 3) -> (M, 3).

    Each leg of horizontal length h gets int(h / step) - 1 inner points, each `step` metres along the ground after the
    last, then its end: so the last gap may be longer. A leg straight up gets only its end.
    """
    points = [np.asarray(path[0], np.float64)]
    for start, end in pairwise(path):
        leg = np.asarray(end, np.float64) - start
        length = float(np.hypot(leg[0], leg[2]))
        for _ in range(int(length / step) - 1):
            points.append(points[-1] + leg * step / length)
        points.append(np.asarray(end, np.float64))
    return np.stack(points)


def without_repeats(path: np.ndarray) -> np.ndarray:
    """Positions that differ from the one before: (N, D) -> (M, D)."""
    return np.asarray(path[np.append(True, (np.diff(path, axis=0) != 0).any(-1))])


def navigation_scores(episodes: Sequence[Episode], *, within: float = SUCCESS_METRES) -> dict[str, np.ndarray]:
    """What is told of each walk, (E,) each; their means are what is reported.

    `NE` metres left at the end; `SR` stopped, with less than `within` left; `OSR` was ever that near; `PL` metres
    walked; `SPL` with the walk that was needed: the distance at the start; `nDTW` and `sDTW` (nDTW of successes), with
    standing still left out of the path and the true path as it is.
    """
    left = np.array([float(each.to_goal[-1]) for each in episodes])
    nearest = np.array([float(np.min(each.to_goal)) for each in episodes])
    success = (left < within) & np.array([each.stopped for each in episodes], bool)
    walked = np.array([path_length(each.path) for each in episodes])
    shortest = np.array([float(each.to_goal[0]) for each in episodes])
    near = ndtw([without_repeats(each.path) for each in episodes], [each.truth for each in episodes], within=within)
    return {
        "NE": left,
        "SR": success.astype(np.float64),
        "OSR": (nearest < within).astype(np.float64),
        "PL": walked,
        "SPL": spl(success, shortest, walked),
        "nDTW": near,
        "sDTW": near * success,
    }


def published_scores(episode: Episode, *, within: float = SUCCESS_METRES) -> Mapping[str, float]:
    """One walk as the published trainer marks it: `within` itself is near enough, nDTW against the densified truth.

    And by the approximate warping, with standing still counted. Beside these: steps and collisions per step.
    """
    left, success = float(episode.to_goal[-1]), bool(episode.stopped and episode.to_goal[-1] <= within)
    walked = path_length(episode.path)
    scored = spl(np.array([success]), np.array([float(episode.to_goal[0])]), np.array([walked]))
    return {
        "steps_taken": float(len(episode.path) - 1),
        "distance_to_goal": left,
        "success": float(success),
        "oracle_success": float(np.min(episode.to_goal) <= within),
        "path_length": walked,
        "collisions": float(np.mean(episode.collisions)) if len(episode.collisions) else 0.0,
        "spl": float(scored[0]),
        "ndtw": float(ndtw([episode.path], [densified(episode.truth)], within=within, warp="fast")[0]),
    }
