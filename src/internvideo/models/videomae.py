"""VideoMAE: a plain video transformer, pre-trained by filling in hidden cubes, fine-tuned as a classifier.

Source: VideoMAE (Tong et al., 2022), VideoMAE V2 (Wang et al., 2023) and the weights released with InternVideo. Knows
normalised pixels and which cubes to look at; knows no files, targets, losses or ranks. Videos are (B, C, T, H, W)
float; cube (t, h, w) is token number (t * rows + h) * columns + w.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.models.layers import (
    DropPath,
    DropPathPer,
    FeedForward,
    Linear,
    TubePatches,
    attend,
    drop_rates,
    heads_of,
    resize_grid,
    resize_line,
    take,
)
from internvideo.models.probes import AttentivePool
from internvideo.models.renaming import Renames, Shapes, count, prefixed
from internvideo.models.weights import Weights
from internvideo.ops.products import linear

Grid = tuple[int, int, int]  # tokens along time, height and width

EPSILON = 1e-6  # of all norms


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """How a clip becomes tokens."""

    frames: int = 16
    size: int = 224  # pixels per side
    tubelet: int = 2  # frames folded into one token
    patch: int = 16  # pixels per side of one token

    def __post_init__(self) -> None:
        if self.frames % self.tubelet or self.size % self.patch:
            raise ValueError(f"{self.frames} frames of {self.size} pixels do not cut into {self.tubelet}x{self.patch}")

    @property
    def grid(self) -> Grid:
        return self.frames // self.tubelet, self.size // self.patch, self.size // self.patch


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """A stack of blocks."""

    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072  # width inside the feed-forward
    bias: bool = True  # queries and values have a bias; keys never do
    layer_scale: float = 0.0  # initial value of the gates on both branches; 0: no gates
    drop_path: float = 0.0
    drop_path_per: DropPathPer = "clip"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    clip: ClipConfig = field(default_factory=ClipConfig)
    encoder: TrunkConfig = field(default_factory=TrunkConfig)
    decoder: TrunkConfig = field(default_factory=lambda: TrunkConfig(width=384, depth=4, heads=6, hidden=1536))


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    clip: ClipConfig = field(default_factory=ClipConfig)
    encoder: TrunkConfig = field(default_factory=TrunkConfig)
    classes: int = 400
    table_frames: int = 16  # of the clips whose table of positions is resized to all others: those of pre-training
    table_size: int = 224
    learned_positions: bool = False  # a table that is trained, of the size of `clip`
    mean_pool: bool = True  # False: the feature is the first token (published, unused)
    attentive: bool = False  # instead of the mean, a learned query reads the tokens (`probes.AttentivePool`)
    head_dropout: float = 0.0
    head_scale: float = 0.001  # of the initial weights of the head
    train_segments: int = 1  # in training, the logits of so many consecutive rows are averaged

    @property
    def table_grid(self) -> Grid:
        base = (
            self.clip if self.learned_positions else replace(self.clip, frames=self.table_frames, size=self.table_size)
        )
        return base.grid


class VideoMAE(nn.Module):
    """An encoder of the visible cubes and a narrow decoder of the hidden ones."""

    def __init__(self, config: PretrainConfig) -> None:
        super().__init__()
        self.config = config
        clip, width, narrow = config.clip, config.encoder.width, config.decoder.width
        self.mask_token = nn.Parameter(torch.empty(1, 1, narrow))
        self.encoder = Encoder(clip, config.encoder, norm=True)
        self.decoder = Decoder(config.decoder, outputs=3 * clip.tubelet * clip.patch**2)
        self.to_decoder = Linear(width, narrow, bias=False)
        self.encoder_positions, self.decoder_positions = Positions(clip.grid, width), Positions(clip.grid, narrow)
        self._initialise()

    def encode(self, video: Tensor, visible: Tensor) -> Tensor:
        """(B, C, T, H, W), (B, K) int64 ascending -> (B, K, D). Hidden cubes are not even embedded."""
        positions = self.encoder_positions(self.encoder.patches.grid(video))
        out: Tensor = self.encoder(video, take(positions, visible), visible)
        return out

    def forward(self, video: Tensor, visible: Tensor, decoded: Tensor | None = None) -> Tensor:
        """The contents of hidden cubes: (B, C, T, H, W) -> (B, M, tubelet * patch * patch * C).

        visible: (B, K), decoded: (B, M), int64 numbers of cubes, ascending. Without `decoded` all cubes that are not
        visible are predicted; VideoMAE V2 names a part of them.
        """
        positions: Tensor = self.decoder_positions(self.encoder.patches.grid(video))
        decoded = complement(visible, positions.shape[1]) if decoded is None else decoded
        seen = self.to_decoder(self.encode(video, visible)) + take(positions, visible)
        tokens = torch.cat([seen, self.mask_token + take(positions, decoded)], dim=1)  # not in the order of the cubes
        out: Tensor = self.decoder(tokens, decoded.shape[1])
        return out

    def _initialise(self) -> None:
        nn.init.trunc_normal_(self.mask_token, std=0.02, a=-0.02, b=0.02)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)


class VideoMAEClassifier(nn.Module):
    """The encoder over all cubes and a linear head on the mean token."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        width = config.encoder.width
        self.positions = Positions(config.table_grid, width, learned=config.learned_positions)
        self.encoder = Encoder(config.clip, config.encoder, norm=False)
        self.token_norm = None if config.mean_pool else nn.LayerNorm(width, EPSILON)
        self.mean_norm = nn.LayerNorm(width, EPSILON) if config.mean_pool else None
        self.reader = AttentivePool(width, config.encoder.heads) if config.attentive else None
        self.head_dropout = nn.Dropout(config.head_dropout)
        self.head = Linear(width, config.classes)
        self._initialise()

    def tokens(self, video: Tensor) -> Tensor:
        """Every token after the last block: (B, C, T, H, W) -> (B, N, D). Any frame count and picture size."""
        out: Tensor = self.encoder(video, self.positions(self.encoder.patches.grid(video)))
        return out

    def encode_video(self, video: Tensor) -> Tensor:
        """The feature that the head reads: (B, C, T, H, W) -> (B, D)."""
        return self.pool(self.tokens(video))

    def pool(self, tokens: Tensor) -> Tensor:
        """The feature of a clip from all of its tokens: (B, N, D) -> (B, D)."""
        norm = self.mean_norm or self.token_norm
        assert norm is not None
        feature = tokens.mean(1) if self.config.mean_pool else tokens[:, 0]
        out: Tensor = norm(feature if self.reader is None else self.reader(tokens))
        return out

    def forward(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, K) logits; in training (B / train_segments, K)."""
        logits: Tensor = self.head(self.head_dropout(self.encode_video(video)))
        if self.training and self.config.train_segments > 1:
            logits = logits.reshape(-1, self.config.train_segments, logits.shape[-1]).mean(1)
        return logits

    def _initialise(self) -> None:
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        with torch.no_grad():
            self.head.weight.mul_(self.config.head_scale)


class Encoder(nn.Module):
    """Cubes to tokens, then blocks; in pre-training also a norm."""

    def __init__(self, clip: ClipConfig, config: TrunkConfig, *, norm: bool) -> None:
        super().__init__()
        self.patches = TubePatches(config.width, clip.tubelet, clip.patch, bias=True)
        self.blocks = blocks_of(config)
        self.norm = nn.LayerNorm(config.width, EPSILON) if norm else None

    def forward(self, video: Tensor, positions: Tensor, kept: Tensor | None = None) -> Tensor:
        """(B, C, T, H, W), (B or 1, N or K, D) positions, (B, K) numbers of cubes -> (B, N or K, D)."""
        tokens = self.embed(video, positions, kept)
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.norm(tokens) if self.norm else tokens
        return out

    def embed(self, video: Tensor, positions: Tensor, kept: Tensor | None = None) -> Tensor:
        """The tokens before the first block: arguments and shape as in `forward`."""
        patches: Tensor = self.patches(video, kept)
        return patches + positions


class Decoder(nn.Module):
    """Blocks over visible and hidden tokens, then the pixels of the hidden ones, which come last."""

    def __init__(self, config: TrunkConfig, outputs: int) -> None:
        super().__init__()
        self.blocks = blocks_of(config)
        self.norm = nn.LayerNorm(config.width, EPSILON)
        self.head = Linear(config.width, outputs)

    def forward(self, tokens: Tensor, hidden: int) -> Tensor:
        """(B, N, D) -> (B, hidden, outputs)."""
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.head(self.norm(tokens[:, tokens.shape[1] - hidden :]))
        return out


class TrunkBlock(nn.Module):
    """Pre-norm residual block with exact GELU and, if asked for, a learned gate per channel on both branches."""

    def __init__(self, config: TrunkConfig, drop_path: float) -> None:
        super().__init__()
        gated = config.layer_scale > 0
        self.gate1 = nn.Parameter(torch.full((config.width,), config.layer_scale)) if gated else None
        self.gate2 = nn.Parameter(torch.full((config.width,), config.layer_scale)) if gated else None
        self.norm1 = nn.LayerNorm(config.width, EPSILON)
        self.attention = KeylessBiasAttention(config)
        self.norm2 = nn.LayerNorm(config.width, EPSILON)
        self.mlp = FeedForward(config.width, config.hidden, "gelu")
        self.drop_path = DropPath(drop_path, config.drop_path_per)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, N, D) -> (B, N, D)."""
        branch = self.attention(self.norm1(tokens))
        tokens = tokens + self.drop_path(branch if self.gate1 is None else self.gate1 * branch)
        branch = self.mlp(self.norm2(tokens))
        out: Tensor = tokens + self.drop_path(branch if self.gate2 is None else self.gate2 * branch)
        return out


