"""Patches of a video that have seen a few convolutions first, for networks that are trained from nothing on little.

A linear patch has to learn every edge and every motion anew at each place inside it; filters that are shared over
places learn them once ("Early Convolutions Help Transformers See Better", Xiao et al., 2021; ours also share over
times). Has the interface of `layers.TubePatches`. Knows tensors only.
"""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import TubePatches, take
from internvideo.models.renaming import Shapes

Patches = Literal["linear", "convolutional"]  # published networks have linear ones

FRAME, SPACE, TIME = 32, 64, 96  # channels: of single frames, of their motion, of tokens to be
SHRINK, HALVED = 8, 2  # pixels and frames that the convolutions fold into one


class ConvolutionalPatches(nn.Module):
    """Frames at a quarter of their size, motion at an eighth and half of the frames, then one token per cube."""

    def __init__(self, width: int, tubelet: int, patch: int) -> None:
        super().__init__()
        if tubelet % HALVED or patch % SHRINK:
            raise ValueError(
                f"convolutions need patches of a multiple of {SHRINK} pixels and {HALVED} frames, "
                f"not {patch} pixels and {tubelet} frames"
            )
        self.tubelet, self.patch = tubelet, patch
        self.frame = nn.Conv2d(3, FRAME, 6, stride=4, padding=1)
        self.detail = nn.Conv2d(FRAME, FRAME, 3, padding=1)
        self.space = nn.Conv3d(FRAME, SPACE, 3, stride=(1, 2, 2), padding=1)
        self.time = nn.Conv3d(SPACE, TIME, 3, stride=(2, 1, 1), padding=1)
        cube = (tubelet // HALVED, patch // SHRINK, patch // SHRINK)
        self.project = nn.Conv3d(TIME, width, cube, stride=cube)

    def grid(self, video: Tensor) -> tuple[int, int, int]:
        """Cubes along time, height and width. Raises ValueError if the video does not cut into whole cubes."""
        return TubePatches.grid(self, video)  # type: ignore[arg-type]  # the same rule

    def forward(self, video: Tensor, kept: Tensor | None = None) -> Tensor:
        """video: (B, C, T, H, W); kept: (B, K) int64 numbers of cubes, time first -> (B, N or K, D).

        Cubes are numbered as in `TubePatches`; those that are not kept are computed all the same: neighbours see them.
        """
        self.grid(video)
        clips, _, frames = video.shape[:3]
        pictures = video.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pictures = F.gelu(self.frame(pictures))
        pictures = pictures + F.gelu(self.detail(pictures))
        moving = pictures.reshape(clips, frames, *pictures.shape[1:]).transpose(1, 2)
        moving = F.gelu(self.space(moving.contiguous(memory_format=torch.channels_last_3d)))
        moving = F.gelu(self.time(moving))
        tokens: Tensor = self.project(moving).flatten(2).transpose(1, 2)
        return tokens if kept is None else take(tokens, kept)


def patches_of(kind: Patches, width: int, tubelet: int, patch: int) -> TubePatches | ConvolutionalPatches:
    """What cuts a video into tokens of `tubelet` frames and `patch` pixels per side."""
    return (TubePatches if kind == "linear" else ConvolutionalPatches)(width, tubelet, patch)


def infer_patches(shapes: Shapes, prefix: str) -> tuple[Patches, int, int, int]:
    """The arguments of `patches_of` that weights of these shapes belong to; prefix: of the patches, with its dot."""
    if prefix + "weight" in shapes:
        width, _, tubelet, patch, _ = shapes[prefix + "weight"]
        return "linear", width, tubelet, patch
    width, _, tubelet, patch, _ = shapes[prefix + "project.weight"]
    return "convolutional", width, tubelet * HALVED, patch * SHRINK
