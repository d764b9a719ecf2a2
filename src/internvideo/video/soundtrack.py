"""The sound of a stretch of video, encoded as AAC beside its pictures, aligned to the sample.

Sample `k` of the track is what the source plays `k / rate` seconds after the stretch begins. Where the source has no
sound there (it begins late, ends early, has gaps, does not decode) the track is silent, so it never drifts.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer, OutputContainer

from internvideo.video.opening import Failure, PathLike, open_container

RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)  # of AAC
FALLBACK_RATE = 48_000
BITS_PER_CHANNEL = 80_000  # per second
BLOCK = 1024  # samples per AAC frame
RUN_UP = Fraction(
    2
)  # seconds decoded before the stretch: codecs need some packets to play rightly, packets may be long
GAP = Fraction(BLOCK, 48_000)  # seconds; smaller jumps of time stamps are rounding, not silence


class SoundTrack:
    """A track being written: `of` adds it to the file, `write_until` keeps step with the pictures, `finish` ends it."""

    def __init__(self, source: InputContainer, file: OutputContainer, begin: Fraction, length: Fraction) -> None:
        self._source, self._file, self._begin = source, file, begin
        heard = source.streams.audio[0]
        self._rate = heard.rate if heard.rate in RATES else FALLBACK_RATE
        self._layout = "mono" if heard.channels == 1 else "stereo"
        stream = file.add_stream("aac", rate=self._rate)
        assert isinstance(stream, AudioStream)
        self._stream, context = stream, stream.codec_context
        context.layout, context.format = self._layout, "fltp"
        context.bit_rate = BITS_PER_CHANNEL * context.channels
        context.thread_count = 1
        context.flags |= Flags.bitexact
        self._length = round(length * self._rate)
        self._written = 0
        self._blocks = self._cut_in_blocks()

    @classmethod
    def of(cls, path: PathLike, file: OutputContainer, begin: Fraction, length: Fraction) -> "SoundTrack | None":
        """A track for `length` seconds of the first sound stream of `path` from `begin` on; None if it has none."""
        source = open_container(path)
        if source.streams.audio and source.streams.audio[0].codec_context is not None:
            return cls(source, file, begin, length)
        source.close()
        return None

    def write_until(self, seconds: Fraction) -> None:
        """Encode and write what plays before `seconds` after the beginning."""
        due = min(self._length, math.ceil(seconds * self._rate))
        while self._written < due:
            block = next(self._blocks)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
            self._written += block.shape[1]
            self._file.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write the rest."""
        self.write_until(Fraction(self._length, self._rate))
        self._file.mux(self._stream.encode(None))

    def close(self) -> None:
        """Give back the source."""
        self._source.close()

    def _cut_in_blocks(self) -> Iterator[np.ndarray]:
        """(channels, 1024) float32 arrays, the last one shorter: exactly `length` samples in all."""
        waiting: list[np.ndarray] = []
        for part in self._placed():
            waiting.append(part)
            if sum(part.shape[1] for part in waiting) < BLOCK:
                continue
            joined = np.concatenate(waiting, axis=1)
            whole = joined.shape[1] // BLOCK * BLOCK
            for at in range(0, whole, BLOCK):
                yield np.ascontiguousarray(joined[:, at : at + BLOCK])
            waiting = [joined[:, whole:]]
        rest = np.concatenate(waiting, axis=1) if waiting else np.empty((0, 0), np.float32)
        if rest.shape[1]:
            yield np.ascontiguousarray(rest)

    def _placed(self) -> Iterator[np.ndarray]:
        """Samples from 0 to `length` without holes: silence where there is nothing, overlaps cut away."""
        channels = self._stream.codec_context.channels
        at = 0
        for position, samples in self._heard():
            if position > at:
                yield np.zeros((channels, min(position, self._length) - at), np.float32)
                at = min(position, self._length)
            new = samples[:, max(0, at - position) : max(0, self._length - position)]
            if new.shape[1]:
                yield new
                at += new.shape[1]
            if at >= self._length:
                return
        while at < self._length:  # in pieces: the source may be silent for hours
            count = min(BLOCK, self._length - at)
            yield np.zeros((channels, count), np.float32)
            at += count

    def _heard(self) -> Iterator[tuple[int, np.ndarray]]:
        """(place of the first sample in the track, samples (channels, n) float32) of what the source plays."""
        resampler, run_began, heard, made = self._new_resampler(), None, Fraction(0), 0
        for frame in self._frames():
            begins = None if frame.pts is None else frame.pts * Fraction(frame.time_base or 0)
            if run_began is None or (begins is not None and abs(run_began + heard - begins) > GAP):
                run_began = self._begin if begins is None else begins
                resampler, heard, made = self._new_resampler(), Fraction(0), 0
            place = round((run_began - self._begin) * self._rate)
            if place + made >= self._length:
                return
            heard += Fraction(frame.samples, frame.sample_rate)
            for part in resampler.resample(frame):
                samples = part.to_ndarray()
                yield place + made, samples
                made += samples.shape[1]

    def _new_resampler(self) -> AudioResampler:
        return AudioResampler(format="fltp", layout=self._layout, rate=self._rate)

    def _frames(self) -> Iterator[av.AudioFrame]:
        """Decoded frames from shortly before the stretch on; packets that do not decode are left out."""
        stream = self._source.streams.audio[0]
        from_ = min(self._begin, max(Fraction(0), self._begin - RUN_UP))
        with suppress(*Failure):  # files that cannot be sought are read from where they stand: the start
            self._source.seek(int(from_ / (stream.time_base or 1)), stream=stream, backward=True)
        packets = self._source.demux(stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, *Failure):
                return
            try:
                yield from stream.decode(packet)
            except Failure:
                continue
