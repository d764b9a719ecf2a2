"""What a network of points over time has to learn about segments, how wrong it was, and what its answers mean.

Segments are (start, end) in steps of the feature sequence; offsets are the distances of a point to both ends, in the
stride of its level. Sources: ActionFormer (Zhang et al. 2022) as InternVideo uses it, downstream tasks of its paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Enclosed = Literal["iou", "diou"]
SMALL = 1e-8
SAME_LENGTH = 1e-3  # segments whose lengths differ by less both count as the shortest


def focal_loss(logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Binary cross-entropy that counts easy answers little: (...) logits and targets in [0, 1] -> (...).

    Source: Lin et al. 2017. Logit 0 costs alpha ln 2 / 4 if the target is 1, (1 - alpha) ln 2 / 4 if it is 0.
    """
    likely = logits.sigmoid()
    missing = likely + targets - 2 * likely * targets  # 1 - the probability of what is true
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return weight * missing**gamma * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def offset_loss(predicted: Tensor, targets: Tensor, kind: Enclosed = "diou") -> Tensor:
    """1 - IoU of two segments around one point: (..., 2) offsets to the left and right, >= 0 -> (...).

    "diou" adds the squared distance of their middles over the length that encloses both (Zheng et al. 2020).
    """
    shared = torch.minimum(predicted, targets).sum(-1)
    union = predicted.sum(-1) + targets.sum(-1) - shared
    loss = 1 - shared / union.clamp(min=SMALL)
    if kind == "iou":
        return loss
    enclosing = torch.maximum(predicted, targets).sum(-1)
    apart = 0.5 * ((predicted[..., 1] - predicted[..., 0]) - (targets[..., 1] - targets[..., 0]))
    return loss + (apart / enclosing.clamp(min=SMALL)).square()


def point_targets(
    points: Tensor, segments: Tensor, labels: Tensor, classes: int, radius: float | None = 1.5
) -> tuple[Tensor, Tensor]:
    """What each point should say of one video: classes (N, K) in {0, 1} and offsets (N, 2) in strides.

    points: (N, 4) place, range (low, high), stride; segments: (G, 2); labels: (G,) integers. A point answers for a
    segment if it lies strictly inside, and (radius not None) nearer than radius strides to its middle, and its larger
    offset lies in the range of its level, ends included. Of several segments the shortest; of equally short ones all
    classes. A point without a class has no meaningful offsets.
    """
    if not len(segments):
        return points.new_zeros(len(points), classes), points.new_zeros(len(points), 2)
    place, low, high, stride = (column[:, None] for column in points.unbind(1))
    start, end = segments[None, :, 0], segments[None, :, 1]
    offsets = torch.stack([place - start, end - place], -1)
    inside = offsets.amin(-1) > 0
    if radius is not None:
        middle = 0.5 * (start + end)
        first = torch.maximum(middle - stride * radius, start)
        last = torch.minimum(middle + stride * radius, end)
        inside = torch.minimum(place - first, last - place) > 0
    reach = offsets.amax(-1)
    lengths = (end - start).expand(len(points), -1).masked_fill(~(inside & (reach >= low) & (reach <= high)), torch.inf)
    shortest, chosen = lengths.min(1)
    meant = (lengths <= shortest[:, None] + SAME_LENGTH) & lengths.isfinite()
    kinds = (meant.float() @ F.one_hot(labels, classes).float()).clamp(max=1.0)
    return kinds, offsets[torch.arange(len(points)), chosen] / stride


def localisation_loss(
    logits: Tensor, offsets: Tensor, real: Tensor, kinds: Tensor, distances: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over a batch: focal loss of all real points, DIoU loss of those with a class, and how many these are.

    logits, kinds: (B, N, K); offsets, distances: (B, N, 2); real: (B, N) bool -> three (). smoothing: targets become
    y (1 - s) + s / (K + 1).
    """
    positive = (kinds.sum(-1) > 0) & real
    targets = kinds * (1 - smoothing) + smoothing / (kinds.shape[-1] + 1)
    class_loss = focal_loss(logits[real].float(), targets[real]).sum()
    return class_loss, offset_loss(offsets[positive].float(), distances[positive]).sum(), positive.sum()


def joined_loss(class_loss: Tensor, span_loss: Tensor, weight: float) -> Tensor:
    """class + weight * span; weight <= 0 makes both count alike: class / max(span, 0.01), a constant of the step."""
    if weight > 0:
        return class_loss + weight * span_loss
    return class_loss + span_loss * (class_loss.detach() / span_loss.detach().clamp(min=0.01))


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Which answers of the points become segments, before suppression. Lengths in steps of the sequence."""

    lowest: float = 0.001  # probabilities must be above it
    per_level: int = 2000  # the best so many of each level
    shortest: float = 0.05  # segments must be longer


def decode(
    points: Sequence[Tensor],
    logits: Sequence[Tensor],
    offsets: Sequence[Tensor],
    masks: Sequence[Tensor],
    how: Decoding,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segments of one video: (M, 2) in steps, (M,) scores, (M,) class numbers; level by level, the best first.

    Of each level l: points (T_l, 4), logits (K, T_l), offsets (2, T_l), mask (T_l,) bool. A point names any number of
    classes. Of equal scores the earlier point, then the smaller class comes first.
    """
    found = []
    for places, scores, distances, real in zip(points, logits, offsets, masks, strict=True):
        likely = (scores.float().sigmoid().T * real[:, None]).flatten()
        kept = (likely > how.lowest).nonzero()[:, 0]
        kept = kept[likely[kept].argsort(descending=True, stable=True)[: how.per_level]]
        point = kept // len(scores)
        where, reach = places[point, 0], distances.float().T[point] * places[point, 3:]
        segments = torch.stack([where - reach[:, 0], where + reach[:, 1]], 1)
        long = segments[:, 1] - segments[:, 0] > how.shortest
        found.append((segments[long], likely[kept][long], (kept % len(scores))[long]))
    bounds, values, labels = (torch.cat(column).cpu().numpy() for column in zip(*found, strict=True))
    return bounds, values, labels


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where the steps of a feature sequence lie in a video: step i is the middle of `window` frames from i * stride."""

    fps: float
    stride: float  # frames between windows
    window: float  # frames

    def __post_init__(self) -> None:
        if not (self.fps > 0 and self.stride > 0 and self.window >= 0):
            raise ValueError(f"a grid needs fps > 0, stride > 0 and window >= 0 frames, got {self}")

    def steps(self, seconds: np.ndarray) -> np.ndarray:
        """Seconds -> steps, fractions of them included."""
        return np.asarray((np.asarray(seconds) * self.fps - 0.5 * self.window) / self.stride)

    def seconds(self, steps: np.ndarray, duration: float | None = None) -> np.ndarray:
        """Steps -> seconds, of the same kind of float, kept inside a video of `duration`."""
        seconds = (steps * self.stride + 0.5 * self.window) / self.fps
        return np.asarray(seconds if duration is None else np.clip(seconds, 0, duration))
