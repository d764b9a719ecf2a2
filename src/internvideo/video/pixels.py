"""From planes of pixels to one small picture: where to sample, in which colours, and how far two pictures differ.

All in whole numbers, so the same on every machine. Sizes and rounding are those of the chain that PySceneDetect runs
(swscale to packed RGB, OpenCV's bilinear `resize` to 256 pixels on the longer side, OpenCV's 8-bit HSV), which makes
scores comparable bit by bit; constants were taken from the standards and checked against those programs.

Small pictures are planar, (3, h, w). Knows no files, no frames and no thresholds.
"""

import threading
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

LONGEST = 256  # pixels on the longer side of a small picture (PySceneDetect's automatic downscale)
POINTS = (32, 64)  # rows and columns of a picture that a glance falls on
_ONE = 2048  # weights of bilinear sampling are whole 2048ths (OpenCV's 11 bits)

_LOCAL = threading.local()


def grid_size(height: int, width: int) -> tuple[int, int]:
    """(height, width) of the small picture: longer side 256, never enlarged, at least one pixel.

    >>> grid_size(720, 1280), grid_size(120, 160)
    ((144, 256), (120, 160))
    """
    factor = max(height, width) / LONGEST
    return (height, width) if factor <= 1 else (max(1, round(height / factor)), max(1, round(width / factor)))


@dataclass(frozen=True)
class Axis:
    """Bilinear sampling along one side: output i is pixel first[i] and the one after it, that with weight second[i]."""

    first: np.ndarray  # (n,) intp
    second: np.ndarray  # (n,) int32, in 1/2048

    @property
    def single(self) -> bool:
        """Every output is one input pixel."""
        return not self.second.any()


def axis(source: int, target: int) -> Axis:
    """Where OpenCV's `resize` with linear interpolation looks: pixel centres map to (i + 1/2) source / target - 1/2."""
    places = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.intp)
    second = np.rint((places - first) * _ONE).astype(np.int32)
    outside = (first < 0) | (first >= source - 1)
    return Axis(np.clip(first, 0, source - 1), np.where(outside, 0, second).astype(np.int32))


