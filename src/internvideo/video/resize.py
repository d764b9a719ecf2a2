"""Change the size of frames, the same on every machine.

Separable: each output row and column is a short weighted sum of input rows and columns. Weights are whole numbers, so
the sums are exact integers in whatever order a linear-algebra library adds them up, and there is one defined rounding.

"bilinear" and "bicubic" round once, at the end, and agree with `torch.nn.functional.interpolate` (`antialias` on or
off) within one level. "pillow-bilinear" and "pillow-bicubic" are Pillow's `Image.resize`, which always smooths and
rounds after each direction. "opencv-bilinear" equals OpenCV's INTER_LINEAR on bytes; it never smooths.
"nearest" takes the pixel under the centre. All use half-pixel centres.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from internvideo.errors import pick

BITS = 15  # of our weights: sums of bytes stay below 2**24 and are exact in float32
OPENCV_BITS = 11

Resize = Callable[[np.ndarray, int, int, bool], np.ndarray]  # frames, height, width, antialias -> frames


@dataclass(frozen=True)
class Taps:
    """For each output position: where its input begins, and whole-number weights that add up to 2**BITS."""

    starts: tuple[int, ...]
    weights: tuple[np.ndarray, ...]


def resize(
    frames: np.ndarray, height: int, width: int, *, interpolation: str = "bicubic", antialias: bool = True
) -> np.ndarray:
    """frames: (T, H, W, C) uint8 -> (T, height, width, C) uint8.

    antialias: whether shrinking averages over all pixels that fall into one; only for "bilinear" and "bicubic".
    Raises UsageError for an unknown interpolation.
    """
    if frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"frames are (T, H, W, C) uint8, got {frames.shape} {frames.dtype}")
    if height < 1 or width < 1 or 0 in frames.shape:
        raise ValueError(f"cannot resize {frames.shape} to {height}x{width}")
    return pick(INTERPOLATIONS, interpolation, "interpolation")(frames, height, width, antialias)


def _nearest(frames: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
    rows, columns = (
        (2 * np.arange(n) + 1) * old // (2 * n) for n, old in zip((height, width), frames.shape[1:3], strict=True)
    )
    return frames[:, rows[:, None], columns]


def _linear(frames: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
    return _once(frames, height, width, "smooth-linear" if antialias else "linear")


def _cubic(frames: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
    return _once(frames, height, width, "smooth-cubic" if antialias else "cubic")


def _once(frames: np.ndarray, height: int, width: int, kernel: str) -> np.ndarray:
    """Both directions in exact integers, then one rounding."""
    if (height, width) == frames.shape[1:3]:
        return frames.copy()
    count, old_height, old_width, channels = frames.shape
    rows, columns = taps(old_height, height, kernel), taps(old_width, width, kernel)
    out = np.empty((count, height, width, channels), np.uint8)
    for frame, result in zip(frames, out, strict=True):
        tall = _apply(frame.reshape(old_height, -1).astype(np.float32), rows)
        across = tall.reshape(height, old_width, channels).swapaxes(0, 1).reshape(old_width, -1).astype(np.float64)
        sums = _apply(across, columns).reshape(width, height, channels)
        result[:] = np.clip(np.floor(sums * 0.5 ** (2 * BITS) + 0.5), 0, 255).swapaxes(0, 1)  # halves up
    return out


def _pillow(method: Image.Resampling) -> Resize:
    """Pillow itself, frame by frame."""

    def run(frames: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
        channels = frames.shape[3]
        if channels not in {1, 3}:
            raise ValueError(f"Pillow resizes frames of 1 or 3 channels here, got {channels}")
        out = np.empty((len(frames), height, width, channels), np.uint8)
        for frame, result in zip(frames, out, strict=True):
            image = Image.fromarray(frame[..., 0] if channels == 1 else frame)
            result[:] = np.asarray(image.resize((width, height), method)).reshape(height, width, channels)
        return out

    return run


def _opencv(frames: np.ndarray, height: int, width: int, antialias: bool) -> np.ndarray:
    """Two neighbours in each direction, weights of 11 bits; the last sum drops bits where OpenCV's does."""
    if (height, width) == frames.shape[1:3]:
        return frames.copy()
    left, right, left_share, right_share = _neighbours(frames.shape[2], width, at_edge=0.0)
    upper, lower, upper_share, lower_share = _neighbours(frames.shape[1], height, at_edge=None)
    out = np.empty((len(frames), height, width, frames.shape[3]), np.uint8)
    for frame, result in zip(frames, out, strict=True):
        wide = frame[:, left] * left_share[:, None] + frame[:, right] * right_share[:, None] >> 4
        above = wide[upper] * upper_share[:, None, None] >> 16
        below = wide[lower] * lower_share[:, None, None] >> 16
        result[:] = above + below + 2 >> 2
    return out


