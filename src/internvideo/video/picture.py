"""One decoded frame before any colour conversion: cheap to pass on, converted only as far as somebody looks."""

import threading
from collections.abc import Sequence
from functools import cached_property

import av
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter

from internvideo.video import pixels
from internvideo.video.colour import orientation, to_rgb

_PLANAR = {"yuv420p": "yuv422p", "yuvj420p": "yuvj422p"}  # and the same with the colour of each row
_FULL = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "gray"})
_LUMA_FIRST = _FULL | {"yuv420p", "yuv422p", "yuv444p", "nv12", "nv21", "yuva420p"}  # plane 0 is 8-bit luma
_FULL_RANGE = 2  # ITU-T H.273 numbers as FFmpeg uses them
_UNSPECIFIED, _BT2020, _BT2020_CONSTANT = 2, 9, 10
_KNOWN_MATRICES = frozenset({0, 1, 2, 4, 5, 6, 7, 9})  # swscale refuses the others
_LOCAL = threading.local()


class Picture:
    """A frame as it left the decoder.

    number: position in presentation order, counted from the first frame of the stream.
    tick: presentation time in stream ticks; seconds: the same for people. key: starts a group of pictures.
    rotation: degrees clockwise (0, 90, 180, 270) that a player turns the stored pixels by.
    draft: may lack the loop filter of its codec, see `Video.pictures`.
    """

    draft = False

    def __init__(
        self, frame: av.VideoFrame, *, number: int, tick: int, seconds: float, key: bool, rotation: int
    ) -> None:
        self.frame, self.number, self.tick, self.seconds = frame, number, tick, seconds
        self.key, self.rotation = key, rotation

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8, rotation applied, full size."""
        return to_rgb(self.frame, rotation=self.rotation, mirrored=orientation(self.frame)[1])

    @cached_property
    def small(self) -> np.ndarray:
        """(3, h, w) uint8 RGB, longer side 256, rotation applied; pictures smaller than that keep their size.

        Sampled like PySceneDetect's automatic downscale: swscale's fast conversion, then OpenCV's bilinear `resize`.
        """
        frame = self.frame
        sampler = pixels.sampler(frame.height, frame.width, self.rotation)
        if sampler.hits_centres and frame.format.name in _PLANAR and frame.height % 2 == frame.width % 2 == 0:
            return self._turned(_convert_samples(frame, sampler))
        # swscale leaves the last columns of some widths unset when it writes 32-bit pixels from 4:2:0 (FFmpeg 8).
        safe = frame if frame.width % 8 == 0 else _reformatted(frame, "rgb24")
        packed = _reformatted(safe, "rgb0").planes[0]
        return sampler.from_rgb(np.frombuffer(memoryview(packed), np.uint32).reshape(-1, packed.line_size // 4))

    @property
    def grid(self) -> np.ndarray:
        """(h, w, 3) uint8 RGB: `small` with the channel last. A view."""
        return np.moveaxis(self.small, 0, -1)

    @cached_property
    def hsv(self) -> np.ndarray:
        """(3, h, w) uint8: hue in half degrees [0, 180), saturation and value of `small`."""
        return pixels.to_hsv(self.small)

    @cached_property
    def luma(self) -> np.ndarray:
        """(h, w) uint8, black 0 and white 255: brightness averaged over areas, as large as `small`."""
        frame = self.frame
        name = frame.format.name
        if name not in _LUMA_FIRST:
            frame = _reformatted(frame, "gray")
        full = name not in _LUMA_FIRST or name in _FULL or frame.color_range == _FULL_RANGE
        plane = _rows(frame.planes[0], frame.width)
        mean = pixels.box(plane, pixels.grid_size(frame.height, frame.width))
        if not full:
            mean = np.clip((mean - 16) * np.float32(255 / 219), 0, 255)
        return self._turned(np.rint(mean).astype(np.uint8))

    def _turned(self, picture: np.ndarray) -> np.ndarray:
        if not self.rotation:
            return picture
        return np.ascontiguousarray(np.rot90(picture, -self.rotation // 90, axes=(-2, -1)))


def glance(pictures: Sequence[Picture]) -> np.ndarray | None:
    """(3, n, 2048) uint8 hue, saturation and value of the pixels on `pixels.points` of some pictures, not turned.

    None unless all are 8-bit 4:2:0, equal in size and colours, and so large that it is much less than all of `hsv`.
    """
    frame = pictures[0].frame
    kinds = {
        (p.frame.format.name, p.frame.width, p.frame.height, p.frame.colorspace, p.frame.color_range) for p in pictures
    }
    if len(kinds) > 1 or frame.format.name not in _PLANAR or min(frame.height, frame.width) < 2 * max(pixels.POINTS):
        return None
    h, w = pixels.POINTS
    rows, columns = pixels.points(frame.height, frame.width)
    blocks = _blocks(frame.format.name, h * len(pictures), w)
    for place, picture in enumerate(pictures):
        part = slice(place * h, (place + 1) * h)
        luma, *chroma = picture.frame.planes
        blocks.luma[part] = _rows(luma, frame.width)[rows].take(columns, axis=1)
        for plane, out in zip(chroma, blocks.chroma, strict=True):
            out[part] = _rows(plane, plane.line_size)[rows >> 1].take(columns >> 1, axis=1)
    return pixels.to_hsv(_converted(blocks, frame)).reshape(3, len(pictures), h * w)


def _convert_samples(frame: av.VideoFrame, sampler: pixels.Sampler) -> np.ndarray:
    """(3, h, w) uint8 RGB of the pixels that the sampler hits, converting no others.

    They are copied into a small 4:2:2 frame, one to each pair of pixels that shares its colour. swscale converts that
    by the same arithmetic as 4:2:0: so it makes of them exactly what it would make of the whole frame.
    """
    blocks = _blocks(frame.format.name, *pixels.grid_size(frame.height, frame.width))
    luma, *chroma = frame.planes
    sampler.copy_centres(_rows(luma, frame.width), blocks.luma)
    for plane, out in zip(chroma, blocks.chroma, strict=True):
        sampler.copy_centres(_rows(plane, frame.width // 2), out)
    return _converted(blocks, frame)


def _converted(blocks: "_Blocks", frame: av.VideoFrame) -> np.ndarray:
    """(3, h, w) uint8 RGB of blocks that were filled from a frame."""
    h, w = blocks.luma.shape
    blocks.frame.colorspace, blocks.frame.color_range = frame.colorspace, frame.color_range
    green, blue, red = _reformatted(blocks.frame, "gbrp").planes
    small = np.empty((3, h, w), np.uint8)
    for channel, plane in zip(small, (red, green, blue), strict=True):
        np.copyto(channel, _rows(plane, 2 * w).view("<u2"), casting="unsafe")  # keeps the left one of two pixels
    return small


class _Blocks:
    """A 4:2:2 frame of (h, 2 w) pixels. luma: (h, w) uint16 view of the left pixel of each pair, which also sets its
    right neighbour to 0. chroma: two (h, w) uint8 views."""

    def __init__(self, name: str, h: int, w: int) -> None:
        self.frame = av.VideoFrame(-(-w // 8) * 16, h, _PLANAR[name])  # a width that swscale fills, see `Picture.small`
        luma, *chroma = self.frame.planes
        self.luma = _rows(luma, 2 * w).view("<u2")
        self.chroma = [_rows(plane, w) for plane in chroma]


def _blocks(name: str, h: int, w: int) -> _Blocks:
    known: dict[tuple[str, int, int], _Blocks] = _LOCAL.__dict__.setdefault("blocks", {})
    if (name, h, w) not in known:
        if len(known) >= 16:
            known.clear()
        known[name, h, w] = _Blocks(name, h, w)
    return known[name, h, w]


def _reformatted(frame: av.VideoFrame, name: str) -> av.VideoFrame:
    """The frame in another pixel format, by the conversion that OpenCV's reader asks swscale for."""
    if not hasattr(_LOCAL, "reformatter"):
        _LOCAL.reformatter = VideoReformatter()
    if frame.colorspace not in _KNOWN_MATRICES:
        frame.colorspace = _BT2020 if frame.colorspace == _BT2020_CONSTANT else _UNSPECIFIED
    reformatter: VideoReformatter = _LOCAL.reformatter
    return reformatter.reformat(frame, format=name, interpolation=Interpolation.BICUBIC, threads=1)


def _rows(plane: VideoPlane, width: int) -> np.ndarray:
    """(H, width) uint8 view of a plane of bytes."""
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, :width]
