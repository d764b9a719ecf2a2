"""What the shapes look like: signed distances for drawing, extents for boxes.

In the units of a thing: its size is 1, its mark lies on the x axis. Only additions, products and roots touch pixels,
so that the pictures are the same on every machine.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

SQUARE, TRIANGLE, STAR, ARM, HALF_ARM, RING, HALF_RING = 0.85, 1.25, 1.2, 1.05, 0.38, 0.79, 0.21
REACH = 1.25  # no point of any shape is farther from its centre
MARK_SIZE = 0.18
MARK_AT: Mapping[str, float] = {
    "circle": 0.55,
    "square": 0.5,
    "triangle": 0.45,
    "star": 0.5,
    "cross": 0.75,
    "ring": RING,
}


def _spokes(count: int) -> list[tuple[float, float]]:
    """Unit vectors, the first along x; rounded, so that every machine has the same ones."""
    angles = [2 * math.pi * i / count for i in range(count)]
    return [(round(math.cos(angle), 9), round(math.sin(angle), 9)) for angle in angles]


def _length(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(x * x + y * y))


def _circle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _length(x, y) - 1


def _ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(_length(x, y) - RING) - HALF_RING


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    distance: np.ndarray = np.maximum(np.abs(x), np.abs(y)) - SQUARE
    return distance


def _triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sides = [-(x * c + y * s) for c, s in _spokes(3)]  # the sides lie opposite the corners
    distance: np.ndarray = np.maximum(np.maximum(sides[0], sides[1]), sides[2]) - TRIANGLE / 2
    return distance


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(x - ARM, y - HALF_ARM), np.maximum(x - HALF_ARM, y - ARM))


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A pentagram: the points that at most one of its five lines shuts out, so the second largest distance counts."""
    largest = second = None
    for c, s in _spokes(5):
        line = x * c + y * s
        if largest is None:
            largest = line
        else:
            lower = np.minimum(largest, line)
            second = lower if second is None else np.maximum(second, lower)
            largest = np.maximum(largest, line)
    assert second is not None
    return second - STAR * _spokes(5)[1][0]


DISTANCES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
}
_CORNERS: Mapping[str, list[tuple[float, float]]] = {
    "square": [(SQUARE, SQUARE), (-SQUARE, SQUARE), (-SQUARE, -SQUARE), (SQUARE, -SQUARE)],
    "triangle": [(TRIANGLE * c, TRIANGLE * s) for c, s in _spokes(3)],
    "star": [(STAR * c, STAR * s) for c, s in _spokes(5)],
    "cross": [(a * i, b * j) for a, b in [(ARM, HALF_ARM), (HALF_ARM, ARM)] for i in (-1, 1) for j in (-1, 1)],
}


def extents(shape: str, cos: np.ndarray, sin: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Left, top, right, bottom of a turned shape around its centre, in its own units.

    cos, sin: (T,) of its angle -> four (T,) arrays.
    """
    if shape in {"circle", "ring"}:
        one = np.ones_like(cos)
        return -one, -one, one, one
    xs = np.stack([x * cos - y * sin for x, y in _CORNERS[shape]])
    ys = np.stack([x * sin + y * cos for x, y in _CORNERS[shape]])
    return xs.min(axis=0), ys.min(axis=0), xs.max(axis=0), ys.max(axis=0)
