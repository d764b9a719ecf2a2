"""Packets in, decoded frames out: opening, seeking and feeding of one stream, with damage counted.

Knows ticks and key packets, not frame numbers; converts no colours. Exceptions of PyAV stay in here.
"""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

import av
import av.logging
from av.stream import Discard
from av.video.stream import VideoStream

from internvideo.errors import NoFrames, OverLimits, UnreadableVideo, VideoError
from internvideo.video.limits import Limits
from internvideo.video.opening import Failure, PathLike, choose_stream, display_name, open_container

if TYPE_CHECKING:
    VideoPacket = av.Packet[VideoStream]
else:
    VideoPacket = av.Packet

SECOND_TRY = 10  # seconds before a key packet to seek to when seeking to it went past it
_SIZE_REFUSED = re.compile(r"Picture size (\d+)x(\d+)")  # what FFmpeg says when `max_pixels` stops a decoder
# Decoders whose output for wanted frames does not change when frames that nothing refers to are skipped.
_SKIPPABLE = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4", "vp8"})
_FILTERING = frozenset({"h264", "hevc"})  # decoders that smooth block edges last, and can leave that out


class StreamDecoder:
    """One video stream of one file, and the decoder for it. Not for use from several threads at once.

    errors: how many packets did not decode so far; message: what the decoder said about the first of them.
    draft: where `can_draft`, frames that no other refers to come without the loop filter, in a tenth less time.
    """

    def __init__(
        self, path: PathLike, stream: int | None, limits: Limits, threads: int, *, draft: bool = False
    ) -> None:
        self.path, self._wanted, self._limits, self._threads = os.fsdecode(path), stream, limits, threads
        self._draft = draft
        self.name = display_name(path)
        self.errors, self.message = 0, ""
        self._log_count = av.logging.get_last_error()[0]
        self._open()

    def _open(self) -> None:
        self.container = open_container(self.path)
        try:
            self.stream: VideoStream = choose_stream(self.container, self._wanted, self.path)
        except BaseException:
            self.container.close()
            raise
        self.context = self.stream.codec_context
        for other in self.container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all
        self._check_limits()
        self.context.options = {"max_pixels": str(min(self._limits.pixels, 2**31 - 1))}
        self.context.thread_count = self._threads
        self.context.thread_type = "AUTO" if self._threads != 1 else "NONE"
        self.skippable = self._can_skip()
        if self._draft and self.can_draft:
            self.context.options = {**self.context.options, "skip_loop_filter": "noref"}
        self._packets: Iterator[VideoPacket] = self._demux()
        self._moved = self._drained = False
        self._skipping = False

    def _check_limits(self) -> None:
        stream, limits = self.stream, self._limits
        try:
            limits.check("pixels", self.context.width * self.context.height, f"one frame of `{self.name}` has")
            limits.check("frames", stream.frames, f"the header of `{self.name}` promises")
            if stream.duration and stream.time_base:
                limits.check("seconds", float(stream.duration * stream.time_base), f"`{self.name}` lasts")
        except BaseException:
            self.container.close()
            raise

    def _can_skip(self) -> bool:
        """Whether frames that nothing refers to may be left out without changing any other frame."""
        if self.context.field_order > 1:  # a field may be unused while its partner is used
            return False
        if self.context.name == "hevc":
            # A picture that its own temporal layer does not use may be used by a higher one (H.265, 7.4.2.2); hvcC
            # tells the number of layers (ISO 14496-15, 8.3.3.1.2).
            extra = self.context.extradata or b""
            return len(extra) > 22 and extra[0] == 1 and extra[21] >> 3 & 7 == 1
        return self.context.name in _SKIPPABLE

    @property
    def can_draft(self) -> bool:
        """Whether there are frames that may be drafts: B-frames, without which nothing would be saved."""
        return self.skippable and self.context.name in _FILTERING and bool(self.context.has_b_frames)

    def close(self) -> None:
        """Give back the file and the decoder."""
        if self.context.is_open:
            self.context.flush_buffers()  # decoder threads come to rest before the decoder is taken apart
        self.container.close()

    def rewind(self) -> None:
        """The next packet is the first of the file, and the decoder knows nothing of others."""
        if self._moved:
            self.close()
            self._open()

    def packets(self) -> Iterator[VideoPacket]:
        """The packets of the stream from where the last one was taken; never empty ones."""
        return self._packets

    def _demux(self) -> Iterator[VideoPacket]:
        self._moved = True
        demuxed = self.container.demux(self.stream)
        while True:
            try:
                packet = next(demuxed)
            except StopIteration:
                return
            except IndexError:  # PyAV does not expect streams that appear later; it knows them when asked again
                demuxed = self.container.demux(self.stream)
                continue
            except Failure as failure:
                self._note(failure)
                if isinstance(failure, OSError) and not isinstance(failure, ValueError) and failure.errno == 5:
                    raise UnreadableVideo(f"cannot read `{self.name}`: {failure.strerror}", "check the disk") from None
                return  # what comes after a broken container structure is not reachable
            if packet.size:
                yield packet

    def seek(self, tick: int, dts: int, *, by_dts: bool = False) -> bool:
        """Place the next packet at the key packet with these ticks. False if it cannot be reached by seeking."""
        for target in (min(tick, dts), min(tick, dts) - round(SECOND_TRY / self.time_base)):
            try:
                self.container.seek(target, stream=self.stream, backward=True)
            except Failure:
                break
            self._moved, self._drained = True, False
            packets = self._demux()
            for packet in packets:
                if packet.is_keyframe and (packet.dts == dts if by_dts else packet.pts == tick):
                    self._packets = chain([packet], packets)
                    return True
                if packet.dts is not None and packet.dts > dts:
                    break
        return False

    def read_to(self, place: int) -> None:
        """From the first packet on, drop packets up to the one at this place in the file; it is the next one."""
        self.rewind()
        for _, _packet in zip(range(place), self._packets, strict=False):
            pass

    @property
    def fresh(self) -> bool:
        """No packet was taken yet."""
        return not self._moved

    def packets_near(self, tick: int) -> Iterator[VideoPacket]:
        """Packets from about the last key packet at or before `tick` on; from the first where seeking fails."""
        try:
            self.container.seek(tick, stream=self.stream, backward=True)
        except Failure:
            self.rewind()
            return self._packets
        self._moved, self._drained = True, False
        self._packets = self._demux()
        return self._packets

    def decode(self, packet: VideoPacket, *, wanted: bool = True) -> list[av.VideoFrame]:
        """The frames that come out when this packet goes in; without `wanted` it may be skipped if nothing needs it."""
        skip = self.skippable and not wanted
        if skip != self._skipping:
            self.context.skip_frame = "NONREF" if skip else "DEFAULT"
            self._skipping = skip
        try:
            return self.context.decode(packet)
        except Failure as failure:
            self._note(failure)
            return []

    def drain(self) -> list[av.VideoFrame]:
        """The frames that the decoder still holds. Afterwards only `seek` or `rewind` lead on."""
        if self._drained:
            return []
        self._drained = True
        try:
            return self.context.decode(None)
        except Failure as failure:
            self._note(failure)
            return []

    def nothing(self) -> VideoError:
        """The error for a stream of which no frame came out."""
        size = _SIZE_REFUSED.search(self.message)
        if size and int(size[1]) * int(size[2]) > self._limits.pixels:
            return OverLimits(
                f"the pictures of `{self.name}` are {size[1]}x{size[2]}, more than {self._limits.pixels:,} pixels",
                "if you trust the file, open it with a larger Limits(pixels=...)",
            )
        said = f": {self.message}" if self.message else ""
        return NoFrames(f"not one frame of `{self.name}` decodes{said}", "fetch it again, or leave it out")

    def _note(self, failure: Exception) -> None:
        self.errors += 1
        if not self.message:
            count, last = av.logging.get_last_error()
            fresh = last is not None and count > self._log_count
            self.message = last[2].strip() if last and fresh else str(getattr(failure, "strerror", "") or failure)

    @property
    def codec(self) -> str:
        """The name of the codec, whichever decoder is used for it."""
        return str(self.context.codec.canonical_name)

    @property
    def pts_are_guessed(self) -> bool:
        """The codec reorders frames and the container has no place for presentation ticks."""
        return self.container.format.name == "avi" and self.context.has_b_frames

    @property
    def fields_may_be_apart(self) -> bool:
        """The two fields of a frame may be two packets."""
        return (
            self.context.field_order > 1 and self.codec == "h264" and self.container.format.name in ("mpegts", "mpeg")
        )

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""
        return self.stream.time_base or Fraction(1, 1_000_000)

    @property
    def tick_step(self) -> Fraction:
        """Ticks from one frame to the next at the frame rate that the file gives, else at 25 per second."""
        return 1 / ((self.stream.guessed_rate or Fraction(25)) * self.time_base)
