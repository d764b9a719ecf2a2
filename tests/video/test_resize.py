"""Resizing against a slow plain twin, torch and Pillow; and what must hold whatever the picture."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from internvideo.errors import UsageError
from internvideo.video.resize import INTERPOLATIONS, resize

SIZES = [((40, 56), (32, 32)), ((120, 160), (224, 300)), ((97, 33), (20, 97)), ((5, 7), (3, 2)), ((20, 1), (7, 3))]
SMOOTHING = [("bilinear", False), ("bilinear", True), ("bicubic", False), ("bicubic", True)]
sides = st.integers(1, 40)
methods = st.tuples(st.sampled_from(sorted(INTERPOLATIONS)), st.booleans())


def noise(height, width, count=2, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def furthest(a, b):
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).max())


@pytest.mark.parametrize("old, new", SIZES)
@pytest.mark.parametrize("method, antialias", SMOOTHING)
def test_within_one_level_of_torch(old, new, method, antialias):
    frames = noise(*old)
    exact = torch.nn.functional.interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2).double(), new, mode=method, antialias=antialias
    )
    expected = exact.clamp(0, 255).round().permute(0, 2, 3, 1).numpy()
    ours = resize(frames, *new, interpolation=method, antialias=antialias)
    assert furthest(ours, expected) <= 1
    assert (ours != expected).mean() < 0.02 or ours.size < 200


@pytest.mark.parametrize("old, new", SIZES)
@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_the_pillow_kinds_are_pillow_and_ours_is_near_where_it_does_not_overshoot(old, new, method):
    frames = noise(*old) // 2 + 64  # room for the overshoot that Pillow cuts off between its two passes
    resample = Image.Resampling[method.upper()]
    expected = np.stack([np.asarray(Image.fromarray(f).resize(new[::-1], resample)) for f in frames])
    assert np.array_equal(resize(frames, *new, interpolation=f"pillow-{method}"), expected)
    assert furthest(resize(frames, *new, interpolation=method, antialias=True), expected) <= 1
    grey = frames[..., :1]
    assert np.array_equal(resize(grey, *new, interpolation=f"pillow-{method}"), expected[..., :1])


@pytest.mark.parametrize("old, new", SIZES)
def test_nearest_takes_the_pixel_under_the_centre(old, new):
    frames = noise(*old)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(frames).permute(0, 3, 1, 2), new, mode="nearest-exact"
    ).permute(0, 2, 3, 1)
    assert np.array_equal(resize(frames, *new, interpolation="nearest"), expected.numpy())


@pytest.mark.parametrize("old, new", SIZES)
def test_the_opencv_kind_is_bilinear_without_smoothing_to_one_level(old, new):
    """It equals OpenCV 5.0 byte for byte (checked beside the package, which does not import it)."""
    frames = noise(*old)
    plain = resize(frames, *new, interpolation="bilinear", antialias=False)
    assert furthest(resize(frames, *new, interpolation="opencv-bilinear"), plain) <= 1


def slow_bilinear(frame, height, width):
    """(H, W) -> (height, width) float: pixel by pixel, edges repeat."""
    out = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * frame.shape[0] / height - 0.5, 0), frame.shape[0] - 1)
            x = min(max((j + 0.5) * frame.shape[1] / width - 0.5, 0), frame.shape[1] - 1)
            top, left = int(y), int(x)
            low, right = min(top + 1, frame.shape[0] - 1), min(left + 1, frame.shape[1] - 1)
            fy, fx = y - top, x - left
            out[i, j] = (frame[top, left] * (1 - fx) + frame[top, right] * fx) * (1 - fy) + (
                frame[low, left] * (1 - fx) + frame[low, right] * fx
            ) * fy
    return out


@settings(deadline=None, max_examples=40)
@given(sides, sides, sides, sides, st.integers(0, 99))
def test_bilinear_is_the_plain_formula(height, width, new_height, new_width, seed):
    frames = noise(height, width, 1, 1, seed)
    exact = slow_bilinear(frames[0, ..., 0].astype(float), new_height, new_width)
    ours = resize(frames, new_height, new_width, interpolation="bilinear", antialias=False)[0, ..., 0]
    assert np.abs(ours - exact).max() <= 0.51


@settings(deadline=None)
@given(methods, sides, sides, sides, sides, st.integers(0, 255))
def test_a_constant_picture_stays_constant(method, height, width, new_height, new_width, level):
    frames = np.full((1, height, width, 3), level, np.uint8)
    out = resize(frames, new_height, new_width, interpolation=method[0], antialias=method[1])
    assert out.shape == (1, new_height, new_width, 3) and out.dtype == np.uint8
    assert (out == level).all()


@settings(deadline=None)
@given(methods, sides, sides, st.integers(0, 99))
def test_the_same_size_changes_nothing(method, height, width, seed):
    frames = noise(height, width, seed=seed)
    out = resize(frames, height, width, interpolation=method[0], antialias=method[1])
    assert np.array_equal(out, frames) and not np.shares_memory(out, frames)


@settings(deadline=None)
@given(methods, sides, sides, st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_mirroring_before_or_after_is_the_same_to_one_level(method, height, width, new_height, new_width, seed):
    if method[0] == "nearest":
        return  # a centre between two pixels has to choose a side
    frames = noise(height, width, seed=seed)
    options = {"interpolation": method[0], "antialias": method[1]}
    a = resize(frames[:, ::-1, ::-1], new_height, new_width, **options)
    assert furthest(a, resize(frames, new_height, new_width, **options)[:, ::-1, ::-1]) <= 1


@settings(deadline=None)
@given(methods, st.integers(0, 99))
def test_frames_do_not_know_each_other(method, seed):
    frames = noise(17, 23, count=3, seed=seed)
    options = {"interpolation": method[0], "antialias": method[1]}
    together = resize(frames, 9, 31, **options)
    assert all(np.array_equal(together[i : i + 1], resize(frames[i : i + 1], 9, 31, **options)) for i in range(3))


def test_antialiasing_averages_what_falls_into_one_pixel():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 254
    smooth = resize(stripes, 8, 8, interpolation="bilinear", antialias=True)
    assert furthest(smooth[:, :, 1:-1], 127) <= 1  # at the border a stripe has no partner
    assert resize(stripes[:, :, 1:], 8, 9, interpolation="nearest").std() > 100


def test_wrong_input_is_refused():
    with pytest.raises(UsageError, match="unknown interpolation `cubic`"):
        resize(noise(4, 4), 2, 2, interpolation="cubic")
    with pytest.raises(ValueError, match="uint8"):
        resize(noise(4, 4).astype(np.float32), 2, 2)
    with pytest.raises(ValueError, match="cannot resize"):
        resize(noise(4, 4), 0, 2)