def _neighbours(old: int, new: int, *, at_edge: float | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First and second neighbour of each output position and their weights in 2**-11.

    at_edge: the weight of the second where one of the two lies outside; None keeps both weights. (OpenCV does the
    first for columns and the second for rows; both name the same pixel twice, but the sums are rounded differently.)
    """
    places = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.int64)
    second_share = places - first.astype(np.float32)
    if at_edge is not None:
        second_share[(first < 0) | (first >= old - 1)] = at_edge
    one = np.float32(1)
    shares = (
        np.rint(share * np.float32(1 << OPENCV_BITS)).astype(np.int32) for share in (one - second_share, second_share)
    )
    return np.clip(first, 0, old - 1), np.clip(first + 1, 0, old - 1), *shares


INTERPOLATIONS: Mapping[str, Resize] = {
    "nearest": _nearest,
    "bilinear": _linear,
    "bicubic": _cubic,
    "pillow-bilinear": _pillow(Image.Resampling.BILINEAR),
    "pillow-bicubic": _pillow(Image.Resampling.BICUBIC),
    "opencv-bilinear": _opencv,
}


def _apply(image: np.ndarray, table: Taps) -> np.ndarray:
    """image: (n, K) floats that hold whole numbers -> (len(table.starts), K) of the same kind, exact."""
    out = np.empty((len(table.starts), image.shape[1]), image.dtype)
    for row, start, weights in zip(out, table.starts, table.weights, strict=True):
        np.matmul(weights.astype(image.dtype), image[start : start + len(weights)], out=row)
    return out


@lru_cache(maxsize=256)
def taps(old: int, new: int, kernel: str) -> Taps:
    """The weights that turn `old` samples into `new`; a constant picture stays constant."""
    scale = old / new
    starts, tables = [], []
    for i in range(new):
        first, weights = KERNELS[kernel](scale * (i + 0.5), scale, old)
        whole = np.rint(np.array(weights) * (1 << BITS))
        whole[whole.argmax()] += (1 << BITS) - whole.sum()
        starts.append(first)
        tables.append(whole)
    return Taps(tuple(starts), tuple(tables))


def _smooth(reach: float, curve: Callable[[float], float]) -> Callable[[float, float, int], tuple[int, list[float]]]:
    """A curve that is stretched when shrinking, cut at the edges of the picture and normalised."""

    def weights(centre: float, scale: float, old: int) -> tuple[int, list[float]]:
        stretch = max(scale, 1.0)
        first = max(int(centre - reach * stretch + 0.5), 0)
        last = min(int(centre + reach * stretch + 0.5), old)
        raw = [curve((k - centre + 0.5) / stretch) for k in range(first, last)]
        total = sum(raw)
        return first, [weight / total for weight in raw]

    return weights


def _plain(reach: int, curve: Callable[[float], float]) -> Callable[[float, float, int], tuple[int, list[float]]]:
    """The 2 * reach samples around a place; beyond the edge the last sample repeats."""

    def weights(centre: float, scale: float, old: int) -> tuple[int, list[float]]:
        place = centre - 0.5
        base = math.floor(place)
        around = range(base - reach + 1, base + reach + 1)
        inside = [min(max(k, 0), old - 1) for k in around]
        found = [0.0] * (inside[-1] - inside[0] + 1)
        for k, index in zip(around, inside, strict=True):
            found[index - inside[0]] += curve(k - place)
        return inside[0], found

    return weights


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _keys(a: float) -> Callable[[float], float]:
    """The cubic convolution kernel of Keys (1981) with slope `a` at 1."""

    def curve(x: float) -> float:
        x = abs(x)
        if x < 1:
            return ((a + 2) * x - (a + 3)) * x * x + 1
        return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0

    return curve


# torch and Pillow use a = -1/2 when they smooth; without smoothing torch uses -3/4
KERNELS: Mapping[str, Callable[[float, float, int], tuple[int, list[float]]]] = {
    "linear": _plain(1, _triangle),
    "cubic": _plain(2, _keys(-0.75)),
    "smooth-linear": _smooth(1.0, _triangle),
    "smooth-cubic": _smooth(2.0, _keys(-0.5)),
}
