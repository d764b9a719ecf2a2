"""Distortions of colour and shape for training: RandAugment, colour jitter, random erasing.

frames are (T, H, W, 3) uint8 RGB; a clip gets one draw for all its frames. Whole-number arithmetic: the same generator
gives the same bytes on every machine. Colours and geometry agree with Pillow's within one level.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from internvideo.errors import UsageError, pick

HIGHEST = 10.0  # of the magnitude scale
FILL = 128  # level of what a moved picture uncovers
EXACT = 1 << 16  # factors and coordinates are whole multiples of 1 / EXACT
WEIGHT = 1 << 10  # of one tap, per direction
Interpolation = Literal["bilinear", "bicubic"]


@dataclass(frozen=True, slots=True)
class RandAugment:
    """`count` of the 15 OPERATIONS, each done with probability 1/2 at a strength near `magnitude` out of 10.

    deviation: of the strength, drawn anew each time. These are timm's "increasing" operations: 0 changes nothing.
    """

    magnitude: float = 9.0
    count: int = 2
    deviation: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "RandAugment":
        """From timm's notation.

        >>> RandAugment.parse("rand-m7-n4-mstd0.5-inc1")
        RandAugment(magnitude=7.0, count=4, deviation=0.5)
        """
        found = re.fullmatch(r"rand-m(\d+(?:\.\d+)?)(?:-n(\d+))?(?:-mstd(\d+(?:\.\d+)?))?-inc1", text)
        if not found:
            raise UsageError(
                f"`{text}` is no RandAugment policy", "write rand-m<magnitude>-n<count>-mstd<deviation>-inc1"
            )
        magnitude, count, deviation = found.groups()
        return cls(float(magnitude), int(count or 2), float(deviation or 0))


def rand_augment(
    frames: np.ndarray, policy: RandAugment, rng: np.random.Generator, *, interpolation: Interpolation = "bicubic"
) -> np.ndarray:
    """RandAugment (Cubuk et al. 2020) in the form of timm, with the same draw for all frames.

    frames: (T, H, W, 3) uint8 -> the same shape; new memory only where something changed.
    """
    chosen = [OPERATIONS[int(rng.integers(len(OPERATIONS)))] for _ in range(policy.count)]
    for name in chosen:
        if rng.random() < 0.5:
            level = min(max(rng.normal(policy.magnitude, policy.deviation), 0.0), HIGHEST) / HIGHEST
            sign = -1 if rng.random() < 0.5 else 1
            frames = operate(frames, name, level, sign, interpolation=interpolation)
    return frames


def operate(
    frames: np.ndarray, name: str, level: float, sign: int = 1, *, interpolation: Interpolation = "bicubic"
) -> np.ndarray:
    """One of OPERATIONS at `level` in [0, 1]; `sign` chooses the direction of those that have two."""
    if name in GEOMETRY:
        matrix = GEOMETRY[name](level * sign, frames.shape[1], frames.shape[2])
        return affine(frames, matrix, interpolation=interpolation)
    return pick(COLOUR, name, "operation")(frames, level * sign)


def color_jitter(
    frames: np.ndarray,
    rng: np.random.Generator,
    *,
    brightness: float = 0.4,
    contrast: float = 0.4,
    saturation: float = 0.4,
) -> np.ndarray:
    """Each by a factor drawn from [1 - amount, 1 + amount], not below 0, in random order."""
    amounts = [(_brightness, brightness), (_contrast, contrast), (_saturation, saturation)]
    factors = [rng.uniform(max(0.0, 1 - amount), 1 + amount) for _, amount in amounts]
    for i in rng.permutation(len(amounts)).tolist():
        frames = amounts[i][0](frames, factors[i])
    return frames


def random_erasing(
    clip: np.ndarray,
    rng: np.random.Generator,
    *,
    probability: float = 0.25,
    area: tuple[float, float] = (0.02, 1 / 3),
    aspect: float = 0.3,
) -> np.ndarray:
    """Noise in one rectangle, the same place in all frames, new noise in each (timm's mode `pixel`, as a cube).

    clip: (C, T, H, W) float32, normalised, so that the noise is standard normal -> the same shape; a copy if changed.
    area: share of the picture, drawn evenly; aspect: height over width is drawn from [aspect, 1 / aspect].
    """
    if rng.random() >= probability:
        return clip
    height, width = clip.shape[2:]
    for _ in range(100):
        pixels = rng.uniform(*area) * height * width
        ratio = math.exp(rng.uniform(math.log(aspect), -math.log(aspect)))
        h, w = round(math.sqrt(pixels * ratio)), round(math.sqrt(pixels / ratio))
        if 0 < h < height and 0 < w < width:
            top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            clip = clip.copy()
            clip[:, :, top : top + h, left : left + w] = rng.standard_normal((*clip.shape[:2], h, w), np.float32)
            break
    return clip


def affine(
    frames: np.ndarray, matrix: tuple[float, ...], *, interpolation: Interpolation = "bicubic", fill: int = FILL
) -> np.ndarray:
    """Each output pixel (x, y) shows the input at (a x + b y + c, d x + e y + f); `matrix` is (a, b, c, d, e, f).

    Coordinates count from the top left corner of the picture, pixel centres lie at halves. Outside is `fill`.
    """
    count, height, width, channels = frames.shape
    a, b, c, d, e, f = matrix
    x, y = (np.arange(width) + 0.5)[None, :], (np.arange(height) + 0.5)[:, None]
    across, down = (np.rint(v * EXACT).astype(np.int64) for v in (a * x + b * y + c, d * x + e * y + f))
    outside = (across < 0) | (across >= width * EXACT) | (down < 0) | (down >= height * EXACT)
    columns, column_weights = _taps(across - EXACT // 2, width, interpolation)
    rows, row_weights = _taps(down - EXACT // 2, height, interpolation)
    sums = np.zeros((count, height * width, channels), np.int32)
    flat = frames.reshape(count, height * width, channels)
    for row, row_weight in zip(rows, row_weights, strict=True):
        for column, column_weight in zip(columns, column_weights, strict=True):
            weight = (row_weight * column_weight).reshape(-1, 1)
            if weight.any():
                sums += flat.take((row * width + column).ravel(), axis=1) * weight
    sums += WEIGHT * WEIGHT >> 1
    out: np.ndarray = np.clip(sums // (WEIGHT * WEIGHT), 0, 255).astype(np.uint8)
    out[:, outside.ravel()] = fill
    return out.reshape(frames.shape)


def _taps(places: np.ndarray, size: int, kind: Interpolation) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Indices and int32 weights (in 1 / WEIGHT) of the neighbours of each place; the edge repeats."""
    base, share = places // EXACT, (places % EXACT) / EXACT
    if kind == "bilinear":
        first, curves = 0, [1 - share, share]
    else:  # cubic convolution with slope -1, as Pillow transforms pictures (it resizes them with -1/2)
        first = -1
        near = [((x - 2) * x) * x + 1 for x in (share, 1 - share)]
        far = [((-x + 5) * x - 8) * x + 4 for x in (share + 1, 2 - share)]
        curves = [far[0], near[0], near[1], far[1]]
    weights = [np.rint(curve * WEIGHT).astype(np.int32) for curve in curves]
    weights[-first] += WEIGHT - np.sum(weights, axis=0, dtype=np.int32)
    return [np.clip(base + first + i, 0, size - 1) for i in range(len(weights))], weights


def _rotation(turn: float, height: int, width: int) -> tuple[float, ...]:
    """Up to 30 degrees, counter-clockwise when positive, around the centre."""
    angle = math.radians(30.0 * turn)
    cos, sin = round(math.cos(angle), 12), round(math.sin(angle), 12)
    x, y = width / 2, height / 2
    return cos, -sin, x - cos * x + sin * y, sin, cos, y - sin * x - cos * y


GEOMETRY: Mapping[str, Callable[[float, int, int], tuple[float, ...]]] = {
    "rotate": _rotation,
    "shear_x": lambda level, height, width: (1.0, 0.3 * level, 0.0, 0.0, 1.0, 0.0),
    "shear_y": lambda level, height, width: (1.0, 0.0, 0.0, 0.3 * level, 1.0, 0.0),
    "translate_x": lambda level, height, width: (1.0, 0.0, 0.45 * level * width, 0.0, 1.0, 0.0),
    "translate_y": lambda level, height, width: (1.0, 0.0, 0.0, 0.0, 1.0, 0.45 * level * height),
}


def _blend(base: np.ndarray, frames: np.ndarray, factor: float) -> np.ndarray:
    """base + factor * (frames - base), rounded down: 0 gives `base`, 1 the frames, more exaggerates."""
    share = round(factor * EXACT)
    mixed: np.ndarray = base.astype(np.int32) + ((frames.astype(np.int32) - base) * share >> 16)
    return mixed.clip(0, 255).astype(np.uint8)


def _grey(frames: np.ndarray) -> np.ndarray:
    """Luma of BT.601, (T, H, W, 1) int32."""
    luma: np.ndarray = frames.astype(np.int32) @ np.array([19595, 38470, 7471], np.int32) + 0x8000 >> 16
    return luma[..., None]


def _saturation(frames: np.ndarray, factor: float) -> np.ndarray:
    return _blend(_grey(frames), frames, factor)


def _brightness(frames: np.ndarray, factor: float) -> np.ndarray:
    return _blend(np.zeros((1, 1, 1, 1), np.int32), frames, factor)


def _contrast(frames: np.ndarray, factor: float) -> np.ndarray:
    """Around the mean luma of each frame."""
    sums = _grey(frames).sum(axis=(1, 2, 3), dtype=np.int64)
    pixels = frames.shape[1] * frames.shape[2]
    return _blend(((2 * sums + pixels) // (2 * pixels)).astype(np.int32)[:, None, None, None], frames, factor)


def _sharpness(frames: np.ndarray, factor: float) -> np.ndarray:
    """Against a 3 x 3 mean whose centre counts five times; the outermost pixels stay."""
    whole = frames.astype(np.int32)
    smooth = whole.copy()
    height, width = frames.shape[1:3]
    if height > 2 and width > 2:
        around = [whole[:, y : height - 2 + y, x : width - 2 + x] for y in range(3) for x in range(3)]
        total = sum(around[1:], start=around[0]) + 4 * around[4]
        smooth[:, 1:-1, 1:-1] = (2 * total + 13) // 26
    return _blend(smooth, frames, factor)


def _autocontrast(frames: np.ndarray, level: float) -> np.ndarray:
    """Per frame and channel: the darkest becomes 0, the lightest 255."""
    low, high = (f(frames, axis=(1, 2), keepdims=True).astype(np.int32) for f in (np.min, np.max))
    stretched = (frames.astype(np.int32) - low) * 255 // np.maximum(high - low, 1)
    return np.where(high > low, stretched, frames).astype(np.uint8)


def _equalize(frames: np.ndarray, level: float) -> np.ndarray:
    """Per frame and channel: levels spread so that each is about equally frequent."""
    out = frames.copy()
    for frame, result in zip(frames, out, strict=True):
        for channel in range(frame.shape[-1]):
            counts = np.bincount(frame[..., channel].ravel(), minlength=256)
            used = counts[counts > 0]
            step = int(used.sum() - used[-1]) // 255
            if len(used) > 1 and step:
                before = np.concatenate([[0], np.cumsum(counts)[:-1]])
                table = np.minimum((step // 2 + before) // step, 255).astype(np.uint8)
                result[..., channel] = table[frame[..., channel]]
    return out


def _posterize(frames: np.ndarray, level: float) -> np.ndarray:
    """Keeps 4 bits down to none."""
    bits = 4 - int(abs(level) * 4)
    kept: np.ndarray = frames & np.uint8(0xFF << (8 - bits) & 0xFF)
    return kept


def _solarize(frames: np.ndarray, level: float) -> np.ndarray:
    """Inverts what is not darker than a threshold, 256 down to 0."""
    return np.where(frames < 256 - int(abs(level) * 256), frames, 255 - frames)


def _solarize_add(frames: np.ndarray, level: float) -> np.ndarray:
    """Lightens the dark half, by up to 110."""
    lighter = np.minimum(frames.astype(np.int32) + int(abs(level) * 110), 255)
    return np.where(frames < 128, lighter, frames).astype(np.uint8)


def _enhance(change: Callable[[np.ndarray, float], np.ndarray]) -> Callable[[np.ndarray, float], np.ndarray]:
    """Factors from 0.1 to 1.9; 1 at level 0."""
    return lambda frames, level: change(frames, 1 + 0.9 * level)


COLOUR: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "invert": lambda frames, level: 255 - frames,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "color": _enhance(_saturation),
    "contrast": _enhance(_contrast),
    "brightness": _enhance(_brightness),
    "sharpness": _enhance(_sharpness),
}
OPERATIONS: tuple[str, ...] = (*COLOUR, *GEOMETRY)
