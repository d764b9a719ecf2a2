"""Learning to find segments in features: batches of sequences with their targets, and the objective.

Source: ActionFormer (Zhang et al. 2022), with the settings of InternVideo's downstream tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from internvideo import distributed
from internvideo.models.temporal_head import TemporalHead, pad
from internvideo.ops.spans import joined_loss, localisation_loss, point_targets
from internvideo.training.objectives import Batch, Look, Objective

CROP_TRIES = 200


@dataclass(frozen=True, eq=False)
class Sequence1D:
    """One video to learn from: features (T, C), segments (G, 2) in steps of them, labels (G,)."""

    features: np.ndarray
    segments: np.ndarray
    labels: np.ndarray


def cropped(
    video: Sequence1D,
    longest: int,
    rng: np.random.Generator,
    shares: tuple[float, float] | None = (0.9, 1.0),
    kept: float = 0.5,
) -> Sequence1D:
    """A stretch of the sequence: of at most `longest` steps, and of a length drawn between the shares of all steps.

    A segment stays if at least `kept` of it is inside, cut at the ends; a stretch without any is drawn again (200
    times at most). shares: None for the whole sequence where it is not too long.
    """
    steps = len(video.features)
    length = min(steps, longest)
    if steps <= longest and shares is not None:
        length = int(rng.integers(max(round(shares[0] * steps), 1), max(round(shares[1] * steps), 1) + 1))
    if length >= steps:
        return video
    for _ in range(CROP_TRIES):
        start = int(rng.integers(0, steps - length + 1))
        inside = np.clip(video.segments, start, start + length)
        whole = np.abs(video.segments[:, 1] - video.segments[:, 0])
        stays = inside[:, 1] - inside[:, 0] >= kept * np.maximum(whole, 1e-8)
        if stays.any() or not len(video.segments):
            break
    return Sequence1D(video.features[start : start + length], inside[stays] - start, video.labels[stays])


def sequence_batch(videos: Sequence[Sequence1D], network: TemporalHead, radius: float | None = 1.5) -> dict[str, Any]:
    """What `Localise` learns from: video (B, C, T), mask (B, T), kinds (B, N, K) and distances (B, N, 2)."""
    config = network.config
    features, mask = pad([torch.from_numpy(np.ascontiguousarray(each.features.T)) for each in videos], config)
    points = torch.cat([level.cpu() for level in network.points(features.shape[-1])])
    targets = [
        point_targets(
            points,
            torch.from_numpy(each.segments.astype(np.float32)).reshape(-1, 2),
            torch.from_numpy(each.labels.astype(np.int64)),
            config.classes,
            radius,
        )
        for each in videos
    ]
    kinds, distances = (torch.stack(column) for column in zip(*targets, strict=True))
    return {"video": features, "mask": mask, "kinds": kinds, "distances": distances}


@dataclass(frozen=True, kw_only=True)
class Localise(Objective):
    """Name classes and both ends at every point. Needs video (B, C, T), mask, kinds, distances (`sequence_batch`); text
    (B, L) where sentences ask.

    Both losses are divided by a running mean of how many points of a batch have a class, which begins at `usual`.
    balance: weight of the distances; at most 0: as large as the loss of classes. smoothing: of class targets.
    """

    balance: float = 1.0
    smoothing: float = 0.0
    usual: float = 100.0
    momentum: float = 0.9

    def prepare(self, model: nn.Module) -> None:
        """The running mean belongs to the state of the run: it is kept with the weights."""
        model.register_buffer("usual_positives", torch.tensor(self.usual))

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        asked = [batch["text"]] if "text" in batch else []
        logits, offsets, real = model(batch["video"], batch["mask"], *asked).flat()
        return self.judge(model, logits, offsets, real, batch)

    def judge(self, model: nn.Module, logits: Tensor, offsets: Tensor, real: Tensor, batch: Batch) -> Look:
        """The loss of what the heads said at all points."""
        classes, spans, positives = localisation_loss(
            logits, offsets, real, batch["kinds"], batch["distances"], self.smoothing
        )
        usual = model.usual_positives
        assert isinstance(usual, Tensor)
        if model.training:
            now = distributed.mean(positives.float()).clamp(min=1.0)
            usual.copy_(self.momentum * usual + (1 - self.momentum) * now)
        classes, spans = classes / usual, spans / usual
        return Look(
            joined_loss(classes, spans, self.balance), (), {"classes": classes.detach(), "spans": spans.detach()}
        )


TRAINING_ONLY = ("usual_positives",)  # of the state of a run; no part of the network
