"""Learning Ego4D's tasks about hands and things: where hands will be, what is touched next and when, what changes."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.box_detector import BoxDetector
from internvideo.models.contact_head import ContactHead
from internvideo.ops.boxes import generalised_iou
from internvideo.ops.matching import cheapest_pairs
from internvideo.ops.spans import focal_loss
from internvideo.training.objectives import Batch, Look, Objective


@dataclass(frozen=True, kw_only=True)
class ForetellHands(Objective):
    """Smooth absolute distance, in pixels, of hands that are there. Needs video, points (B, 5, 2, 2), sizes (B, 2).

    beta: pixels below which the distance counts squared. A hand at (0, 0) is not there. The network says shares of the
    picture's width and height.
    """

    beta: float = 5.0

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        points: Tensor = batch["points"]
        told = model(batch["video"]).float().reshape(points.shape) * batch["sizes"][:, None, None]
        there = (points != 0).any(-1, keepdim=True).expand_as(points)
        loss = F.smooth_l1_loss(told[there], points[there], reduction="sum", beta=self.beta)
        return Look(loss / there.sum().clamp(min=1), (), {})


@dataclass(frozen=True, kw_only=True)
class ForetellContacts(Objective):
    """Verbs of all boxes, and seconds of those that are touched. Needs video, boxes (R, 4), owner, verbs and seconds
    (R,); a box that nothing is done with has the last verb. time: weight of the seconds (published)."""

    time: float = 15.0

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        verbs, seconds = cast(ContactHead, model)(batch["video"], batch["boxes"], batch["owner"])
        named = F.cross_entropy(verbs.float(), batch["verbs"])
        touched = batch["verbs"] < verbs.shape[-1] - 1
        late = F.smooth_l1_loss(seconds.float(), batch["seconds"], reduction="none")
        timed = late[touched].sum() / touched.sum().clamp(min=1)
        return Look(named + self.time * timed, (), {"verbs": named.detach(), "seconds": timed.detach()})


@dataclass(frozen=True, kw_only=True)
class DetectBoxes(Objective):
    """Every true box is taught to one query, the one that says it already most nearly; all others learn to say nothing.

    Focal loss of classes, absolute distance of sides and generalised IoU, weighted as published; the same weights make
    the cost by which queries and boxes are matched. Needs video, boxes (R, 4) in [0, 1], owner (R,), kinds (R,).
    """

    named: float = 1.0
    sides: float = 5.0
    overlap: float = 2.0

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        logits, told = (each.float() for each in cast(BoxDetector, model)(batch["video"]))
        boxes, kinds = batch["boxes"], batch["kinds"]
        clips, queries, rows = [], [], []
        for clip in range(len(logits)):
            mine = (batch["owner"] == clip).nonzero()[:, 0]
            if len(mine):
                with torch.no_grad():
                    costs = self._costs(logits[clip], told[clip], boxes[mine], kinds[mine])
                chosen = torch.from_numpy(cheapest_pairs(costs.double().cpu().numpy())).to(mine)
                clips.append(torch.full_like(mine, clip))
                queries.append(chosen)
                rows.append(mine)
        targets, count = torch.zeros_like(logits), max(len(boxes), 1)
        far = logits.new_zeros(())
        near = far
        if rows:
            where, query, row = (torch.cat(each) for each in (clips, queries, rows))
            targets[where, query, kinds[row]] = 1.0
            far = F.l1_loss(told[where, query], boxes[row], reduction="sum") / count
            near = (1 - generalised_iou(told[where, query], boxes[row])).sum() / count
        named = focal_loss(logits, targets).sum() / count
        loss = self.named * named + self.sides * far + self.overlap * near
        return Look(loss, (), {"classes": named.detach(), "sides": far.detach(), "overlap": near.detach()})

    def _costs(self, logits: Tensor, told: Tensor, boxes: Tensor, kinds: Tensor) -> Tensor:
        """(Q, K), (Q, 4), (G, 4), (G,) -> (G, Q)."""
        ones = focal_loss(logits, torch.ones_like(logits)) - focal_loss(logits, torch.zeros_like(logits))
        far = (told[None] - boxes[:, None]).abs().sum(-1)
        return (
            self.named * ones[:, kinds].T
            + self.sides * far
            - self.overlap * generalised_iou(told[None], boxes[:, None])
        )
