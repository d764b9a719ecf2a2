"""Which of all directions and distances around an agent are worth going to.

numpy only. A map of A angles, clockwise from straight ahead, all around, and R distances; values say how open they are.
Source: Hong et al. 2022 (continuous vision-language navigation), with the numbers of InternVideo's navigation.
"""

import numpy as np

ANGLES, DISTANCES, STEP = 120, 12, 0.25  # of a map; metres from distance to distance
MOST, NEAR_ANGLES, NEAR_DISTANCES = 5, 7, 5


def open_waypoints(
    likely: np.ndarray, *, most: int = MOST, angles: int = NEAR_ANGLES, distances: int = NEAR_DISTANCES
) -> np.ndarray:
    """The best cells that are no neighbours of a better one: (A, R) values over 0 -> (n, 2) angle and distance numbers.

    Neighbours are at most so many angles and distances away; the last angle is beside the first. Of equal cells the
    first counts. Cells of value 0 are never chosen.
    """
    left = np.array(likely, np.float64)
    turns, steps = left.shape
    chosen: list[tuple[int, int]] = []
    while len(chosen) < most and left.max(initial=0) > 0:
        angle, distance = divmod(int(left.argmax()), steps)
        chosen.append((angle, distance))
        around = np.arange(angle - angles, angle + angles + 1) % turns
        left[around, max(0, distance - distances) : distance + distances + 1] = 0
    return np.array(chosen, np.int64).reshape(-1, 2)


def turns_and_metres(cells: np.ndarray, turns: int = ANGLES) -> tuple[np.ndarray, np.ndarray]:
    """Cells (n, 2) -> radians to turn right, in (-pi, pi], and metres, (n,) each; the first distance is a step."""
    radians = 2 * np.pi * cells[:, 0] / turns
    return np.where(radians > np.pi, radians - 2 * np.pi, radians), STEP * (cells[:, 1] + 1)
