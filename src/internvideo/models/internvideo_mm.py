"""InternVideo-MM: a frame tower with global blocks, a text tower, one space, and (optional) a caption decoder.

Source: InternVideo (Wang et al., 2022) and the released weights. Knows normalised pixels and token ids; knows no
files, losses, strings or ranks. Videos are (B, C, T, H, W) float, with any number of frames; a picture is one frame.
"""

import math
import re
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models import caption_decoder
from internvideo.models.caption_decoder import CaptionConfig, CaptionDecoder, infer_caption_config
from internvideo.models.renaming import HF_CLIP, Renames, Shapes, WeightsError, prefixed, through
from internvideo.models.text_tower import RENAMES as TEXT_RENAMES
from internvideo.models.text_tower import TextConfig, TextTower, infer_text_config
from internvideo.models.uniformerv2 import FRAMES_L14, TOWER_RENAMES, FrameConfig, FrameTower, infer_frame_config
from internvideo.models.weights import Weights, from_pictures, mix


@dataclass(frozen=True, kw_only=True)
class InternVideoMMConfig:
    video: FrameConfig = field(default_factory=FrameConfig)
    text: TextConfig = field(default_factory=lambda: TextConfig(mask_token=True))
    captioner: CaptionConfig | None = None
    initial_scale: float = 1 / 0.07
    highest_scale: float = 100.0


class InternVideoMM(nn.Module):
    """Two towers, one space; the scale of cosines is learned as its logarithm."""

    def __init__(self, config: InternVideoMMConfig) -> None:
        super().__init__()
        self.config = config
        width, shared = config.video.width, config.text.projection
        self.video_projection = nn.Parameter(torch.empty(width, shared))
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale)))
        self.video = FrameTower(config.video)
        self.video_norm = nn.LayerNorm(width)
        self.text = TextTower(config.text)
        self.captioner = CaptionDecoder(config.captioner) if config.captioner else None
        nn.init.normal_(self.video_projection, std=width**-0.5)

    def encode_video(self, video: Tensor) -> Tensor:
        """video: (B, C, T, H, W) float, normalised -> (B, E) unit length."""
        return F.normalize(self.project_video(video), dim=-1)

    def encode_text(self, ids: Tensor) -> Tensor:
        """ids: (B, L) integers, zero padded -> (B, E) unit length."""
        return F.normalize(self.text(ids), dim=-1)

    def project_video(self, video: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, E), not normalised."""
        return self.video_feature(video)[0] @ self.video_projection

    def video_feature(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """The clip's feature before the projection (B, D), and the last block's tokens (B, T, 1 + h w, D).

        The first is what answer heads read, the second what the caption decoder looks at.
        """
        feature, tokens = self.video(video)
        return self.video_norm(feature), tokens

    def encode_tokens(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """The vector of `encode_video` (B, E), and the last block's tokens, (B, N, D): for captions."""
        feature, tokens = self.video_feature(video)
        return F.normalize(feature @ self.video_projection, dim=-1), tokens.flatten(1, 2)

    def caption_logits(self, ids: Tensor, video_tokens: Tensor) -> Tensor:
        """What follows each token: (B, L) ids, (B, T, 1 + h w, D) from `video_feature` -> (B, L, vocabulary)."""
        if self.captioner is None:
            raise ValueError("these weights have no caption decoder; build one with InternVideoMMConfig(captioner=...)")
        logits: Tensor = self.captioner(self.text.tokens(ids), video_tokens.flatten(1, 2))
        return logits

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied with before a softmax over texts: () positive."""
        return self.log_scale.exp()

    def limit_scale(self) -> Tensor:
        """The scale, first brought back between 1 and its highest value where a training step left that."""
        with torch.no_grad():
            self.log_scale.clamp_(min=0.0, max=math.log(self.config.highest_scale))
        return self.log_scale.exp()


def infer_config(shapes: Shapes, base: InternVideoMMConfig | None = None) -> InternVideoMMConfig:
    """The configuration that weights of these shapes (under our names) belong to.

    base: gives what shapes do not tell (the width of a head, activation, drop rates).
    """
    base = base or InternVideoMMConfig()
    return replace(
        base,
        video=infer_frame_config(shapes, base.video, "video."),
        text=infer_text_config(shapes, base.text),
        captioner=infer_caption_config(shapes) if "captioner.queries" in shapes else None,
    )


def fit(weights: Weights, config: InternVideoMMConfig) -> Weights:
    """Weights of another picture size, or pictures of CLIP, made to fit: see `weights.from_pictures`."""
    tower = config.video
    return from_pictures(weights, "video.", 3 if tower.halve_time else 1, tower.size // tower.patch)


def infer_clip_config(shapes: Shapes, base: InternVideoMMConfig) -> InternVideoMMConfig:
    """`infer_config` for CLIP's own weights. Raises WeightsError for those of InternVideo-MM."""
    found = infer_config(shapes, base)
    if found.video.global_layers or found.captioner or found.text.mask_token:
        raise WeightsError("these are weights of InternVideo-MM, not of CLIP", "try a name like `internvideo-mm-b-16`")
    return found