class KeylessBiasAttention(nn.Module):
    """Self-attention whose queries and values have a bias and whose keys have none."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query_bias = nn.Parameter(torch.zeros(config.width)) if config.bias else None
        self.value_bias = nn.Parameter(torch.zeros(config.width)) if config.bias else None
        self.qkv = Linear(config.width, 3 * config.width, bias=False)
        self.out = Linear(config.width, config.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (B, N, D) -> (B, N, D)."""
        bias = None
        if self.query_bias is not None and self.value_bias is not None:
            bias = torch.cat([self.query_bias, torch.zeros_like(self.value_bias), self.value_bias])
        q, k, v = linear(tokens, self.qkv.weight, bias).chunk(3, dim=-1)
        out: Tensor = self.out(attend(q, k, v, heads=self.heads))
        return out


class Positions(nn.Module):
    """A table of positions of one grid, resized for every other: by default fixed sine waves, not in the weights."""

    def __init__(self, grid: Grid, width: int, *, learned: bool = False) -> None:
        super().__init__()
        self.grid = grid
        table = sine_table(grid[0] * grid[1] * grid[2], width)
        self.table: Tensor
        if learned:
            self.table = nn.Parameter(torch.empty(table.shape))
            with torch.no_grad():
                self.table.copy_(table)
        else:
            self.register_buffer("table", table, persistent=False)

    def forward(self, grid: Grid) -> Tensor:
        """(1, t h w, D)."""
        return resize_positions(self.table, self.grid, grid)


