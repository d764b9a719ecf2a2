"""Cut a stretch out of a video into a file of its own: exactly by encoding it anew, or quickly by copying packets.

Which stretch is for others to say. Time stamps of the cut begin at zero and keep the distances of the source, so a
variable frame rate stays one. Output is MP4; the same input and options give the same bytes (one encoder thread, no
dates, no banners). A file appears under its name only when it is complete.
"""

import itertools
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from internvideo.errors import DamagedVideo, InternVideoError, NoFrames, UnsupportedCodec, UsageError, pick
from internvideo.video.colour import SCALER, orientation
from internvideo.video.decode import StreamDecoder, VideoPacket
from internvideo.video.limits import DEFAULT_LIMITS, Limits
from internvideo.video.opening import Failure, PathLike, display_name
from internvideo.video.reader import Video, open_video
from internvideo.video.soundtrack import SoundTrack
from internvideo.video.x264 import steady

Mode = Literal["exact", "keyframes"]
Seconds = Fraction | float

MICROSECOND = Fraction(1, 1_000_000)
QUALITY = 20  # constant rate factor: visually close to the source at a fraction of a lossless file
# One thread each: how an encoder splits a frame among threads changes its output. No B-frames: frames are then decoded
# in the order and at the time they are shown, so that times are right also for readers that know no edit lists.
ENCODERS: Mapping[str, Mapping[str, str]] = {
    "libx264": {
        "preset": "veryfast",
        "x264-params": ":".join(
            ["threads=1:lookahead-threads=1:sliced-threads=0:bframes=0", *filter(None, [steady()])]
        ),
    },
    "libx265": {
        "preset": "veryfast",
        "x265-params": "log-level=none:pools=none:frame-threads=1:wpp=0:info=0:bframes=0",
    },
}
CONTAINER: dict[str, str] = {"movflags": "+faststart", "fflags": "+bitexact"}


class CannotWrite(InternVideoError):
    """The cut cannot be written where it was asked to go."""

    kind = "cannot-write"


@dataclass(frozen=True, slots=True)
class CutResult:
    """What a cut holds. `start` and `end` are seconds on the clock of the source that the pictures really cover."""

    frames: int
    seconds: float  # how long it plays: end - start
    bytes: int
    start: Fraction
    end: Fraction
    sound: bool  # whether a sound track is in it


def cut(
    source: PathLike | Video,
    start: Seconds,
    end: Seconds,
    out: PathLike,
    *,
    mode: Mode = "exact",
    stream: int | None = None,
    height: int | None = None,
    codec: str = "libx264",
    quality: int = QUALITY,
    audio: bool = True,
    limits: Limits = DEFAULT_LIMITS,
) -> CutResult:
    """Write the frames with start <= t < end to the MP4 file `out`, over whatever is there.

    source: a file, or a video that is open: for many cuts of one film, whose packets are then listed only once.
    start, end: seconds on the clock of the stream; a Fraction is exact, a float is taken to the microsecond.
    mode: "exact" decodes and encodes exactly those frames, turned as a player shows them (8 bits, 4:2:0, even sides);
    "keyframes" copies the packets from the last key frame at or before `start` on, and as many after `end` as those
    before it need: quick and lossless, but what is copied is not looked at; `height`, `codec` and `quality` do not
    apply, and the result says what it covers.
    height: of the pictures as shown, in pixels, at most; the width follows. quality: constant rate factor, 0 to 51,
    less is better. audio: the first sound track goes along as AAC, aligned to the sample; where the source is silent
    or damaged there is silence. Frames keep their sample aspect ratio and colour tags.

    Raises a VideoError if the source cannot be read, has no frame there, or one of them does not decode;
    UnsupportedCodec if MP4 cannot hold the packets to copy; UsageError for options; CannotWrite. Whatever was at `out`
    is then still there.
    """
    if mode not in ("exact", "keyframes"):
        raise UsageError(f"unknown cut mode `{mode}`", "`exact` or `keyframes`")
    if height is not None and height < 2:
        raise UsageError(f"height {height} is too small for a video", "give at least 2 pixels")
    if not 0 <= quality <= 51:
        raise UsageError(f"quality {quality} is not a constant rate factor", "0 (lossless) to 51; 18 to 28 are usual")
    options = {**pick(ENCODERS, codec, "encoder"), "crf": str(quality)}
    target = Path(os.fsdecode(out))
    with _opened(source, stream, limits) as video, _complete_or_absent(target) as partial:
        stretch = _Stretch.of(video, start, end)
        with av.open(os.fspath(partial), "w", "mp4", container_options=CONTAINER) as file, ExitStack() as opened:
            pictures: _Encoding | _Copy
            if mode == "exact":
                pictures = _Encoding(video, stretch, file, codec, options, height)
            else:
                decoder = StreamDecoder(video.path, video.stream, video.limits, threads=1)
                pictures = _Copy(video, stretch, file, opened.enter_context(closing(decoder)))
            begin, length = pictures.covered.seconds(video)
            sound = SoundTrack.of(video.path, file, begin, length) if audio else None
            if sound is not None:
                opened.callback(sound.close)
            for packet in pictures.packets():
                if sound is not None and packet.dts is not None:
                    sound.write_until(packet.dts * packet.time_base)
                file.mux_one(packet)
            if sound is not None:
                sound.finish()
        size = partial.stat().st_size
    return CutResult(pictures.covered.frames, float(length), size, begin, begin + length, sound is not None)


