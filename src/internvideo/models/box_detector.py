"""Boxes in pictures: VideoMAE over one picture, queries that read its tokens, a score per class and a box for each.

Stands in for the DETR-like detectors that Ego4D's state-change objects were published with (five scales, 900 queries,
denoising): one scale, plain queries. Source: Carion et al. 2020 (DETR). Knows normalised pixels; knows no files.
"""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from internvideo.models.layers import Linear
from internvideo.models.renaming import Shapes, count
from internvideo.models.videomae import (
    CLASSIFIER_B,
    CLASSIFIER_DEBUG,
    CLASSIFIER_L,
    EPSILON,
    ClassifierConfig,
    Encoder,
    Positions,
    infer_classifier_config,
)


def _still(config: ClassifierConfig) -> ClassifierConfig:
    """The same encoder for a picture, twice, and boxes of one class."""
    return replace(config, classes=1, clip=replace(config.clip, frames=config.clip.tubelet))


PRIOR = 0.01  # what a class is thought likely before training


@dataclass(frozen=True, kw_only=True)
class BoxDetectorConfig:
    """base: of the encoder; its classes are those of boxes, its clip is a picture that stands still."""

    base: ClassifierConfig = field(default_factory=lambda: _still(CLASSIFIER_B))
    queries: int = 100  # most boxes of a picture
    layers: int = 6


class BoxDetector(nn.Module):
    """Every query ends as a box with scores of independent classes."""

    def __init__(self, config: BoxDetectorConfig) -> None:
        super().__init__()
        self.config, base = config, config.base
        width, heads = base.encoder.width, base.encoder.heads
        self.positions = Positions(base.table_grid, width, learned=base.learned_positions)
        self.encoder = Encoder(base.clip, base.encoder, norm=False)
        self.token_norm = nn.LayerNorm(width, EPSILON)
        self.queries = nn.Parameter(torch.empty(config.queries, width))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(config.layers)
        )
        self.query_norm = nn.LayerNorm(width)
        self.head = Linear(width, base.classes)
        self.box = nn.Sequential(Linear(width, width), nn.ReLU(), Linear(width, 4))
        nn.init.normal_(self.queries)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.constant_(self.head.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, 1, H, W), or T times the same picture -> logits (B, Q, K) and boxes (B, Q, 4), (x1, y1, x2, y2) as
        shares of the picture; a box may reach beyond it."""
        if pictures.shape[2] == 1:
            pictures = pictures.expand(-1, -1, self.config.base.clip.tubelet, -1, -1)
        grid = self.encoder.patches.grid(pictures)
        tokens = self.token_norm(self.encoder(pictures, self.positions(grid)))
        asked = self.queries.expand(len(pictures), -1, -1)
        for layer in self.layers:
            asked = layer(asked, tokens)
        asked = self.query_norm(asked)
        middle, size = self.box(asked).sigmoid().chunk(2, -1)
        return self.head(asked), torch.cat([middle - size / 2, middle + size / 2], -1)


def infer_detector_config(shapes: Shapes, base: BoxDetectorConfig | None = None) -> BoxDetectorConfig:
    """What the shapes of weights tell. shapes: under our names."""
    base = base or BoxDetectorConfig()
    inner = replace(infer_classifier_config(shapes, base.base), mean_pool=True)
    return replace(base, base=inner, queries=shapes["queries"][0], layers=count(shapes, "layers."))


DETECTOR_B = BoxDetectorConfig(base=_still(CLASSIFIER_B))
DETECTOR_L = BoxDetectorConfig(base=_still(CLASSIFIER_L))
DETECTOR_DEBUG = BoxDetectorConfig(base=_still(CLASSIFIER_DEBUG), queries=8, layers=2)
