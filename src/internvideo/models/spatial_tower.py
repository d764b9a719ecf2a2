"""What each thing in a clip does: the video tower of a ViCLIP over pictures of any size, features under boxes, a head.

The head of `spatial_head` on a tower that may have convolutions in its patches, so that little is enough to learn from.
"""

from dataclasses import dataclass, field, replace

from torch import Tensor

from internvideo.models.renaming import Shapes
from internvideo.models.spatial_head import BoxReader
from internvideo.models.viclip import (
    VICLIP_DEBUG,
    VICLIP_TINY,
    ViCLIPClassifierConfig,
    VideoConfig,
    VideoTower,
    infer_video_config,
    start_classifier,
)
from internvideo.models.weights import Weights


@dataclass(frozen=True, kw_only=True)
class SpatialTowerConfig:
    video: VideoConfig = field(default_factory=lambda: VideoConfig(projection=None))
    classes: int = 80
    grid: int = 7  # cells per side of what is cut out under a box
    aligned: bool = False  # how boxes lie on cells of the map: see `ops.boxes.roi_align`
    head_dropout: float = 0.0


class SpatialTower(BoxReader):
    """ViCLIP's tokens of the whole clip without the class token, averaged over time."""

    def __init__(self, config: SpatialTowerConfig) -> None:
        super().__init__(
            config.video.width,
            config.classes,
            grid=config.grid,
            aligned=config.aligned,
            dropout=config.head_dropout,
        )
        self.config, self.patch = config, config.video.patch
        self.video = VideoTower(config.video)

    def maps(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W), H and W multiples of the patch -> (B, D, H / patch, W / patch)."""
        times, rows, columns = self.video.patches.grid(video)
        tokens = self.video.tokens(video)[:, 1:]
        out: Tensor = tokens.reshape(len(video), rows, columns, times, -1).mean(3).permute(0, 3, 1, 2)
        return out


def infer_config(shapes: Shapes, base: SpatialTowerConfig) -> SpatialTowerConfig:
    """What the shapes of weights tell. shapes: under our names."""
    return replace(base, video=infer_video_config(shapes, base.video), classes=shapes["head.weight"][0])


def start(weights: Weights, config: SpatialTowerConfig) -> Weights:
    """What is taken over from a ViCLIP or CLIP (our names): all of the video tower."""
    return start_classifier(weights, ViCLIPClassifierConfig(video=config.video))


SPATIAL_TOWER_TINY = SpatialTowerConfig(video=replace(VICLIP_TINY.video, projection=None))
SPATIAL_TOWER_DEBUG = SpatialTowerConfig(video=replace(VICLIP_DEBUG.video, projection=None))
