"""One decoded frame before any colour conversion: cheap to pass on, converted only as far as somebody looks."""

from functools import cached_property

import av
import numpy as np


class Picture:
    """A frame as it left the decoder.

    number: position in presentation order, counted from the first frame of the stream.
    tick: presentation time in stream ticks; seconds: the same for people. key: starts a group of pictures.
    rotation: degrees clockwise (0, 90, 180, 270) that a player turns the stored pixels by.
    """

    def __init__(self, frame: av.VideoFrame, *, number: int, tick: int, seconds: float, key: bool, rotation: int) -> None:
        self.frame, self.number, self.tick, self.seconds = frame, number, tick, seconds
        self.key, self.rotation = key, rotation

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8, rotation applied, full size."""
        raise NotImplementedError
