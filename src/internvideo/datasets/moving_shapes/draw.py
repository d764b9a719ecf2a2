"""The pixels of a scene.

Equal on every machine: transcendental functions are evaluated per moment and rounded (`motions`); what touches pixels
is exact or rounded in one defined way. Knows no words, no files.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np

from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.motions import Track, track, view
from internvideo.datasets.moving_shapes.shapes import DISTANCES, MARK_AT, MARK_SIZE, REACH
from internvideo.datasets.moving_shapes.world import Background, Scene, Thing

CHUNK = 1 << 20  # pixels whose distances are computed at once
DRIFT = 32  # pixels by which the pattern of the sensor noise wanders


def frame_size(size: int, aspect: float) -> tuple[int, int]:
    """(height, width) of a picture whose short side is `size`, both even."""
    height, width = (size, round(size * aspect)) if aspect >= 1 else (round(size / aspect), size)
    return height - height % 2, width - width % 2


def moments(scene: Scene, fps: Fraction) -> np.ndarray:
    """Times of the frames in seconds, (T,) float64; the first is 0."""
    return np.arange(max(1, round(scene.seconds * fps))) / float(fps)


def render(
    scene: Scene, *, size: int = 128, fps: Fraction = Fraction(16), numbers: Sequence[int] | None = None
) -> np.ndarray:
    """All frames of a scene, or those of the given numbers, which look the same as among all.

    size: the short side in pixels -> (T, H, W, 3) uint8 RGB.
    """
    height, width = frame_size(size, scene.aspect)
    every = moments(scene, fps)
    chosen = np.arange(len(every)) if numbers is None else np.asarray(numbers, np.int64)
    seconds = every[chosen]
    frames = _backdrop(scene, height, width, seconds)
    for thing in scene.things:
        whole = track(thing, scene.camera, every, scene.seconds)
        at = Track(*(values[chosen] for values in (whole.x, whole.y, whole.radius, whole.angle, whole.alpha)))
        _draw(frames, thing, at, float(whole.radius.max()))
    if scene.noise:
        _add_noise(frames, scene, chosen, len(every))
    return frames


def _backdrop(scene: Scene, height: int, width: int, seconds: np.ndarray) -> np.ndarray:
    """(T, H, W, 3) uint8: the background as the camera sees it."""
    side = min(height, width)
    margin = -(-max(height, width) // 12)  # enough for every camera move
    canvas = _canvas(scene.background, Draws(scene.key, "canvas"), height + 2 * margin, width + 2 * margin, side)
    frames = np.empty((len(seconds), height, width, 3), np.uint8)
    if scene.camera.move == "still":
        frames[:] = canvas[margin : margin + height, margin : margin + width]
        return frames
    for frame, x, y, zoom in zip(frames, *view(scene.camera, seconds / scene.seconds), strict=True):
        rows = (np.arange(height) + 0.5 - height / 2) / zoom + y * side + canvas.shape[0] / 2 - 0.5
        columns = (np.arange(width) + 0.5 - width / 2) / zoom + x * side + canvas.shape[1] / 2 - 0.5
        frame[:] = _between(_between(canvas, rows, 0), columns, 1)
    return frames


def _between(image: np.ndarray, places: np.ndarray, axis: Literal[0, 1]) -> np.ndarray:
    """Rows (or columns) of a uint8 image at fractional places in ascending order, linear in steps of 1/256."""
    whole = np.floor(places).astype(np.int64)
    shares = np.floor((places - whole) * 256).astype(np.uint16)
    if whole[0] < 0 or whole[-1] + 1 >= image.shape[axis]:
        raise AssertionError("the camera looks beyond the canvas")
    if shares.min() == shares.max() and whole[-1] - whole[0] == len(whole) - 1:  # a pure shift: slices will do
        cut = [slice(whole[0] + k, whole[-1] + 1 + k) for k in (0, 1)]
        low, high = (image[one] if axis == 0 else image[:, one] for one in cut)
        share = shares[:1].reshape(1, 1, 1)
    else:
        low, high = image.take(whole, axis), image.take(whole + 1, axis)
        share = shares.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    mixed: np.ndarray = np.multiply(low, 256 - share, dtype=np.uint16)
    mixed += np.multiply(high, share, dtype=np.uint16)
    mixed += 128
    mixed >>= 8
    return mixed.astype(np.uint8)


def _canvas(ground: Background, draws: Draws, height: int, width: int, side: int) -> np.ndarray:
    """(H, W, 3) uint8: a texture between two colours, on a plane whose unit is the short side of the picture."""
    x = (np.arange(width) + 0.5 - width / 2) / side
    y = (np.arange(height) + 0.5 - height / 2) / side
    cos, sin = (round(float(f(2 * np.pi * ground.angle)), 6) for f in (np.cos, np.sin))
    along = (x[None, :] * cos + y[:, None] * sin) / ground.period
    across = (y[:, None] * cos - x[None, :] * sin) / ground.period
    fine = _clouds(draws, along * 2.1, across * 2.1)
    match ground.texture:
        case "clouds":
            level = 0.65 * _clouds(draws, along * 0.7, across * 0.7) + 0.35 * fine
        case "gradient":
            level = 0.8 * np.clip(0.5 + along * ground.period / 1.6, 0, 1) + 0.2 * fine
        case "stripes":
            level = 0.85 * _steep(_triangle_wave(along)) + 0.15 * fine
        case "checker":
            waves = (_triangle_wave(along * 0.7) - 0.5) * (_triangle_wave(across * 0.7) - 0.5)
            level = 0.85 * _steep(0.5 + 2 * waves) + 0.15 * fine
        case _:  # dots
            from_centre = (along % 1 - 0.5) ** 2 + (across % 1 - 0.5) ** 2
            level = 0.85 * np.clip((0.09 - from_centre) * 14 + 0.5, 0, 1) + 0.15 * fine
    dark, light = np.array(ground.dark, np.float64), np.array(ground.light, np.float64)
    mixed: np.ndarray = np.floor(dark + (light - dark) * level[..., None] + 0.5)
    return mixed.astype(np.uint8)


def _clouds(draws: Draws, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Value noise in [0, 1] with one random value per unit cell, smooth in between."""
    grid = draws.raw_bytes((64, 64)) / 255
    column, row = np.floor(x), np.floor(y)
    fx, fy = x - column, y - row
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    i, j = row.astype(np.int64), column.astype(np.int64)
    corners = [grid[(i + a) % 64, (j + b) % 64] for a in (0, 1) for b in (0, 1)]
    top, bottom = corners[0] + (corners[1] - corners[0]) * fx, corners[2] + (corners[3] - corners[2]) * fx
    return np.asarray(top + (bottom - top) * fy)


