"""What will be done with each thing in boxes, and in how many seconds: a head over boxes of the last frames.

Source: InternVideo's solution to Ego4D's short-term anticipation: verbs as in `spatial_head`, and the time to contact
from the same feature plus an embedding of where the box is. Knows normalised pixels and boxes in [0, 1].
"""

from dataclasses import dataclass, field, replace

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import Linear
from internvideo.models.renaming import Shapes
from internvideo.models.spatial_head import SpatialClassifier, SpatialConfig, infer_config
from internvideo.models.videomae import CLASSIFIER_DEBUG, CLASSIFIER_L

EGO4D_VERBS = 74


@dataclass(frozen=True, kw_only=True)
class ContactConfig:
    """base: its classes are verbs, and one more for things that nothing is done with; cells: of a table of places."""

    base: SpatialConfig = field(
        default_factory=lambda: SpatialConfig(base=replace(CLASSIFIER_L, classes=EGO4D_VERBS + 1), aligned=True)
    )
    cells: int = 256

    @property
    def verbs(self) -> int:
        return self.base.base.classes - 1


class ContactHead(nn.Module):
    """A box's feature says the verb; with the places of its four sides it says the time."""

    def __init__(self, config: ContactConfig) -> None:
        super().__init__()
        self.config, width = config, config.base.base.encoder.width
        self.seen = SpatialClassifier(config.base)
        self.sides = nn.ModuleList(nn.Embedding(config.cells, width) for _ in range(4))
        self.time = Linear(width, 1)
        for table in self.sides:
            nn.init.normal_(table.weight, std=0.02)  # type: ignore[arg-type]

    def forward(self, video: Tensor, boxes: Tensor, owner: Tensor) -> tuple[Tensor, Tensor]:
        """As `SpatialClassifier` -> logits of verbs (R, V + 1), the last one: nothing; seconds until contact (R,)."""
        feature = self.seen.head_dropout(self.seen.features(video, boxes, owner))
        cells = (boxes.clamp(0, 1) * (self.config.cells - 1)).round().long()
        placed = feature
        for table, cell in zip(self.sides, cells.unbind(-1), strict=True):
            placed = placed + table(cell)
        return self.seen.head(feature), F.softplus(self.time(placed)[..., 0])


def infer_contact_config(shapes: Shapes, base: ContactConfig | None = None) -> ContactConfig:
    """What the shapes of weights tell. shapes: under our names."""
    base = base or ContactConfig()
    inner = {name.removeprefix("seen."): shape for name, shape in shapes.items() if name.startswith("seen.")}
    return replace(base, base=infer_config(inner, base.base), cells=shapes["sides.0.weight"][0])


CONTACT_L = ContactConfig()
CONTACT_DEBUG = ContactConfig(base=SpatialConfig(base=replace(CLASSIFIER_DEBUG, classes=5), aligned=True), cells=16)
