"""UniFormerV2: CLIP's image transformer on every frame, with parts that look across frames.

Local parts (optional) mix each place with the same place of neighbouring frames inside every block; global blocks let
one query per clip read all tokens of all frames after some blocks, without changing those tokens. `FrameTower` is also
the video tower of InternVideo-MM.

Source: UniFormerV2 (Li et al., 2022) and the weights released with InternVideo. Knows normalised pixels; knows no
files, losses or ranks. Videos are (B, C, T, H, W) float, with any number of frames.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn

from internvideo.models.convolutional_patches import Patches, infer_patches, patches_of
from internvideo.models.layers import (
    Activation,
    Block,
    CrossAttention,
    DropPath,
    DropPathPer,
    FeedForward,
    drop_rates,
    heads_of,
    resize_picture_positions,
)
from internvideo.models.renaming import CLIP_BLOCK, HF_CLIP, Renames, Shapes, count, prefixed, through
from internvideo.models.text_tower import initialise_blocks
from internvideo.models.weights import Weights, from_pictures

Grid = tuple[int, int, int]  # tokens along time, height, width


@dataclass(frozen=True, kw_only=True)
class FrameConfig:
    width: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 16  # pixels per side of one token
    size: int = 224  # pixels per side of the frames it was trained on: size of the table of places
    # Blocks, from 0, whose output a global block reads. None: CLIP itself, the clip's feature is the mean class token.
    global_layers: tuple[int, ...] = (8, 9, 10, 11)
    global_heads: int = 12
    local_parts: Literal[0, 1, 2] = 0  # per block: before the attention, and before the feed-forward
    local_hidden: int | None = None  # channels inside the local parts; None: width / 1.5, rounded down
    tubelet: int = 1  # frames folded into one token; published: 1
    patches: Patches = "linear"
    halve_time: bool = False  # patches span three frames and step by two, instead
    mix_frames: bool = True  # the clip's feature is mixed with the mean class token (False: "frozen" variant)
    activation: Activation = "quick-gelu"
    drop_path: float = 0.0
    global_drop_path: float = 0.0
    global_dropout: float = 0.5
    drop_path_per: DropPathPer = "clip"

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width % self.global_heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads} and {self.global_heads}")
        if self.global_layers and max(self.global_layers) >= self.depth:
            raise ValueError(f"global blocks read blocks {self.global_layers}, but there are {self.depth} (from 0)")
        if self.size % self.patch:
            raise ValueError(f"frames of {self.size} pixels do not cut into patches of {self.patch}")
        if (self.halve_time and self.tubelet > 1) or self.tubelet == 3:
            raise ValueError(f"tokens of {self.tubelet} frames; three are those of `halve_time`, which steps by two")


@dataclass(frozen=True, kw_only=True)
class UniFormerV2Config:
    frames: FrameConfig = field(default_factory=FrameConfig)
    classes: int = 400
    head_dropout: float = 0.5


class UniFormerV2(nn.Module):
    """The frame tower with a classifier."""

    def __init__(self, config: UniFormerV2Config) -> None:
        super().__init__()
        self.config = config
        self.frames = FrameTower(config.frames)
        self.head_norm = nn.LayerNorm(config.frames.width)
        self.head_dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.frames.width, config.classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def encode_video(self, video: Tensor) -> Tensor:
        """The feature that the head reads: (B, C, T, H, W) -> (B, D)."""
        return self.frames.feature(video)

    def forward(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, K) logits."""
        logits: Tensor = self.head(self.head_dropout(self.head_norm(self.encode_video(video))))
        return logits


