"""The fast search finds what comparing all with all finds, as far as it promises to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.ops.hash_pairs import SURE_DISTANCE, near_pairs
from internvideo.ops.hashing import hamming

MAX = 31


def flipped(hashes: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Copies with so many different random bits changed."""
    bits = np.unpackbits(hashes.view(np.uint8).reshape(len(hashes), 32), axis=1)
    for row, count in zip(bits, counts, strict=True):
        row[rng.choice(256, count, replace=False)] ^= 1
    return np.packbits(bits, axis=1).view(np.uint64)


def random_hashes(count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 2**64, (count, 4), dtype=np.uint64)


def found_pairs(hashes, kin=None, rank=None, *, limit=1000) -> list[tuple[int, int, int]]:
    kin = np.arange(len(hashes)) if kin is None else kin
    rank = np.arange(len(hashes)) if rank is None else rank
    parts = list(near_pairs(hashes, kin, rank, max_distance=MAX, bucket_limit=limit))
    return [
        (min(a, b), max(a, b), d)
        for one, other, distance in parts
        for a, b, d in zip(one.tolist(), other.tolist(), distance.tolist(), strict=True)
    ]


def brute_force(hashes: np.ndarray, kin: np.ndarray, distance: int) -> set[tuple[int, int, int]]:
    apart = hamming(hashes[:, None], hashes[None])
    return {
        (a, b, int(apart[a, b]))
        for a in range(len(hashes))
        for b in range(a + 1, len(hashes))
        if apart[a, b] <= distance and kin[a] != kin[b]
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 8))
def test_no_pair_within_the_sure_distance_is_missed_and_none_beyond_the_limit_comes(seed, count, families):
    rng = np.random.default_rng(seed)
    base = random_hashes(count, rng)
    hashes = np.concatenate([base, flipped(base, rng.integers(0, 60, count), rng), base[: count // 4]])
    kin = rng.integers(0, families, len(hashes))
    found = found_pairs(hashes, kin)
    assert len(found) == len(set(found)), "without full buckets each pair comes once"
    assert brute_force(hashes, kin, SURE_DISTANCE) <= set(found) <= brute_force(hashes, kin, MAX)


@pytest.mark.parametrize("distance", [0, 1, SURE_DISTANCE])
def test_pairs_at_exactly_the_sure_distance_are_found_wherever_their_bits_differ(distance):
    rng = np.random.default_rng(1)
    base = random_hashes(400, rng)
    hashes = np.concatenate([base, flipped(base, np.full(400, distance), rng)])
    assert {(i, i + 400, distance) for i in range(400)} <= set(found_pairs(hashes))


def test_one_bit_more_than_sure_can_be_missed_so_the_promise_is_tight():
    """One changed bit in each of the 16 bands."""
    mixed = np.zeros(256, np.uint8)
    mixed[::16] = 1
    bits = np.zeros(256, np.uint8)
    bits[np.arange(256) * 53 % 256] = mixed
    other = np.packbits(bits, bitorder="little").view(np.uint64)
    hashes = np.stack([np.zeros(4, np.uint64), other])
    assert hamming(*hashes) == SURE_DISTANCE + 1 and found_pairs(hashes) == []


@pytest.mark.parametrize(("distance", "share"), [(20, 0.99), (31, 0.86)])
def test_most_pairs_further_apart_are_found_when_their_bits_are_spread(distance, share):
    rng = np.random.default_rng(2)
    base = random_hashes(2000, rng)
    hashes = np.concatenate([base, flipped(base, np.full(2000, distance), rng)])
    found = {(a, b) for a, b, _ in found_pairs(hashes)}
    expected = 1 - (1 - (1 - 1 / 16) ** distance) ** 16
    measured = sum((i, i + 2000) in found for i in range(2000)) / 2000
    assert measured >= share and measured == pytest.approx(expected, abs=0.03)


def test_many_copies_cost_little_and_stay_connected_through_the_best():
    rng = np.random.default_rng(3)
    base = random_hashes(3, rng)
    hashes = np.concatenate(
        [flipped(np.repeat(base, 300, axis=0), rng.integers(0, 7, 900), rng), random_hashes(99, rng)]
    )
    order = rng.permutation(len(hashes))
    rank = rng.permutation(len(hashes))
    found = found_pairs(hashes[order], rank=rank, limit=10)
    family = np.where(order < 900, order // 300, order)
    assert len(found) < 900 * 16 * 11 < 3 * 300 * 299 // 2 * 16
    assert all(family[a] == family[b] for a, b, _ in found)
    for copies in range(3):
        members = np.flatnonzero(family == copies)
        best = members[rank[members].argmin()]
        beside_best = {a + b - best for a, b, _ in found if best in (a, b)}
        assert beside_best == set(members.tolist()) - {best}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_hashes_are_no_special_case(count):
    hashes = np.zeros((count, 4), np.uint64)
    assert found_pairs(hashes) == ([(0, 1, 0)] if count == 2 else [])


def test_the_order_of_the_hashes_does_not_matter():
    rng = np.random.default_rng(4)
    base = random_hashes(50, rng)
    hashes = np.concatenate([base, flipped(base, rng.integers(0, 31, 50), rng)])
    order = rng.permutation(100)
    place = order.argsort()
    moved = {(*sorted((int(place[a]), int(place[b]))), d) for a, b, d in found_pairs(hashes)}
    assert moved == set(found_pairs(hashes[order]))
