"""Frames to what a model sees: resize, crop, flip, normalise.

frames are (T, H, W, C) uint8 RGB; every transform treats all frames of a clip alike. Random ones take a generator and
give the same result on every machine. Distortions of colour and shape are in `augment`, weights of resizing in
`resize`, the choice of frames in `sampling`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from internvideo.errors import UsageError, nearest
from internvideo.records import Preprocess
from internvideo.video.motion_view import as_motion, cut_around, motion_centres
from internvideo.video.resize import resize
from internvideo.video.sampling import spread

RESIZE_POLICIES = ("short-side", "short-side-round", "squash")


def preprocess(frames: np.ndarray, how: Preprocess) -> np.ndarray:
    """Resize, cut and normalise the frames that `how.frames` chose.

    frames: (T, H, W, 3) uint8 -> (3, T, size, size) float32. Raises UsageError for an unknown policy.
    """
    if how.centre == "picture":
        return finish(center_crop(_resized(frames, how), how.size, how.size), how)
    return finish(cut_to_motion(frames, how), how)


def finish(frames: np.ndarray, how: Preprocess) -> np.ndarray:
    """The channels that the model sees, normalised: (T, size, size, 3) uint8 -> (3, T, size, size) float32."""
    return normalise(as_motion(frames) if how.channels == "motion" else frames, how.mean, how.std)


def cut_to_motion(
    frames: np.ndarray,
    how: Preprocess,
    *,
    larger: tuple[float, float] = (1.0, 1.0),
    moved: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """A square around what moves, as large as the one from the middle would be: -> (T, size, size, 3) uint8.

    larger: factors on its height and width; moved: down and to the right, in parts of its side. For training views.
    """
    side = min(frames.shape[1:3]) * how.size / (how.short_side or how.size)
    centres = motion_centres(frames, follow=how.centre == "follow") + side * np.array(moved)
    height, width = (max(1, round(side * factor)) for factor in larger)
    window = cut_around(frames, centres, height, width)
    return resize(window, how.size, how.size, interpolation=how.interpolation, antialias=how.antialias)


def preprocess_crops(frames: np.ndarray, how: Preprocess, crops: int) -> np.ndarray:
    """The same with `crops` squares along the longer side, instead of the middle: -> (crops, 3, T, size, size).

    Squares are as large as the short side is resized to, which must be the size that the network sees.
    """
    if crops == 1:
        return preprocess(frames, how)[None]
    if how.centre != "picture":
        raise UsageError(f"squares around what moves, {crops} of each clip, would all be the same", "crops=1")
    whole = replace(how, short_side=0)
    cut = side_crops(_resized(frames, whole), how.size, crops)
    return np.stack([finish(part, how) for part in cut])


def _resized(frames: np.ndarray, how: Preprocess) -> np.ndarray:
    if how.resize not in RESIZE_POLICIES:
        raise UsageError(f"unknown resize policy `{how.resize}`", nearest(how.resize, RESIZE_POLICIES))
    side = how.short_side or how.size
    to_nearest = how.resize == "short-side-round"
    height, width = (side, side) if how.resize == "squash" else short_side_size(frames, side, to_nearest=to_nearest)
    return resize(frames, height, width, interpolation=how.interpolation, antialias=how.antialias)


def normalise(frames: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """(value / 255 - mean) / std per channel, computed in float64: (T, H, W, C) uint8 -> (C, T, H, W) float32."""
    if frames.dtype != np.uint8 or frames.shape[-1] != len(mean) or len(mean) != len(std):
        raise ValueError(f"normalise takes uint8 frames of {len(mean)} channels, got {frames.shape} {frames.dtype}")
    levels = np.arange(256) / 255
    tables = [((levels - m) / s).astype(np.float32) for m, s in zip(mean, std, strict=True)]
    return np.stack([table[frames[..., channel]] for channel, table in enumerate(tables)])


def short_side_size(frames: np.ndarray, side: int, *, to_nearest: bool = False) -> tuple[int, int]:
    """(height, width) with the short side `side` and the same shape; the long side is rounded down, or to nearest.

    Published code rounds down (torchvision, VideoMAE, InternVideo-MM); `to_nearest` is for data that was not.
    """
    height, width = frames.shape[1:3]
    long = side * max(height, width) / min(height, width)
    whole = round(long) if to_nearest else int(long)
    return (side, whole) if height <= width else (whole, side)


def crop(frames: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """A window of every frame; a view. Raises ValueError if it does not lie inside."""
    if not (0 <= top <= frames.shape[1] - height and 0 <= left <= frames.shape[2] - width):
        raise ValueError(f"{height}x{width} at ({top}, {left}) does not fit in {frames.shape[1]}x{frames.shape[2]}")
    return frames[:, top : top + height, left : left + width]


def center_crop(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle; an odd rest is shared as the published code does: half of it, rounded half to even."""
    top, left = (round((old - new) / 2) for old, new in zip(frames.shape[1:3], (height, width), strict=True))
    return crop(frames, top, left, height, width)


