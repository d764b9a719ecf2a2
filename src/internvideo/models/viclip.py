"""ViCLIP: a video tower with joint space-time attention and a text tower, one space; perhaps a caption decoder.

Source: InternVid (Wang et al., 2023) and the released weights; these have no decoder, ours is InternVideo-MM's. Knows
normalised pixels and token ids; knows no files, losses, strings or ranks. Videos are (B, C, T, H, W) float.
"""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.caption_decoder import CaptionConfig, CaptionDecoder, infer_caption_config
from internvideo.models.convolutional_patches import Patches, infer_patches, patches_of
from internvideo.models.layers import (
    Activation,
    Block,
    DropPathPer,
    drop_rates,
    heads_of,
    resize_line,
    resize_picture_positions,
)
from internvideo.models.probes import AttentivePool
from internvideo.models.renaming import CLIP_BLOCK, HF_CLIP, Renames, Shapes, count, prefixed, through
from internvideo.models.text_tower import RENAMES as TEXT_RENAMES
from internvideo.models.text_tower import TextConfig, TextTower, infer_text_config, initialise_blocks
from internvideo.models.weights import Weights, fit_length, fit_tables, from_pictures, pad_length


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    width: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 16  # pixels per side of one token
    tubelet: int = 1  # frames folded into one token
    patches: Patches = "linear"
    frames: int = 8  # of the clips it was trained on: size of the table of times
    size: int = 224  # pixels per side of those clips: size of the table of places
    projection: int | None = 512  # width of the space shared with texts; None: no projection
    temporal_positions: bool = True
    activation: Activation = "quick-gelu"
    drop_path: float = 0.0
    drop_path_per: DropPathPer = "clip"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}; heads are often width / 64")
        if self.size % self.patch or self.frames % self.tubelet:
            raise ValueError(f"{self.frames} frames of {self.size} pixels do not cut into {self.tubelet}x{self.patch}")


@dataclass(frozen=True, kw_only=True)
class ViCLIPConfig:
    video: VideoConfig = field(default_factory=VideoConfig)
    text: TextConfig = field(default_factory=lambda: TextConfig(context=32))
    captioner: CaptionConfig | None = None
    lowest_temperature: float = 0.01
    initial_temperature: float = 0.01


