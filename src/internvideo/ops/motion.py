"""How much a picture differs from the one before, and where its parts moved: numbers of two small luma pictures.

`movement` is cheap enough for every frame and tells change from noise; `optical_flow` costs a millisecond and gives
displacements. Why not the codec's own motion vectors: exporting them (FFmpeg's `flags2=+export_mvs`) made decoding a
720p H.264 frame about a sixth dearer (0.6 to 0.75 ms where decoding took 4.2 to 4.7), several times what flow at
two instants a second costs (0.13 ms a frame there). They point to whatever compresses best, in frames that the encoder
chose, and many codecs have none to export.

Knows no files, no time and no thresholds of clips. All pictures are arrays; displacements are in pixels.
"""

from dataclasses import dataclass

import numpy as np

BLOCK = 8  # pixels per side of the blocks of `movement`
LONGEST = 96  # pixels on the longer side of the pictures that flow is measured on

_LUMA = (14, 46, 4)  # 64ths of R, G, B: the luma weights of ITU-R BT.709 (0.2126, 0.7152, 0.0722), sums fit 16 bits
_CELL = 4  # pixels per side of a cell, which has one displacement, at every level
_LEVELS = 3  # of the pyramid: 1, 1/2, 1/4
_ROUNDS = (2, 2, 3)  # of refinement, finest level first; the coarsest begins with nothing
_DAMPING = np.float32(8.0)  # added to the structure tensor's diagonal; weak texture then moves in small steps
_QUIET = 0.04  # square of the least noise, in grey levels: what rounding to 8 bits leaves in means of 2 x 2 pixels
_SIGNIFICANT = 100.0  # squared distance from no motion, in standard errors, from which a displacement counts; measured:
# smoothing joins the noise of neighbours, so that at 25 one cell in ten moved in pure noise, at 100 none in a thousand
_TEXTURED = 48.0  # the structure tensor's least eigenvalue in units of noise, a standard error of 1/7 pixel; measured:
# at 16 a third of the cells of pure noise found themselves again, at 48 none
_FOREIGN = 16.0  # grey levels of remaining difference (root mean square) that no match has
_CAMERA_SHARE = 0.15  # of the cells must have a known displacement before one speaks of a camera
_FIT_ROUNDS = 3
_FIT_NOISE = 0.05  # pixels: spread of displacements around the fit that is never doubted


def movement(now: np.ndarray, before: np.ndarray) -> tuple[float, float]:
    """(difference, block): mean |luma difference| and the largest |mean luma difference| of a block, in grey levels.

    now, before: (3, h, w) uint8 RGB of one size -> both in [0, 255]. A block is 8 x 8 pixels; what is left over at the
    right and at the bottom has no block (a picture under 8 x 8 is one).

    Noise that is independent from pixel to pixel moves no block's mean far: 0.8 `difference` is five standard errors of
    the mean of 64 pixels. An edge that moves by a pixel goes far above.
    """
    if now.shape != before.shape or now.ndim != 3 or len(now) != 3:
        raise ValueError(f"pictures must be (3, h, w) of one size, got {now.shape} and {before.shape}")
    luma = np.zeros_like(now[0], dtype=np.int16)
    for weight, a, b in zip(_LUMA, now, before, strict=True):
        change = a.astype(np.int16)
        change -= b
        change *= weight
        luma += change
    luma >>= 2  # 16ths of a level: eight rows of a block fit 16 bits
    difference = int(np.abs(luma).sum(dtype=np.int32)) / (16 * luma.size)
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    if not rows or not columns:
        return difference, abs(int(luma.sum(dtype=np.int32))) / (16 * luma.size)
    strips = luma[: rows * BLOCK].reshape(rows, BLOCK, -1)
    sums = strips[:, 0].copy()
    for k in range(1, BLOCK):
        sums += strips[:, k]
    blocks = sums[:, : columns * BLOCK : BLOCK].astype(np.int32)
    for k in range(1, BLOCK):
        blocks += sums[:, k : columns * BLOCK : BLOCK]
    return difference, int(np.abs(blocks).max()) / (16 * BLOCK * BLOCK)