def side_crops(frames: np.ndarray, size: int, count: int = 3, *, round_up: bool = False) -> list[np.ndarray]:
    """`count` squares spread along the longer side, from one end to the other; one square lies in the middle.

    frames: the short side should be `size`. round_up: where the middle one lies between two pixels (SlowFast and
    UniFormerV2 round up, VideoMAE down).
    """
    height, width = frames.shape[1:3]
    slack = (height - size, width - size)
    if min(slack) < 0:
        raise ValueError(f"crops of {size} pixels do not fit in {height}x{width}")
    along = spread(max(slack), count)
    places = [max(slack) - place for place in reversed(along)] if round_up else along
    across = min(slack) // 2
    if height >= width:
        return [crop(frames, place, across, size, size) for place in places]
    return [crop(frames, across, place, size, size) for place in places]


def random_crop(frames: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A window anywhere, every place equally likely."""
    top, left = (int(rng.integers(old - new + 1)) for old, new in zip(frames.shape[1:3], (height, width), strict=True))
    return crop(frames, top, left, height, width)


def random_resized_crop(
    frames: np.ndarray,
    size: int,
    rng: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
    interpolation: str = "bicubic",
    antialias: bool = True,
) -> np.ndarray:
    """A random part of the picture, resized to a square: the rule of Inception, one draw for all frames.

    scale: share of the area, drawn evenly; ratio: width over height, drawn evenly in its logarithm. If ten draws do not
    fit, the largest middle part within `ratio` is taken. Fine-tuning uses the defaults (VideoMAE, UniFormerV2), ViCLIP
    training scale=(0.5, 1), antialias=False. -> (T, size, size, C) uint8.
    """
    height, width = frames.shape[1:3]
    for _ in range(10):
        area = height * width * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            part = random_crop(frames, h, w, rng)
            break
    else:
        aspect = min(max(width / height, ratio[0]), ratio[1])
        w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
        part = center_crop(frames, h, w)
    return resize(part, size, size, interpolation=interpolation, antialias=antialias)


def multi_scale_crop(
    frames: np.ndarray,
    size: int,
    rng: np.random.Generator,
    *,
    scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66),
    interpolation: str = "pillow-bilinear",
) -> np.ndarray:
    """VideoMAE pre-training (after TSN): one of the sizes, at one of 13 fixed places, resized to a square.

    Heights and widths are `scales` of the short side, at most one step apart; one that is within 3 pixels of `size`
    becomes `size`. -> (T, size, size, C) uint8.
    """
    height, width = frames.shape[1:3]
    sides = [int(min(height, width) * scale) for scale in scales]
    sides = [size if abs(side - size) < 3 and size <= min(height, width) else side for side in sides]
    steps = range(len(sides))
    pairs = [(sides[i], sides[j]) for i in steps for j in steps if abs(i - j) <= 1]
    h, w = pairs[int(rng.integers(len(pairs)))]
    down, right = (height - h) // 4, (width - w) // 4
    row, column = ANCHORS[int(rng.integers(len(ANCHORS)))]
    return resize(crop(frames, row * down, column * right, h, w), size, size, interpolation=interpolation)


# (row, column) in quarters of the free space: corners, centre, middles of the edges, middles of the quadrants
ANCHORS = (
    *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
    *((2, 0), (2, 4), (4, 2), (0, 2)),
    *((1, 1), (1, 3), (3, 1), (3, 3)),
)


def flip(frames: np.ndarray) -> np.ndarray:
    """Left becomes right; a view."""
    return frames[:, :, ::-1]


def random_flip(frames: np.ndarray, rng: np.random.Generator, probability: float = 0.5) -> np.ndarray:
    """All frames flipped, or none. Not for data whose labels say left or right."""
    return flip(frames) if rng.random() < probability else frames