class FrameTower(nn.Module):
    """Patches and one class token per frame, blocks within each frame, global blocks across all."""

    def __init__(self, config: FrameConfig) -> None:
        super().__init__()
        self.config = config
        width, side = config.width, config.size // config.patch
        self.class_token = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(1 + side * side, width))  # the first row is the class token's
        across = bool(config.global_layers)
        self.clip_token = nn.Parameter(torch.zeros(1, 1, width)) if across else None
        self.balance = nn.Parameter(torch.zeros(width)) if across and config.mix_frames else None
        self.patches = (
            HalvingPatches(width, config.patch)
            if config.halve_time
            else patches_of(config.patches, width, config.tubelet, config.patch)
        )
        self.norm_in = nn.LayerNorm(width)
        rates = drop_rates(config.drop_path, config.depth)
        self.blocks = nn.ModuleList(FrameBlock(config, rate) for rate in rates)
        rates = drop_rates(config.global_drop_path, len(config.global_layers))
        self.global_blocks = nn.ModuleList(GlobalBlock(config, rate) for rate in rates)
        self._initialise()

    def forward(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, T, H, W) -> the clip's feature (B, D), and all tokens of the last block (B, T, 1 + h w, D).

        The class token of a frame comes first.
        """
        last = self.config.depth - 1
        feature, tokens = self.walk(video, (last,))
        return feature, tokens[last]

    def walk(self, video: Tensor, layers: Collection[int]) -> tuple[Tensor, dict[int, Tensor]]:
        """Like `forward`, with the tokens of every block in `layers`, counted from 0."""
        grid = self.patches.grid(video)
        tokens = self._embed(video, grid)
        query = None if self.clip_token is None else self.clip_token.expand(video.shape[0], -1, -1)
        readers, seen = iter(self.global_blocks), {}
        for layer, block in enumerate(self.blocks):
            tokens = block(tokens)
            if layer in layers:
                seen[layer] = tokens
            if layer in self.config.global_layers:
                query = next(readers)(query, tokens, grid)
        if query is None:
            return tokens[:, :, 0].mean(1), seen
        feature = query[:, 0]
        if self.balance is not None:
            share = self.balance.sigmoid()
            feature = (1 - share) * feature + share * tokens[:, :, 0].mean(1)
        return feature, seen

    def feature(self, video: Tensor) -> Tensor:
        """Only the clip's feature: (B, C, T, H, W) -> (B, D)."""
        feature, _ = self(video)
        out: Tensor = feature
        return out

    def _embed(self, video: Tensor, grid: Grid) -> Tensor:
        t, h, w = grid
        cubes: Tensor = self.patches(video)
        cubes = cubes.reshape(video.shape[0], t, h * w, -1)
        tokens = torch.cat([self.class_token.expand(video.shape[0], t, 1, -1), cubes], dim=2)
        out: Tensor = self.norm_in(tokens + resize_picture_positions(self.positions, (h, w)))
        return out

    def _initialise(self) -> None:
        """CLIP's recipe; all parts across frames begin without effect."""
        std = self.config.width**-0.5
        nn.init.normal_(self.class_token, std=std)
        nn.init.normal_(self.positions, std=std)
        initialise_blocks(self.blocks, self.config.width)


class HalvingPatches(nn.Conv3d):
    """Patches of three frames that step by two frames: half as many time steps as frames."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__(3, width, (3, patch, patch), (2, patch, patch), padding=(1, 0, 0), bias=False)
        self.patch = patch

    def grid(self, video: Tensor) -> Grid:
        """Tokens along time, height and width. Raises ValueError if frames do not cut into whole patches."""
        frames, height, width = video.shape[-3:]
        if height % self.patch or width % self.patch:
            raise ValueError(f"frames of {height} x {width} pixels do not cut into patches of {self.patch}")
        return (frames + 1) // 2, height // self.patch, width // self.patch

    def forward(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, t h w, D), time first."""
        return super().forward(video).flatten(2).transpose(1, 2)


