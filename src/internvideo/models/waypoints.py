"""Where an agent could go next, from depth alone: a map of 120 directions and 12 distances.

Source: Hong et al. 2022, as in InternVideo's navigation (frozen). Knows features of views; `ops.waypoints` chooses.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from internvideo.models.layers import Linear


@dataclass(frozen=True, kw_only=True)
class WaypointConfig:
    channels: int = 2048  # of a view's depth features
    width: int = 768
    heads: int = 12
    layers: int = 2
    views: int = 12
    angles: int = 120
    distances: int = 12

    def __post_init__(self) -> None:
        if self.angles % self.views:
            raise ValueError(f"{self.angles} angles do not divide into {self.views} views")


class WaypointPredictor(nn.Module):
    """Views look at themselves and both neighbours, then each says its own directions."""

    def __init__(self, config: WaypointConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.embed = Linear(config.channels, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, config.heads, 4 * width, 0.0, "gelu", batch_first=True)
            for _ in range(config.layers)
        )
        each = config.angles // config.views * config.distances
        self.head = nn.Sequential(Linear(width, width), nn.ReLU(), Linear(width, each))
        places = torch.arange(config.views)
        apart = (places[:, None] - places[None]).remainder(config.views)
        far = (apart > 1) & (apart < config.views - 1)
        self.register_buffer("far", far, persistent=False)

    def forward(self, depth: Tensor) -> Tensor:
        """depth: (B, V, C), views clockwise from straight ahead -> probabilities (B, A, R) that sum to 1.

        A view's directions lie around its own; angle 0 of the map is straight ahead.
        """
        config = self.config
        x = self.embed(depth).relu()
        for layer in self.layers:
            x = layer(x, src_mask=self.far)
        table = self.head(x).reshape(len(depth), config.angles, config.distances)
        table = table.roll(-(config.angles // config.views // 2), 1)
        out: Tensor = table.flatten(1).softmax(-1).reshape(table.shape)
        return out
