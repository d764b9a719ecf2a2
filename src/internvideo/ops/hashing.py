"""How alike two pictures look: a 256-bit perceptual hash and the distance between hashes.

The hash follows the PDQ algorithm (Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing
Algorithm", 2019) in its structure: 64 x 64 cells, the 16 x 16 lowest frequencies without the constant one, one bit
per frequency. Cells are plain area means, so our bits are not exchangeable with those of the PDQ library.

Knows nothing of files, videos or thresholds. Mirrored, rotated and cropped copies get another hash.
"""

from functools import lru_cache

import numpy as np

CELLS = 64  # per side of the shrunken picture
FREQUENCIES = 16  # per side of the block of the cosine transform
HASH_BITS = FREQUENCIES * FREQUENCIES
HASH_BYTES = HASH_BITS // 8

_LEVELS = 256  # steps per grey level that cell means are rounded to
_COSINE_SCALE = 1 << 12  # cosines are rounded to 1/4096: products stay below 2**52, hence exact in float64
_QUALITY_FULL = 90  # sum of gradients, in hundredths of the range, that makes one point of quality (PDQ's constant)


def frame_hash(luma: np.ndarray) -> tuple[np.ndarray, int]:
    """The perceptual hash of one picture, and how much there is to see in it.

    luma: (H, W) uint8, any size from 1 x 1 -> hash: (4,) uint64; quality: int in [0, 100], 0 for a flat picture.

    Bit k of the hash (word k // 64, least significant first) belongs to vertical frequency 1 + k // 16 and horizontal
    frequency 1 + k % 16; it is set when the coefficient is greater than the 128th smallest of the 256. Ties: equal
    coefficients get equal bits and a coefficient equal to that value gets 0, so without ties 128 bits are set.
    All numbers in between are integers that floats hold exactly: the same bits on every machine.
    Quality is PDQ's: the gradients of the cells that exceed 1 % of the range, summed; PDQ advises to match from 50.
    """
    if luma.ndim != 2 or luma.dtype != np.uint8 or not luma.size:
        raise ValueError(f"luma must be (H, W) uint8 and not empty, got {luma.shape} {luma.dtype}")
    cells = _cell_means(luma)
    cosines = _cosines()
    block = (cosines @ cells @ cosines.T).ravel()
    bits = block > np.partition(block, HASH_BITS // 2 - 1)[HASH_BITS // 2 - 1]
    words = np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)
    return words, _quality(cells)


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many bits differ. a, b: (..., k) uint64, k >= 1, broadcast against each other -> (...) int64."""
    bits = _popcount(np.bitwise_xor(a, b)).astype(np.int64)
    total: np.ndarray = bits[..., 0]
    for word in range(1, bits.shape[-1]):  # four times as fast as a sum over so short an axis
        total = total + bits[..., word]
    return total


def hashes_to_bytes(hashes: np.ndarray) -> list[bytes]:
    """(F, 4) uint64 -> F strings of 32 bytes, words in order, each little endian."""
    raw = np.ascontiguousarray(hashes, dtype="<u8").tobytes()
    return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]


def hashes_from_bytes(raw: bytes) -> np.ndarray:
    """The reverse, for the joined bytes of F hashes -> (F, 4) uint64."""
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64).reshape(-1, HASH_BYTES // 8)


def _cell_means(luma: np.ndarray) -> np.ndarray:
    """(CELLS, CELLS) float64: mean of the picture under each cell, as a whole number of 1/256 grey levels."""
    height, width = luma.shape
    # Weights are whole numbers, so every sum is one too: exact in float32 below 2**24, in float64 below 2**53.
    dtype = "f4" if 255 * height * width < 1 << 24 else "f8"
    sums = _cell_sums(_cell_sums(luma, dtype).T, dtype).T.astype(np.float64)
    means: np.ndarray = np.rint(sums * _LEVELS / (height * width))
    return means


def _cell_sums(rows: np.ndarray, dtype: str) -> np.ndarray:
    """(n, W) -> (CELLS, W): rows under each cell, weighted by their share of it in 64ths. No matrix product: those
    start threads, which costs ten times the work where every core already has its worker."""
    first, *others = _windows(len(rows), dtype)
    sums: np.ndarray = rows[first[0]] * first[1]
    for row, weight in others:
        sums += rows[row] * weight
    return sums


@lru_cache(maxsize=64)
def _windows(length: int, dtype: str) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """The k-th row under every cell, (CELLS,), and its weight, (CELLS, 1): how many 64ths of it lie in the cell."""
    start = np.arange(CELLS) * length  # in 64ths of a row, as are all below
    end = start + length
    reach = int((-(-end // CELLS) - start // CELLS).max())
    windows = []
    for k in range(reach):
        row = start // CELLS + k
        weight = np.minimum(end, (row + 1) * CELLS) - np.maximum(start, row * CELLS)
        windows.append((np.minimum(row, length - 1), np.maximum(weight, 0).astype(dtype)[:, None]))
    return tuple(windows)


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    """(FREQUENCIES, CELLS) float64: rows 1 to 16 of the type-II cosine transform, rounded to whole numbers."""
    frequency, cell = np.arange(1, FREQUENCIES + 1)[:, None], np.arange(CELLS)[None, :]
    # The integer phase is folded into one quarter wave first, so that symmetric rows are exactly symmetric.
    phase = (frequency * (2 * cell + 1)) % (4 * CELLS)
    folded = np.minimum(phase, 4 * CELLS - phase)
    sign = np.where(folded > CELLS, -1, 1)
    quarter = np.where(folded > CELLS, 2 * CELLS - folded, folded)
    cosines: np.ndarray = sign * np.rint(_COSINE_SCALE * np.cos(np.pi * quarter / (2 * CELLS)))
    return cosines


def _quality(cells: np.ndarray) -> int:
    """Gradients between neighbouring cells in whole hundredths of the range, summed / 90, at most 100."""
    steps = sum(
        int(np.floor(np.abs(np.diff(cells, axis=axis)) * 100 / (255 * _LEVELS)).sum(dtype=np.float64))
        for axis in (0, 1)
    )
    return min(100, steps // _QUALITY_FULL)


def _popcount(words: np.ndarray) -> np.ndarray:
    """Set bits of each uint64."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        counts: np.ndarray = np.bitwise_count(words)
        return counts
    return _popcount_by_halves(words)


def _popcount_by_halves(words: np.ndarray) -> np.ndarray:
    """The same for NumPy 1: sums of neighbouring 1, 2, 4, then 8 bits, added up by a multiplication."""
    pairs = words - ((words >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + ((pairs >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bytes_ = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: np.ndarray = ((bytes_ * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)
    return counts
