"""Two video models that read each other while they look: VideoMAE and UniFormerV2, joined by gated cross-attention.

The paper (InternVideo, Wang et al., 2022, "cross-model attention") names this module and never released it. What it
leaves open was decided here: docs/decisions/0010-cross-model-attention.md. Before training, the joined model is exactly
the plain ensemble: the mean of both models' probabilities. Knows normalised pixels; knows no files, losses or ranks.
"""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import FeedForward, Linear, attend
from internvideo.models.uniformerv2 import UNIFORMERV2_DEBUG, UNIFORMERV2_L14_336, UniFormerV2, UniFormerV2Config
from internvideo.models.videomae import CLASSIFIER_DEBUG, CLASSIFIER_H, ClassifierConfig, VideoMAEClassifier
from internvideo.ops.losses import denormalise


@dataclass(frozen=True, kw_only=True)
class CrossModelConfig:
    masked: ClassifierConfig = field(default_factory=ClassifierConfig)
    frames: UniFormerV2Config = field(default_factory=UniFormerV2Config)
    dropout: float = 0.0  # inside the feed-forward of the bridges
    video_mean: tuple[float, float, float] = (
        0.485,
        0.456,
        0.406,
    )  # how the clips that come in are normalised: VideoMAE
    video_std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    frame_mean: tuple[float, float, float] = (0.45, 0.45, 0.45)  # how the frame model wants them: UniFormerV2
    frame_std: tuple[float, float, float] = (0.225, 0.225, 0.225)

    def __post_init__(self) -> None:
        if self.masked.classes != self.frames.classes:
            raise ValueError(
                f"both models must name the same classes, got {self.masked.classes}, {self.frames.classes}"
            )
        if not self.masked.mean_pool:
            raise ValueError("the masked model must pool all tokens (mean_pool=True): the bridges change all of them")

    @property
    def pairs(self) -> dict[int, int]:
        """After which block of the masked model it reads which block of the frame model, both counted from 0.

        One bridge per global block of the frame model, at the same share of the depth; at most one per block.
        """
        deep, other = self.masked.encoder.depth, self.frames.frames.depth
        return {max(round((layer + 1) / other * deep), 1) - 1: layer for layer in self.frames.frames.global_layers}


class CrossModel(nn.Module):
    """Both models with their heads, bridges into the masked model, one bridge back, and the mix of their answers."""

    def __init__(self, config: CrossModelConfig) -> None:
        super().__init__()
        self.config = config
        self.mix = nn.Parameter(torch.zeros(()))  # log-odds of the masked model's share
        self.masked = VideoMAEClassifier(config.masked)
        self.frames = UniFormerV2(config.frames)
        wide, narrow = config.masked.encoder.width, config.frames.frames.width
        self.bridges = nn.ModuleList(Bridge(wide, narrow, config.dropout) for _ in config.pairs)
        self.bridge_back = Bridge(narrow, wide, config.dropout)

    def forward(self, video: Tensor, frames: Tensor | None = None) -> Tensor:
        """(B, C, T, H, W) for the masked model, and for the frame model (default: `frame_view`) -> (B, K).

        Log-probabilities: their exponentials sum to 1, and cross-entropy takes them as logits.
        """
        masked, other = (logits.log_softmax(-1) for logits in self.both(video, frames))
        share = self.mix.sigmoid()
        return torch.logaddexp(masked + share.log(), other + (1 - share).log())

    def both(self, video: Tensor, frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The logits of each model, after they have read each other: two (B, K)."""
        masked, other = self.read(video, frames)
        return self.masked.head(self.masked.head_dropout(masked)), self.frames.head(self.frames.head_dropout(other))

    def encode_video(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, D1 + D2): what both heads read, side by side."""
        return torch.cat(self.read(video), dim=-1)

    def read(self, video: Tensor, frames: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What the head of each model reads: (B, D1) and (B, D2)."""
        pairs = self.config.pairs
        frames = self.frame_view(video) if frames is None else frames
        feature, memories = self.frames.frames.walk(frames, set(pairs.values()))
        encoder = self.masked.encoder
        tokens = encoder.embed(video, self.masked.positions(encoder.patches.grid(video)))
        bridges = iter(self.bridges)
        for layer, block in enumerate(encoder.blocks):
            tokens = block(tokens)
            if layer in pairs:
                tokens = next(bridges)(tokens, memories[pairs[layer]].flatten(1, 2))
        feature = self.bridge_back(feature[:, None], tokens)[:, 0]
        return self.masked.pool(tokens), self.frames.head_norm(feature)

    def frame_view(self, video: Tensor) -> Tensor:
        """The same clip as the frame model was trained to see it: its normalisation, its picture size (bilinear)."""
        config, side = self.config, self.config.frames.frames.size
        pixels = denormalise(video, config.video_mean, config.video_std)
        shift = tuple(-m / s for m, s in zip(config.frame_mean, config.frame_std, strict=True))
        frames = denormalise(pixels, shift, tuple(1 / s for s in config.frame_std))
        if frames.shape[-2:] == (side, side):
            return frames
        return F.interpolate(frames, (frames.shape[2], side, side), mode="trilinear", align_corners=False)

    def freeze_backbones(self) -> None:
        """Train what the paper trains: heads, the frame model's clip token, bridges and mix."""
        open_parts = ("mix", "bridges.", "bridge_back.", "masked.head.", "frames.head.", "frames.frames.clip_token")
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name.startswith(open_parts))


class Bridge(nn.Module):
    """Cross-attention to the other model's tokens and a feed-forward, each behind a gate that begins closed."""

    def __init__(self, width: int, memory_width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = width // 64 if width % 64 == 0 else 1
        self.gate_attention = nn.Parameter(torch.zeros(()))
        self.gate_mlp = nn.Parameter(torch.zeros(()))
        self.norm1 = nn.LayerNorm(width)
        self.norm_memory = nn.LayerNorm(memory_width)
        self.query = Linear(width, width)
        self.key_value = Linear(memory_width, 2 * width)
        self.out = Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, 4 * width, "gelu", dropout)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """tokens: (B, N, D), memory: (B, M, D') -> (B, N, D); unchanged while the gates are zero."""
        k, v = self.key_value(self.norm_memory(memory)).chunk(2, dim=-1)
        read = self.out(attend(self.query(self.norm1(tokens)), k, v, heads=self.heads))
        tokens = tokens + self.gate_attention.tanh() * read
        out: Tensor = tokens + self.gate_mlp.tanh() * self.mlp(self.norm2(tokens))
        return out


CROSS_MODEL_B = CrossModelConfig()
CROSS_MODEL_H = CrossModelConfig(
    masked=replace(CLASSIFIER_H, clip=replace(CLASSIFIER_H.clip, frames=32, size=384)), frames=UNIFORMERV2_L14_336
)
CROSS_MODEL_DEBUG = CrossModelConfig(masked=CLASSIFIER_DEBUG, frames=UNIFORMERV2_DEBUG)