@contextmanager
def _opened(source: PathLike | Video, stream: int | None, limits: Limits) -> Iterator[Video]:
    """The video; one that was open already stays so."""
    if isinstance(source, Video):
        if stream not in (None, source.stream):
            raise UsageError(f"stream {stream} asked for, but stream {source.stream} is open", "leave `stream` out")
        yield source
        return
    with open_video(source, stream=stream, limits=limits) as video:
        yield video


@contextmanager
def _complete_or_absent(target: Path) -> Iterator[Path]:
    """A short name beside `target` to write to; it takes the name on success and vanishes on failure.

    What the system or the muxer refuses is said as `CannotWrite`.
    """
    partial = target.with_name(f".{zlib.crc32(os.fsencode(target.name)):08x}.partial")
    try:
        yield partial
        partial.replace(target)
    except BaseException as failure:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        if not isinstance(failure, (av.error.FFmpegError, OSError)):
            raise
        why = getattr(failure, "strerror", None) or str(failure)
        raise CannotWrite(
            f"cannot write `{display_name(target)}`: {why}", "check the folder, its permissions and the free space"
        ) from failure


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Frames `first` to `stop` (not included) of a video; the last one leaves the screen at tick `until`."""

    first: int
    stop: int
    until: int

    @property
    def frames(self) -> int:
        return self.stop - self.first

    @classmethod
    def of(cls, video: Video, start: Seconds, end: Seconds) -> "_Stretch":
        """The frames that begin in [start, end)."""
        if not start < end:
            raise UsageError(
                f"a cut needs start < end, got {float(start)} and {float(end)} seconds", "give the earlier time first"
            )
        low, high = (_first_tick(second, video.time_base) for second in (start, end))
        first, stop = (int(number) for number in np.searchsorted(video.ticks, [low, high]))
        if first == stop:
            raise NoFrames(
                f"`{display_name(video.path)}` has no frame from {float(start):.3f} to {float(end):.3f} s",
                f"its frames begin at {video.seconds(0):.3f} to {video.seconds(len(video) - 1):.3f} s",
            )
        until = cls.end_of(video, stop - 1)
        return cls(first, stop, until if stop == len(video) else min(high, until))

    @staticmethod
    def end_of(video: Video, number: int) -> int:
        """The tick at which a frame gives way to the next; the last one is shown as long as the one before it."""
        ticks = video.ticks
        if number + 1 < len(ticks):
            return int(ticks[number + 1])
        rate = video.facts.average_fps or Fraction(25)
        step = int(ticks[-1] - ticks[-2]) if len(ticks) > 1 else round(1 / (rate * video.time_base))
        return int(ticks[-1]) + max(1, step)

    def seconds(self, video: Video) -> tuple[Fraction, Fraction]:
        """When it begins, and how long it lasts."""
        begin = int(video.ticks[self.first])
        return begin * video.time_base, (self.until - begin) * video.time_base


def _first_tick(seconds: Seconds, time_base: Fraction) -> int:
    """The first tick at or after `seconds`; a float less than a microsecond late still means the tick before."""
    exact = seconds if isinstance(seconds, Fraction) else Fraction(seconds) - MICROSECOND
    return -int(-exact / time_base // 1)


# ---- re-encoding


class _Encoding:
    """The stretch as packets of a new picture stream of `file`, which must not be written to before this is made."""

    def __init__(
        self,
        video: Video,
        stretch: _Stretch,
        file: OutputContainer,
        codec: str,
        options: dict[str, str],
        height: int | None,
    ) -> None:
        self.covered, self._video = stretch, video
        self._frames = _frames(video, stretch)
        self._first = next(self._frames)
        self._canvas = _Canvas.of(self._first, video, height)
        rate = video.facts.average_fps or Fraction(25)  # for rate control only; time stamps are set below
        stream = file.add_stream(codec, rate=rate.limit_denominator(1001), options=options)
        assert isinstance(stream, VideoStream)
        self._context, self._stream = stream.codec_context, stream
        self._set_up(codec)

    def _set_up(self, codec: str) -> None:
        context, painted = self._context, self._canvas.paint(self._first)
        context.width, context.height, context.pix_fmt = painted.width, painted.height, "yuv420p"
        context.time_base = self._video.time_base
        context.thread_count = 1
        context.flags |= Flags.bitexact
        if self._canvas.aspect:
            context.sample_aspect_ratio = self._canvas.aspect
        context.colorspace, context.color_range = painted.colorspace, painted.color_range
        context.color_primaries, context.color_trc = self._first.color_primaries, self._first.color_trc
        if codec == "libx265":
            context.codec_tag = "hvc1"  # without it Apple's players do not open the file

    def packets(self) -> Iterator[VideoPacket]:
        """Encoded packets in the order of decoding; time stamps from zero on, each as long as its frame is shown."""
        video, stretch = self._video, self.covered
        ticks = [*video.ticks[stretch.first : stretch.stop].tolist(), stretch.until]
        shown = {tick - ticks[0]: after - tick for tick, after in itertools.pairwise(ticks)}
        for tick, frame in zip(shown, itertools.chain([self._first], self._frames), strict=True):
            painted = self._canvas.paint(frame)
            painted.pts, painted.time_base, painted.pict_type = tick, video.time_base, 0
            yield from self._timed(self._context.encode(painted), shown)
        yield from self._timed(self._context.encode(None), shown)

    def _timed(self, packets: list[VideoPacket], shown: Mapping[int, int]) -> Iterator[VideoPacket]:
        for packet in packets:
            assert packet.pts is not None
            packet.stream, packet.time_base = self._stream, self._video.time_base
            packet.duration = shown[packet.pts]
            yield packet


def _frames(video: Video, stretch: _Stretch) -> Iterator[av.VideoFrame]:
    """Every frame of the stretch. Raises DamagedVideo for the first that does not decode."""
    expected = stretch.first
    stop = None if stretch.stop == len(video) else int(video.ticks[stretch.stop])
    for picture in video.pictures(int(video.ticks[stretch.first]), stop):
        if picture.number != expected:
            break
        yield picture.frame
        expected += 1
    if expected < stretch.stop:
        said = f": {video.damage.message}" if video.damage.message else ""
        raise DamagedVideo(
            f"frame {expected} ({video.seconds(expected):.3f} s) of `{display_name(video.path)}` does not decode{said}",
            "cut around it, or fetch the file again",
        )


@dataclass(frozen=True, slots=True)
class _Canvas:
    """How frames are brought to the form that is encoded: yuv420p of one even size, turned as a player shows them."""

    width: int  # before turning
    height: int
    rotation: int  # degrees clockwise
    mirrored: bool
    aspect: Fraction | None  # of a sample, after turning
    scaler: VideoReformatter

    @classmethod
    def of(cls, frame: av.VideoFrame, video: Video, height: int | None) -> "_Canvas":
        rotation, mirrored = orientation(frame)
        width, tall, aspect = frame.width, frame.height, video.facts.sample_aspect_ratio
        across = rotation in (90, 270)
        shown = width if across else tall
        if height is not None and height < shown:
            width, tall = (max(2, round(side * Fraction(height, shown))) for side in (width, tall))
        aspect = 1 / aspect if aspect and across else aspect
        return cls(_even(width), _even(tall), rotation, mirrored, aspect, VideoReformatter())

    def paint(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame in its new form, tagged with its matrix and the limited range."""
        coded_in_yuv = frame.format.name.startswith(("yuv", "nv", "p0", "yuy", "uyv"))
        picture = self.scaler.reformat(
            frame,
            width=self.width,
            height=self.height,
            format="yuv420p",
            dst_colorspace=None if coded_in_yuv else Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation=SCALER,
            threads=1,
        )
        if not (self.rotation or self.mirrored):
            return picture
        turned = av.VideoFrame.from_ndarray(_turn(picture.to_ndarray(), self.rotation, self.mirrored), format="yuv420p")
        turned.colorspace, turned.color_range = picture.colorspace, picture.color_range
        return turned