def blocks_of(config: TrunkConfig) -> nn.ModuleList:
    """Blocks whose stochastic depth grows linearly."""
    return nn.ModuleList(TrunkBlock(config, rate) for rate in drop_rates(config.drop_path, config.depth))


def sine_table(length: int, width: int) -> Tensor:
    """Fixed positions: (1, length, width) float32, always on the CPU, also while a network is built on the meta device.

    One index over all tokens; channel j of index i is sin (j even) or cos (j odd) of i / 10000^(2 floor(j/2) / width).
    """
    angle = np.arange(length)[:, None] / np.power(10_000, np.arange(0, width, 2) / width)
    table = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)[:, :width]
    return torch.from_numpy(table.astype(np.float32))[None]


def resize_positions(table: Tensor, source: Grid, target: Grid) -> Tensor:
    """(1, t h w, D) of another grid: bicubic for each time step, then linear over time (published rule)."""
    if source == target:
        return table
    steps = resize_grid(table.reshape(len(table), source[0], -1, table.shape[-1]), source[1:], target[1:])
    return resize_line(steps.transpose(1, 2), target[0]).transpose(1, 2).flatten(1, 2)


def complement(kept: Tensor, total: int) -> Tensor:
    """The numbers below `total` that are not kept, ascending: (B, K) int64 -> (B, total - K)."""
    hidden = torch.ones(kept.shape[0], total, dtype=torch.uint8, device=kept.device).scatter_(1, kept, 0)
    return hidden.argsort(dim=1, descending=True, stable=True)[:, : total - kept.shape[1]]