class FrameBlock(Block):
    """CLIP's block within each frame, with none, one or two local parts before its branches."""

    def __init__(self, config: FrameConfig, drop_path: float) -> None:
        super().__init__(
            config.width,
            config.heads,
            activation=config.activation,
            drop_path=drop_path,
            drop_path_per=config.drop_path_per,
        )
        self.local1 = LocalPart(config, drop_path) if config.local_parts >= 1 else None
        self.local2 = LocalPart(config, drop_path) if config.local_parts == 2 else None

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, 1 + h w, D) -> the same shape."""
        if self.local1 is not None:
            tokens = self.local1(tokens)
        tokens = tokens + self.drop_path(self.attention(self.norm1(tokens)))
        if self.local2 is not None:
            tokens = self.local2(tokens)
        out: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return out


class LocalPart(nn.Module):
    """Mixes the patches of one place over three neighbouring frames; class tokens pass by."""

    def __init__(self, config: FrameConfig, drop_path: float) -> None:
        super().__init__()
        hidden = config.local_hidden or int(config.width // 1.5)
        self.norm = nn.BatchNorm3d(config.width)
        self.reduce = nn.Conv3d(config.width, hidden, 1)
        self.over_time = nn.Conv3d(hidden, hidden, (3, 1, 1), padding=(1, 0, 0), groups=hidden)
        self.expand = nn.Conv3d(hidden, config.width, 1)
        self.drop_path = DropPath(drop_path)
        for parameter in self.expand.parameters():
            nn.init.zeros_(parameter)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, 1 + h w, D) -> the same shape."""
        volume = tokens[:, :, 1:, :, None].permute(0, 3, 1, 2, 4)  # places in one row: nothing here looks across them
        branch = self.expand(self.over_time(self.reduce(self.norm(volume))))
        patches = tokens[:, :, 1:] + self.drop_path(branch[..., 0].permute(0, 2, 3, 1))
        return torch.cat([tokens[:, :, :1], patches], dim=2)


class GlobalBlock(nn.Module):
    """One query per clip reads all tokens of all frames. The tokens themselves are not changed."""

    def __init__(self, config: FrameConfig, drop_path: float) -> None:
        super().__init__()
        width = config.width
        self.place = nn.Conv3d(width, width, 3, padding=1, groups=width)
        self.norm1 = nn.LayerNorm(width)
        self.norm_memory = nn.LayerNorm(width)
        self.attention = CrossAttention(width, config.global_heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, 4 * width, config.activation, config.global_dropout)
        self.drop_path = DropPath(drop_path)
        self._initialise()

    def forward(self, query: Tensor, tokens: Tensor, grid: Grid) -> Tensor:
        """query: (B, 1, D), tokens: (B, T, 1 + h w, D) -> (B, 1, D)."""
        patches = tokens[:, :, 1:]
        volume = patches.reshape(tokens.shape[0], *grid, -1).permute(0, 4, 1, 2, 3)
        placed = patches + self.place(volume).permute(0, 2, 3, 4, 1).reshape(patches.shape)
        memory = self.norm_memory(torch.cat([tokens[:, :, :1], placed], dim=2).flatten(1, 2))
        query = query + self.drop_path(self.attention(self.norm1(query), memory))
        out: Tensor = query + self.drop_path(self.mlp(self.norm2(query)))
        return out

    def _initialise(self) -> None:
        """Outputs of both branches are zero, so that the query stays what it was."""
        for into, out in ((self.attention.qkv, self.attention.out), (self.mlp.up, self.mlp.down)):
            nn.init.xavier_uniform_(into.weight)
            nn.init.zeros_(into.bias)
            nn.init.zeros_(out.weight)
            nn.init.zeros_(out.bias)
        assert self.place.bias is not None
        nn.init.zeros_(self.place.bias)


