"""Clips as a network wants them: which frames of a video, decoded and preprocessed once, however many clips see them.

Which frames, how resized and how normalised is said by a `Preprocess`. Knows no network; the tensors are for others.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from internvideo.errors import pick
from internvideo.records import Preprocess, Span
from internvideo.video.colour import orientation, to_rgb
from internvideo.video.reader import Video
from internvideo.video.sampling import FRAME_POLICIES
from internvideo.video.transforms import preprocess_crops

BLOCK_BYTES = 64 << 20  # of full-size frames that are held at once
DENSE = 4  # frames this near to each other, on average, are taken from one pass over all


def choose_frames(video: Video, how: Preprocess, span: Span | None = None) -> list[int]:
    """The frames of one clip: the policy of `how` over the frames in `span`."""
    inside = video.frames_in(span)
    policy = pick(FRAME_POLICIES, how.frames, "frame policy")
    return [inside[number] for number in policy(len(inside), how.frame_count)]


def clips_of(video: Video, windows: Sequence[Sequence[int]], how: Preprocess, crops: int = 1) -> Iterator[np.ndarray]:
    """One clip per window of frame numbers, or `crops` of each: (3, T, size, size) float32, normalised.

    Memory is bounded if windows advance: a frame is kept from the first window that needs it to the last one.
    """
    for (clips,) in _together(video, [_Wanted(windows, how, crops)]):
        yield from clips


def clips_for_each(
    video: Video, windows: Sequence[Sequence[Sequence[int]]], hows: Sequence[Preprocess]
) -> Iterator[tuple[np.ndarray, ...]]:
    """Clip by clip, as each of several networks wants it; what `clips_of` gives for each, from one pass over frames.

    windows: of every network as many, clip i of each of about the same time.
    """
    wanted = [_Wanted(part, how) for part, how in zip(windows, hows, strict=True)]
    for clips in _together(video, wanted):
        yield tuple(clip for (clip,) in clips)


class _Wanted:
    """The clips that one network wants, and the frames of them that are here."""

    def __init__(self, windows: Sequence[Sequence[int]], how: Preprocess, crops: int = 1) -> None:
        self.windows, self._how, self._crops = windows, how, crops
        self.last_use = {number: place for place, window in enumerate(windows) for number in window}
        self._held: dict[int, np.ndarray] = {}

    def has(self, place: int) -> bool:
        return self._held.keys() >= set(self.windows[place])

    def take(self, numbers: Sequence[int], frames: np.ndarray) -> None:
        """What it needs of some decoded frames."""
        mine = [row for row, number in enumerate(numbers) if number in self.last_use]
        if mine:
            made = frames if len(mine) == len(numbers) else frames[mine]
            made = made if self._how.joint else np.moveaxis(preprocess_crops(made, self._how, self._crops), 2, 0)
            self._held.update(zip([numbers[row] for row in mine], made, strict=True))

    def give(self, place: int) -> np.ndarray:
        """(crops, 3, T, size, size). Lets go of frames that no later clip shows."""
        window = self.windows[place]
        if self._how.joint:
            made = preprocess_crops(np.stack([self._held[number] for number in window]), self._how, self._crops)
        else:
            made = np.stack([self._held[number] for number in window], axis=2)
        for number in set(window):
            if self.last_use[number] == place:
                del self._held[number]
        return made


def _together(video: Video, wanted: Sequence[_Wanted]) -> Iterator[list[np.ndarray]]:
    """Clip i of each, in order of i."""
    blocks = _decoded(video, sorted(set().union(*(one.last_use for one in wanted))))
    for place in range(len(wanted[0].windows)):
        while not all(one.has(place) for one in wanted):
            numbers, frames = next(blocks)
            for one in wanted:
                one.take(numbers, frames)
        yield [one.give(place) for one in wanted]


def _decoded(video: Video, numbers: Sequence[int]) -> Iterator[tuple[Sequence[int], np.ndarray]]:
    """Frames by number (ascending, distinct), in blocks of bounded size: (numbers, (n, H, W, 3) uint8)."""
    length = max(1, BLOCK_BYTES // (video.facts.height * video.facts.width * 3))
    if len(numbers) > length and numbers[-1] - numbers[0] < DENSE * len(numbers):
        yield from _swept(video, numbers, length)
        return
    for place in range(0, len(numbers), length):
        block = numbers[place : place + length]
        yield block, video.frames(block)


def _swept(video: Video, numbers: Sequence[int], length: int) -> Iterator[tuple[Sequence[int], np.ndarray]]:
    """The same in one pass over all frames from the first to the last."""
    size = video.facts.height, video.facts.width
    stop = int(video.ticks[numbers[-1] + 1]) if numbers[-1] + 1 < len(video) else None
    pictures = video.pictures(int(video.ticks[numbers[0]]), stop)
    picture = next(pictures, None)
    for place in range(0, len(numbers), length):
        block = numbers[place : place + length]
        rows = np.empty((len(block), *size, 3), np.uint8)
        for row, number in zip(rows, block, strict=True):
            while picture is not None and picture.number < number:
                picture = next(pictures, None)
            if picture is not None and picture.number == number:
                rotation, mirrored = orientation(picture.frame)
                row[:] = to_rgb(picture.frame, rotation=rotation, mirrored=mirrored, size=size)
            else:
                row[:] = video.frames([number])[0]  # gives what can still be had, or says why not
        yield block, rows
