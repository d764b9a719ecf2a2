"""Which of many hashes are near each other, without comparing all with all.

A hash of 256 bits is cut into 16 bands. Hashes that differ in at most 15 bits agree in at least one band, so it is
enough to compare those that share a band. Knows hashes only: no videos, no times.
"""

from collections.abc import Iterator

import numpy as np

from internvideo.ops.hashing import HASH_BITS, hamming

BANDS = 16
SURE_DISTANCE = BANDS - 1  # pairs up to this far apart agree in a band

_BAND_BITS = HASH_BITS // BANDS
# Neighbouring frequencies depend on each other. Bands of far apart ones collide three times less on real films; 53 is
# odd, so multiplying by it only changes the order of the bits.
_MIXED = np.arange(HASH_BITS) * 53 % HASH_BITS
_ROWS_AT_ONCE = 1 << 18


def near_pairs(
    hashes: np.ndarray, kin: np.ndarray, rank: np.ndarray, *, max_distance: int, bucket_limit: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of hashes that share a band, differ in at most `max_distance` bits and are no kin, some at a time.

    hashes: (N, 4) uint64. kin: (N,) integers; hashes of equal kin are not compared. rank: (N,) different integers, the
    smaller the more wanted. Yields (a, b, distance), each (P,) int64: indices into `hashes`, and their distance.

    Of all pairs up to SURE_DISTANCE apart none is missed, and each comes once, unless more than `bucket_limit` + 1
    hashes share a band: then each is compared with the `bucket_limit` that follow it in order of the hashes, and with
    the one of best rank, so that copies of one picture stay connected; some of these pairs come several times.
    Of pairs 31 apart about nine in ten are found when the bits that differ are spread evenly. Memory: about 150 bytes
    per hash.
    """
    if len(hashes) < 2:
        return
    mixed = _mix(hashes)
    order = np.lexsort(mixed.T[::-1])
    mixed, kin, rank = mixed[order], kin[order], rank[order]
    bands = mixed.astype("<u8").view("<u2")
    for band in range(BANDS):
        by = np.argsort(bands[:, band], kind="stable")
        words, family = mixed[by], kin[by]  # copies in this order: what is compared lies side by side in memory
        earlier = np.ascontiguousarray(bands[by, :band])
        for one, other, extra in _in_bucket(bands[by, band], rank[by], bucket_limit):
            one, other, distance = _near(words, family, one, other, max_distance)
            if not extra and band and one.size:
                fresh = (earlier[one] != earlier[other]).all(axis=1)  # else it came with an earlier band
                one, other, distance = one[fresh], other[fresh], distance[fresh]
            if one.size:
                yield order[by[one]], order[by[other]], distance


def _near(
    words: np.ndarray, family: np.ndarray, one: np.ndarray, other: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of different families that are at most `limit` apart, and how far."""
    for half in (words[:, :2], words):  # most pairs are refused for their first half alone
        distance = hamming(half[one], half[other])
        near = distance <= limit
        one, other, distance = one[near], other[near], distance[near]
    foreign = family[one] != family[other]
    return one[foreign], other[foreign], distance[foreign]


def _mix(hashes: np.ndarray) -> np.ndarray:
    """(N, 4) uint64 with the bits of each hash in mixed order: distances stay."""
    mixed = np.empty((len(hashes), HASH_BITS // 8), np.uint8)
    for at in range(0, len(hashes), _ROWS_AT_ONCE):
        raw = np.ascontiguousarray(hashes[at : at + _ROWS_AT_ONCE], "<u8").view(np.uint8)
        bits = np.unpackbits(raw, axis=1, bitorder="little")[:, _MIXED]
        mixed[at : at + _ROWS_AT_ONCE] = np.packbits(bits, axis=1, bitorder="little")
    return mixed.view("<u8").astype(np.uint64)


def _in_bucket(keys: np.ndarray, rank: np.ndarray, limit: int) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """Positions of pairs with equal keys, and whether they are those of the best of a bucket that is too large.

    keys: (N,) sorted.
    """
    alive = np.arange(len(keys) - 1)
    for lag in range(1, limit + 1):
        if alive.size and alive[-1] + lag == len(keys):
            alive = alive[:-1]
        alive = alive[keys[alive] == keys[alive + lag]]
        if not alive.size:
            return
        for at in range(0, len(alive), _ROWS_AT_ONCE):
            part = alive[at : at + _ROWS_AT_ONCE]
            yield part, part + lag, False
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    sizes = np.diff(np.r_[starts, len(keys)])
    for start, size in zip(starts[sizes > limit + 1], sizes[sizes > limit + 1], strict=True):
        members = np.arange(start, start + size)
        best = start + int(np.argmin(rank[members]))
        for at in range(0, size, _ROWS_AT_ONCE):
            part = members[at : at + _ROWS_AT_ONCE]
            part = part[np.abs(part - best) > limit]
            yield part, np.full(len(part), best), True