def start_from_pretrained(weights: Weights) -> Weights:
    """What a classifier takes over from a pre-trained network (both with our names): patches and blocks.

    The norm behind the encoder is left out: the classifier has its own, behind the mean, which starts anew.
    """
    return {key: value for key, value in weights.items() if key.startswith(("encoder.patches.", "encoder.blocks."))}


def infer_pretrain_config(shapes: Shapes, base: PretrainConfig | None = None) -> PretrainConfig:
    """The configuration that weights of these shapes (under our names) belong to.

    base: gives what shapes do not tell (frames, picture size, the width of a head, drop path).
    """
    base = base or PretrainConfig()
    encoder = _infer_trunk(shapes, "encoder.", base.encoder)
    return replace(
        base,
        clip=_infer_clip(shapes, base.clip),
        encoder=encoder,
        decoder=_infer_trunk(shapes, "decoder.", base.decoder),
    )


def infer_classifier_config(shapes: Shapes, base: ClassifierConfig | None = None) -> ClassifierConfig:
    """The same for a classifier."""
    base = base or ClassifierConfig()
    return replace(
        base,
        clip=_infer_clip(shapes, base.clip),
        encoder=_infer_trunk(shapes, "encoder.", base.encoder),
        classes=shapes["head.weight"][0],
        learned_positions="positions.table" in shapes,
        mean_pool="mean_norm.weight" in shapes,
    )


HEADS = {1280: 16, 1408: 16, 1664: 16}  # published widths whose heads are not 64 wide


def _infer_trunk(shapes: Shapes, prefix: str, base: TrunkConfig) -> TrunkConfig:
    hidden, width = shapes[prefix + "blocks.0.mlp.up.weight"]
    return replace(
        base,
        width=width,
        depth=count(shapes, prefix + "blocks."),
        heads=HEADS.get(width, heads_of(width, base.width, base.heads)),
        hidden=hidden,
        bias=prefix + "blocks.0.attention.query_bias" in shapes,
        layer_scale=(base.layer_scale or 0.1) if prefix + "blocks.0.gate1" in shapes else 0.0,
    )


def _infer_clip(shapes: Shapes, base: ClipConfig) -> ClipConfig:
    _, _, tubelet, patch, _ = shapes["encoder.patches.weight"]
    return replace(base, tubelet=tubelet, patch=patch)


TRUNK_S = TrunkConfig(width=384, heads=6, hidden=1536)
TRUNK_B = TrunkConfig()
TRUNK_L = TrunkConfig(width=1024, depth=24, heads=16, hidden=4096)
TRUNK_H = TrunkConfig(width=1280, depth=32, heads=16, hidden=5120)
TRUNK_G = TrunkConfig(width=1408, depth=40, heads=16, hidden=6144)
DECODER_B = TrunkConfig(width=384, depth=4, heads=6, hidden=1536)
DECODER_L = TrunkConfig(width=512, depth=12, heads=8, hidden=2048)
DECODER_H = replace(DECODER_L, depth=8)

PRETRAIN_B = PretrainConfig()
PRETRAIN_L = PretrainConfig(encoder=TRUNK_L, decoder=DECODER_L)
PRETRAIN_H = PretrainConfig(encoder=TRUNK_H, decoder=DECODER_H)
CLASSIFIER_B = ClassifierConfig()
CLASSIFIER_L = ClassifierConfig(encoder=TRUNK_L)
CLASSIFIER_H = ClassifierConfig(encoder=TRUNK_H, head_dropout=0.5)

# Small enough to learn a few dozen clips from scratch on one core in minutes.
_NANO_CLIP = ClipConfig(frames=16, size=32, tubelet=4, patch=8)
_NANO_TRUNK = TrunkConfig(width=96, depth=3, heads=3, hidden=288)
PRETRAIN_NANO = PretrainConfig(
    clip=_NANO_CLIP, encoder=_NANO_TRUNK, decoder=TrunkConfig(width=48, depth=1, heads=2, hidden=144)
)
CLASSIFIER_NANO = ClassifierConfig(
    clip=_NANO_CLIP, encoder=_NANO_TRUNK, table_frames=16, table_size=32, learned_positions=True, head_scale=1.0
)

_DEBUG_CLIP = ClipConfig(frames=4, size=64)
_DEBUG_TRUNK = TrunkConfig(width=64, depth=2, heads=2, hidden=128)
PRETRAIN_DEBUG = PretrainConfig(
    clip=_DEBUG_CLIP, encoder=_DEBUG_TRUNK, decoder=TrunkConfig(width=32, depth=1, heads=2, hidden=64)
)
CLASSIFIER_DEBUG = ClassifierConfig(clip=_DEBUG_CLIP, encoder=_DEBUG_TRUNK, classes=8, table_frames=4, table_size=64)

