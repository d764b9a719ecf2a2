"""Shortest ways in a graph of places: all of them at once.

numpy, no files.
"""

import numpy as np


def shortest_paths(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances between all places, and the next place on the way: (N, N) float64, (N, N) int64.

    lengths: (N, N) metres of each edge, infinite where there is none; need not be symmetric. A place that cannot be
    reached is infinitely far, its next place is -1 (graphs may have islands). Floyd and Warshall: N steps over (N, N).
    """
    if lengths.ndim != 2 or lengths.shape[0] != lengths.shape[1] or (lengths < 0).any() or np.isnan(lengths).any():
        raise ValueError(f"edge lengths must be (N, N) and not negative, got {lengths.shape}")
    count = len(lengths)
    far = lengths.astype(np.float64).copy()
    np.fill_diagonal(far, 0.0)
    onward = np.where(np.isfinite(far), np.arange(count)[None, :], -1)
    for middle in range(count):
        through = far[:, middle, None] + far[None, middle]
        shorter = through < far
        far = np.where(shorter, through, far)
        onward = np.where(shorter, onward[:, middle, None], onward)
    return far, onward


def way(onward: np.ndarray, start: int, goal: int) -> list[int]:
    """The places on a shortest way, both ends included. Raises ValueError if there is none."""
    if onward[start, goal] < 0:
        raise ValueError(f"there is no way from place {start} to place {goal}")
    places = [start]
    while places[-1] != goal:
        places.append(int(onward[places[-1], goal]))
    return places
