"""A policy that follows instructions: words, the history of what was seen, and the ways at hand read each other.

Source: InternVideo (Wang et al., 2022), vision-language navigation: HAMT's planner (Chen et al., 2021) over candidate
ways, on features of frozen video and image encoders. Knows features, angles and masks; no graph, no simulator.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import FeedForward

ANGLE = 4  # sine and cosine of heading, sine and cosine of elevation
FAR = 3.0  # metres that count as 1


@dataclass(frozen=True, kw_only=True)
class NavigatorConfig:
    words: int = 49408  # CLIP's
    length: int = 200  # most words of an instruction
    channels: int = 1280  # of a view: VideoMAE-B 768 and CLIP-B 512, side by side
    width: int = 768
    heads: int = 12
    text_layers: int = 9
    view_layers: int = 2  # over the views around, for the history
    cross_layers: int = 4
    steps: int = 25  # most actions of a walk
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} does not divide into {self.heads} heads")


class Navigator(nn.Module):
    """Text once, then step by step: `remember` what is seen, and `forward` scores ways and stopping."""

    def __init__(self, config: NavigatorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.word = nn.Embedding(config.words, width)
        self.place = nn.Parameter(torch.zeros(config.length, width))
        self.word_norm = nn.LayerNorm(width)
        self.text = nn.ModuleList(Layer(config) for _ in range(config.text_layers))
        self.sight, self.angle, self.distance = Read(config.channels, width), Read(ANGLE, width), Read(1, width)
        self.kind = nn.Embedding(4, width)  # a way, stopping, a view around, the past
        self.moment = nn.Parameter(torch.zeros(config.steps + 1, width))
        self.start = nn.Parameter(torch.zeros(width))  # of the history, before anything was seen
        self.views = nn.ModuleList(Layer(config) for _ in range(config.view_layers))
        self.cross = nn.ModuleList(CrossLayer(config) for _ in range(config.cross_layers))
        self.score = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.LayerNorm(width), nn.Dropout(config.dropout), nn.Linear(width, 1)
        )
        for table in (self.place, self.moment, self.start):
            nn.init.normal_(table, std=0.02)

    def read(self, words: Tensor) -> Tensor:
        """Instructions (B, L) int64, 0 where there is none -> (B, L, D)."""
        x: Tensor = self.word_norm(self.word(words) + self.place[: words.shape[1]])
        for layer in self.text:
            x = layer(x, words != 0)
        return x

    def remember(self, around: Tensor, angles: Tensor, taken: Tensor, turn: Tensor, step: int) -> Tensor:
        """One token of history (B, D): all views (B, V, F) and their angles (B, V, 2), and the way that was taken:
        its view (B, F) and angle (B, 2), at step number `step`."""
        x = self.sight(around) + self.angle(_whole(angles)) + self.kind.weight[2]
        for layer in self.views:
            x = layer(x)
        own = self.sight(taken) + self.angle(_whole(turn))
        out: Tensor = own + x.mean(1) + self.kind.weight[3] + self.moment[step + 1]
        return out

    def forward(
        self,
        text: Tensor,
        real: Tensor,
        history: Tensor,
        ways: Tensor,
        angles: Tensor,
        metres: Tensor,
        mask: Tensor,
    ) -> Tensor:
        """Scores of K ways and of stopping: (B, K + 1), -inf for ways that are none.

        text (B, L, D) with real (B, L) bool; history (B, S, D), S may be 0; ways (B, K, F), angles (B, K, 2), metres
        (B, K), mask (B, K) bool: which ways there are.
        """
        batch = len(text)
        x = self.sight(ways) + self.angle(_whole(angles)) + self.distance(metres[..., None] / FAR) + self.kind.weight[0]
        stop = self.kind.weight[1].expand(batch, 1, -1)
        first = (self.start + self.moment[0]).expand(batch, 1, -1)
        seen = torch.cat([x, stop, first, history], 1)
        always = mask.new_ones(batch, 2 + history.shape[1])
        visible = torch.cat([mask, always], 1)
        for layer in self.cross:
            text, seen = layer(text, real, seen, visible)
        choices = seen[:, : ways.shape[1] + 1]
        scores: Tensor = self.score(choices * text[:, :1])[..., 0]
        return scores.masked_fill(~visible[:, : ways.shape[1] + 1], -torch.inf)


class Read(nn.Module):
    """Some numbers as a token: a linear layer and a norm."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(channels, width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.layer(x))
        return out


class Attention(nn.Module):
    """Attention of tokens to others, of which some may be hidden."""

    def __init__(self, config: NavigatorConfig) -> None:
        super().__init__()
        self.heads, width = config.heads, config.width
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor, other: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, N, D), (B, M, D), (B, M) bool -> (B, N, D)."""

        def split(tokens: Tensor) -> Tensor:
            return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(other)), split(self.value(other))
        mixed = F.scaled_dot_product_attention(q, k, v, None if visible is None else visible[:, None, None])
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out


class Layer(nn.Module):
    """Attention among themselves and a feed-forward, each added and normed (BERT)."""

    def __init__(self, config: NavigatorConfig) -> None:
        super().__init__()
        width = config.width
        self.attention, self.mlp = Attention(config), FeedForward(width, 4 * width, "gelu")
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x, visible)))
        out: Tensor = self.norm2(x + self.dropout(self.mlp(x)))
        return out


class CrossLayer(nn.Module):
    """Words read what is seen and the other way round, then each themselves (LXMERT)."""

    def __init__(self, config: NavigatorConfig) -> None:
        super().__init__()
        width = config.width
        self.to_seen, self.to_text = Attention(config), Attention(config)
        self.norm_text, self.norm_seen = nn.LayerNorm(width), nn.LayerNorm(width)
        self.own_text, self.own_seen = Layer(config), Layer(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, text: Tensor, real: Tensor, seen: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        words = self.norm_text(text + self.dropout(self.to_seen(text, seen, visible)))
        sights = self.norm_seen(seen + self.dropout(self.to_text(seen, text, real)))
        return self.own_text(words, real), self.own_seen(sights, visible)


def _whole(angles: Tensor) -> Tensor:
    """Heading with a level elevation: (..., 2) -> (..., 4)."""
    return torch.cat([angles, torch.zeros_like(angles[..., :1]), torch.ones_like(angles[..., :1])], -1)


NAVIGATOR_B = NavigatorConfig()
NAVIGATOR_L = NavigatorConfig(channels=1536)  # VideoMAE-L 1024 and CLIP-B 512
NAVIGATOR_DEBUG = NavigatorConfig(
    words=16, length=16, channels=14, width=64, heads=4, text_layers=2, view_layers=1, cross_layers=2, dropout=0.0
)
