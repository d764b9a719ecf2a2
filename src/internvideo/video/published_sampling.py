"""Which frames the published models looked at, quirks included.

Integers in, integers out, like `sampling`, whose rules are the ones to prefer for new work. These exist so that
published weights meet what they were trained and scored with; each docstring names the quirk. Floating point steps
are part of the rules: a frame number may differ by one from the exact fraction.

Random ones take `draw(low, high)`, an integer in [low, high): `rng.integers` of a `numpy.random.Generator`, or
`numpy.random.randint` and `random.randrange` of the legacy streams that the published runs used.
"""

import itertools
from collections.abc import Callable, Iterable

import numpy as np

from internvideo.errors import VideoError

Draw = Callable[[int, int], int]
Permute = Callable[[int], Iterable[int]]


def viclip_middle(num_frames: int, num_samples: int, fix_start: int | None = None) -> list[int]:
    """ViCLIP evaluation: the middle of each segment, rounded down; a short video repeats its last pick at the end.

    fix_start: this many frames after the start of each segment instead. It is not clamped: the result may lie in
    the next segment or behind the end of the video.
    """
    segments = _viclip_segments(num_frames, num_samples)
    if fix_start is None:
        picks = [(low + high - 1) // 2 for low, high in segments]
    else:
        picks = [low + fix_start for low, _ in segments]
    return _hold_last(picks, num_samples)


def viclip_random(num_frames: int, num_samples: int, draw: Draw, permute: Permute) -> list[int]:
    """ViCLIP training: a random frame of each segment but never its last one.

    If a segment has one frame nothing can be drawn from it: the answer is then a sorted random subset of all frames,
    from `permute(num_frames)` (published: `numpy.random.permutation`; `draw`: `random.randrange`).
    """
    picks = []
    for low, high in _viclip_segments(num_frames, num_samples):
        if high - 1 <= low:
            shuffled = [int(frame) for frame in permute(num_frames)]
            return _hold_last(sorted(shuffled[: min(num_samples, num_frames)]), num_samples)
        picks.append(int(draw(low, high - 1)))
    return _hold_last(picks, num_samples)


def viclip_fps(num_frames: int, fps: float, rate: float, max_samples: int | None = None) -> list[int]:
    """ViCLIP `fpsX`: the centre of every 1/`rate` second, rounded half to even, those inside the video.

    Any number of frames comes back: none at all when the video is shorter than half a step.
    """
    step = 1 / rate
    seconds = np.arange(step / 2, num_frames / fps + step / 2, step)
    picks = [int(frame) for frame in np.around(seconds * fps) if frame < num_frames]
    return picks if max_samples is None else picks[:max_samples]


def viclip_demo(num_frames: int, num_samples: int) -> list[int]:
    """ViCLIP demo: steps of num_frames // num_samples from frame 0, so the tail is never seen.

    Raises VideoError for a video with fewer frames than samples.
    """
    if num_frames < num_samples:
        raise VideoError(
            f"the frame policy `viclip-demo` needs at least {num_samples} frames, this video has {num_frames}",
            "use the policy `viclip` (the published evaluation) or `middle`: both repeat frames of short videos",
        )
    return list(range(0, num_frames, num_frames // num_samples))[:num_samples]


def internvideo_mm_demo(num_frames: int, num_samples: int) -> list[int]:
    """InternVideo-MM demo: even steps from the first to the last frame, rounded down."""
    return _integers(np.linspace(0, num_frames - 1, num_samples))


def videomae_pretrain(num_frames: int, num_samples: int, stride: int, draw: Draw) -> list[int]:
    """VideoMAE pre-training: `num_samples` frames at `stride` from a random start.

    A video not longer than num_samples * stride starts at frame 0, and whenever the next step would reach or pass
    the last frame the present one is repeated (the published offsets count from one but are compared as if from zero).
    """
    starts = num_frames - num_samples * stride + 1
    frame = int(draw(0, starts)) if starts > 0 else 0
    picks = []
    for _ in range(num_samples):
        picks.append(frame)
        frame += stride if frame + stride < num_frames - 1 else 0
    return picks


def videomae_train(num_frames: int, num_samples: int, stride: int, draw: Draw, num_segments: int = 1) -> list[int]:
    """VideoMAE fine-tuning on Kinetics: a window of num_samples * stride frames with a random end, per segment.

    The window's frames are linspace(start, end) cut to the window and rounded down, so steps differ by one. The last
    window position is never drawn. A segment not longer than the window is stepped through, then its last frame held.
    """
    window = num_samples * stride
    return _videomae_segments(num_frames, num_samples, stride, num_segments, lambda length: int(draw(window, length)))


def videomae_validation(num_frames: int, num_samples: int, stride: int, num_segments: int = 1) -> list[int]:
    """VideoMAE validation on Kinetics: like `videomae_train` with the window in the middle of the segment."""
    window = num_samples * stride
    return _videomae_segments(num_frames, num_samples, stride, num_segments, lambda length: (window + length) // 2)


def videomae_test(num_frames: int, num_samples: int, stride: int) -> list[int]:
    """VideoMAE test on Kinetics: every `stride`-th frame of the whole video, the last repeated up to `num_samples`.

    The views are cut from the decoded frames later: `videomae_views`.
    """
    return _hold_last(list(range(0, num_frames, stride)), num_samples)


def videomae_sparse_train(num_frames: int, num_samples: int, draw: Draw) -> list[int]:
    """VideoMAE fine-tuning on Something-Something: a random frame of each segment of num_frames // num_samples frames.

    The remainder at the end is never seen. A video shorter than num_samples gives only frame 0.
    """
    length = num_frames // num_samples
    return [i * length + int(draw(0, length)) if length else 0 for i in range(num_samples)]


def videomae_sparse_validation(num_frames: int, num_samples: int) -> list[int]:
    """VideoMAE validation on Something-Something: half a segment after the start of each, rounded down."""
    length = num_frames / num_samples
    return [int(length / 2 + length * i) for i in range(num_samples)]


def videomae_sparse_test(num_frames: int, num_samples: int, num_views: int) -> list[int]:
    """VideoMAE test on Something-Something: `num_views` interleaved grids, sorted together.

    View k is `[k::num_views]` of the answer.
    """
    length = num_frames / num_samples
    return sorted(int(k * length / num_views + length * i) for k in range(num_views) for i in range(num_samples))


def videomae_views(
    shape: tuple[int, int, int], num_samples: int, side: int, num_clips: int, num_crops: int
) -> list[tuple[int, int, int]]:
    """VideoMAE's test views: first frame, top and left of each, clip by clip, crop by crop.

    shape: (T, H, W) of the frames that `videomae_test` chose, already resized so that the short side is `side`. Each
    view is num_samples x side x side; crops slide along the longer side. One clip or one crop means the first
    position, not the middle. Offsets are rounded down.
    """
    frames, height, width = shape
    time_step = max((frames - num_samples) / (num_clips - 1), 0) if num_clips > 1 else 0.0
    space_step = (max(height, width) - side) / (num_crops - 1) if num_crops > 1 else 0.0
    views = []
    for clip, crop in itertools.product(range(num_clips), range(num_crops)):
        offset = int(crop * space_step)
        top, left = (offset, 0) if height >= width else (0, offset)
        views.append((int(clip * time_step), top, left))
    return views


def uniformerv2_train(num_frames: int, num_samples: int, draw: Draw) -> list[int]:
    """UniFormerV2 training: a random frame between the rounded ends of each segment, both ends included.

    Segments divide num_frames - 1, so neighbours share an end: a frame may be drawn twice.
    """
    length = (num_frames - 1) / num_samples
    edges = [round(length * i) for i in range(num_samples + 1)]
    return [int(draw(low, high + 1)) for low, high in itertools.pairwise(edges)]


def uniformerv2_test(num_frames: int, num_samples: int, clip: int = 0, num_clips: int = 1) -> list[int]:
    """UniFormerV2 test: the rounded start of each segment plus (clip + 1) / (num_clips + 1) of its length."""
    length = (num_frames - 1) / num_samples
    shift = int(length / (num_clips + 1) * (clip + 1))
    return [min(round(length * i) + shift, num_frames - 1) for i in range(num_samples)]


def _viclip_segments(num_frames: int, num_samples: int) -> list[tuple[int, int]]:
    """Half open [low, high) of each segment, at most one per frame."""
    edges = _integers(np.linspace(0, num_frames, min(num_samples, num_frames) + 1))
    return list(itertools.pairwise(edges))


def _videomae_segments(
    num_frames: int, num_samples: int, stride: int, num_segments: int, end_of_window: Callable[[int], int]
) -> list[int]:
    length, window = num_frames // num_segments, num_samples * stride
    picks = []
    for segment in range(num_segments):
        if length > window:
            end = end_of_window(length)
            inside = np.clip(np.linspace(end - window, end, num_samples), end - window, end - 1)
        else:
            steps = np.linspace(0, length, length // stride)
            held = np.full(num_samples - length // stride, float(length))
            inside = np.clip(np.concatenate([steps, held]), 0, max(length - 1, 0))
        picks += [frame + segment * length for frame in _integers(inside)]
    return picks


def _hold_last(picks: list[int], count: int) -> list[int]:
    """At least `count` numbers: the last one repeats."""
    return picks + [picks[-1]] * (count - len(picks))


def _integers(numbers: np.ndarray) -> list[int]:
    """Rounded towards zero."""
    return [int(number) for number in numbers.astype(np.int64)]
