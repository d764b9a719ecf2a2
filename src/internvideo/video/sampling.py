"""Which frames of a video to look at.

Integers in, integers out: no pixels, no files, no torch. Every sampler here returns sorted frame numbers in
[0, num_frames); a number repeats when the video is short. The rules of the published models, with their quirks, are
in `published_sampling`; `FRAME_POLICIES` names those that need no random numbers.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial

import numpy as np

from internvideo.video import published_sampling as published


def middle(num_frames: int, num_samples: int) -> list[int]:
    """Middle frame of each of `num_samples` equal segments.

    >>> middle(num_frames=100, num_samples=4)
    [12, 37, 62, 87]
    """
    _check(num_frames, num_samples)
    return [(2 * i + 1) * num_frames // (2 * num_samples) for i in range(num_samples)]


def jittered(num_frames: int, num_samples: int, rng: np.random.Generator) -> list[int]:
    """One random moment of each of `num_samples` equal segments. Over many draws every frame is equally likely."""
    _check(num_frames, num_samples)
    return [int(rng.integers(i * num_frames, (i + 1) * num_frames)) // num_samples for i in range(num_samples)]


def ends(num_frames: int, num_samples: int) -> list[int]:
    """Even steps that include the first and the last frame (one sample: the middle frame).

    >>> ends(num_frames=100, num_samples=4)
    [0, 33, 66, 99]
    """
    _check(num_frames, num_samples)
    return spread(num_frames - 1, num_samples)


def at_rate(num_frames: int, fps: Fraction, rate: Fraction, max_samples: int | None = None) -> list[int]:
    """The frame on screen at the centre of every 1/`rate` second, at least one; with `max_samples` the first ones.

    fps: frames per second of the video; rate: samples per second. Sampling faster than `fps` repeats frames.

    >>> at_rate(num_frames=100, fps=Fraction(25), rate=Fraction(1))
    [12, 37, 62, 87]
    """
    if fps <= 0 or rate <= 0:
        raise ValueError(f"fps and rate must be positive, got {fps} and {rate}")
    _check(num_frames, 1 if max_samples is None else max_samples)
    step = Fraction(fps) / Fraction(rate)  # frames per sample
    count = max(0, math.ceil(num_frames / step - Fraction(1, 2)))
    count = count if max_samples is None else min(count, max_samples)
    return [math.floor((i + Fraction(1, 2)) * step) for i in range(count)] or [num_frames // 2]


def dense(num_frames: int, num_samples: int, stride: int, start: int | None = None) -> list[int]:
    """Every `stride`-th frame of one window that begins at `start`, by default in the middle of the video.

    A video shorter than the window is sampled evenly (`middle`), so that no frame is held for long.

    >>> dense(num_frames=100, num_samples=4, stride=2)
    [46, 48, 50, 52]
    >>> dense(num_frames=4, num_samples=4, stride=2)
    [0, 1, 2, 3]
    """
    slack = _slack(num_frames, num_samples, stride)
    if slack < 0:
        return middle(num_frames, num_samples)
    start = slack // 2 if start is None else start
    if not 0 <= start <= slack:
        raise ValueError(f"a window of {num_samples} x {stride} frames starts in [0, {slack}], got {start}")
    return [start + i * stride for i in range(num_samples)]


def dense_random(num_frames: int, num_samples: int, stride: int, rng: np.random.Generator) -> list[int]:
    """`dense` with every start equally likely."""
    slack = _slack(num_frames, num_samples, stride)
    return dense(num_frames, num_samples, stride, int(rng.integers(slack + 1)) if slack >= 0 else None)


def dense_views(num_frames: int, num_samples: int, stride: int, num_views: int) -> list[list[int]]:
    """`num_views` windows spread over the whole video: the first starts at frame 0, the last ends at the end.

    >>> dense_views(num_frames=20, num_samples=3, stride=2, num_views=3)
    [[0, 2, 4], [7, 9, 11], [15, 17, 19]]
    """
    slack = max(0, _slack(num_frames, num_samples, stride))
    return [dense(num_frames, num_samples, stride, start) for start in spread(slack, num_views)]


def sparse_views(num_frames: int, num_samples: int, num_views: int) -> list[list[int]]:
    """`num_views` interleaved even samplings; joined and sorted they are `middle` of all samples.

    >>> sparse_views(num_frames=24, num_samples=3, num_views=2)
    [[2, 10, 18], [6, 14, 22]]
    """
    _check(num_frames, min(num_samples, num_views))
    return [middle(num_frames, num_samples * num_views)[view::num_views] for view in range(num_views)]


def spread(slack: int, count: int) -> list[int]:
    """`count` even offsets from 0 to `slack` inclusive; one offset lies in the middle. Also places crops.

    >>> spread(96, 3), spread(97, 1)
    ([0, 48, 96], [48])
    """
    if slack < 0 or count < 1:
        raise ValueError(f"spread needs slack >= 0 and count >= 1, got {slack} and {count}")
    return [slack // 2] if count == 1 else [i * slack // (count - 1) for i in range(count)]


def _slack(num_frames: int, num_samples: int, stride: int) -> int:
    """Free frames beside a window: negative when the video is too short."""
    _check(num_frames, num_samples)
    if stride < 1:
        raise ValueError(f"stride must be at least 1 frame, got {stride}")
    return num_frames - ((num_samples - 1) * stride + 1)


def _check(num_frames: int, num_samples: int) -> None:
    if num_frames < 1 or num_samples < 1:
        raise ValueError(f"sampling needs at least one frame and one sample, got {num_frames} and {num_samples}")


FramePolicy = Callable[[int, int], list[int]]

# Policies without random numbers: (num_frames, num_samples) -> frame numbers. `Preprocess.frames` is one of these keys.
FRAME_POLICIES: Mapping[str, FramePolicy] = {
    "middle": middle,
    "ends": ends,
    "dense-2": partial(dense, stride=2),
    "dense-4": partial(dense, stride=4),
    "viclip": published.viclip_middle,
    "viclip-demo": published.viclip_demo,
    "internvideo-mm-demo": published.internvideo_mm_demo,
    "videomae-dense-4": partial(published.videomae_validation, stride=4),
    "videomae-sparse": published.videomae_sparse_validation,
    "uniformerv2": published.uniformerv2_test,
}
