"""Training views of a clip: which frames are drawn, what is cut out of them, how they are distorted.

`AUGMENTS` has what the published models were trained with. Evaluation draws nothing: `video.transforms.preprocess`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from internvideo.errors import UsageError, nearest, pick
from internvideo.records import Preprocess
from internvideo.video import published_sampling as published
from internvideo.video import sampling, transforms
from internvideo.video.augment import RandAugment, rand_augment, random_erasing
from internvideo.video.resize import resize

CROPS = ("resized", "multi-scale", "squash", "short-side", "around", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class Augment:
    """How a training view is drawn. Size, mean and deviation are those of the model's `Preprocess`."""

    frames: str = "jittered"  # a key of FRAME_DRAWS
    # "resized": a random part (`scale` of the area, `ratio`); "multi-scale": VideoMAE pre-training's; a random place
    # after resizing the picture to `side` ("squash") or its short side ("short-side"); "around": where evaluation cuts
    # if its centre is what moves, but `scale` times as large, in another `ratio`, and moved by up to `shift` of its
    # side; "none": as in evaluation
    crop: str = "resized"
    side: int = 256
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    shift: float = 0.0
    interpolation: str = "bicubic"
    antialias: bool = True
    flip: float = 0.5  # probability
    policy: str = ""  # RandAugment in timm's notation; "": none
    erasing: float = 0.0  # probability

    def __post_init__(self) -> None:
        pick(FRAME_DRAWS, self.frames, "drawing of frames")
        if self.crop not in CROPS:
            raise UsageError(f"unknown crop `{self.crop}`", nearest(self.crop, CROPS))
        if self.policy:
            RandAugment.parse(self.policy)


def augmented(frames: np.ndarray, how: Preprocess, augment: Augment, rng: np.random.Generator) -> np.ndarray:
    """One training view: (T, H, W, 3) uint8 -> (3, T, size, size) float32, normalised.

    Order: distortion, crop, flip, normalisation, erasing (VideoMAE and UniFormerV2 fine-tuning).
    """
    if augment.policy:
        frames = rand_augment(frames, RandAugment.parse(augment.policy), rng)
    if augment.crop == "none":
        return transforms.preprocess(transforms.random_flip(frames, rng, augment.flip), how)
    frames = transforms.random_flip(_cropped(frames, how, augment, rng), rng, augment.flip)
    return random_erasing(transforms.finish(frames, how), rng, probability=augment.erasing)


def _cropped(frames: np.ndarray, how: Preprocess, augment: Augment, rng: np.random.Generator) -> np.ndarray:
    size = how.size
    if augment.crop == "around":
        area, aspect = (math.exp(rng.uniform(*np.log(limits))) for limits in (augment.scale, augment.ratio))
        moved = tuple(rng.uniform(-augment.shift, augment.shift, 2))
        larger = math.sqrt(area / aspect), math.sqrt(area * aspect)
        return transforms.cut_to_motion(frames, how, larger=larger, moved=(moved[0], moved[1]))
    if augment.crop == "multi-scale":
        return transforms.multi_scale_crop(frames, size, rng, interpolation=augment.interpolation)
    if augment.crop == "resized":
        return transforms.random_resized_crop(
            frames,
            size,
            rng,
            scale=augment.scale,
            ratio=augment.ratio,
            interpolation=augment.interpolation,
            antialias=augment.antialias,
        )
    side = max(augment.side, size)
    height, width = (side, side) if augment.crop == "squash" else transforms.short_side_size(frames, side)
    frames = resize(frames, height, width, interpolation=augment.interpolation, antialias=augment.antialias)
    return transforms.random_crop(frames, size, size, rng)


def _viclip(num_frames: int, num_samples: int, rng: np.random.Generator) -> list[int]:
    return published.viclip_random(num_frames, num_samples, _draw(rng), lambda count: rng.permutation(count).tolist())


def _draw(rng: np.random.Generator) -> Callable[[int, int], int]:
    return lambda low, high: int(rng.integers(low, high))


FrameDraw = Callable[[int, int, np.random.Generator], list[int]]  # (frames there are, frames wanted, rng)

FRAME_DRAWS: Mapping[str, FrameDraw] = {
    "jittered": sampling.jittered,
    "dense-2": lambda frames, count, rng: sampling.dense_random(frames, count, 2, rng),
    "dense-4": lambda frames, count, rng: sampling.dense_random(frames, count, 4, rng),
    "middle": lambda frames, count, rng: sampling.middle(frames, count),
    "viclip": _viclip,
    "videomae-pretrain-2": lambda frames, count, rng: published.videomae_pretrain(frames, count, 2, _draw(rng)),
    "videomae-pretrain-4": lambda frames, count, rng: published.videomae_pretrain(frames, count, 4, _draw(rng)),
    "videomae-dense-4": lambda frames, count, rng: published.videomae_train(frames, count, 4, _draw(rng)),
    "videomae-sparse": lambda frames, count, rng: published.videomae_sparse_train(frames, count, _draw(rng)),
    "uniformerv2": lambda frames, count, rng: published.uniformerv2_train(frames, count, _draw(rng)),
}

_FINE_TUNING = partial(Augment, policy="rand-m7-n4-mstd0.5-inc1")

# What the published models were trained with. Something-Something's classes say left and right: never flipped.
AUGMENTS: Mapping[str, Augment] = {
    "viclip": Augment(frames="viclip", scale=(0.5, 1.0), antialias=False),
    "videomae-pretrain": Augment(
        frames="videomae-pretrain-4", crop="multi-scale", interpolation="pillow-bilinear", flip=0.0
    ),
    "videomae-pretrain-something": Augment(
        frames="videomae-pretrain-2", crop="multi-scale", interpolation="pillow-bilinear", flip=0.0
    ),
    "videomae-finetune": _FINE_TUNING(frames="videomae-dense-4", erasing=0.25),
    "videomae-finetune-something": _FINE_TUNING(frames="videomae-sparse", erasing=0.25, flip=0.0),
    "internvideo-mm": Augment(frames="viclip", crop="squash", interpolation="bilinear", flip=0.0),
    "uniformerv2": _FINE_TUNING(frames="uniformerv2"),
    "uniformerv2-something": _FINE_TUNING(frames="uniformerv2", flip=0.0),
}
