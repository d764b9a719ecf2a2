"""Write frames to a video file: for exports, previews and the laboratory world.

Knows encoders and containers; knows nothing of what is in the pictures. The same frames and options give the same
bytes: encoders run on one thread, and dates, random identifiers and encoder banners are left out where they can be.
A file appears under its name only when it is complete.
"""

import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.audio
import av.codec.codec
import av.container
import av.video
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter

from internvideo.errors import UsageError, nearest, pick
from internvideo.video.x264 import steady

CONTAINERS: Mapping[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".gif": "gif",
}
PIXEL_FORMATS: Mapping[str, str] = {
    "libx264": "yuv420p",
    "libx265": "yuv420p",
    "libvpx": "yuv420p",
    "libvpx-vp9": "yuv420p",
    "libaom-av1": "yuv420p",
    "libsvtav1": "yuv420p",
    "mpeg4": "yuv420p",
    "mpeg2video": "yuv420p",
    "mjpeg": "yuvj420p",
    "ffv1": "yuv444p",
    "gif": "rgb8",
}
# What makes an encoder silent, single-threaded, free of banners, or of even quality, before the caller's options.
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "libx265": {"x265-params": "log-level=none:pools=1:frame-threads=1:info=0"},
    "libsvtav1": {"svtav1-params": "lp=1", "preset": "10"},
    "libvpx-vp9": {"cpu-used": "5", "deadline": "good"},
    "mpeg4": {"qmin": "4", "qmax": "4"},
    "mjpeg": {"qmin": "4", "qmax": "4"},
}
AUDIO_CODECS: Mapping[str, str] = {"webm": "libopus", "avi": "libmp3lame"}  # the others: AAC
SAMPLE_FORMATS: Mapping[str, str] = {"libopus": "flt", "libmp3lame": "fltp", "aac": "fltp"}
AUDIO_RATE = 48_000  # samples per second; a rate that all three codecs take
TONE_HERTZ = 440.0

Audio = Literal["silent", "tone"]


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    fps: Fraction,
    codec: str = "libx264",
    options: Mapping[str, str] | None = None,
    pixel_format: str | None = None,
    gop: int | None = None,
    b_frames: int | None = None,
    audio: Audio | None = None,
    rotation: int = 0,
    faststart: bool = True,
) -> None:
    """Encode frames to `path`; its suffix names the container.

    frames: (H, W, 3) uint8 RGB each, all of one size, at least one. fps: frames per second.
    codec: an encoder of FFmpeg; options: its own, by name. gop: frames between key frames at most. b_frames: in a row.
    rotation: degrees clockwise (a multiple of 90) that a player is asked to turn the picture by.
    faststart: MP4 and MOV only: the index comes first, so that a cut-off file still tells what is missing.

    Raises UsageError for an encoder that this PyAV lacks, a container that is unknown or cannot hold the codec, or a
    size that the pixel format cannot store.
    """
    path = Path(path)
    container = pick(CONTAINERS, path.suffix.lower(), "video suffix")
    pixel_format = pixel_format or PIXEL_FORMATS.get(codec, "yuv420p")
    flags = {"fflags": "+bitexact"}
    if faststart and container in {"mp4", "mov"}:
        flags["movflags"] = "+faststart"
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError("a video needs at least one frame")
    _check_encoder(codec)
    _check_frame(first, first.shape, pixel_format)
    with _complete_or_absent(path) as partial, av.open(str(partial), "w", container, container_options=flags) as file:
        usual = {"x264-params": steady()} if codec == "libx264" and steady() else OPTIONS.get(codec, {})
        video = _add_video(file, codec, fps, {**usual, **(options or {})})
        video.height, video.width = first.shape[:2]
        video.pix_fmt = pixel_format
        context = video.codec_context
        context.gop_size = context.gop_size if gop is None else gop
        context.max_b_frames = context.max_b_frames if b_frames is None else b_frames
        if rotation:
            video.set_display_rotation(-rotation)  # FFmpeg counts counter-clockwise
        sound = _Sound(file, AUDIO_CODECS.get(container, "aac"), audio) if audio else None
        colour, reformatter = _tag_colour(video, first.shape[0], pixel_format), VideoReformatter()
        count = 0
        for count, frame in enumerate(_all_alike(first, remaining, pixel_format), start=1):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            file.mux(video.encode(reformatter.reformat(picture, None, None, pixel_format, None, colour, threads=1)))
            if sound:
                sound.play_until(count / fps)
        file.mux(video.encode())
        if sound:
            sound.finish()


