"""Which frames differ from the one before by a threshold or more, with less work than the dense pass over a video.

Every frame is decoded and looked at; what is saved is exactness where it does not matter. Frames that no other refers
to are decoded without loop filter, and most are only glanced at, at some thousand pixels. Whatever comes near the
threshold is measured in full, and what then lies so near that the loop filter could matter is decoded again with it.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, pairwise

import numpy as np

from internvideo.curation.measure import Numbers
from internvideo.curation.measures import MEASURES, DensePass, concatenate, held_frames
from internvideo.curation.operator import FrameRequest, Series
from internvideo.video import pixels
from internvideo.video.picture import Picture, glance
from internvideo.video.reader import Video

GLANCE = 0.5  # of the threshold: what looks like less at a glance is less
FILTERED = 3.0  # levels by which a missing loop filter may change a difference
PART = 600  # frames, at least, after which it is decided anew whether drafts pay
AGAIN = 1 / 8  # they do not if more than this share of the frames had to be decoded again

Bounds = tuple[int | None, int | None]  # start <= tick < stop


def threshold_pass(
    video: Video,
    threshold: float,
    bounds: Bounds = (None, None),
    *,
    continues: bool = False,
    seen: Callable[[], None] = lambda: None,
) -> dict[str, Series]:
    """`clock` and `change` of a `DensePass` within bounds; but `change` is exact only as far as a threshold asks for.

    The mean of its hue, saturation and value is on the same side of `threshold`. Below half of it they are estimates,
    above they can be off by a level where the file has B-frames. `seen` is called for every frame.
    """
    look = _Look(threshold, continues)
    parts: list[dict[str, Series]] = []
    frames = again = 0
    for part in _parts(video, bounds):
        for picture in video.pictures(*part, draft=again <= AGAIN * frames):
            look.feed(picture)
            seen()
            frames += 1
        if video.damage.message or video.damage.missing or video.damage.concealed:
            return _dense(video, bounds, continues)  # neighbours are missing, or guessed
        parts.append(look.result())
        again += _settle(video, parts[-1]["change"], look.doubtful)
        look.doubtful.clear()
    return concatenate(parts)


def common_threshold(requests: Iterable[FrameRequest]) -> float | None:
    """The threshold that `threshold_pass` has to keep to, if all requests together need no more than that."""
    looking = [request for request in requests if request.measures]
    changes = {request.threshold for request in looking if "change" in request.measures}
    others = {measure for request in looking for measure in request.measures} - {"clock", "change"}
    return changes.pop() if len(changes) == 1 and not others else None


class _Look:
    """Takes pictures one after the other. doubtful: numbers of the frames that drafts cannot decide."""

    def __init__(self, threshold: float, continues: bool) -> None:
        self.doubtful: list[int] = []
        self._threshold, self._skip_first = threshold, continues
        self._waiting: list[Picture] = []
        self._before: Picture | None = None
        self._points: np.ndarray | None = None  # (3, 1, points) of the picture before
        self._clock: list[tuple[int, int]] = []  # tick, duration
        self._change: list[Numbers] = []

    def feed(self, picture: Picture) -> None:
        """The next frame in presentation order."""
        self._waiting.append(picture)
        if len(self._waiting) >= held_frames(picture):
            self._measure_waiting()

    def result(self) -> dict[str, Series]:
        """The series of what was fed since the last result."""
        self._measure_waiting()
        ticks, durations = np.array(self._clock, np.int64).reshape(-1, 2).T
        changes = np.array(self._change, np.float64).reshape(-1, 3).T.copy()
        self._clock, self._change = [], []
        columns = dict(zip(MEASURES["change"].columns, changes, strict=True))
        return {"change": Series(ticks, columns), "clock": Series(ticks, {"duration": durations})}

    def _measure_waiting(self) -> None:
        if not self._waiting:
            return
        for picture, guess in zip(self._waiting, self._glances(), strict=True):
            if not self._skip_first:
                self._clock.append((picture.tick, picture.frame.duration or 0))
                self._change.append(self._compare(picture, guess))
            self._before, self._skip_first = picture, False
        self._waiting.clear()

    def _glances(self) -> list[Numbers | None]:
        """What each waiting picture seems to differ from the one before it; None where a glance does not tell."""
        points = glance(self._waiting)
        if points is None:
            self._points = None
            return [None] * len(self._waiting)
        known = self._points is not None
        if self._points is not None:
            points = np.concatenate([self._points, points], axis=1)
        self._points = points[:, -1:].copy()
        far = pixels.distances(points[:, 1:], points[:, :-1])
        means = pixels.means(far.reshape(-1, far.shape[2])).reshape(3, -1)
        return [*([] if known else [None]), *zip(*means.tolist(), strict=True)]

    def _compare(self, picture: Picture, guess: Numbers | None) -> Numbers:
        """Hue, saturation and value of `change`."""
        if guess is not None and sum(guess) / 3 < GLANCE * self._threshold:
            return guess
        exact = MEASURES["change"].measure(picture, self._before)
        draft = self._before is not None and (picture.draft or self._before.draft)
        if draft and abs(sum(exact) / 3 - self._threshold) < FILTERED:
            self.doubtful.append(picture.number)
        return exact


def _parts(video: Video, bounds: Bounds) -> Iterator[Bounds]:
    """The bounds, cut at key frames: there drafts can begin or end."""
    start, stop = bounds
    ticks = video.ticks
    first = 0 if start is None else int(np.searchsorted(ticks, start))
    end = len(ticks) if stop is None else int(np.searchsorted(ticks, stop))
    cuts = [first]
    for key in video.key_frames.tolist():
        if cuts[-1] + PART <= key < end:
            cuts.append(key)
    return pairwise([start, *(int(ticks[cut]) for cut in cuts[1:]), stop])


def _settle(video: Video, change: Series, doubtful: list[int]) -> int:
    """Measure these frames with the loop filter and correct their rows. How many frames had to be decoded for it."""
    decoded = 0
    ticks, keys = video.ticks, video.key_frames
    for key, group in groupby(doubtful, key=lambda number: int(keys[np.searchsorted(keys, number, side="right") - 1])):
        numbers = list(group)
        before: Picture | None = None
        for picture in video.pictures(int(ticks[numbers[0] - 1]), int(ticks[numbers[-1]]) + 1):
            if picture.number in numbers:
                row = np.searchsorted(change.ticks, picture.tick)
                exact = MEASURES["change"].measure(picture, before)
                for column, number in zip(change.columns.values(), exact, strict=True):
                    column[row] = number
            before = picture
        decoded += numbers[-1] + 1 - key
    return decoded


def _dense(video: Video, bounds: Bounds, continues: bool) -> dict[str, Series]:
    dense = DensePass(["clock", "change"], continues=continues)
    for picture in video.pictures(*bounds):
        dense.feed(picture)
    return dense.result()