class ViCLIP(nn.Module):
    """Two towers, one space."""

    def __init__(self, config: ViCLIPConfig) -> None:
        super().__init__()
        self.config = config
        self.temperature = nn.Parameter(torch.tensor(config.initial_temperature))
        self.video = VideoTower(config.video)
        self.text = TextTower(config.text)
        self.captioner = CaptionDecoder(config.captioner) if config.captioner else None

    def encode_video(self, video: Tensor, kept: Tensor | None = None) -> Tensor:
        """video: (B, C, T, H, W) float, normalised; kept: see `VideoTower.tokens` -> (B, E) unit length."""
        return F.normalize(self.video(video, kept), dim=-1)

    def encode_text(self, ids: Tensor) -> Tensor:
        """ids: (B, L) integers, zero padded -> (B, E) unit length."""
        return F.normalize(self.text(ids), dim=-1)

    def encode_tokens(self, video: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The vector of `encode_video` (B, E), and the tokens it was read from, (B, 1 + N, D): for captions."""
        tokens = self.video.tokens(video, kept)
        return F.normalize(self.video.project(tokens), dim=-1), tokens

    @property
    def scale(self) -> float:
        """What cosines are multiplied with before a softmax over texts; the learned temperature is for training."""
        return 100.0

    def lift_temperature(self) -> Tensor:
        """The learned temperature, first raised to its lowest value where a training step pushed it below."""
        with torch.no_grad():
            self.temperature.clamp_(min=self.config.lowest_temperature)
        return self.temperature


@dataclass(frozen=True, kw_only=True)
class ViCLIPClassifierConfig:
    video: VideoConfig = field(default_factory=lambda: VideoConfig(projection=None))
    classes: int = 400
    head_dropout: float = 0.0
    attentive: bool = False  # instead of the class token, a learned query reads all tokens (`probes.AttentivePool`)


class ViCLIPClassifier(nn.Module):
    """The video tower with a classifier behind its class token, for fine-tuning."""

    def __init__(self, config: ViCLIPClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.video = VideoTower(config.video)
        self.reader = AttentivePool(config.video.width, config.video.heads) if config.attentive else None
        self.head_dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.video.width, config.classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def encode_video(self, video: Tensor) -> Tensor:
        """The feature that the head reads: (B, C, T, H, W) -> (B, D)."""
        tokens = self.video.tokens(video)
        feature: Tensor = tokens[:, 0] if self.reader is None else self.reader(tokens)
        return feature

    def forward(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, K) logits."""
        logits: Tensor = self.head(self.head_dropout(self.encode_video(video)))
        return logits


class VideoTower(nn.Module):
    """A transformer over all patches of all frames and one class token."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        self.config = config
        width, side, slots = config.width, config.size // config.patch, config.frames // config.tubelet
        self.class_token = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(1 + side * side, width))  # the first row is the class token's
        self.times = nn.Parameter(torch.zeros(1, slots, width)) if config.temporal_positions else None
        self.projection = nn.Parameter(torch.empty(width, config.projection)) if config.projection else None
        self.patches = patches_of(config.patches, width, config.tubelet, config.patch)
        self.norm_in = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, activation=config.activation, drop_path=rate, drop_path_per=config.drop_path_per)
            for rate in drop_rates(config.drop_path, config.depth)
        )
        self.norm_out = nn.LayerNorm(width)
        self._initialise()

    def forward(self, video: Tensor, kept: Tensor | None = None) -> Tensor:
        """video: (B, C, T, H, W) -> (B, E): the projected class token, not normalised."""
        return self.project(self.tokens(video, kept))

    def project(self, tokens: Tensor) -> Tensor:
        """What `tokens` gives, (B, 1 + N, D) -> (B, E): the projected class token."""
        if self.projection is None:
            raise ValueError("this tower has no projection; use `tokens`, or build it with VideoConfig(projection=512)")
        return tokens[:, 0] @ self.projection

    def tokens(self, video: Tensor, kept: Tensor | None = None) -> Tensor:
        """Every token after the last norm, before the projection: (B, C, T, H, W) -> (B, 1 + h w t or 1 + K, D).

        The class token comes first. Patch (h, w) of frame t is token 1 + (row * columns + column) * t_count + t: all
        times of a place lie together. kept: (B, K) int64, which patches to look at, counted in that order from 0
        without the class token; the others are not even embedded.
        """
        tokens = self._embed(video, kept)
        head = (self.class_token + self.positions[0]).expand(tokens.shape[0], 1, -1)
        tokens = self.norm_in(torch.cat([head, tokens], dim=1))
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.norm_out(tokens)
        return out

    def _embed(self, video: Tensor, kept: Tensor | None) -> Tensor:
        t, h, w = self.patches.grid(video)
        positions = self._positions(t, h, w)
        if kept is None:
            tokens: Tensor = self.patches(video)
            tokens = tokens.reshape(-1, t, h * w, tokens.shape[-1]).transpose(1, 2).flatten(1, 2)
            return tokens + positions
        tokens = self.patches(video, kept % t * (h * w) + kept // t)
        return tokens + positions[kept]

    def _positions(self, t: int, h: int, w: int) -> Tensor:
        """(h w t, D). Other picture sizes are interpolated bicubically, other frame counts linearly.

        A single frame gets the mean over all times (published rule).
        """
        places = resize_picture_positions(self.positions, (h, w))[1:, None]
        if self.times is None:
            return places.expand(-1, t, -1).flatten(0, 1)
        times = self.times.mean(1, keepdim=True) if t == 1 else resize_line(self.times, t)
        return (places + times).flatten(0, 1)

    def _initialise(self) -> None:
        """CLIP's recipe; the table of times starts at zero."""
        std = self.config.width**-0.5
        nn.init.normal_(self.class_token, std=std)
        nn.init.normal_(self.positions, std=std)
        if self.projection is not None:
            nn.init.normal_(self.projection, std=std)
        initialise_blocks(self.blocks, self.config.width)


def infer_video_config(shapes: Shapes, base: VideoConfig, prefix: str = "video.") -> VideoConfig:
    """The configuration that weights of these shapes (under our names) belong to.

    base: gives what shapes do not tell (the width of a head, activation, drop path).
    """
    kind, width, tubelet, patch = infer_patches(shapes, prefix + "patches.")
    times, projection = shapes.get(prefix + "times"), shapes.get(prefix + "projection")
    return replace(
        base,
        width=width,
        depth=count(shapes, prefix + "blocks."),
        heads=heads_of(width, base.width, base.heads),
        patch=patch,
        tubelet=tubelet,
        patches=kind,
        frames=times[1] * tubelet if times else base.frames,
        size=round((shapes[prefix + "positions"][0] - 1) ** 0.5) * patch,
        projection=projection[1] if projection else None,
        temporal_positions=times is not None,
    )


def infer_config(shapes: Shapes, base: ViCLIPConfig | None = None) -> ViCLIPConfig:
    """The configuration of a whole ViCLIP, as in `infer_video_config`."""
    base = base or ViCLIPConfig()
    return replace(
        base,
        video=infer_video_config(shapes, base.video),
        text=infer_text_config(shapes, base.text),
        captioner=infer_caption_config(shapes) if "captioner.queries" in shapes else None,
    )


def infer_classifier_config(shapes: Shapes, base: ViCLIPClassifierConfig) -> ViCLIPClassifierConfig:
    """The configuration of a classifier, as in `infer_video_config`."""
    return replace(base, video=infer_video_config(shapes, base.video), classes=shapes["head.weight"][0])


def fit(weights: Weights, config: ViCLIPConfig | ViCLIPClassifierConfig) -> Weights:
    """Weights of another frame count, text length or picture size, made to fit by the published rules.

    Tables of times and of text places are cut, or grow by linear interpolation; places in the picture are interpolated
    bicubically. Note that `VideoTower` itself, given another number of frames, interpolates in both directions.
    """
    video = config.video
    side = video.size // video.patch
    rules = {
        "video.times": lambda table: fit_length(table, video.frames // video.tubelet),
        "video.positions": lambda table: resize_picture_positions(table, (side, side)),
    }
    if isinstance(config, ViCLIPConfig):
        rules["text.positions"] = lambda table: fit_length(table, config.text.context)
    return fit_tables(weights, rules)


def start_from_clip(weights: Weights, config: ViCLIPConfig, *, centre: bool = True) -> Weights:
    """CLIP's two towers (our names, `CLIP_RENAMES`) as the beginning of a ViCLIP, by the published rules.

    Patches are inflated in time, places in the picture interpolated, the table of text places is cut or padded with
    zeros. The temperature and the table of times are not there: they keep their initial values.
    """
    video = config.video
    started = from_pictures(weights, "video.", video.tubelet, video.size // video.patch, centre=centre)
    if "text.positions" in started:
        table = started["text.positions"]
        started["text.positions"] = pad_length(table, table.new_zeros(config.text.context, table.shape[1]))
    return started


def start_classifier(weights: Weights, config: ViCLIPClassifierConfig) -> Weights:
    """What a classifier takes over from a ViCLIP, or from CLIP's picture tower (our names): all of the video tower."""
    video = config.video
    started = from_pictures(weights, "video.", video.tubelet, video.size // video.patch)
    tower = {key: value for key, value in started.items() if key.startswith("video.") and key != "video.projection"}
    return fit(tower, config)


VICLIP_B16 = ViCLIPConfig()
VICLIP_L14 = ViCLIPConfig(
    video=VideoConfig(width=1024, depth=24, heads=16, patch=14, projection=768),
    text=TextConfig(width=768, heads=12, context=32, projection=768),
)
VICLIP_DEBUG = ViCLIPConfig(
    video=VideoConfig(width=64, depth=2, heads=2, patch=16, frames=4, size=64, projection=32),
    text=TextConfig(width=64, depth=2, heads=2, context=32, projection=32),
)

# Small enough to be bundled, for the world of `datasets.moving_shapes`; vocabulary: `text.words`.
VICLIP_TINY = ViCLIPConfig(
    video=VideoConfig(
        width=192,
        depth=6,
        heads=3,
        patch=16,
        tubelet=8,
        patches="convolutional",
        size=96,
        projection=128,
        activation="gelu",
    ),
    text=TextConfig(width=192, depth=3, heads=3, context=32, vocabulary=95, projection=128, activation="gelu"),
    captioner=CaptionConfig(width=192, video_width=192, depth=2, heads=2, queries=16, vocabulary=95),
    initial_temperature=0.05,
)
# For a few dozen or a few thousand clips of one's own, from nothing.
VICLIP_NANO = ViCLIPClassifierConfig(
    video=VideoConfig(
        width=96, depth=2, heads=3, patch=8, tubelet=8, patches="convolutional", frames=16, size=32, projection=None,
        activation="gelu",
    ),
    head_dropout=0.3,
)  # fmt: skip
VICLIP_NANO_DEBUG = replace(
    VICLIP_NANO, video=replace(VICLIP_NANO.video, width=32, depth=1, heads=1, tubelet=4, patch=16, frames=4, size=64)
)
VICLIP_TINY_DEBUG = ViCLIPConfig(
    video=VICLIP_DEBUG.video,
    text=replace(VICLIP_DEBUG.text, vocabulary=95),
    captioner=CaptionConfig(width=64, video_width=64, depth=1, heads=2, queries=4, vocabulary=95),
    initial_temperature=0.05,
)

# The video tower of the official code, and CLIP's image tower, which it was made from.
_VIDEO: Renames = (
    ("class_embedding", "class_token"),
    ("positional_embedding", "positions"),
    ("temporal_positional_embedding", "times"),
    ("proj", "projection"),
    ("conv1.", "patches."),
    ("ln_pre.", "norm_in."),
    *prefixed(CLIP_BLOCK, "transformer.resblocks.{n}.", "blocks.{n}."),
    ("ln_post.", "norm_out."),
)

RENAMES: Renames = (
    ("temp", "temperature"),
    *prefixed(_VIDEO, "vision_encoder.", "video."),
    *prefixed(TEXT_RENAMES, "text_encoder.", "text."),
)

# OpenAI and OpenCLIP; the patches are those of pictures (`weights.inflate`).
CLIP_RENAMES: Renames = (
    ("logit_scale", None),  # the temperature of a video model starts anew
    ("input_resolution", None),
    ("context_length", None),
    ("vocab_size", None),
    ("attn_mask", None),
    ("visual.conv1.weight", "video.patches.weight|2D"),
    *prefixed(_VIDEO, "visual.", "video."),
    *prefixed(TEXT_RENAMES, "", "text."),
)

# What CLIP's weights cannot fill.
NEW_BESIDE_CLIP = ("temperature", "video.times")

LAYOUTS = {"official": RENAMES, "clip": CLIP_RENAMES, "hf-clip": through(HF_CLIP, CLIP_RENAMES)}
