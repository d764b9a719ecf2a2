"""Which frames are around some ticks, without reading the whole file.

For long files in containers that can be sought but have no list of frames in their header. Gives a local `Index` or
None, and then the caller reads the whole file. Decodes nothing.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from internvideo.video.decode import StreamDecoder, VideoPacket
from internvideo.video.index import Index, build, scan
from internvideo.video.limits import Limits

WORTH_BYTES = 48 * 2**20  # below, reading all packets takes some hundredths of a second
STRETCH_SECONDS = 10.0  # ticks that are closer than this are looked up together
_STEPS_BACK = (0.0, 2.0, 20.0)  # seconds to begin earlier, where a seek does not arrive at a key packet


def stretches(ticks: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """[first, last] of the groups of ticks (ascending) with gaps of at most `gap` inside.

    >>> stretches(np.array([0, 3, 20, 21]), 5)
    [(0, 3), (20, 21)]
    """
    cuts = np.flatnonzero(np.diff(ticks) > gap) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(ticks, cuts) if len(part)]


def around(decoder: StreamDecoder, first: int, last: int, limits: Limits) -> Index | None:
    """The frames from the last key packet at or before tick `first` to the one on screen at tick `last`.

    Their numbers are local. None where the packets do not tell, or where `first` is before the first frame.
    """
    if decoder.pts_are_guessed or decoder.fields_may_be_apart:
        return None
    for back in _STEPS_BACK:
        packets = decoder.packets_near(first - round(back / decoder.time_base))
        index = build(scan(_between(packets, last), decoder.codec, limits)).with_head_of(())
        if len(index) and index.exact and index.ticks[0] <= first:
            return replace(index, local=True)
    return None


def _between(packets: Iterator[VideoPacket], last: int) -> Iterator[VideoPacket]:
    """From the first key packet on, up to where no later packet can be shown at or before tick `last`."""
    begun = False
    for packet in packets:
        begun = begun or packet.is_keyframe
        if begun:
            if packet.dts is not None and packet.dts > last:
                return
            yield packet
