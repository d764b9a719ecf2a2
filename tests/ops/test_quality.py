"""Pictures whose brightness, bars, sharpness and colours are known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from internvideo.ops.quality import black_bars, colour, exposure, sharpness

H, W = 144, 256
LUMA = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)))
RGB = arrays(np.uint8, st.tuples(st.just(3), st.integers(1, 24), st.integers(1, 24)))


def boxes(seed: int = 3, blur: float = 0.0) -> np.ndarray:
    """(H, W) float in [40, 215]: rectangles of many sizes and greys, blurred by a Gaussian of sigma `blur` pixels."""
    rng = np.random.default_rng(seed)
    plane = np.full((H + 80, W + 80), 100.0)
    for _ in range(60):
        y, x = rng.integers(0, H), rng.integers(0, W)
        plane[y : y + rng.integers(12, 90), x : x + rng.integers(12, 90)] = rng.uniform(40, 215)
    down, across = np.fft.fftfreq(plane.shape[0])[:, None], np.fft.fftfreq(plane.shape[1])
    damped = np.fft.fft2(plane) * np.exp(-2 * np.pi**2 * blur**2 * (down**2 + across**2))
    return np.fft.ifft2(damped).real[40:-40, 40:-40]


def rounded(plane: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def test_black_grey_and_white_are_exposed_as_they_are():
    for level, dark, bright, extreme in ((0, 1, 0, 1), (5, 1, 0, 0), (128, 0, 0, 0), (250, 0, 1, 0), (255, 0, 1, 1)):
        found = exposure(np.full((H, W), level, np.uint8))
        assert (found.luma, found.dark, found.bright, found.extreme) == (level, dark, bright, extreme)


@given(LUMA)
def test_exposure_counts_pixels(luma):
    found = exposure(luma)
    assert found.luma == pytest.approx(luma.mean())
    assert found.dark == pytest.approx((luma < 16).mean()) and found.bright == pytest.approx((luma > 235).mean())
    assert found.extreme == pytest.approx(((luma < 5) | (luma > 250)).mean())


@given(top=st.integers(0, 40), bottom=st.integers(0, 40), left=st.integers(0, 60), right=st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_bars_have_the_size_that_they_were_painted_with(top, bottom, left, right):
    rng = np.random.default_rng(top + 50 * left)
    plane = boxes() + rng.normal(0, 3, (H, W))
    inside = np.zeros((H, W), bool)
    inside[top : H - bottom, left : W - right] = True
    noisy_black = np.abs(rng.normal(0, 4, (H, W)))
    found = black_bars(rounded(np.where(inside, plane, noisy_black)))
    assert found == pytest.approx((top / H, bottom / H, left / W, right / W))


@pytest.mark.parametrize("level", [0, 8, 20, 30])
def test_of_a_dark_picture_one_cannot_tell(level):
    assert all(math.isnan(side) for side in black_bars(np.full((H, W), level, np.uint8)))


def test_a_night_scene_with_lights_is_too_dark_to_tell():
    night = np.full((H, W), 6, np.uint8)
    night[60:70, 100:120] = 60
    night[100:110, 30:200] = 24
    assert all(math.isnan(side) for side in black_bars(night))


@given(LUMA)
def test_bars_are_shares_or_nothing(luma):
    top, bottom, left, right = black_bars(luma)
    assert math.isnan(top) or (0 <= top + bottom < 1 and 0 <= left + right < 1)


def test_an_ideal_edge_has_four_fifths_and_blur_takes_it_away_as_documented():
    place = np.arange(W) - W // 2 + 0.5
    for sigma, expected in ((0.001, 0.80), (1, 0.42), (2, 0.18), (4, 0.04)):
        step = np.array([0.5 * (1 + math.erf(x / (sigma * math.sqrt(2)))) for x in place])
        assert sharpness(rounded(np.tile(20 + 220 * step, (H, 1)))) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("noise", [0, 2])
def test_the_more_blur_the_less_sharp(noise):
    grain = noise * np.random.default_rng(0).standard_normal((H, W))
    values = [sharpness(rounded(boxes(blur=blur) + grain)) for blur in (0, 0.5, 1, 1.5, 2, 3)]
    assert all(math.isfinite(value) for value in values)
    assert all(a > b + 0.02 for a, b in itertools.pairwise(values))


@pytest.mark.parametrize("blur", [0, 0.5, 1])
def test_noise_and_contrast_hardly_change_sharpness(blur):
    plane = boxes(blur=blur)
    clean = sharpness(rounded(plane))
    for noise in (1, 3, 5):
        grain = noise * np.random.default_rng(noise).standard_normal((H, W))
        assert sharpness(rounded(plane + grain)) == pytest.approx(clean, abs=0.05)
    for gain, lift in ((0.5, 0), (0.5, 100), (0.3, 30)):
        assert sharpness(rounded(gain * plane + lift)) == pytest.approx(clean, abs=0.02)


@pytest.mark.parametrize("noise", [0, 1, 5, 20])
def test_noise_alone_is_not_sharp(noise):
    grain = noise * np.random.default_rng(0).standard_normal((H, W))
    assert math.isnan(sharpness(rounded(128 + grain)))


@given(arrays(np.uint8, st.tuples(st.integers(1, 50), st.integers(1, 50))))
@settings(max_examples=50, deadline=None)
def test_sharpness_is_a_share_or_nothing(luma):
    value = sharpness(luma)
    assert math.isnan(value) or 0 <= value <= 1


def slow_colourfulness(rgb: np.ndarray) -> float:
    red, green, blue = rgb.astype(float)
    rg, yb = red - green, (red + green) / 2 - blue
    return math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())


@given(RGB)
def test_colour_equals_its_formulae(rgb):
    found = colour(rgb)
    assert found.colourfulness == pytest.approx(slow_colourfulness(rgb), abs=1e-3)
    assert found.variance == pytest.approx(rgb.reshape(3, -1).astype(float).var(axis=1).mean(), abs=1e-3)
    assert found.grey == pytest.approx((rgb.max(axis=0).astype(int) - rgb.min(axis=0) <= 12).mean())


@given(LUMA)
def test_a_grey_picture_has_no_colour(luma):
    found = colour(np.stack([luma] * 3))
    assert found.colourfulness == 0 and found.grey == 1


def test_a_blue_screen_is_flat_and_not_grey():
    screen = np.zeros((3, H, W), np.uint8)
    screen[2] = 255
    found = colour(screen)
    assert found.variance == 0 and found.grey == 0 and found.colourfulness == pytest.approx(0.3 * 255)