@dataclass(frozen=True)
class Flow:
    """Displacements of the cells of a picture, `before` to `after`.

    across, down: (m, n) float32 pixels; known: (m, n) bool, where there was texture and it was found again (elsewhere
    displacements mean nothing); lost: share of the cells whose content is not in the other picture.
    """

    across: np.ndarray
    down: np.ndarray
    known: np.ndarray
    lost: float


def shrink(luma: np.ndarray) -> np.ndarray:
    """(H, W) uint8 -> (h, w) float32 in [0, 255]: every f-th point both ways, f the least for a longer side up to 96.

    Each point is a mean with triangular weights over 2 f - 1 pixels both ways; plain blocks would leave in detail that
    does not move with the picture. One point is left of a side that is shorter than that.
    """
    factor = _factor(luma.shape)
    rows = _thin(luma.astype(np.float32), factor)
    return _thin(rows.T, factor).T


def _factor(shape: tuple[int, ...]) -> int:
    return -(-max(shape) // LONGEST)


def height_in_points(shape: tuple[int, ...]) -> float:
    """Height of a picture (H, W) in the points of `shrink`, which leaves out a rim: H / f.

    >>> height_in_points((144, 256))
    48.0
    """
    return shape[0] / _factor(shape)


def _thin(rows: np.ndarray, factor: int) -> np.ndarray:
    """(H, W) -> (h, W): means with triangular weights around every `factor`-th row."""
    factor = min(factor, (len(rows) + 1) // 2)
    reach = 2 * factor - 1
    count = (len(rows) - reach) // factor + 1
    sums = np.zeros((count, rows.shape[1]), np.float32)
    for k in range(reach):
        sums += rows[k : k + (count - 1) * factor + 1 : factor] * np.float32(min(k + 1, reach - k))
    sums /= np.float32(factor * factor)
    return sums


def optical_flow(before: np.ndarray, after: np.ndarray) -> Flow:
    """Where each cell of 4 x 4 pixels of `before` went in `after`. Both (h, w) float32 in [0, 255], as from `shrink`.

    Lucas and Kanade (1981) in a pyramid of three levels, windows of 3 x 3 cells with triangular weights. Follows some 8
    pixels, more where the picture is coarse. A displacement that noise alone would explain is exactly 0; the noise is
    what is left of the difference after the match.
    """
    if before.shape != after.shape:
        raise ValueError(f"pictures must have one size, got {before.shape} and {after.shape}")
    unit = _CELL << (_LEVELS - 1)
    margin = [(0, -size % unit) for size in before.shape]
    pyramid = [(_smooth(np.pad(before, margin, mode="edge")), _smooth(np.pad(after, margin, mode="edge")))]
    for _ in range(_LEVELS - 1):
        pyramid.append((_half(pyramid[-1][0]), _half(pyramid[-1][1])))
    moved = np.zeros((2, *(size // _CELL for size in pyramid[-1][0].shape)), np.float32)
    for level in reversed(range(_LEVELS)):
        if level < _LEVELS - 1:
            moved = 2 * moved.repeat(2, axis=1).repeat(2, axis=2)
        moved, tensor, noise = _refine(*pyramid[level], moved, _ROUNDS[level])
    (xx, xy, yy), (u, v) = tensor, moved
    h, w = (-(-size // _CELL) for size in before.shape)
    floor = np.maximum(noise, np.float32(_QUIET))
    least = (xx + yy - np.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2
    known = least > _TEXTURED * floor
    moving = (xx * u * u + 2 * xy * u * v + yy * v * v) > _SIGNIFICANT * floor
    moved = np.where(moving, moved, np.float32(0))[:, :h, :w]
    lost = (noise > _FOREIGN**2)[:h, :w]
    return Flow(moved[0], moved[1], (known & (noise <= _FOREIGN**2))[:h, :w], float(lost.mean()))


def _refine(
    before: np.ndarray, after: np.ndarray, moved: np.ndarray, rounds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Better displacements (2, m, n); the structure tensor (3, m, n) of the windows; the mean squared rest (m, n).

    Cells are moved by whole pixels and the slope of the picture gives the rest. Sampling between pixels would cost four
    times as much, and bilinear sampling lags behind the true place, which makes displacements up to 20 % too long.
    """
    across, down = _slope(before.T).T, _slope(before)
    products = np.empty((3, *before.shape), np.float32)
    for k, (a, b) in enumerate(((across, across), (across, down), (down, down))):
        np.multiply(a, b, out=products[k])
    own = _cells(products)
    window = _spread(own)
    xx, xy, yy = window[0] + _DAMPING, window[1], window[2] + _DAMPING
    scale = 1 / (xx * yy - xy * xy)
    for _ in range(rounds):
        whole = np.rint(moved)
        rest = _shifted(after, whole) - before
        np.multiply(across, rest, out=products[0])
        np.multiply(down, rest, out=products[1])
        np.multiply(rest, rest, out=products[2])
        pull = _cells(products)
        # Neighbouring cells were moved by other amounts than this one: what they ask for is put in terms of no motion.
        x, y = _spread(_times(own, whole) - pull[:2]) + _DAMPING * moved
        moved = np.empty_like(moved)
        moved[0], moved[1] = (yy * x - xy * y) * scale, (xx * y - xy * x) * scale
    step = moved - whole
    energy = pull[2] + (step * (2 * pull[:2] + _times(own, step))).sum(axis=0)
    return moved, window, np.maximum(_spread(energy[None])[0], 0) / _spread(np.full_like(energy, _CELL**2)[None])[0]


def _slope(rows: np.ndarray) -> np.ndarray:
    """(h, w): the derivative downwards, by the central difference of fourth order; by lower ones at the two edges."""
    slope = np.empty_like(rows)
    slope[1:-1] = (rows[2:] - rows[:-2]) / np.float32(2)
    slope[0], slope[-1] = rows[1] - rows[0], rows[-1] - rows[-2]
    slope[2:-2] = (rows[:-4] - rows[4:]) / np.float32(12) + (rows[3:-1] - rows[1:-3]) * np.float32(8 / 12)
    return slope


def _times(tensor: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Symmetric matrices (3, m, n) times vectors (2, m, n) -> (2, m, n)."""
    out = np.empty_like(vectors)
    out[0] = tensor[0] * vectors[0] + tensor[1] * vectors[1]
    out[1] = tensor[1] * vectors[0] + tensor[2] * vectors[1]
    return out


def _shifted(after: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(h, w): at each pixel, `after` where its cell went, by whole pixels (beyond the edge: the pixel at the edge)."""
    h, w = after.shape
    u, v = whole.astype(np.int32).repeat(_CELL, axis=1).repeat(_CELL, axis=2)
    u += np.arange(w, dtype=np.int32)
    v += np.arange(h, dtype=np.int32)[:, None]
    np.minimum(np.maximum(u, 0, out=u), w - 1, out=u)
    np.minimum(np.maximum(v, 0, out=v), h - 1, out=v)
    v *= w
    v += u
    shifted: np.ndarray = after.ravel().take(v)
    return shifted


def _smooth(picture: np.ndarray) -> np.ndarray:
    """Weights 1, 2, 1 both ways: without the finest detail slopes are what they seem."""
    rows = picture * np.float32(2)
    rows[1:] += picture[:-1]
    rows[:-1] += picture[1:]
    rows[0] += picture[0]
    rows[-1] += picture[-1]
    out = rows * np.float32(2)
    out[:, 1:] += rows[:, :-1]
    out[:, :-1] += rows[:, 1:]
    out[:, 0] += rows[:, 0]
    out[:, -1] += rows[:, -1]
    smooth: np.ndarray = out * np.float32(1 / 16)
    return smooth


def _half(picture: np.ndarray) -> np.ndarray:
    rows = picture[::2] + picture[1::2]
    half: np.ndarray = (rows[:, ::2] + rows[:, 1::2]) * np.float32(0.25)
    return half


def _cells(planes: np.ndarray) -> np.ndarray:
    """(k, h, w) -> (k, h / 4, w / 4): sums over cells."""
    rows = planes[:, ::_CELL] + planes[:, 1::_CELL]
    rows += planes[:, 2::_CELL]
    rows += planes[:, 3::_CELL]
    sums: np.ndarray = rows[..., ::_CELL] + rows[..., 1::_CELL]
    sums += rows[..., 2::_CELL]
    sums += rows[..., 3::_CELL]
    return sums


def _spread(cells: np.ndarray) -> np.ndarray:
    """(k, m, n) -> the same: each cell with half of its four neighbours and a quarter of the four at its corners."""
    half = np.float32(0.5)
    sums = cells.copy()
    sums[:, 1:] += half * cells[:, :-1]
    sums[:, :-1] += half * cells[:, 1:]
    out = sums.copy()
    out[..., 1:] += half * sums[..., :-1]
    out[..., :-1] += half * sums[..., 1:]
    return out


@dataclass(frozen=True)
class MotionSummary:
    """Lengths of displacements over the cells of a picture, in picture heights.

    other: mean length of what the camera's motion does not explain; NaN when that motion is not known.
    """

    mean: float
    p90: float
    other: float


def summarize(flow: Flow, height: float) -> MotionSummary:
    """Mean and 90th percentile of |displacement|, and the mean after a camera's motion is taken away.

    height: of the picture in the pixels of the flow. All NaN where most of the picture is lost (a cut).
    The camera is an affine motion that fits most known cells. Cells without texture are taken to move with it; where
    under 15 % of the cells are known they are taken to be still, and nothing is said of a camera.
    """
    if flow.lost > 0.5:
        return MotionSummary(np.nan, np.nan, np.nan)
    moved = np.stack([flow.across, flow.down]).astype(np.float64)
    moved[:, ~flow.known] = 0
    other = np.nan
    if flow.known.mean() >= _CAMERA_SHARE:
        camera = affine_motion(moved, flow.known)
        moved[:, ~flow.known] = camera[:, ~flow.known]
        other = float(_lengths(moved - camera).mean()) / height
    lengths = _lengths(moved) / height
    return MotionSummary(float(lengths.mean()), float(np.percentile(lengths, 90)), other)


def affine_motion(moved: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The affine motion (shift, zoom, rotation, shear) that most known cells follow.

    moved: (2, m, n) pixels; known: (m, n) bool, at least one -> (2, m, n) float64, the fit at every cell.

    Least squares, repeated with weights that fall with the distance from the last fit, beginning with the median. Sums
    and explicit formulae only: no solver whose last digits depend on the machine.
    """
    y, x = (axis.astype(np.float64) for axis in np.nonzero(known))
    vectors = moved[:, known]
    fit = np.median(vectors, axis=1)[:, None] + np.zeros_like(vectors)
    for _ in range(_FIT_ROUNDS):
        distance = _lengths(vectors - fit)
        spread = max(_FIT_NOISE, 1.5 * float(np.median(distance)))
        weight = 1 / (1 + (distance / spread) ** 2) ** 2
        weight /= weight.sum()
        middle = float((weight * x).sum()), float((weight * y).sum())
        dx, dy = x - middle[0], y - middle[1]
        by_x, by_y = weight * dx, weight * dy
        xx, xy, yy = (by_x * dx).sum() + 1e-3, (by_x * dy).sum(), (by_y * dy).sum() + 1e-3
        shift, toward_x, toward_y = ((vectors * along).sum(axis=1)[:, None] for along in (weight, by_x, by_y))
        slope_x = (yy * toward_x - xy * toward_y) / (xx * yy - xy * xy)
        slope_y = (xx * toward_y - xy * toward_x) / (xx * yy - xy * xy)
        fit = shift + slope_x * dx + slope_y * dy
    columns, rows = np.arange(moved.shape[2]) - middle[0], np.arange(moved.shape[1])[:, None] - middle[1]
    camera: np.ndarray = shift[..., None] + slope_x[..., None] * columns + slope_y[..., None] * rows
    return camera


def _lengths(vectors: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.sqrt(vectors[0] ** 2 + vectors[1] ** 2)
    return lengths