def remux(source: Path, target: Path) -> None:
    """Copy the encoded packets of all video and audio streams into another container, untouched."""
    container = pick(CONTAINERS, target.suffix.lower(), "video suffix")
    with (
        _complete_or_absent(target) as partial,
        av.open(str(source)) as old,
        av.open(str(partial), "w", container, container_options={"fflags": "+bitexact"}) as new,
    ):
        streams = {s.index: new.add_stream_from_template(s) for s in old.streams if s.type in {"video", "audio"}}
        for packet in old.demux([old.streams[index] for index in streams]):
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)


def _check_encoder(codec: str) -> None:
    try:
        if av.codec.Codec(codec, "w").type != "video":
            raise UsageError(f"`{codec}` encodes no pictures", "name a video encoder such as libx264")
    except av.codec.codec.UnknownCodecError as error:
        here = [name for name in PIXEL_FORMATS if name in av.codecs_available]
        raise UsageError(f"the installed PyAV has no encoder `{codec}`", nearest(codec, here)) from error


def _check_frame(frame: np.ndarray, shape: tuple[int, ...], pixel_format: str) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"frames are (H, W, 3) uint8, got {frame.shape} {frame.dtype}")
    if frame.shape != shape:
        raise ValueError(f"all frames have one size; the first is {shape}, another {frame.shape}")
    height, width = shape[:2]
    if "420" in pixel_format and (height % 2 or width % 2):
        raise UsageError(
            f"{pixel_format} stores even sizes only, got {width}x{height}",
            f"crop to {width - width % 2}x{height - height % 2} or use a pixel format such as yuv444p",
        )


def _all_alike(first: np.ndarray, remaining: Iterator[np.ndarray], pixel_format: str) -> Iterator[np.ndarray]:
    yield np.ascontiguousarray(first)
    for frame in remaining:
        _check_frame(frame, first.shape, pixel_format)
        yield np.ascontiguousarray(frame)


def _add_video(
    file: av.container.OutputContainer, codec: str, fps: Fraction, options: dict[str, str]
) -> av.video.stream.VideoStream:
    if codec == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the encoder has no other switch
    try:
        stream = file.add_stream(codec, rate=fps, options=options)
    except ValueError as error:
        raise UsageError(
            f"a {file.format.name} file cannot hold `{codec}`", ".mkv holds every codec, .mp4 the common ones"
        ) from error
    assert isinstance(stream, av.video.stream.VideoStream)
    stream.codec_context.thread_count = 1
    stream.codec_context.flags |= Flags.bitexact
    return stream


def _tag_colour(stream: av.video.stream.VideoStream, height: int, pixel_format: str) -> Colorspace | None:
    """Choose the matrix that players assume at this size, and say so in the stream. None: the format is RGB."""
    if not pixel_format.startswith("yuv"):
        return None
    large = height >= 720
    context = stream.codec_context
    matrix = Colorspace.ITU709 if large else Colorspace.ITU601
    context.colorspace = matrix
    context.color_primaries = ColorPrimaries.BT709 if large else ColorPrimaries.SMPTE170M
    context.color_trc = ColorTrc.BT709 if large else ColorTrc.SMPTE170M
    return matrix


class _Sound:
    """A mono track that is written in step with the pictures."""

    def __init__(self, file: av.container.OutputContainer, codec: str, kind: Audio) -> None:
        stream = file.add_stream(codec, rate=AUDIO_RATE)
        assert isinstance(stream, av.audio.stream.AudioStream)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = SAMPLE_FORMATS[codec]
        stream.codec_context.flags |= Flags.bitexact
        stream.codec_context.thread_count = 1
        self._file, self._stream, self._kind, self._samples = file, stream, kind, 0

    def play_until(self, seconds: Fraction) -> None:
        while self._samples < seconds * AUDIO_RATE:
            if not self._stream.codec_context.is_open:
                self._stream.codec_context.open()
            count = self._stream.codec_context.frame_size or 1024
            level = 0.0 if self._kind == "silent" else 0.2
            phase = (self._samples + np.arange(count)) * (2 * math.pi * TONE_HERTZ / AUDIO_RATE)
            wave = (np.sin(phase) * level).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave[None], format=self._stream.codec_context.format.name, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, self._samples, Fraction(1, AUDIO_RATE)
            self._samples += count
            self._file.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._file.mux(self._stream.encode())


@contextmanager
def _complete_or_absent(path: Path) -> Iterator[Path]:
    """A short name beside `path` to write to; it takes the name `path` on success and vanishes on failure."""
    partial = path.with_name(f".partial-{os.getpid()}-{zlib.crc32(os.fsencode(path.name)):08x}{path.suffix.lower()}")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
