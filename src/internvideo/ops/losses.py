"""What networks are trained to make small: pure functions of tensors.

No state, no ranks, no models. Gathering over processes happens before, in `distributed`.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

from internvideo.ops.products import linear

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


def tiled_contrastive_loss(
    video: Tensor,
    text: Tensor,
    scale: Tensor | float,
    ids: Tensor | None = None,
    sources: Tensor | None = None,
    *,
    tile: int = 512,
) -> Tensor:
    """`contrastive_loss(scale * video @ text.T, shared_targets(ids))` without ever holding a B x B matrix.

    video, text: (B, D); scale: () positive; -> (). Similarities are computed tile by tile, and again in the backward
    pass, so memory beside the gradients is that of a few tiles (Cheng et al. 2024, Inf-CL). At least fp32 inside,
    also under autocast.
    ids: (B,) integers; rows with the same id are the same sample. Without them row i belongs to column i.
    sources: (B,) integers; two samples of one source (a film) are no negatives of each other. Negative: no source.
    """
    video, text = (x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in (video, text))
    scale = torch.as_tensor(scale, dtype=video.dtype, device=video.device)
    loss: Tensor = _Tiled.apply(video, text, scale, ids, sources, tile)  # type: ignore[no-untyped-call]
    return loss


class _Tiled(torch.autograd.Function):
    """Forward: largest logit and sum of exponentials of all rows and columns. Backward: every tile again, two products.

    Largest and sum are kept apart: their joint logarithm would round away what is left of a well-trained pair.
    """

    @staticmethod
    def forward(
        ctx: Any, video: Tensor, text: Tensor, scale: Tensor, ids: Tensor | None, sources: Tensor | None, tile: int
    ) -> Tensor:
        with torch.autocast(video.device.type, enabled=False):
            rows, columns = _Softmax(video), _Softmax(text)
            for r, c in _tiles(len(video), tile):
                logits = _logits(video, text, scale, ids, sources, r, c)
                rows.add(r, logits, 1)
                columns.add(c, logits, 0, overwrite=True)
            if ids is None:
                share, own = video.new_ones(len(video)), text
            else:
                group, counts = torch.unique(ids, return_inverse=True, return_counts=True)[1:]
                share = counts[group].to(video.dtype).reciprocal()
                own = text.new_zeros(len(counts), text.shape[1]).index_add_(0, group, text)[group]
            positives = scale * share * torch.einsum("bd,bd->b", video, own)  # no B x D between
            ctx.save_for_backward(video, text, scale, ids, sources, share)
            ctx.tile, ctx.rows, ctx.columns = tile, rows, columns
            one, other = ((side.largest - positives + side.sum.log()).mean() for side in (rows, columns))
            return (one + other) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        video, text, scale, ids, sources, share = ctx.saved_tensors
        pulled = torch.zeros_like(video)  # of each video: the texts, weighted by the gradients of their logits
        grad_text = torch.zeros_like(text) if ctx.needs_input_grad[1] else None
        with torch.autocast(video.device.type, enabled=False):
            for r, c in _tiles(len(video), ctx.tile):
                logits = _logits(video, text, scale, ids, sources, r, c)
                weights = ctx.rows.probabilities(r, logits, 1)
                weights.add_(ctx.columns.probabilities(c, logits, 0, overwrite=True))
                if ids is not None:
                    weights.sub_((ids[r, None] == ids[c]) * (2 * share[r, None]))
                elif r == c:
                    weights.diagonal().sub_(2)
                pulled[r] += linear(weights, text[c].T)
                if grad_text is not None:
                    grad_text[c] += linear(weights.T, video[r].T)
            factor = grad / (2 * len(video))
            grad_scale = factor * torch.dot(video.flatten(), pulled.flatten()) if ctx.needs_input_grad[2] else None
            grad_text = None if grad_text is None else grad_text.mul_(factor * scale)
            return pulled.mul_(factor * scale), grad_text, grad_scale, None, None, None


class _Softmax:
    """A softmax over one side of a matrix that is seen tile by tile. `torch.logsumexp` is ten times slower on CPUs."""

    def __init__(self, like: Tensor) -> None:
        self.largest = like.new_full((len(like),), torch.finfo(like.dtype).min)
        self.sum = like.new_zeros(len(like))

    def add(self, part: slice, logits: Tensor, axis: int, *, overwrite: bool = False) -> None:
        before = self.largest[part].clone()
        torch.maximum(before, logits.amax(axis), out=self.largest[part])
        self.sum[part] *= (before - self.largest[part]).exp_()
        self.sum[part] += self._shifted(part, logits, axis, overwrite).sum(axis)

    def probabilities(self, part: slice, logits: Tensor, axis: int, *, overwrite: bool = False) -> Tensor:
        return self._shifted(part, logits, axis, overwrite).div_(self.sum[part].unsqueeze(axis))

    def _shifted(self, part: slice, logits: Tensor, axis: int, overwrite: bool) -> Tensor:
        return torch.sub(logits, self.largest[part].unsqueeze(axis), out=logits if overwrite else None).exp_()


def _tiles(count: int, tile: int) -> list[tuple[slice, slice]]:
    parts = [slice(start, min(start + tile, count)) for start in range(0, count, tile)]
    return [(r, c) for r in parts for c in parts]


def _logits(
    video: Tensor, text: Tensor, scale: Tensor, ids: Tensor | None, sources: Tensor | None, r: slice, c: slice
) -> Tensor:
    """One tile of scaled similarities; -inf where two samples share a source."""
    logits = linear(scale * video[r], text[c])
    return logits if sources is None else logits.masked_fill_(_left_out(ids, sources, r, c), -torch.inf)


def _left_out(ids: Tensor | None, sources: Tensor, r: slice = slice(None), c: slice = slice(None)) -> Tensor:
    """Pairs of different samples of the same source."""
    ids = torch.arange(len(sources), device=sources.device) if ids is None else ids
    return (sources[r, None] == sources[c]) & (sources[r, None] >= 0) & (ids[r, None] != ids[c])


def sigmoid_loss(logits: Tensor, ids: Tensor | None = None, sources: Tensor | None = None) -> Tensor:
    """Every pair by itself, own or not: scaled and shifted similarities (B, B) -> (). SigLIP (Zhai et al. 2023).

    ids, sources: as in `tiled_contrastive_loss`. Summed over a row, averaged over rows; logits of 0 cost B log 2.
    """
    ids = torch.arange(len(logits), device=logits.device) if ids is None else ids
    each = F.softplus(torch.where(ids[:, None] == ids, -logits, logits))
    if sources is not None:
        each = each.masked_fill(_left_out(ids, sources), 0.0)
    return each.sum() / len(logits)


def caption_targets(ids: Tensor) -> Tensor:
    """What a caption decoder has to predict after each token: (B, L) ids, zero padded -> (B, L - 1); -100: nothing.

    The end token (the first largest id of a row) is predicted; padding is not, and is told by place: 0 is also a word.
    """
    places = torch.arange(1, ids.shape[1], device=ids.device)
    return ids[:, 1:].masked_fill(places > ids.argmax(1, keepdim=True), -100)


def caption_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Mean cross-entropy of the next token: logits (B, L - 1, V) after each token but the last, ids (B, L) -> ()."""
    return F.cross_entropy(logits.flatten(0, 1).float(), caption_targets(ids).flatten())


def soft_targets(labels: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """(B,) class indices, or (B, <= K) shares -> (B, K) float, rows sum to 1: `smoothing` spread over all of them."""
    hard = labels.dim() == 1
    shares = F.one_hot(labels, classes).float() if hard else F.pad(labels, (0, classes - labels.shape[1]))
    return shares * (1 - smoothing) + smoothing / classes


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy with targets that are distributions: two (B, K) -> ()."""
    return F.cross_entropy(logits.float(), targets)


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