def _even(side: int) -> int:
    return max(2, side - side % 2)


def _turn(planes: np.ndarray, rotation: int, mirrored: bool) -> np.ndarray:
    """The three planes of a yuv420p picture, (H * 3 / 2, W) uint8, each mirrored if asked and turned clockwise."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    turned = [
        np.rot90(plane[:, ::-1] if mirrored else plane, -rotation // 90).ravel() for plane in (planes[:height], *chroma)
    ]
    return np.concatenate(turned).reshape(-1, height if rotation in (90, 270) else width)


# ---- copying


class _Copy:
    """Packets of the source from the last key frame before the stretch on, for a new stream of `file`."""

    def __init__(self, video: Video, wanted: _Stretch, file: OutputContainer, source: StreamDecoder) -> None:
        self._video, self._decoder = video, source
        self._key = int(video.key_frames[np.searchsorted(video.key_frames, wanted.first, side="right") - 1])
        self._times = self._times_to_copy(wanted.stop)
        last = int(np.searchsorted(video.ticks, max(self._times)))
        self.covered = _Stretch(self._key, last + 1, _Stretch.end_of(video, last))
        try:
            self._stream = file.add_stream_from_template(self._decoder.stream, opaque=True)
        except (ValueError, *Failure) as failure:
            raise self._refused(f"MP4 cannot hold {self._decoder.context.name}") from failure

    def _times_to_copy(self, stop: int) -> list[int]:
        """Presentation ticks of the packets to copy, in file order.

        Enough that every frame before number `stop` is in, and that no frame is missing among those that are.
        """
        times: list[int] = []
        latest = self._key
        for packet in self._from_key():
            tick = cast(int, packet.pts)
            times.append(tick)
            latest = max(latest, int(np.searchsorted(self._video.ticks, tick)))
            if latest + 1 >= stop and latest + 1 - self._key == len(times):
                break
        if not times:
            raise self._refused("its key frames cannot be found by time stamps")
        return times

    def _from_key(self) -> Iterator[VideoPacket]:
        """Packets from the key frame on, without those that are shown before it: they need what is left out."""
        key = int(self._video.ticks[self._key])
        for packet in self._reached(key):
            if packet.pts is None:
                raise self._refused("its packets carry no time stamps")
            if packet.pts >= key:
                yield packet

    def _reached(self, key: int) -> Iterator[VideoPacket]:
        """Packets from the key packet with this tick on: by a seek, else, where that leads past it, from the start."""
        for packets in self._approaches(key):
            for packet in packets:
                if packet.is_keyframe and packet.pts == key:
                    yield packet
                    yield from packets
                    return

    def _approaches(self, key: int) -> Iterator[Iterator[VideoPacket]]:
        yield self._decoder.packets_near(key)
        self._decoder.rewind()
        yield self._decoder.packets()

    def packets(self) -> Iterator[VideoPacket]:
        """The packets, timed from zero on. Decoding times are made anew: not every container tells them."""
        in_order = sorted(self._times)
        late = max(due - tick for due, tick in zip(in_order, self._times, strict=True))
        begin, until = in_order[0], self.covered.until
        shown = {tick: after - tick for tick, after in itertools.pairwise([*in_order, until])}
        for decoded, tick, packet in zip(in_order, self._times, self._from_key(), strict=False):
            packet.duration = shown[tick]
            packet.pts, packet.dts = tick - begin, decoded - begin - late
            packet.stream = self._stream
            yield packet

    def _refused(self, why: str) -> UnsupportedCodec:
        name = display_name(self._video.path)
        return UnsupportedCodec(f"`{name}` cannot be copied: {why}", 'cut it with mode="exact", which encodes it anew')
