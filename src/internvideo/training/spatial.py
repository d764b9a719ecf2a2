"""Learning what persons in boxes do: every class by itself, boxes shaken."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from internvideo.models.spatial_head import BoxReader
from internvideo.ops.boxes import shake
from internvideo.training.objectives import Batch, Look, Objective


@dataclass(frozen=True, kw_only=True)
class NameBoxes(Objective):
    """Binary cross-entropy over all classes of all boxes. Needs video, boxes (R, 4), owner (R,), kinds (R, K).

    shaken: sides of boxes move at random by up to so much of the width (and half of it of the height) outwards, half as
    much inwards. The published loss is the mean over all entries times the number of boxes: per_box.
    """

    shaken: float = 0.2
    per_box: bool = True

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        boxes = batch["boxes"]
        if self.shaken and model.training:
            draw = torch.Generator().manual_seed(int(rng.integers(2**63)))
            boxes = shake(boxes.cpu(), draw, (self.shaken, self.shaken / 2)).to(boxes)
        logits = cast(BoxReader, model)(batch["video"], boxes, batch["owner"])
        loss = F.binary_cross_entropy_with_logits(logits.float(), batch["kinds"])
        return Look(loss * len(boxes) if self.per_box else loss, (), {"entropy": loss.detach()})