def _triangle_wave(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(x % 1 - 0.5) * 2)


def _steep(level: np.ndarray) -> np.ndarray:
    """Soft edges half way."""
    return np.asarray(np.clip((level - 0.5) * 5 + 0.5, 0, 1))


def _draw(frames: np.ndarray, thing: Thing, at: Track, largest: float) -> None:
    """Paint one thing and its mark over all frames. largest: its radius in all of the scene, in short sides."""
    height, width = frames.shape[1:3]
    side = min(height, width)
    cos, sin = (np.round(f(2 * np.pi * at.angle), 9) for f in (np.cos, np.sin))
    x, y, radius = at.x * side + width / 2, at.y * side + height / 2, at.radius * side
    _paint(frames, thing.shape, x, y, radius, cos, sin, at.alpha, np.array(thing.rgb), largest * side)
    out = MARK_AT[thing.shape] * radius
    dark = np.array(thing.rgb) * 3 // 10
    _paint(
        frames,
        "circle",
        x + out * cos,
        y + out * sin,
        radius * MARK_SIZE,
        cos,
        sin,
        at.alpha,
        dark,
        largest * side * MARK_SIZE,
    )


def _paint(
    frames: np.ndarray,
    shape: str,
    x: np.ndarray,
    y: np.ndarray,
    radius: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    alpha: np.ndarray,
    rgb: np.ndarray,
    largest: float,
) -> None:
    """One shape of one colour. x, y, radius: (T,) pixels; edges are one pixel wide.

    largest: radius in pixels that decides how large a square is painted. The soft end of a star's point may lie
    outside, so it must not hang on which frames are wanted.
    """
    patch = int(np.ceil(2 * REACH * largest)) + 3
    left, top = (np.floor(c - patch / 2).astype(np.int64) for c in (x, y))
    step = max(1, CHUNK // (patch * patch))
    for first in range(0, len(frames), step):
        rows = slice(first, first + step)
        dx = (left[rows, None] + np.arange(patch) + 0.5 - x[rows, None])[:, None, :].astype(np.float32)
        dy = (top[rows, None] + np.arange(patch) + 0.5 - y[rows, None])[:, :, None].astype(np.float32)
        c, s, r = (v[rows, None, None].astype(np.float32) for v in (cos, sin, radius))
        distance = DISTANCES[shape]((dx * c + dy * s) / r, (dy * c - dx * s) / r) * r
        cover = np.clip(0.5 - distance, 0, 1) * alpha[rows, None, None].astype(np.float32)
        weight = (cover * 256 + np.float32(0.5)).astype(np.uint16)
        for t, mask in zip(range(first, first + len(weight)), weight, strict=True):
            if alpha[t] > 0:
                _blend(frames[t], mask, int(left[t]), int(top[t]), rgb.astype(np.uint16))


def _blend(frame: np.ndarray, mask: np.ndarray, left: int, top: int, rgb: np.ndarray) -> None:
    """Mix a colour into a frame. mask: (P, P) uint16 in [0, 256], its corner at (left, top), which may lie outside."""
    height, width = frame.shape[:2]
    x0, x1 = max(0, left), min(width, left + mask.shape[1])
    y0, y1 = max(0, top), min(height, top + mask.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    under = frame[y0:y1, x0:x1]
    weight = mask[y0 - top : y1 - top, x0 - left : x1 - left, None]
    mixed = np.multiply(under, 256 - weight, dtype=np.uint16)
    mixed += rgb * weight
    mixed += 128
    mixed >>= 8
    under[:] = mixed


def _add_noise(frames: np.ndarray, scene: Scene, numbers: np.ndarray, count: int) -> None:
    """Nearly Gaussian sensor noise: one pattern that wanders at random from frame to frame, of `count` in all."""
    draws = Draws(scene.key, "sensor")
    height, width = frames.shape[1:3]
    shape = (height + DRIFT, width + DRIFT, 3)
    total = draws.raw_bytes((4, *shape)).sum(axis=0, dtype=np.int32) - 510  # standard deviation 147.8
    pattern = (total * round(scene.noise * 65536 / 147.8) + 32768 >> 16).astype(np.int16)
    offsets = draws.raw_bytes((count, 2))[numbers] % DRIFT
    for frame, (dy, dx) in zip(frames, offsets.tolist(), strict=True):
        noisy = pattern[dy : dy + height, dx : dx + width] + frame
        frame[:] = np.clip(noisy, 0, 255, out=noisy)
