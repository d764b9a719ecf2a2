"""Learning to follow instructions by being shown the way.

The action that is taken is the teacher's with a share that falls over time, else the network's own (schedule sampling;
DAgger, Ross et al. 2011, with a share of 0): the teacher says at every place that is reached what should be done there.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import Tensor, nn

from internvideo.models.navigator import Navigator
from internvideo.models.rollout import follow
from internvideo.training.objectives import Batch, Look, Objective


@dataclass(frozen=True, kw_only=True)
class Imitate(Objective):
    """Cross-entropy with the teacher's action at every place of a walk. Needs text (B, L), walks and step.

    share: of actions that are the teacher's in the first `every` steps of training; it is multiplied by itself after
    each `every` further ones. 1: only ever the teacher's way (imitation); 0: always its own (DAgger).
    """

    share: float = 0.75
    every: int = 2000

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        share = self.share ** (batch["step"] // self.every + 1)

        def choose(scores: Tensor, wanted: list[int]) -> list[int]:
            own = scores.detach().argmax(-1).tolist()
            return [right if rng.random() < share else mine for right, mine in zip(wanted, own, strict=True)]

        network = cast(Navigator, model)
        walks, loss, count = follow(network, batch["text"], batch["walks"], choose)
        stopped = float(np.mean([walk.stopped for walk in walks]))
        return Look(loss / count, (), {"stopped": loss.detach().new_tensor(stopped)})
