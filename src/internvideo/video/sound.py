"""The sound of a video as numbers: one channel at a low rate, as speech is listened to. Says nothing about it."""

from dataclasses import dataclass

import av
import numpy as np
from av.audio.resampler import AudioResampler

from internvideo.video.opening import Failure, PathLike, open_container

RATE = 16_000  # samples a second
LONGEST = 6 * 3600  # seconds that are read: 1.4 GB


@dataclass(frozen=True)
class Sound:
    """samples: (n,) float32 in [-1, 1], RATE a second. start: seconds of the first one on the clock of the file."""

    samples: np.ndarray
    start: float


def read_sound(path: PathLike) -> Sound | None:
    """The first sound stream of a file, as far as it decodes; gaps are silence. None if it has none.

    Raises the VideoError of a file that does not open.
    """
    with open_container(path) as container:
        if not container.streams.audio or container.streams.audio[0].codec_context is None:
            return None
        resampler = AudioResampler(format="flt", layout="mono", rate=RATE)
        parts: list[np.ndarray] = []
        start: float | None = None
        count = 0
        for frame in _decoded(container):
            at = frame.time if frame.time is not None else (start or 0.0) + count / RATE
            start = at if start is None else start
            gap = round((at - start) * RATE) - count
            if 0.05 * RATE < gap < LONGEST * RATE:  # smaller jumps are rounding
                parts.append(np.zeros(gap, np.float32))
                count += gap
            for made in resampler.resample(frame):
                parts.append(np.clip(made.to_ndarray()[0], -1, 1))
                count += len(parts[-1])
            if count > LONGEST * RATE:
                break
        parts += [np.clip(made.to_ndarray()[0], -1, 1) for made in resampler.resample(None)] if parts else []
    return Sound(np.concatenate(parts), start or 0.0) if parts else None


def _decoded(container: av.container.InputContainer):  # type: ignore[no-untyped-def]
    """Frames in order; a packet that does not decode is left out."""
    for packet in container.demux(audio=0):
        try:
            yield from packet.decode()
        except Failure:
            continue
