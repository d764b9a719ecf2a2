"""What single pictures look like: brightness, black bars, sharpness, colour.

Numbers of one small picture, (3, h, w) uint8 RGB or (h, w) uint8 luma (black 0, white 255). They describe that small
picture: what cannot be seen at its size is not judged. Knows no files and no thresholds of clips.
"""

from dataclasses import dataclass

import numpy as np

DARK, BRIGHT = 16, 235  # luma below and above: 8-bit video's nominal black and white, as if not stretched
CRUSHED, BURNT = 5, 250  # luma below and above: UltraVideo's rule for badly exposed frames
COLOURLESS = 12  # greatest difference of R, G and B of a pixel that shows no colour: what coding adds to a grey film

_BAR_LUMA = 20.0  # greatest mean of a row of a bar; leaves room for black that is coded as 16 by mistake
_BAR_LIT = 36  # luma above which a pixel does not belong to a bar,
_BAR_LIT_SHARE = 0.02  # and the share of such pixels in a row that is let pass
_CONTENT_LUMA = 32.0  # least mean of what lies inside the bars, or the picture is too dark to tell
_CONTENT_SHARE = 0.2  # and the least of the height and of the width that it has: upright 2.39:1 has 0.24
_REACH = 5  # pixels that `sharpness` averages over when it blurs again
_LEAST_ENERGY = 0.05  # squared grey levels per pixel below which there is nothing that could be sharp,
_LEAST_SHARE = 0.3  # and the share of all energy that must not be noise
_NOISE_BLOCK = 16
_NOISE_QUANTILE = 0.1
_NOISE_BIAS = 0.795  # energy of the block at that quantile, of white noise of variance 1 (measured, 144 x 256)


@dataclass(frozen=True)
class Exposure:
    """luma: mean, in [0, 255]. dark, bright, extreme: shares of pixels (< 16; > 235; < 5 or > 250), in [0, 1]."""

    luma: float
    dark: float
    bright: float
    extreme: float


def exposure(luma: np.ndarray) -> Exposure:
    """Brightness of a picture. luma: (h, w) uint8."""
    counts = np.bincount(luma.ravel(), minlength=256)
    total = luma.size
    return Exposure(
        luma=float((counts * np.arange(256)).sum()) / total,
        dark=float(counts[:DARK].sum()) / total,
        bright=float(counts[BRIGHT + 1 :].sum()) / total,
        extreme=float(counts[:CRUSHED].sum() + counts[BURNT + 1 :].sum()) / total,
    )


def black_bars(luma: np.ndarray) -> tuple[float, float, float, float]:
    """(top, bottom, left, right): how far black reaches in from each edge, as shares of the height and of the width.

    luma: (h, w) uint8. A row (column) is black if its mean is at most 20 and at most 2 % of its pixels exceed 36; so
    noise does not end a bar, subtitles in it do. What is inside must have a mean of 32 or more and at least a fifth of
    height and width: of a dark picture with a few lights one cannot tell, and all four are NaN.
    """
    rows, columns = _black_lines(luma, 1), _black_lines(luma, 0)
    if rows.all() or columns.all():
        return (np.nan,) * 4
    top, bottom, left, right = (int(np.argmin(line)) for line in (rows, rows[::-1], columns, columns[::-1]))
    h, w = luma.shape
    inside = luma[top : h - bottom, left : w - right]
    small = inside.shape[0] < _CONTENT_SHARE * h or inside.shape[1] < _CONTENT_SHARE * w
    if small or inside.mean() < _CONTENT_LUMA:
        return (np.nan,) * 4
    return top / h, bottom / h, left / w, right / w


def _black_lines(luma: np.ndarray, axis: int) -> np.ndarray:
    lit = np.count_nonzero(luma > _BAR_LIT, axis=axis) <= _BAR_LIT_SHARE * luma.shape[axis]
    black: np.ndarray = lit & (luma.mean(axis=axis) <= _BAR_LUMA)
    return black


