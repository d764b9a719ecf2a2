"""Two clips of a batch in one: Mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019), with their targets.

Clip i is mixed with the i-th from the end, all clips of a batch alike, as VideoMAE is fine-tuned. Random numbers come
from a `numpy.random.Generator`.
"""

import math
from typing import NamedTuple

import numpy as np
from torch import Tensor


class Box(NamedTuple):
    """Rows and columns of a picture, half open."""

    top: int
    bottom: int
    left: int
    right: int


def mixup(values: Tensor, share: float) -> Tensor:
    """`share` of each row and the rest of its partner: (B, ...) -> the same shape. For clips and for targets."""
    return values * share + values.flip(0) * (1 - share)


def cutmix(video: Tensor, box: Box) -> Tensor:
    """The partner's pixels inside the box, in all frames: (B, C, T, H, W) -> the same shape."""
    mixed = video.clone()
    inside = (..., slice(box.top, box.bottom), slice(box.left, box.right))
    mixed[inside] = video.flip(0)[inside]
    return mixed


def random_box(height: int, width: int, share: float, rng: np.random.Generator) -> Box:
    """A box that covers 1 - share of the picture, around a random place, cut at the edges."""
    side = math.sqrt(1 - share)
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    y, x = int(rng.integers(height)), int(rng.integers(width))
    return Box(
        max(y - half_height, 0), min(y + half_height, height), max(x - half_width, 0), min(x + half_width, width)
    )


def mix_batch(
    video: Tensor, targets: Tensor, rng: np.random.Generator, *, mixup_alpha: float = 0.8, cutmix_alpha: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Mixup or CutMix, by a coin if both have an alpha above 0; shares are drawn from Beta(alpha, alpha).

    video: (B, C, T, H, W) float; targets: (B, K), rows sum to 1, weighted by what is really seen of each clip.
    """
    cut = cutmix_alpha > 0 and (mixup_alpha <= 0 or rng.random() < 0.5)
    alpha = cutmix_alpha if cut else mixup_alpha
    if alpha <= 0:
        return video, targets
    share = float(rng.beta(alpha, alpha))
    if not cut:
        return mixup(video, share), mixup(targets, share)
    height, width = video.shape[-2:]
    box = random_box(height, width, share, rng)
    seen = 1 - (box.bottom - box.top) * (box.right - box.left) / (height * width)
    return cutmix(video, box), mixup(targets, seen)
