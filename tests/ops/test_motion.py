"""Pictures whose motion is known: shifted in the frequency domain, so that fractions of pixels are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.ops.motion import Flow, affine_motion, height_in_points, movement, optical_flow, shrink, summarize

H, W, RIM = 144, 256, 60


def texture(seed: int, scale: float = 3.0) -> np.ndarray:
    """A cloudy texture of mean 0 and variance 1, larger than a picture; details of about `scale` pixels and more."""
    noise = np.fft.fft2(np.random.default_rng(seed).standard_normal((H + 2 * RIM, W + 2 * RIM)))
    down, across = np.fft.fftfreq(noise.shape[0])[:, None], np.fft.fftfreq(noise.shape[1])
    made = 0
    for sigma in (scale, 4 * scale):
        layer = np.fft.ifft2(noise * np.exp(-2 * np.pi**2 * sigma**2 * (down**2 + across**2))).real
        made = made + layer / layer.std()
    return made / made.std()


def shifted(cloud: np.ndarray, across: float, down: float) -> np.ndarray:
    phase = np.fft.fftfreq(cloud.shape[0])[:, None] * down + np.fft.fftfreq(cloud.shape[1]) * across
    moved = np.fft.ifft2(np.fft.fft2(cloud) * np.exp(-2j * np.pi * phase)).real
    return moved[RIM : RIM + H, RIM : RIM + W]


def picture(cloud: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    grain = noise * np.random.default_rng(seed).standard_normal(cloud.shape)
    return np.clip(np.rint(128 + 40 * cloud + grain), 0, 255).astype(np.uint8)


def summary(before: np.ndarray, after: np.ndarray):
    return summarize(optical_flow(shrink(before), shrink(after)), height_in_points(before.shape))


@pytest.mark.parametrize("pixels", [0.5, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("scale", [1.5, 3, 6])
@pytest.mark.parametrize("angle", [0.0, 1.0, 2.5])
def test_a_pan_is_measured_within_ten_percent_and_is_the_cameras(pixels, scale, angle):
    cloud = texture(5, scale)
    after = shifted(cloud, pixels * np.cos(angle), pixels * np.sin(angle))
    found = summary(picture(shifted(cloud, 0, 0)), picture(after))
    assert found.mean * H == pytest.approx(pixels, rel=0.1)
    assert found.other < 0.2 * found.mean
    assert found.p90 >= found.mean * 0.9


def test_the_direction_is_right():
    cloud = texture(1)
    flow = optical_flow(shrink(picture(shifted(cloud, 0, 0))), shrink(picture(shifted(cloud, 3.0, -1.5))))
    assert np.median(flow.across[flow.known]) == pytest.approx(1.0, rel=0.1)  # shrunk by 3
    assert np.median(flow.down[flow.known]) == pytest.approx(-0.5, rel=0.1)


@pytest.mark.parametrize("level", [1, 3, 6, 10])
@pytest.mark.parametrize("scale", [1.5, 6])
def test_noise_is_no_flow(level, scale):
    still = shifted(texture(2, scale), 0, 0)
    found = summary(picture(still, level, 1), picture(still, level, 2))
    assert found.mean < 0.0002  # heights: a thirtieth of a pixel


def test_noise_on_a_wall_is_no_flow():
    found = summary(picture(np.zeros((H, W)), 8, 1), picture(np.zeros((H, W)), 8, 2))
    assert found.mean == found.p90 == 0


def test_an_object_before_a_still_background_is_not_the_camera():
    cloud, thing = shifted(texture(3), 0, 0), texture(4)
    before, after = cloud.copy(), cloud.copy()
    before[40:90, 60:120] = thing[40:90, 60:120]
    after[40:90, 64:124] = thing[40:90, 60:120]
    found = summary(picture(before), picture(after))
    assert 0 < found.mean * H < 1.0  # 4 pixels on about a tenth of the picture
    assert found.other > 0.8 * found.mean


def test_a_zoom_is_the_cameras():
    rows, columns = np.mgrid[0:H, 0:W]
    y, x = (rows - H / 2) / 1.02, (columns - W / 2) / 1.02

    def waves(y, x):
        return np.sin(x / 5) + np.sin(y / 4 + 1) + np.sin((x + y) / 9) + np.sin((x - 2 * y) / 13)

    found = summary(picture(waves(rows - H / 2, columns - W / 2)), picture(waves(y, x)))
    true = 0.02 * np.sqrt((rows - H / 2) ** 2 + (columns - W / 2) ** 2).mean()
    assert found.mean * H == pytest.approx(true, rel=0.1)
    assert found.other < 0.2 * found.mean


def test_another_picture_is_nothing_that_moved():
    found = summary(picture(shifted(texture(6), 0, 0)), picture(shifted(texture(7), 0, 0)))
    assert np.isnan([found.mean, found.p90, found.other]).all()


def test_a_small_thing_on_a_plain_wall_says_nothing_of_a_camera():
    before, after = np.full((H, W), 90, np.uint8), np.full((H, W), 90, np.uint8)
    before[60:84, 100:124] = after[60:84, 102:126] = picture(texture(8))[60:84, 100:124]
    found = summary(before, after)
    assert 0 < found.mean * H < 0.5
    assert np.isnan(found.other)


@given(h=st.integers(1, 300), w=st.integers(1, 300), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_pictures_of_any_size_have_flow_and_a_picture_has_none_to_itself(h, w, seed):
    luma = np.random.default_rng(seed).integers(0, 256, (h, w), np.uint8)
    small = shrink(luma)
    assert max(small.shape) <= 96 and small.min() >= luma.min() - 0.01 and small.max() <= luma.max() + 0.01
    found = summarize(optical_flow(small, small), height_in_points((h, w)))
    assert found.mean == found.p90 == 0


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_an_affine_motion_is_found_though_a_fifth_of_the_cells_move_otherwise(numbers, seed):
    a, b, c, d, e, f = numbers
    rows, columns = np.mgrid[0:12, 0:22]
    true = np.stack([a + 0.05 * (b * columns + c * rows), d + 0.05 * (e * columns + f * rows)])
    moved = true.copy()
    rng = np.random.default_rng(seed)
    wild = rng.random((12, 22)) < 0.2
    moved[:, wild] += 40
    found = affine_motion(moved, np.ones((12, 22), bool))
    assert np.abs(found - true).max() < 0.25


def test_what_is_not_known_moves_with_the_camera():
    across = np.full((12, 22), 2.0, np.float32)
    known = np.zeros((12, 22), bool)
    known[:, :11] = True
    across[:, 11:] = 77
    found = summarize(Flow(across, np.zeros_like(across), known, 0.0), 48)
    assert found.mean == pytest.approx(2 / 48, rel=1e-6) and found.other == pytest.approx(0, abs=1e-9)


def slow_movement(now: np.ndarray, before: np.ndarray) -> tuple[float, float]:
    luma = np.tensordot([14 / 64, 46 / 64, 4 / 64], now.astype(float) - before.astype(float), 1)
    h, w = luma.shape
    tiles = [luma[y : y + 8, x : x + 8] for y in range(0, h - 7, 8) for x in range(0, w - 7, 8)] or [luma]
    return float(np.abs(luma).mean()), max(abs(float(tile.mean())) for tile in tiles)


@given(h=st.integers(1, 40), w=st.integers(1, 40), seed=st.integers(0, 999), contrast=st.sampled_from([0, 1, 30, 255]))
@settings(deadline=None)
def test_movement_equals_its_slow_twin_up_to_rounding(h, w, seed, contrast):
    rng = np.random.default_rng(seed)
    now, before = rng.integers(0, contrast + 1, (2, 3, h, w)).astype(np.uint8)
    assert movement(now, before) == pytest.approx(slow_movement(now, before), abs=1 / 16)
    assert movement(now, now) == (0, 0)


def test_black_to_white_is_the_whole_range():
    black, white = np.zeros((3, H, W), np.uint8), np.full((3, H, W), 255, np.uint8)
    assert movement(white, black) == movement(black, white) == (255, 255)


@pytest.mark.parametrize("level", [2, 5, 10, 20])
def test_noise_moves_no_block_beyond_what_it_may(level):
    for seed in range(20):
        grey = np.zeros((H, W))
        now, before = (np.stack([picture(grey, level, 2 * seed + k)] * 3) for k in (0, 1))
        difference, block = movement(now, before)
        assert block < 0.8 * difference


def test_a_shape_of_eight_pixels_that_moves_by_one_shows_through_noise():
    grounds = [np.zeros((H, W)), np.zeros((H, W))]
    grounds[0][64:72, 80:88] = grounds[1][64:72, 81:89] = 2.0
    now, before = (np.stack([picture(ground, 2, k)] * 3) for k, ground in enumerate(grounds))
    difference, block = movement(now, before)
    assert block > 3 and block > 1.5 * difference