def merge_with_clip(clip: Weights, tuned: Weights, share: float = 0.5, *, half: bool = False) -> Weights:
    """WiSE-FT as the zero-shot evaluations of InternVideo-MM do it: `share` of CLIP in all that CLIP has (our names).

    Scale, caption decoder and all that looks across frames stay as tuned. half: only the first 12 blocks of the video
    tower are merged, also in L/14, which has 24: the published list was written for B/16, so the published numbers of
    L/14 come from that.
    """
    kept = {key for key in tuned if key not in clip or key == "log_scale"}
    if half:
        blocks = (re.match(r"video\.blocks\.(\d+)\.", key) for key in tuned)
        kept |= {block.string for block in blocks if block and int(block[1]) >= 12}
    base = {key: clip.get(key, value) for key, value in tuned.items()}
    return mix(base, tuned, 1 - share, kept)


INTERNVIDEO_MM_B16 = InternVideoMMConfig()
INTERNVIDEO_MM_L14 = InternVideoMMConfig(
    video=FRAMES_L14, text=TextConfig(width=768, heads=12, projection=768, mask_token=True)
)
# For captions: decoders of four layers (the code's default), and of six for L/14 (the paper's).
INTERNVIDEO_MM_B16_CAPTION = replace(INTERNVIDEO_MM_B16, captioner=CaptionConfig())
INTERNVIDEO_MM_L14_CAPTION = replace(
    INTERNVIDEO_MM_L14, captioner=CaptionConfig(width=768, video_width=1024, depth=6, heads=12)
)
INTERNVIDEO_MM_DEBUG = InternVideoMMConfig(
    video=FrameConfig(width=64, depth=2, heads=2, size=64, global_layers=(1,), global_heads=2),
    text=TextConfig(width=64, depth=2, heads=2, projection=32, mask_token=True),
    captioner=CaptionConfig(width=64, video_width=64, depth=1, heads=2, queries=4),
)
CLIP_B16 = InternVideoMMConfig(video=FrameConfig(global_layers=()), text=TextConfig())
CLIP_B32 = replace(CLIP_B16, video=replace(CLIP_B16.video, patch=32))
CLIP_L14 = InternVideoMMConfig(
    video=replace(FRAMES_L14, global_layers=()), text=TextConfig(width=768, heads=12, projection=768)
)
CLIP_DEBUG = InternVideoMMConfig(
    video=replace(INTERNVIDEO_MM_DEBUG.video, global_layers=()),
    text=TextConfig(width=64, depth=2, heads=2, projection=32),
)


def exact_gelu(config: InternVideoMMConfig) -> InternVideoMMConfig:
    """The same towers with the activation of OpenCLIP's own training; names of weights do not tell the two apart."""
    return replace(config, video=replace(config.video, activation="gelu"), text=replace(config.text, activation="gelu"))


RENAMES: Renames = (
    ("visual_proj", "video_projection"),
    ("positional_embedding", "text.positions"),
    ("text_projection", "text.projection"),
    ("logit_scale", "log_scale"),
    ("text_mask_embedding", "text.mask_token"),
    *prefixed(TOWER_RENAMES, "visual.", "video."),
    ("visual_ln_post.", "video_norm."),
    *prefixed(TEXT_RENAMES[2:], "", "text."),  # its first two lines stand above, in the published order
)

# The released checkpoints: the model below `clip.`, the caption decoder beside it.
CHECKPOINT_RENAMES: Renames = (
    *prefixed(RENAMES, "clip."),
    *prefixed(caption_decoder.RENAMES, "caption_decoder.", "captioner."),
)

# OpenAI and OpenCLIP; the patches are those of pictures (`weights.inflate`), and there is nothing across frames.
CLIP_RENAMES: Renames = (
    ("input_resolution", None),
    ("context_length", None),
    ("vocab_size", None),
    ("attn_mask", None),
    ("logit_scale", "log_scale"),
    ("visual.proj", "video_projection"),
    ("visual.ln_post.", "video_norm."),
    ("visual.conv1.weight", "video.patches.weight|2D"),
    *prefixed(TOWER_RENAMES, "visual.", "video."),
    *prefixed(TEXT_RENAMES, "", "text."),
)

# What CLIP's weights cannot fill.
NEW_BESIDE_CLIP = ("video.clip_token", "video.balance", "video.global_blocks.", "text.mask_token", "captioner.")

LAYOUTS = {
    "checkpoint": CHECKPOINT_RENAMES,
    "official": RENAMES,
    "clip": CLIP_RENAMES,
    "hf-clip": through(HF_CLIP, CLIP_RENAMES),
}
CLIP_LAYOUTS = {"clip": CLIP_RENAMES, "hf-clip": through(HF_CLIP, CLIP_RENAMES)}