def infer_frame_config(shapes: Shapes, base: FrameConfig, prefix: str = "frames.") -> FrameConfig:
    """The configuration that weights of these shapes (under our names) belong to.

    Global blocks read the last blocks. base: gives what shapes do not tell (the width of a head, drop rates).
    """
    kind, width, span, patch = infer_patches(shapes, prefix + "patches.")
    depth, readers = count(shapes, prefix + "blocks."), count(shapes, prefix + "global_blocks.")
    local = shapes.get(prefix + "blocks.0.local1.reduce.weight")
    return replace(
        base,
        width=width,
        depth=depth,
        heads=heads_of(width, base.width, base.heads),
        patch=patch,
        size=round((shapes[prefix + "positions"][0] - 1) ** 0.5) * patch,
        global_layers=tuple(range(depth - readers, depth)),
        global_heads=heads_of(width, base.width, base.global_heads),
        local_parts=0 if local is None else 2 if prefix + "blocks.0.local2.reduce.weight" in shapes else 1,
        local_hidden=local[0] if local and local[0] != int(width // 1.5) else None,
        tubelet=base.tubelet if span == 3 else span,
        patches=kind,
        halve_time=span == 3,
        mix_frames=prefix + "balance" in shapes or not readers,
    )


def infer_config(shapes: Shapes, base: UniFormerV2Config | None = None) -> UniFormerV2Config:
    """The configuration of a whole UniFormerV2, as in `infer_frame_config`."""
    base = base or UniFormerV2Config()
    return replace(
        base, frames=infer_frame_config(shapes, base.frames), classes=shapes.get("head.weight", (base.classes,))[0]
    )


def fit(weights: Weights, config: UniFormerV2Config) -> Weights:
    """Weights of another picture size, or pictures of CLIP, made to fit: see `weights.from_pictures`."""
    tower = config.frames
    return from_pictures(weights, "frames.", 3 if tower.halve_time else tower.tubelet, tower.size // tower.patch)


FRAMES_B16 = FrameConfig()
FRAMES_L14 = FrameConfig(width=1024, depth=24, heads=16, patch=14, global_layers=(20, 21, 22, 23), global_heads=16)
FRAMES_DEBUG = FrameConfig(width=64, depth=2, heads=2, size=64, global_layers=(0, 1), global_heads=2)

UNIFORMERV2_B16 = UniFormerV2Config()
UNIFORMERV2_L14 = UniFormerV2Config(frames=FRAMES_L14)
UNIFORMERV2_L14_336 = UniFormerV2Config(frames=replace(FRAMES_L14, size=336))
UNIFORMERV2_DEBUG = UniFormerV2Config(frames=FRAMES_DEBUG, classes=8)

_LOCAL: Renames = (
    ("pos_embed.0.", "norm."),
    ("pos_embed.1.", "reduce."),
    ("pos_embed.2.", "over_time."),
    ("pos_embed.3.", "expand."),
)

# The video tower alone, as in UniFormerV2 and, below `visual.`, in InternVideo-MM.
TOWER_RENAMES: Renames = (
    ("class_embedding", "class_token"),
    ("positional_embedding", "positions"),
    ("conv1.", "patches."),
    ("ln_pre.", "norm_in."),
    ("transformer.temporal_cls_token", "clip_token"),
    ("transformer.balance", "balance"),
    *prefixed(_LOCAL, "transformer.resblocks.{n}.lmhra1.", "blocks.{n}.local1."),
    *prefixed(_LOCAL, "transformer.resblocks.{n}.lmhra2.", "blocks.{n}.local2."),
    *prefixed(CLIP_BLOCK, "transformer.resblocks.{n}.", "blocks.{n}."),
    ("transformer.dpe.{n}.", "global_blocks.{n}.place."),
    *prefixed(CLIP_BLOCK, "transformer.dec.{n}.", "global_blocks.{n}."),
    ("transformer.dec.{n}.ln_3.", "global_blocks.{n}.norm_memory."),
)

RENAMES: Renames = (
    *prefixed(TOWER_RENAMES, "", "frames."),
    ("transformer.proj.0.", "head_norm."),
    ("transformer.proj.2.", "head."),
)

# OpenAI and OpenCLIP; what looks across frames and the head are not there. UniFormerV2 has no norm behind the tower.
CLIP_RENAMES: Renames = (
    *((name, None) for name in ("input_resolution", "context_length", "vocab_size", "attn_mask", "logit_scale")),
    *((name, None) for name in ("visual.proj", "visual.ln_post.", "positional_embedding", "text_projection")),
    *((name, None) for name in ("token_embedding.", "ln_final.", "transformer.")),
    ("visual.conv1.weight", "frames.patches.weight|2D"),
    *prefixed(TOWER_RENAMES, "visual.", "frames."),
)

# What CLIP's weights cannot fill.
NEW_BESIDE_CLIP = ("frames.clip_token", "frames.balance", "frames.global_blocks.", "head")

LAYOUTS = {
    "official": RENAMES,
    "trainer": prefixed(RENAMES, "backbone."),
    "clip": CLIP_RENAMES,
    "hf-clip": through(HF_CLIP, CLIP_RENAMES),
}