_BLOCK: Renames = (
    ("gamma_1", "gate1"),
    ("gamma_2", "gate2"),
    ("norm1.", "norm1."),
    ("attn.q_bias", "attention.query_bias"),
    ("attn.v_bias", "attention.value_bias"),
    ("attn.qkv.", "attention.qkv."),
    ("attn.proj.", "attention.out."),
    ("norm2.", "norm2."),
    ("mlp.fc1.", "mlp.up."),
    ("mlp.fc2.", "mlp.down."),
)

PRETRAIN_RENAMES: Renames = (
    ("mask_token", "mask_token"),
    ("encoder.patch_embed.proj.", "encoder.patches."),
    *prefixed(_BLOCK, "encoder.blocks.{n}.", "encoder.blocks.{n}."),
    ("encoder.norm.", "encoder.norm."),
    *prefixed(_BLOCK, "decoder.blocks.{n}.", "decoder.blocks.{n}."),
    ("decoder.norm.", "decoder.norm."),
    ("decoder.head.", "decoder.head."),
    ("encoder_to_decoder.", "to_decoder."),
)

CLASSIFIER_RENAMES: Renames = (
    ("pos_embed", "positions.table"),
    ("patch_embed.proj.", "encoder.patches."),
    *prefixed(_BLOCK, "blocks.{n}.", "encoder.blocks.{n}."),
    ("norm.", "token_norm."),
    ("fc_norm.", "mean_norm."),
    ("head.", "head."),
)

# Hugging Face transformers, `VideoMAEForVideoClassification` and `VideoMAEForPreTraining`. The files on the hub say
# q_bias and v_bias, what transformers 5 holds in memory says query.bias and value.bias. Its norms have another epsilon
# (1e-12 by default, 1e-5 behind the mean), so answers agree to about 1e-6. Positions are not in the files.
_HF_BLOCK: Renames = (
    ("attention.attention.q_bias", "attention.query_bias"),
    ("attention.attention.v_bias", "attention.value_bias"),
    ("attention.attention.query.bias", "attention.query_bias"),
    ("attention.attention.value.bias", "attention.value_bias"),
    ("attention.attention.query.weight", "attention.qkv.weight|1/3"),
    ("attention.attention.key.weight", "attention.qkv.weight|2/3"),
    ("attention.attention.value.weight", "attention.qkv.weight|3/3"),
    ("attention.output.dense.", "attention.out."),
    ("intermediate.dense.", "mlp.up."),
    ("output.dense.", "mlp.down."),
    ("layernorm_before.", "norm1."),
    ("layernorm_after.", "norm2."),
)

_HF_ENCODER: Renames = (
    ("videomae.embeddings.patch_embeddings.projection.", "encoder.patches."),
    *prefixed(_HF_BLOCK, "videomae.encoder.layer.{n}.", "encoder.blocks.{n}."),
)

HF_CLASSIFIER_RENAMES: Renames = (
    *_HF_ENCODER,
    ("videomae.layernorm.", "token_norm."),
    ("fc_norm.", "mean_norm."),
    ("classifier.", "head."),
)

HF_PRETRAIN_RENAMES: Renames = (
    ("mask_token", "mask_token"),
    *_HF_ENCODER,
    ("videomae.layernorm.", "encoder.norm."),
    ("encoder_to_decoder.", "to_decoder."),
    *prefixed(_HF_BLOCK, "decoder.decoder_layers.{n}.", "decoder.blocks.{n}."),
    ("decoder.norm.", "decoder.norm."),
    ("decoder.head.", "decoder.head."),
)

# What weights of masked pre-training, which a classifier may begin with, cannot fill.
NEW_BESIDE_PRETRAINED = ("mean_norm.", "token_norm.", "reader.", "head.", "positions.")

LAYOUTS = {
    "official": CLASSIFIER_RENAMES,
    "trainer": prefixed(CLASSIFIER_RENAMES, "backbone."),
    "hf": HF_CLASSIFIER_RENAMES,
}
PRETRAIN_LAYOUTS = {"official": PRETRAIN_RENAMES, "hf": HF_PRETRAIN_RENAMES}
