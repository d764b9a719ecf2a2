"""What each person in a clip does: VideoMAE over pictures of any size, features under boxes, a linear head.

Source: InternVideo (Wang et al., 2022), spatio-temporal localisation. Knows normalised pixels and boxes in [0, 1].
"""

from dataclasses import dataclass, field, replace

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import Linear
from internvideo.models.renaming import Renames, Shapes
from internvideo.models.videomae import (
    CLASSIFIER_B,
    CLASSIFIER_DEBUG,
    CLASSIFIER_H,
    CLASSIFIER_L,
    CLASSIFIER_RENAMES,
    EPSILON,
    ClassifierConfig,
    Encoder,
    Positions,
    infer_classifier_config,
)
from internvideo.ops.boxes import roi_align

AVA_CLASSES = 80


@dataclass(frozen=True, kw_only=True)
class SpatialConfig:
    """base: of the encoder; its classes are the head's."""

    base: ClassifierConfig = field(default_factory=lambda: replace(CLASSIFIER_B, classes=AVA_CLASSES))
    grid: int = 7  # cells per side of what is cut out under a box
    aligned: bool = False  # how boxes lie on cells of the map: see `ops.boxes.roi_align`


class BoxReader(nn.Module):
    """A map of features of a whole clip; the largest values under each box decide. What the map is made by differs.

    patch: the sides of pictures are multiples of it. classes: that it names.
    """

    patch: int
    classes: int

    def __init__(self, width: int, classes: int, *, grid: int, aligned: bool, dropout: float) -> None:
        super().__init__()
        self.classes, self._grid, self._aligned = classes, grid, aligned
        self.head_dropout = nn.Dropout(dropout)
        self.head = Linear(width, classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def maps(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W), H and W multiples of the patch -> (B, D, H / patch, W / patch)."""
        raise NotImplementedError

    def features(self, video: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """One vector per box: boxes (R, 4) in [0, 1], owner (R,) int64, the clip of each -> (R, D)."""
        maps = self.maps(video)
        cells = boxes.new_tensor([maps.shape[-1], maps.shape[-2]]).repeat(2)
        found = roi_align(maps[owner], boxes * cells, self._grid, aligned=self._aligned)
        return F.adaptive_max_pool2d(found, 1)[..., 0, 0]

    def forward(self, video: Tensor, boxes: Tensor, owner: Tensor) -> Tensor:
        """Logits of independent classes: (R, K)."""
        out: Tensor = self.head(self.head_dropout(self.features(video, boxes, owner)))
        return out


class SpatialClassifier(BoxReader):
    """VideoMAE's tokens of the whole clip, averaged over time."""

    def __init__(self, config: SpatialConfig) -> None:
        base, width = config.base, config.base.encoder.width
        super().__init__(width, base.classes, grid=config.grid, aligned=config.aligned, dropout=base.head_dropout)
        self.config, self.patch = config, base.clip.patch
        self.positions = Positions(base.table_grid, width, learned=base.learned_positions)
        self.encoder = Encoder(base.clip, base.encoder, norm=False)
        self.token_norm = nn.LayerNorm(width, EPSILON)

    def maps(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W), H and W multiples of the patch -> (B, D, H / patch, W / patch)."""
        grid = self.encoder.patches.grid(video)
        tokens = self.token_norm(self.encoder(video, self.positions(grid)))
        out: Tensor = tokens.unflatten(1, grid).mean(1).permute(0, 3, 1, 2)
        return out


def infer_config(shapes: Shapes, base: SpatialConfig | None = None) -> SpatialConfig:
    """What the shapes of weights tell. shapes: under our names."""
    base = base or SpatialConfig()
    return replace(base, base=replace(infer_classifier_config(shapes, base.base), mean_pool=True))


SPATIAL_B = SpatialConfig()
SPATIAL_L = SpatialConfig(base=replace(CLASSIFIER_L, classes=AVA_CLASSES))
SPATIAL_H = SpatialConfig(base=replace(CLASSIFIER_H, classes=AVA_CLASSES))
SPATIAL_DEBUG = SpatialConfig(base=CLASSIFIER_DEBUG)

RENAMES: Renames = tuple(line for line in CLASSIFIER_RENAMES if line[0] not in ("fc_norm.", "pos_embed"))
LAYOUTS = {"official": RENAMES}
