"""What a file says about its pictures and sound, and what one decoded frame adds to that.

Only `count=True` decodes more than one frame. Knows nothing of frame numbers.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum
from fractions import Fraction
from itertools import islice

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from internvideo.video.colour import orientation
from internvideo.video.decode import StreamDecoder
from internvideo.video.index import REORDERED
from internvideo.video.isobmff import shown_seconds
from internvideo.video.limits import DEFAULT_LIMITS, Limits
from internvideo.video.opening import PathLike

_PATIENCE = 100  # packets to try for a first frame, and to look at for their distances
_SAMPLE = 4096  # entries of an index to look at for their distances
Scalar = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class Sound:
    """One audio stream."""

    stream: int
    codec: str
    rate: int  # samples per second
    channels: int
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Facts about one video stream and its file. None: the file does not say.

    width, height: as shown, after rotation, without the sample aspect ratio. coded_*: as stored.
    """

    container: str
    stream: int
    video_streams: int
    codec: str
    profile: str | None
    pixel_format: str | None
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int  # degrees clockwise
    mirrored: bool
    sample_aspect_ratio: Fraction | None
    average_fps: Fraction | None
    nominal_fps: Fraction | None
    variable_frame_rate: bool | None
    time_base: Fraction
    start_tick: int | None
    seconds: float | None  # of this stream, not of a longer sound track
    header_frames: int | None
    counted_frames: int | None  # decoded, when asked for
    bit_rate: int | None  # of this stream, in bits per second
    colour_range: str | None
    colour_matrix: str | None
    colour_primaries: str | None
    colour_transfer: str | None
    language: str | None
    title: str | None
    date: str | None
    sounds: tuple[Sound, ...]

    def as_row(self) -> dict[str, Scalar]:
        """Plain values for JSON and Parquet: fractions as text, sound as the facts of the first stream and a count."""
        row: dict[str, Scalar] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name != "sounds":
                row[entry.name] = str(value) if isinstance(value, Fraction) else value
        first = self.sounds[0] if self.sounds else None
        row["sound_streams"] = len(self.sounds)
        row["sound_codec"] = first.codec if first else None
        row["sound_rate"] = first.rate if first else None
        row["sound_channels"] = first.channels if first else None
        row["sound_language"] = first.language if first else None
        return row


_MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt601", 6: "bt601", 7: "smpte240m", 8: "ycgco", 9: "bt2020"}


def probe(path: PathLike, *, stream: int | None = None, count: bool = False, limits: Limits = DEFAULT_LIMITS) -> Facts:
    """The facts of a file; `count` decodes it whole to count the frames that really come out."""
    decoder = StreamDecoder(path, stream, limits, threads=1)
    try:
        found = facts(decoder)
        if not count:
            return found
        decoder.rewind()
        counted = sum(len(decoder.decode(packet)) for packet in decoder.packets()) + len(decoder.drain())
        return replace(found, counted_frames=counted)
    finally:
        decoder.close()


def facts(decoder: StreamDecoder) -> Facts:
    """The facts of an open file. Moves the decoder: rewind or seek before reading on."""
    frame = first_frame(decoder)
    stream, container, context = decoder.stream, decoder.container, decoder.context  # after it: it may reopen the file
    rotation, mirrored = orientation(frame) if frame else (0, False)
    stored = (frame.width, frame.height) if frame else (context.width, context.height)
    width, height = stored[::-1] if rotation in (90, 270) else stored
    tags = {name.lower(): text for name, text in {**container.metadata, **stream.metadata}.items()}
    colours = frame or context
    return Facts(
        container=container.format.name,
        stream=stream.index,
        video_streams=len(container.streams.video),
        codec=context.codec.canonical_name,
        profile=context.profile,
        pixel_format=frame.format.name if frame else context.pix_fmt,
        width=width,
        height=height,
        coded_width=stored[0],
        coded_height=stored[1],
        rotation=rotation,
        mirrored=mirrored,
        sample_aspect_ratio=stream.sample_aspect_ratio or None,
        average_fps=(stream.guessed_rate if stream.start_time is None else stream.average_rate) or None,
        nominal_fps=stream.guessed_rate or None,
        variable_frame_rate=_variable(decoder),
        time_base=decoder.time_base,
        start_tick=stream.start_time,
        seconds=_seconds(decoder),
        header_frames=stream.frames or None,
        counted_frames=None,
        bit_rate=context.bit_rate or (container.bit_rate if len(container.streams) == 1 else None) or None,
        colour_range=_name(ColorRange, colours.color_range),
        colour_matrix=_MATRICES.get(colours.colorspace),
        colour_primaries=_name(ColorPrimaries, colours.color_primaries),
        colour_transfer=_name(ColorTrc, colours.color_trc),
        language=_language(stream.language),
        title=tags.get("title"),
        date=tags.get("date") or tags.get("creation_time"),
        sounds=tuple(
            Sound(s.index, sound.codec.canonical_name, sound.sample_rate, sound.channels, _language(s.language))
            for s in container.streams.audio
            if (sound := s.codec_context) is not None
        ),
    )


def first_frame(decoder: StreamDecoder) -> av.VideoFrame | None:
    """The first frame that decodes. None if the first packets give none; `NoFrames` if the whole file gives none."""
    decoder.rewind()
    for fed, packet in enumerate(decoder.packets()):
        if frames := decoder.decode(packet):
            return frames[0]
        if fed > _PATIENCE:
            return None
    if frames := decoder.drain():
        return frames[0]
    raise decoder.nothing()


def _variable(decoder: StreamDecoder) -> bool | None:
    """Whether the time between frames changes, in the index of the container, else among the first packets.

    Time stamps rounded to whole ticks do not count as change.
    """
    entries = decoder.stream.index_entries
    if decoder.stream.frames > 2 and len(entries) == decoder.stream.frames:
        ticks = [entry.timestamp for entry in entries[:_SAMPLE]]
    else:
        head = list(islice(decoder.packets_near(decoder.stream.start_time or 0), _PATIENCE))
        ticks = sorted(packet.pts for packet in head if packet.pts is not None)
        if len(head) == _PATIENCE:
            ticks = ticks[:-REORDERED]  # others may belong between the last ones
    steps = np.diff(ticks)
    return bool(np.ptp(steps) > max(1, int(steps.max()) // 100)) if len(steps) else None


def _seconds(decoder: StreamDecoder) -> float | None:
    """How long the stream lasts, last frame included: from its header, else from its last packets."""
    stream, base = decoder.stream, decoder.time_base
    if stream.duration:
        seconds = float(stream.duration * base)
        # An MP4 header may leave out the last frame of an uneven film; its edit list does not, but it may be rounded.
        shown = shown_seconds(decoder.path, stream.id)
        return seconds if shown is None or abs(shown - seconds) < 0.002 else shown
    start = stream.start_time
    if decoder.container.duration is None or start is None:
        return None
    for share in (1.0, 0.5, 0.0):  # sound may go on after the pictures, and a seek may then find none
        target = start + int(share * decoder.container.duration / 1_000_000 / base)
        ends = [p.pts + (p.duration or 0) for p in decoder.packets_near(target) if p.pts is not None]
        if ends:
            return float((max(ends) - start) * base)
    return None


def _language(tag: str | None) -> str | None:
    return None if tag == "und" else tag  # ISO 639-2: undetermined


def _name(names: type[IntEnum], value: int) -> str | None:
    known = {int(entry): entry.name.lower() for entry in names}
    name = known.get(value)
    return None if name in (None, "unspecified") else name