def sharpness(luma: np.ndarray) -> float:
    """How much of the steps between neighbouring pixels is lost when the picture is blurred (again); in [0, 1].

    luma: (h, w) uint8. 1 - (energy of the steps after averaging over 5 pixels along the step) / (energy before), noise
    taken out of both, rows and columns together: the idea of Crete et al. (2007), "The Blur Effect", with energies.
    A ratio: contrast and brightness cancel out. An ideal edge gives 0.8; blurred with a Gaussian of sigma 1, 2 and 4
    pixels 0.42, 0.18 and 0.04. NaN where there is nothing but noise or a flat surface.

    Noise is measured where the picture is smoothest (the 10 % quietest blocks of 16 x 16, with the mask of Immerkaer
    1996), so texture that covers the whole picture as evenly as noise is taken for noise.
    """
    if min(luma.shape) < _NOISE_BLOCK + 2:
        return float("nan")
    plane = luma.astype(np.float32)
    noise = _noise_energy(plane)
    before = after = 0.0
    for picture in (plane, plane.T):
        before += _mean_square(picture[:, 1:] - picture[:, :-1])
        after += _mean_square(picture[:, _REACH:] - picture[:, :-_REACH]) / _REACH**2
    before_noise, after_noise = 4 * noise, 4 * noise / _REACH**2
    structure = before - before_noise
    if structure < max(_LEAST_ENERGY, _LEAST_SHARE * before):
        return float("nan")
    return float(np.clip(1 - (after - after_noise) / structure, 0.0, 1.0))


def _mean_square(values: np.ndarray) -> float:
    return float(np.square(values).mean(dtype=np.float64))


def _noise_energy(plane: np.ndarray) -> float:
    """Variance of the noise, where neither black nor white cuts it off.

    The mask 1 -2 1 in both directions, whose gain is 36, leaves nothing of slopes and of edges along the axes.
    """
    across = plane[:, 2:] + plane[:, :-2] - 2 * plane[:, 1:-1]
    energies = _block_means(np.square(across[2:] + across[:-2] - 2 * across[1:-1])) / (36 * _NOISE_BIAS)
    levels = _block_means(plane[1:-1, 1:-1])
    whole = (levels > DARK) & (levels < BRIGHT)
    return float(np.quantile(energies[whole] if whole.any() else energies, _NOISE_QUANTILE, method="lower"))


def _block_means(plane: np.ndarray) -> np.ndarray:
    rows, columns = (size // _NOISE_BLOCK for size in plane.shape)
    blocks = plane[: rows * _NOISE_BLOCK, : columns * _NOISE_BLOCK].reshape(rows, _NOISE_BLOCK, -1)
    sums = blocks.sum(axis=1)
    means: np.ndarray = sum(sums[:, k::_NOISE_BLOCK] for k in range(_NOISE_BLOCK)) / np.float32(_NOISE_BLOCK**2)
    return means


@dataclass(frozen=True)
class Colour:
    """colourfulness: see `colour`. grey: share of pixels without colour. variance: of R, G and B, mean of the three."""

    colourfulness: float
    grey: float
    variance: float


def colour(rgb: np.ndarray) -> Colour:
    """How colourful a picture is. rgb: (3, h, w) uint8.

    colourfulness: M(3) of Hasler and Suesstrunk (2003), "Measuring colourfulness in natural images": with rg = R - G
    and yb = (R + G) / 2 - B, the root of the sum of their variances plus 0.3 times the root of the sum of their squared
    means. 0 without colour; their observers called 15 slightly, 33 moderately, 59 quite and 109 extremely colourful.
    grey: R, G and B differ by at most 12. variance: over the pixels, in squared levels.
    """
    red, green, blue = rgb.astype(np.int16)
    red_green, yellow_blue = red - green, red + green - 2 * blue  # the latter is twice yb
    means = _mean(red_green), _mean(yellow_blue) / 2
    squares = _mean_of_square(red_green), _mean_of_square(yellow_blue) / 4
    spread = max(0.0, squares[0] - means[0] ** 2) + max(0.0, squares[1] - means[1] ** 2)
    chroma = np.maximum(np.maximum(rgb[0], rgb[1]), rgb[2]) - np.minimum(np.minimum(rgb[0], rgb[1]), rgb[2])
    variances = [max(0.0, _mean_of_square(channel) - _mean(channel) ** 2) for channel in (red, green, blue)]
    return Colour(
        colourfulness=spread**0.5 + 0.3 * (means[0] ** 2 + means[1] ** 2) ** 0.5,
        grey=np.count_nonzero(chroma <= COLOURLESS) / chroma.size,
        variance=sum(variances) / 3,
    )


def _mean(values: np.ndarray) -> float:
    return int(values.sum(dtype=np.int64)) / values.size


def _mean_of_square(values: np.ndarray) -> float:
    flat = values.ravel().astype(np.float32)
    return float(np.square(flat).sum(dtype=np.float64)) / values.size
