"""Boxes on pictures and feature maps: cutting features out, widening, shaking. Boxes are (x1, y1, x2, y2).

Pure functions of tensors; in [0, 1] of the picture unless a function says otherwise.
"""

import torch
from torch import Tensor


def roi_align(features: Tensor, boxes: Tensor, size: int, *, aligned: bool = False, samples: int = 0) -> Tensor:
    """The features under each box on a grid of its own: (R, C, H, W), boxes (R, 4) -> (R, C, size, size).

    boxes: in cells of the map, 0 to W and 0 to H; row r belongs to map r. Every cell of the grid is the mean of samples
    x samples points between which features are interpolated; 0 samples: one per cell of the map that the box covers,
    rounded up. aligned: cell centres lie at whole numbers plus a half; else (published) at whole numbers, and a box is
    at least one cell wide and high. Points more than a cell outside count as zero. Source: He et al. 2017 (Mask R-CNN).

    Interpolation and mean are separable, so each box is two small matrices: rows @ features @ columns.
    """
    shift = 0.5 if aligned else 0.0
    across = _axis_weights(boxes[:, 0] - shift, boxes[:, 2] - shift, size, features.shape[-1], samples, aligned)
    down = _axis_weights(boxes[:, 1] - shift, boxes[:, 3] - shift, size, features.shape[-2], samples, aligned)
    return torch.einsum("rph,rchw,rqw->rcpq", down.to(features), features, across.to(features))


def _axis_weights(start: Tensor, end: Tensor, size: int, cells: int, samples: int, aligned: bool) -> Tensor:
    """How much each cell of an axis counts in each part of a box: (R,), (R,) -> (R, size, cells) float32."""
    start, length = start.float(), (end - start).float()
    if not aligned:
        length = length.clamp(min=1.0)
    counts = torch.full_like(length, samples) if samples else (length / size).ceil().clamp(min=1)
    most = -(-cells // size) if counts.is_meta else int(counts.max().item()) if len(counts) else 1  # shapes alone: all
    number = torch.arange(most, device=start.device)
    part = torch.arange(size, device=start.device)
    places = (number[None] + 0.5) / counts[:, None]  # (R, S) inside a part
    points = start[:, None, None] + (part[None, :, None] + places[:, None]) * (length / size)[:, None, None]
    counted = (number < counts[:, None])[:, None] & (points >= -1) & (points <= cells)
    points = points.clamp(0, cells - 1)
    near = 1 - (points[..., None] - torch.arange(cells, device=start.device)).abs()  # (R, size, S, cells)
    return (near.clamp(min=0) * counted[..., None]).sum(2) / counts[:, None, None]


def generalised_iou(ours: Tensor, theirs: Tensor) -> Tensor:
    """Overlap less the share of the enclosing box that is in neither, in (-1, 1]: (..., 4) with (..., 4) -> (...).

    Source: Rezatofighi et al. 2019.
    """

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp(min=0).prod(-1)

    shared = area(torch.maximum(ours[..., :2], theirs[..., :2]), torch.minimum(ours[..., 2:], theirs[..., 2:]))
    union = area(ours[..., :2], ours[..., 2:]) + area(theirs[..., :2], theirs[..., 2:]) - shared
    around = area(torch.minimum(ours[..., :2], theirs[..., :2]), torch.maximum(ours[..., 2:], theirs[..., 2:]))
    small = torch.finfo(around.dtype).tiny
    return shared / union.clamp(min=small) - (around - union) / around.clamp(min=small)


def widen(boxes: Tensor, across: float = 0.10, down: float = 0.05) -> Tensor:
    """Boxes made wider and higher by these shares in all, half on each side, and cut at the picture: (..., 4).

    The defaults are what InternVideo does to boxes of a person detector.
    """
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    side = torch.stack([-across * width, -down * height, across * width, down * height], -1) / 2
    return (boxes + side).clamp(0, 1)


def shake(
    boxes: Tensor, generator: torch.Generator, out: tuple[float, float] = (0.2, 0.1), back: float = 0.5
) -> Tensor:
    """Boxes whose sides moved at random, cut at the picture: (..., 4).

    out: the largest share of the width and height by which a side moves outwards; `back` times that inwards.
    """
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    most = torch.stack([out[0] * width, out[1] * height, out[0] * width, out[1] * height], -1)
    moved = most * (torch.rand(boxes.shape, generator=generator) * (1 + back) - back)
    outwards = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    return (boxes + outwards * moved).clamp(0, 1)
