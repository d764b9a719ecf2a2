"""Laws of the perceptual hash; the oracle works with fractions and lists."""

import io
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from internvideo.ops import hashing
from internvideo.ops.hashing import frame_hash, hamming, hashes_from_bytes, hashes_to_bytes

PICTURES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90)))
HASHES = hnp.arrays(np.uint64, st.tuples(st.integers(1, 6), st.just(4)))
SCENES = range(12)


def scene(seed: int, height: int = 288, width: int = 512) -> np.ndarray:
    """A picture with the falling spectrum of natural ones: amplitude about 1 / frequency."""
    rng = np.random.default_rng(seed)
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / np.maximum(np.hypot(y, x), 1 / width) ** 1.2
    picture = np.fft.irfft2(spectrum, s=(height, width))
    return np.clip(128 + 48 * (picture - picture.mean()) / picture.std(), 0, 255).astype(np.uint8)


def resized(luma: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(luma).resize((width, height), Image.Resampling.BICUBIC))


def jpeg(luma: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(luma).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def bits_apart(a: np.ndarray, b: np.ndarray) -> int:
    return int(hamming(frame_hash(a)[0], frame_hash(b)[0]))


def plain_cells(luma: np.ndarray) -> list[list[int]]:
    """Exact area means in 1/256 grey levels, halves to even."""
    height, width = luma.shape

    def share(i: int, j: int, length: int) -> Fraction:
        low, high = Fraction(i * length, 64), Fraction((i + 1) * length, 64)
        return max(Fraction(0), min(high, Fraction(j + 1)) - max(low, Fraction(j)))

    down = [[(j, share(i, j, height)) for j in range(height) if share(i, j, height)] for i in range(64)]
    right = [[(j, share(i, j, width)) for j in range(width) if share(i, j, width)] for i in range(64)]
    area = Fraction(height * width, 64 * 64)
    return [
        [round(sum(a * b * int(luma[y, x]) for y, a in rows for x, b in cols) / area * 256) for cols in right]
        for rows in down
    ]


def plain_hash(luma: np.ndarray) -> tuple[list[int], int]:
    cells = plain_cells(luma)
    cosine = [[round(4096 * math.cos(math.pi * f * (2 * c + 1) / 128)) for c in range(64)] for f in range(1, 17)]
    half = [[sum(cosine[f][y] * cells[y][x] for y in range(64)) for x in range(64)] for f in range(16)]
    block = [sum(half[v][x] * cosine[h][x] for x in range(64)) for v in range(16) for h in range(16)]
    middle = sorted(block)[127]
    words = [sum(int(block[64 * w + k] > middle) << k for k in range(64)) for w in range(4)]
    steps = [abs(cells[y][x] - cells[y][x - 1]) for y in range(64) for x in range(1, 64)]
    steps += [abs(cells[y][x] - cells[y - 1][x]) for y in range(1, 64) for x in range(64)]
    return words, min(100, sum(step * 100 // (255 * 256) for step in steps) // 90)


@settings(max_examples=8, deadline=None)
@given(PICTURES)
def test_the_hash_equals_the_plain_one_with_exact_fractions(luma):
    words, quality = frame_hash(luma)
    assert ([int(word) for word in words], quality) == plain_hash(luma)


def test_a_known_picture_has_a_known_hash_on_every_machine():
    y, x = np.mgrid[0:144, 0:256]
    luma = ((x * x + 3 * y * y + 7 * x * y) // 97 % 256).astype(np.uint8)
    words, quality = frame_hash(luma)
    expected, expected_quality = plain_hash(luma)
    assert [int(word) for word in words] == expected and quality == expected_quality
    assert [f"{int(word):016x}" for word in words] == [
        "7ffcfff87e904080",
        "0f9ffe1c401c00be",
        "8cce38cef1ce018c",
        "924a324e66cfc6ce",
    ]


@pytest.mark.parametrize("seed", SCENES)
def test_a_picture_without_ties_sets_half_of_the_bits(seed):
    assert hamming(frame_hash(scene(seed))[0], np.zeros(4, np.uint64)) == 128


@pytest.mark.parametrize("seed", SCENES)
@pytest.mark.parametrize("size", [(256, 144), (1024, 576), (640, 480), (160, 120)])
def test_rescaling_moves_few_bits(seed, size):
    assert bits_apart(scene(seed), resized(scene(seed), *size)) <= 16


@pytest.mark.parametrize("seed", SCENES)
@pytest.mark.parametrize("quality", [20, 50, 90])
def test_recompression_moves_few_bits(seed, quality):
    assert bits_apart(scene(seed), jpeg(scene(seed), quality)) <= 16


@pytest.mark.parametrize("seed", SCENES)
@pytest.mark.parametrize(("gain", "offset"), [(1.0, 12), (0.85, 0), (1.1, -10), (0.86, 16)])
def test_mild_changes_of_brightness_and_contrast_move_few_bits(seed, gain, offset):
    other = np.clip(scene(seed) * gain + offset, 0, 255).astype(np.uint8)
    assert bits_apart(scene(seed), other) <= 16


def test_different_pictures_are_about_half_the_bits_apart():
    hashes = np.stack([frame_hash(scene(seed))[0] for seed in range(40)])
    apart = hamming(hashes[:, None], hashes[None])[np.triu_indices(40, 1)]
    assert apart.min() > 80 and abs(apart.mean() - 128) < 4


@given(st.integers(0, 255), st.integers(1, 70), st.integers(1, 70))
def test_a_flat_picture_has_no_quality_and_no_bits(level, height, width):
    words, quality = frame_hash(np.full((height, width), level, np.uint8))
    assert quality == 0 and not words.any()


def test_noise_on_black_and_a_soft_ramp_have_next_to_no_quality_but_a_scene_has():
    noise = np.random.default_rng(0).integers(0, 9, (144, 256), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 120, 256).astype(np.uint8), (144, 256))
    assert frame_hash(noise)[1] <= 2 and frame_hash(ramp)[1] == 0
    assert min(frame_hash(scene(seed))[1] for seed in SCENES) >= 50


@given(PICTURES)
def test_hashing_leaves_the_picture_alone_and_reads_any_memory_layout(luma):
    before = luma.copy()
    words, quality = frame_hash(luma)
    again, same = frame_hash(np.asfortranarray(luma))
    assert (luma == before).all() and (words == again).all() and quality == same
    assert words.shape == (4,) and words.dtype == np.uint64


@pytest.mark.parametrize("shape", [(2000, 3000), (64, 64), (1, 1), (65, 7)])
def test_large_and_tiny_pictures_agree_with_float_matrices(shape):
    luma = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    shares = []
    for length in shape:
        edges, pixels = np.arange(65) * length, np.arange(length + 1) * 64
        shares.append(
            np.maximum(np.minimum(edges[1:, None], pixels[1:]) - np.maximum(edges[:-1, None], pixels[:-1]), 0.0)
        )
    expected = np.rint(shares[0] @ luma @ shares[1].T * 256 / luma.size)
    assert (hashing._cell_means(luma) == expected).all()


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8)])
def test_anything_but_a_grey_picture_is_refused(bad):
    with pytest.raises(ValueError, match="uint8"):
        frame_hash(bad)


@given(HASHES, HASHES)
def test_hamming_counts_bits_like_plain_integers(a, b):
    expected = [
        [bin(int.from_bytes(p) ^ int.from_bytes(q)).count("1") for q in hashes_to_bytes(b)] for p in hashes_to_bytes(a)
    ]
    assert hamming(a[:, None], b[None]).tolist() == expected


@given(hnp.arrays(np.uint64, st.integers(1, 20)))
def test_both_ways_to_count_bits_agree(words):
    assert hashing._popcount_by_halves(words).tolist() == [int(word).bit_count() for word in words]


@given(HASHES)
def test_hashes_survive_the_way_through_bytes(hashes):
    raw = hashes_to_bytes(hashes)
    assert all(len(one) == 32 for one in raw)
    assert (hashes_from_bytes(b"".join(raw)) == hashes).all()
