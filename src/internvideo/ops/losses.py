"""What networks are trained to make small: pure functions of tensors.

No state, no ranks, no models. Gathering over processes happens before, in `distributed`.
"""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Pool = Literal["mean", "max"]


def similarity(video: Tensor, text: Tensor, pool: Pool = "mean") -> Tensor:
    """Cosine of every video with every text: (B, D) or (B, N, D), (K, D) or (K, N, D) -> (B, K).

    With several vectors on one side (tokens, frames, sentences) their cosines are pooled. Need not be unit length.
    """
    video, text = F.normalize(video, dim=-1), F.normalize(text, dim=-1)
    if video.ndim == 2 and text.ndim == 2:
        return video @ text.T
    if video.ndim == 3 and text.ndim == 2:
        each = torch.einsum("bnd,kd->bkn", video, text)
    elif video.ndim == 2 and text.ndim == 3:
        each = torch.einsum("bd,knd->bkn", video, text)
    else:
        raise ValueError(f"one side may have several vectors, not both: {tuple(video.shape)} and {tuple(text.shape)}")
    return each.mean(-1) if pool == "mean" else each.amax(-1)


def shared_targets(ids: Tensor) -> Tensor:
    """Which texts belong to which videos: (B,) integers -> (B, B), rows sum to 1.

    Rows with the same id are the same sample, and share the target evenly (ViCLIP). Ids must be unique over all
    corpora that are mixed.
    """
    same = (ids[:, None] == ids[None, :]).float()
    return same / same.sum(1, keepdim=True)


def contrastive_loss(logits: Tensor, targets: Tensor | None = None) -> Tensor:
    """Symmetric InfoNCE of scaled similarities (B videos, B texts) -> (). Indistinguishable pairs cost log(B).

    targets: (B, B), rows sum to 1, the same for both directions; without them row i belongs to column i.
    """
    target = torch.arange(len(logits), device=logits.device) if targets is None else targets
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def denormalise(video: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Pixels in [0, 1] of a normalised video (B, C, T, H, W); mean and std per channel."""

    def per_channel(values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=video.dtype, device=video.device)[:, None, None, None]

    return video * per_channel(std) + per_channel(mean)


def pixel_targets(pixels: Tensor, tubelet: int, patch: int, *, normalise: bool = True) -> Tensor:
    """What VideoMAE has to predict: pixels (B, C, T, H, W) in [0, 1] -> (B, N, tubelet * patch * patch * C).

    Cubes in order time, row, column; within a cube the same with the channel last. normalise: each channel of each
    cube minus its mean, divided by (standard deviation, unbiased, plus 1e-6).
    """
    batch, channels, frames, height, width = pixels.shape
    t, h, w = frames // tubelet, height // patch, width // patch
    cubes = pixels.reshape(batch, channels, t, tubelet, h, patch, w, patch).permute(0, 2, 4, 6, 3, 5, 7, 1)
    cubes = cubes.reshape(batch, t * h * w, tubelet * patch * patch, channels)
    if normalise:
        cubes = (cubes - cubes.mean(2, keepdim=True)) / (cubes.var(2, keepdim=True).sqrt() + 1e-6)
    return cubes.flatten(2)


def pixel_loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error over all predicted cubes: two (B, M, D) -> ()."""
    return F.mse_loss(predicted, targets)
