"""Frames of a video by number, by time, or one after the other.

Frame `i` is the i-th in presentation order. Rotation is applied, the sample aspect ratio is not. Of several video
streams the first that is not a cover image is taken. Which frames to look at is for others to say.
"""

import operator
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from types import TracebackType

import av
import numpy as np

from internvideo.errors import DamagedVideo, TruncatedVideo, UsageError
from internvideo.errors import pick as pick_from
from internvideo.records import Span
from internvideo.video import index as indexing
from internvideo.video import locate, sampling
from internvideo.video.colour import orientation, to_rgb
from internvideo.video.decode import StreamDecoder
from internvideo.video.index import Index, PacketTable
from internvideo.video.limits import DEFAULT_LIMITS, Limits
from internvideo.video.opening import PathLike, missing_bytes
from internvideo.video.passes import Damage, FalseStart, labelled, pick, sweep
from internvideo.video.picture import Picture
from internvideo.video.probe import Facts, facts

MICROSECOND = Fraction(1, 1_000_000)
Size = tuple[int, int]


def open_video(
    path: PathLike, *, stream: int | None = None, limits: Limits = DEFAULT_LIMITS, threads: int = 1
) -> "Video":
    """Open a file for reading; use it in a `with` statement or close it.

    stream: number of the stream in the file; None for the first that is not a cover image. threads: of the decoder; 1
    gives most frames per core, 0 (as many as there are cores) the shortest wait. Raises a `VideoError`.
    """
    return Video(path, stream=stream, limits=limits, threads=threads)