@lru_cache(maxsize=16)
def points(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(48,) rows and (96,) columns, int: one at random in each of as many equal parts, always the same for one size.

    Uneven, so that no regular pattern (fields, stripes, blocks of a codec) can lie between them.
    """
    rng = np.random.default_rng(1)
    rows, columns = (
        ((np.arange(n) + rng.random(n)) * size / n).astype(np.intp)
        for n, size in zip(POINTS, (height, width), strict=True)
    )
    return rows, columns


class Sampler:
    """Makes small pictures of pictures of one size, turned clockwise by `rotation`. Holds buffers: see `sampler`."""

    def __init__(self, height: int, width: int, rotation: int = 0) -> None:
        self._size, self._rotation = (height, width), rotation
        h, w = grid_size(height, width)
        self._step = (height // h, width // w)
        whole = height % h == width % w == 0
        self.hits_centres = whole and self._step[0] % 2 == self._step[1] % 2 == 1
        if rotation in (90, 270):
            height, width = width, height
        self.shape = grid_size(height, width)
        self._down, self._across = axis(height, self.shape[0]), axis(width, self.shape[1])
        self._places: dict[int, np.ndarray] = {}
        self._blending: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def copy_centres(self, plane: np.ndarray, out: np.ndarray) -> None:
        """Sample a plane of one picture, not turned. Only when `hits_centres`: outputs are the middles of odd blocks.

        plane: (H, W), or (H/2, W/2) with a value for 2 x 2 pixels; out: (h, w) of an unsigned type, is filled.
        Rows are copied whole first: that reads memory in order.
        """
        (dy, dx), (h, w) = self._step, out.shape
        if len(plane) >= h * dy:
            out[...] = np.ascontiguousarray(plane[dy // 2 :: dy][:h])[:, dx // 2 :: dx]
            return
        # In a plane of half size, the points of even and those of odd outputs are again regular.
        rows = np.empty((h, plane.shape[1]), plane.dtype)
        for i in (0, 1):
            rows[i::2] = plane[(dy // 2 + i * dy) // 2 :: dy][: (h + 1 - i) // 2]
        for i in (0, 1):
            out[:, i::2] = rows[:, (dx // 2 + i * dx) // 2 :: dx][:, : (w + 1 - i) // 2]

    def from_rgb(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: (H, stride) uint32 whose bytes are R, G, B and one that is ignored -> (3, h, w) uint8."""
        stride = pixels.shape[1]
        if stride not in self._places:
            self._places = {stride: self._find_places(stride)}
            self._taps = np.empty(self._places[stride].shape, np.uint32)
        np.take(pixels.ravel(), self._places[stride], out=self._taps, mode="clip")
        small = self._blend(self._taps.view(np.uint8)).reshape(*self.shape, 4)
        return np.ascontiguousarray(np.moveaxis(small[..., :3], -1, 0))

    def _blend(self, taps: np.ndarray) -> np.ndarray:
        """(1 or 2 right, 1 or 2 down, h, 4 w) uint8 -> (h, 4 w) uint8. Across first, keep 15 bits, then down."""
        if self._down.single and self._across.single:
            return np.array(taps[0, 0])
        across = np.repeat(self._across.second, 4)
        # Pictures of even width need 256ths only: sums fit into 16 bits, at half the cost.
        unit, kind = (8, np.dtype(np.uint16)) if not (across % 8).any() else (1, np.dtype(np.int32))
        right = (across // unit).astype(kind)
        left, after, rows = self._work(kind, taps.shape[1:])
        left[...] = taps[0]
        left *= (_ONE // unit - right).astype(kind)
        if len(taps) > 1:
            after[...] = taps[1]
            after *= right
            left += after
        left >>= 1 if unit == 8 else 4
        rows[...] = left
        below = self._down.second[:, None]
        rows[0] *= _ONE - below
        if len(rows) > 1:
            rows[1] *= below
        rows >>= 16
        if len(rows) > 1:
            rows[0] += rows[1]
        rows[0] += 2
        rows[0] >>= 2
        return np.asarray(rows[0], np.uint8)

    def _work(self, kind: np.dtype, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Three arrays to calculate in: allocating them for each picture costs more than the arithmetic."""
        if self._blending is None:
            self._blending = np.empty(shape, kind), np.empty(shape, kind), np.empty(shape, np.int32)
        return self._blending

    def _find_places(self, stride: int) -> np.ndarray:
        """(1 or 2 right, 1 or 2 down, h, w) intp: place of each tap in the flat picture, which is not turned."""
        height, width = self._size
        last_row, last_column = (height - 1) * stride, width - 1
        origin, down, right = {
            0: (0, stride, 1),
            90: (last_row, 1, -stride),
            180: (last_row + last_column, -stride, -1),
            270: (last_column, -1, stride),
        }[self._rotation]
        rows, columns = (
            [at.first] if at.single else [at.first, at.first + (at.second > 0)] for at in (self._down, self._across)
        )
        return np.array([[origin + row[:, None] * down + column * right for row in rows] for column in columns])


def sampler(height: int, width: int, rotation: int = 0) -> Sampler:
    """The sampler of this thread for pictures that are stored in this size and shown turned clockwise."""
    known: dict[tuple[int, int, int], Sampler] = _LOCAL.__dict__.setdefault("samplers", {})
    if (height, width, rotation) not in known:
        if len(known) >= 16:
            known.clear()
        known[height, width, rotation] = Sampler(height, width, rotation)
    return known[height, width, rotation]


def to_hsv(rgb: np.ndarray) -> np.ndarray:
    """(3, h, w) uint8 RGB -> (3, h, w) uint8: hue in [0, 180) (half degrees), saturation and value in [0, 255].

    OpenCV's 8-bit fixed-point conversion. Black has saturation 0, greys have hue 0.
    """
    red, green, blue = rgb
    out = np.empty_like(rgb)
    hue, saturation, value = out
    at = _hsv_buffers(red.shape)
    spread, wraps = at.bytes[:2]
    np.maximum(red, green, out=value)
    np.maximum(value, blue, out=value)
    np.minimum(red, green, out=spread)
    np.minimum(spread, blue, out=spread)
    np.subtract(value, spread, out=spread)
    _divide(_hue_numerator(rgb, value, at), spread, (180 << 12) / 6, hue, at)
    np.greater(hue, 180, out=wraps.view(bool))  # -30 has become 226 in 8 bits,
    wraps *= 180
    hue += wraps  # and 226 + 180 becomes 150
    _divide(spread, value, 255 << 12, saturation, at)
    return out


def _divide(numerator: np.ndarray, by: np.ndarray, scale: float, out: np.ndarray, at: "_HsvBuffers") -> None:
    """out = low 8 bits of round(numerator x round(scale / by) / 4096); 0 is divided as by 1.

    Adding 2**23 to a small float rounds it to a whole number and leaves that in its low bits. What else is in there
    only touches bits of the product that are cut off.
    """
    np.maximum(by, at.ones, out=at.bytes[1])
    at.real[...] = at.bytes[1]
    np.divide(np.float32(scale), at.real, out=at.real)
    at.real += np.float32(1 << 23)
    at.whole[...] = numerator
    product = at.real.view(np.int32)
    product *= at.whole
    product += 2048
    product >>= 12
    np.copyto(out, product, casting="unsafe")


def _hue_numerator(rgb: np.ndarray, value: np.ndarray, at: "_HsvBuffers") -> np.ndarray:
    """(h, w) int16: the hue in sixths of the circle, times spread: g - b, 2 spread + b - r, or 4 spread + r - g.

    Selected by the greatest channel (red before green before blue) with byte masks, which is faster than `where`.
    """
    red, green, blue = rgb
    spread, is_red, is_green, plus, minus, change = at.bytes
    np.equal(value, red, out=is_red.view(bool))
    np.equal(value, green, out=is_green.view(bool))
    np.negative(is_red, out=is_red)
    np.negative(is_green, out=is_green)
    for out, at_blue, at_green, at_red in ((plus, red, blue, green), (minus, green, red, blue)):
        np.bitwise_xor(at_blue, at_green, out=out)
        out &= is_green
        out ^= at_blue
        np.bitwise_xor(out, at_red, out=change)
        change &= is_red
        out ^= change
    numerator, term = at.shorts
    is_green &= 2
    np.subtract(4, is_green, out=is_green)
    np.invert(is_red, out=is_red)
    is_green &= is_red
    numerator[...] = is_green
    term[...] = spread
    numerator *= term
    term[...] = plus
    numerator += term
    term[...] = minus
    numerator -= term
    return numerator


class _HsvBuffers:
    """Arrays that `to_hsv` works in, allocated once per thread and shape; few, so that they stay in the cache."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.bytes = np.empty((6, *shape), np.uint8)
        self.ones = np.ones(shape, np.uint8)
        self.shorts = np.empty((2, *shape), np.int16)
        self.real = np.empty(shape, np.float32)
        self.whole = np.empty(shape, np.int32)


def _hsv_buffers(shape: tuple[int, int]) -> _HsvBuffers:
    known: dict[tuple[int, int], _HsvBuffers] = _LOCAL.__dict__.setdefault("hsv", {})
    if shape not in known:
        if len(known) >= 16:
            known.clear()
        known[shape] = _HsvBuffers(shape)
    return known[shape]


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(k, h, w) uint8, twice -> (k, h, w) uint8: |a - b|."""
    larger: np.ndarray = np.maximum(a, b)
    larger -= np.minimum(a, b)
    return larger


def means(planes: np.ndarray) -> np.ndarray:
    """(k, h, w) uint8 -> (k,) float64: mean of each plane; the sum is exact."""
    sums = np.add.reduce(planes.reshape(len(planes), -1), axis=1, dtype=np.uint32)
    return np.asarray(sums / planes[0].size)


def nearest(planes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(k, H, W) -> (k, h, w): the pixel under each output's centre."""
    rows, columns = ((np.arange(n) * 2 + 1) * size // (2 * n) for n, size in zip(shape, planes.shape[1:], strict=True))
    return planes[:, rows[:, None], columns]


def box(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mean of the pixels under each output pixel (area interpolation).

    plane: (H, W) uint8 -> (h, w) float32 in [0, 255]; h <= H, w <= W. Where H / h is not whole, pixels are first joined
    to the largest equal blocks that H allows and an edge that cuts a block takes its share of the block.
    """
    (height, width), (h, w) = plane.shape, shape
    sums = _block_sums(plane, _divisor(height, height // h), _divisor(width, width // w))
    parts = 1  # into which a block was divided
    if sums.shape != shape:
        parts = h * w
        sums = _covered(_covered(sums, h).T, w).T
    return np.asarray(sums * (h * w / parts / (height * width)), np.float32)


def _divisor(size: int, most: int) -> int:
    return next(step for step in range(most, 0, -1) if size % step == 0)


def _block_sums(plane: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """(H, W) uint8 -> (H / dy, W / dx) uint32. By slices: a `sum` over two short axes takes twenty times as long."""
    rows: np.ndarray = plane[::dy].astype(np.uint16 if dy <= 257 else np.uint32)
    for k in range(1, dy):
        np.add(rows, plane[k::dy], out=rows)
    sums: np.ndarray = rows[:, ::dx].astype(np.uint32)
    for k in range(1, dx):
        np.add(sums, rows[:, k::dx], out=sums)
    return sums


def _covered(rows: np.ndarray, n: int) -> np.ndarray:
    """(H, W) -> (n, W) float64: sum of the rows under each of n equal parts; a row counts n times its covered share."""
    height = len(rows)
    start = np.arange(n) * height  # in n-ths of a row
    end = start + height
    sums = np.zeros((n, rows.shape[1]))
    for k in range(-(-height // n) + 1):
        row = start // n + k
        share = np.maximum(np.minimum(end, (row + 1) * n) - np.maximum(start, row * n), 0)
        sums += rows[np.minimum(row, height - 1)] * share[:, None].astype(np.float64)
    return sums