class Video:
    """An open video. Not for use from several threads at once; open it once per thread.

    path, limits: as given. stream: number of the stream in the file. time_base: seconds per tick. damage: what the last
    pass or the last fetching of frames found.
    """

    def __init__(
        self, path: PathLike, *, stream: int | None = None, limits: Limits = DEFAULT_LIMITS, threads: int = 1
    ) -> None:
        self.path = os.fsdecode(path)
        self.limits = limits
        self.damage = Damage()
        self._threads = threads
        self._open_decoder: StreamDecoder | None = StreamDecoder(path, stream, limits, threads)
        self.name = self._open_decoder.name
        self.stream = self._open_decoder.stream.index
        self.time_base: Fraction = self._open_decoder.time_base
        self._known_index: Index | None = None

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the file and the decoder. Passes that are under way keep theirs until they end."""
        if self._open_decoder is not None:
            self._open_decoder.close()
            self._open_decoder = None

    def __repr__(self) -> str:
        return f"<Video {self.name!r} stream {self.stream}>"

    @cached_property
    def facts(self) -> Facts:
        """What the header says, and what one decoded frame adds (orientation, pixel format, colours)."""
        return facts(self._decoder)

    def __len__(self) -> int:
        """Frames in presentation order. Damaged ones count: see `damage`."""
        return len(self._index)

    @property
    def ticks(self) -> np.ndarray:
        """(F,) int64: when each frame is shown, in units of `time_base`.

        Ticks are the file's own; where it has none or contradicts itself they follow from the frame rate.
        """
        return self._index.ticks

    @property
    def key_frames(self) -> np.ndarray:
        """(K,) int64: frames from which on decoding can begin; all later frames need nothing stored before them."""
        return self._index.starts

    def seconds(self, number: int) -> float:
        """When frame `number` is shown, as the file says: transport streams seldom begin at zero."""
        self._check_numbers([number := operator.index(number)])
        return float(int(self.ticks[number]) * self.time_base)

    def tick(self, second: float) -> int:
        """The last tick that is not after `second`, to the microsecond."""
        return int((Fraction(float(second)) + MICROSECOND) // self.time_base)

    def frames(self, numbers: Sequence[int] | np.ndarray, *, size: Size | None = None) -> np.ndarray:
        """Frames by number, in the order given; repeats are allowed.

        -> (n, H, W, 3) uint8 RGB. size: (height, width) that the whole picture is resized to (antialiased bilinear);
        without it, the size of the first frame of the stream. Raises `UsageError` for numbers that do not exist,
        `TruncatedVideo` where the file ends before them, `DamagedVideo` for a frame that does not decode.
        """
        asked = [operator.index(number) for number in numbers]
        self._check_numbers(asked)
        rows, missing = self._fetch(self._index, asked, size)
        if missing:
            raise self._damaged(missing[0])
        return rows

    def at_ticks(self, ticks: Sequence[int] | np.ndarray, *, size: Size | None = None) -> np.ndarray:
        """The frames on screen at these ticks: the last ones that began; before the first, the first.

        Long files are not read whole where seeking is enough. Otherwise as `frames`.
        """
        asked = np.asarray([operator.index(tick) for tick in ticks], np.int64)
        rows = self._fetch_nearby(asked, size)
        return self.frames(self._index.on_screen(asked), size=size) if rows is None else rows

    def at_seconds(self, seconds: Sequence[float] | np.ndarray, *, size: Size | None = None) -> np.ndarray:
        """The frames on screen at these seconds, to the microsecond. As `at_ticks`."""
        return self.at_ticks([self.tick(second) for second in seconds], size=size)

    def frames_in(self, span: Span | None) -> range:
        """Numbers of the frames that begin within `span`, in seconds of the file to the microsecond; None: of all.

        Where none begins, the one that is on screen when `span` begins. Raises UsageError if `span` misses the video.
        """
        if span is None:
            return range(len(self))
        ticks, step = self.ticks, int(np.diff(self.ticks)[-1:].sum()) or 1
        begin, end = (-(-(second - float(MICROSECOND)) // float(self.time_base)) for second in (span.start, span.end))
        if end <= ticks[0] or begin >= ticks[-1] + step:
            shown = f"{self.seconds(0):.3f} to {float((ticks[-1] + step) * self.time_base):.3f} s"
            told = f"`{self.name}` has nothing from {span.start:g} to {span.end:g} s"
            raise UsageError(told, f"the file lasts from {shown}")
        first, stop = (int(np.searchsorted(ticks, tick)) for tick in (begin, end))
        return range(first, stop) if first < stop else range(max(first - 1, 0), max(first, 1))

    def clip(
        self,
        num_frames: int,
        policy: str = "middle",
        *,
        stride: int = 1,
        rate: float | None = None,
        size: Size | None = None,
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Frames chosen over the whole video: (n, H, W, 3) uint8 RGB, n = num_frames.

        policy: a key of `video.sampling.FRAME_POLICIES`; or "random" (one of each of `num_frames` equal segments, by
        `rng`), "dense" (every `stride`-th of one window, in the middle or by `rng`), "fps" (`rate` per second of time,
        at most `num_frames`).
        """
        return self.frames(self._choose(num_frames, policy, stride, rate, rng), size=size)

    def _choose(
        self, count: int, policy: str, stride: int, rate: float | None, rng: np.random.Generator | None
    ) -> Sequence[int]:
        if policy == "random":
            if rng is None:
                raise UsageError("the frame policy `random` needs a generator", "rng=numpy.random.default_rng(0)")
            return sampling.jittered(len(self), count, rng)
        if policy == "dense":
            dense = sampling.dense(len(self), count, stride)
            return dense if rng is None else sampling.dense_random(len(self), count, stride, rng)
        if policy == "fps":
            if rate is None or rate <= 0:
                raise UsageError(f"the frame policy `fps` needs a positive rate, got {rate}", "rate=2.0")
            period = 1 / (Fraction(rate) * self.time_base)
            last_step = int(np.diff(self.ticks)[-1:].sum()) or 1
            first, end = int(self.ticks[0]), int(self.ticks[-1]) + last_step
            moments = [first + int((i + Fraction(1, 2)) * period) for i in range(count)]
            return list(self._index.on_screen(np.array([tick for tick in moments if tick < end] or [first])))
        return pick_from(sampling.FRAME_POLICIES, policy, "frame policy")(len(self), count)

    def pictures(self, start: int | None = None, stop: int | None = None, *, draft: bool = False) -> Iterator[Picture]:
        """Every frame that decodes with start <= tick < stop, in presentation order, without colour conversion.

        Begins at the last key frame before `start`; what does not decode is left out and counted in `damage`.
        draft: frames that no other refers to may come without the loop filter of their codec: `Picture.draft` tells.
        """
        index = self._index
        first = 0 if start is None else int(np.searchsorted(index.ticks, start))
        end = len(index) if stop is None else int(np.searchsorted(index.ticks, stop))
        keys = set(index.starts.tolist())
        rotation: int | None = None
        ticking = self.time_base
        draft = draft and self._decoder.can_draft
        for number, frame in self._sweep(first, end, draft=draft):
            if rotation is None:
                rotation = orientation(frame)[0]
            tick = int(index.ticks[number])
            seconds = tick * ticking.numerator / ticking.denominator
            picture = Picture(frame, number=number, tick=tick, seconds=seconds, key=number in keys, rotation=rotation)
            picture.draft = draft and not frame.key_frame
            yield picture

    def blocks(self, length: int, *, size: Size | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All frames that decode, `length` at a time: (numbers (n,) int64, frames (n, H, W, 3) uint8 RGB), n <= length.

        What does not decode is left out and counted in `damage`.
        """
        if length < 1:
            raise UsageError(f"a block needs at least 1 frame, got {length}")
        length = min(length, len(self))
        height, width = self._shape(length, size)
        numbers: list[int] = []
        rows = np.empty((0, height, width, 3), np.uint8)
        for number, frame in self._sweep(0, len(self)):
            if not numbers:
                rows = np.empty((length, height, width, 3), np.uint8)
            rows[len(numbers)] = self._rgb(frame, (height, width))
            numbers.append(number)
            if len(numbers) == length:
                yield np.array(numbers, np.int64), rows
                numbers = []
        if numbers:
            yield np.array(numbers, np.int64), rows[: len(numbers)]

    @property
    def _decoder(self) -> StreamDecoder:
        if self._open_decoder is None:
            raise ValueError(f"{self!r} is closed")
        return self._open_decoder

    @property
    def _index(self) -> Index:
        if self._known_index is None:
            index = self._header_index()
            index = self._full_index() if index is None else index
            self._check_index(index)
            self._known_index = index
        return self._known_index

    def _header_index(self) -> Index | None:
        """The index from the header of the container, if that is enough."""
        decoder = self._decoder
        table = indexing.from_header(self.path, decoder.stream)
        if table is None:
            return None
        self.limits.check("frames", len(table.pts), f"`{self.name}` has")
        decoder.rewind()
        settled = indexing.settle(table, decoder.packets())
        index = None if settled is None else indexing.build(settled)
        return index if index is not None and index.exact and not index.head else None

    def _full_index(self) -> Index:
        """The index from all packets, and where these do not tell, from all frames."""
        decoder = self._decoder
        decoder.rewind()
        table = indexing.scan(decoder.packets(), decoder.codec, self.limits)
        if decoder.fields_may_be_apart or (decoder.pts_are_guessed and (np.diff(table.pts) > 0).all()):
            table = replace(table, telling=False)
        index = indexing.build(table)
        if not index.exact:
            return self._counted_index(table)
        if index.head:
            index = index.with_head_of([number for number, _ in self._pick(index, list(range(index.head)))])
        return index

    def _counted_index(self, table: PacketTable) -> Index:
        """The index of the frames that come out when the whole file is decoded."""
        decoder = self._decoder
        decoder.rewind()
        errors = decoder.errors
        places = [frame.pts for packet in labelled(decoder.packets(), 0) for frame in decoder.decode(packet)]
        places += [frame.pts for frame in decoder.drain()]
        if decoder.errors > errors and self._threads != 1:
            self._use_one_thread()
            return self._counted_index(table)
        return indexing.from_frames(places, table, decoder.tick_step)

    def _use_one_thread(self) -> None:
        """After an error: in one of several decoder threads it can take good frames of the others with it."""
        self._decoder.close()
        self._threads = 1
        self._open_decoder = StreamDecoder(self.path, self.stream, self.limits, threads=1)

    def _check_index(self, index: Index) -> None:
        if not len(index):
            raise self._decoder.nothing()
        self.limits.check("frames", len(index), f"`{self.name}` has")
        self.limits.check("seconds", float((index.ticks[-1] - index.ticks[0]) * self.time_base), f"`{self.name}` lasts")

    def _fetch(self, index: Index, asked: Sequence[int], size: Size | None) -> tuple[np.ndarray, list[int]]:
        """(rows for `asked`, numbers that did not decode, ascending). Rows of the latter are not set."""
        height, width = self._shape(len(asked), size)
        rows = np.empty((len(asked), height, width, 3), np.uint8)
        places: dict[int, list[int]] = {}
        for place, number in enumerate(asked):
            places.setdefault(number, []).append(place)
        self.damage = damage = Damage(expected=len(places))
        self._decoder.message = ""
        for number, frame in self._pick(index, sorted(places)):
            first, *others = places.pop(number)
            rows[first] = self._rgb(frame, (height, width))
            rows[others] = rows[first]
            damage.decoded += 1
            damage.concealed += frame.is_corrupt
        damage.message = self._decoder.message
        return rows, sorted(places)

    def _fetch_nearby(self, ticks: np.ndarray, size: Size | None) -> np.ndarray | None:
        """`at_ticks` by seeking. None where the index is there or cheap, or where seeking is not enough."""
        if self._known_index is None:
            self._known_index = self._header_index()
        if self._known_index is not None or not self._worth_seeking(ticks):
            return None
        shape = self._shape(len(ticks), size)
        rows = np.empty((len(ticks), *shape, 3), np.uint8)
        gap = round(locate.STRETCH_SECONDS / self.time_base)
        for first, last in locate.stretches(np.unique(ticks), gap):
            index = locate.around(self._decoder, first, last, self.limits)
            if index is None:
                return None
            inside = np.flatnonzero((ticks >= first) & (ticks <= last))
            try:
                found, missing = self._fetch(index, index.on_screen(ticks[inside]).tolist(), shape)
            except FalseStart:
                return None
            if missing:
                return None
            rows[inside] = found
        return rows

    def _worth_seeking(self, ticks: np.ndarray) -> bool:
        decoder = self._decoder
        duration = decoder.container.duration
        if not len(ticks) or duration is None or decoder.container.size <= locate.WORTH_BYTES:
            return False
        parts = locate.stretches(np.unique(ticks), round(locate.STRETCH_SECONDS / self.time_base))
        touched = sum((last - first) * self.time_base + locate.STRETCH_SECONDS for first, last in parts)
        return touched < duration / 1_000_000 / 2

    def _pick(self, index: Index, numbers: list[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        remaining = list(numbers)
        try:
            for number, frame in pick(self._decoder, index, numbers):
                remaining.remove(number)
                yield number, frame
        except FalseStart:
            if index.local:
                raise
            index = index.only_first_start()
            if self._known_index is not None:
                self._known_index = index
            for number, frame in pick(self._decoder, index, list(remaining)):
                remaining.remove(number)
                yield number, frame
        if remaining and self._threads != 1:
            self._use_one_thread()
            yield from pick(self._decoder, index, remaining)

    def _sweep(self, first: int, stop: int, *, draft: bool = False) -> Iterator[tuple[int, av.VideoFrame]]:
        """A pass with a decoder of its own, so that frames can be fetched while it is under way."""
        index = self._index
        self.damage = damage = Damage(expected=max(0, stop - first))
        for threads in dict.fromkeys((self._threads, 1)):
            decoder = StreamDecoder(self.path, self.stream, self.limits, threads, draft=draft)
            try:
                for number, frame in sweep(decoder, index, first, stop, damage):
                    yield number, frame
                    first = number + 1
                    if decoder.errors and threads != 1:
                        break
                if not decoder.errors:
                    return
            finally:
                decoder.close()

    def _rgb(self, frame: av.VideoFrame, size: Size) -> np.ndarray:
        self.limits.check("pixels", frame.width * frame.height, f"a frame of `{self.name}` has")
        rotation, mirrored = orientation(frame)
        return to_rgb(frame, rotation=rotation, mirrored=mirrored, size=size)

    def _shape(self, count: int, size: Size | None) -> Size:
        """(height, width) of an array that may be made. Without `size` that of the first frame of the stream."""
        if size is None:
            size = (self.facts.height, self.facts.width)
        height, width = (operator.index(side) for side in size)
        if height < 1 or width < 1:
            raise UsageError(f"size must be (height, width) of at least 1, got {size}")
        self.limits.check("pixels", height * width, "the size asked for has")
        self.limits.check("array_bytes", count * height * width * 3, f"{count:,} frames of {width}x{height} would take")
        return height, width

    def _check_numbers(self, numbers: list[int]) -> None:
        outside = [number for number in numbers if not 0 <= number < len(self)]
        if not outside:
            return
        number, promised = outside[0], self._decoder.stream.frames
        if len(self) <= number < promised and missing_bytes(self.path):
            raise TruncatedVideo(
                f"frame {number} of `{self.name}` is missing: the file ends after {len(self)} of {promised} frames",
                "fetch it again, or take frames before that",
            )
        raise UsageError(
            f"`{self.name}` has no frame {number}", f"its {len(self)} frames have the numbers 0 to {len(self) - 1}"
        )

    def _damaged(self, number: int) -> DamagedVideo:
        said = f": {self._decoder.message}" if self._decoder.message else ""
        return DamagedVideo(
            f"frame {number} at {self.seconds(number):.3f} s of `{self.name}` does not decode{said}",
            "take other frames, or use `pictures` or `blocks`, which leave out what is damaged",
        )
