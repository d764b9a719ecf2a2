"""Sampling and colours against plain arithmetic and against numbers that OpenCV gave."""

import colorsys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.video import pixels

# CRC-32 of OpenCV 5.0.0's `resize` (linear, to these sizes) and `cvtColor` (BGR to HSV) of `patterned` pictures.
OPENCV = {
    (720, 1280): (144, 256, 734212775, 1795806302),
    (1080, 1920): (144, 256, 3884122106, 4264589999),
    (480, 854): (144, 256, 2302254553, 1324356855),
    (360, 640): (144, 256, 4243231397, 979957655),
    (256, 340): (193, 256, 247854694, 3325930246),
    (544, 1280): (109, 256, 1945029913, 3855057317),
    (720, 406): (256, 144, 2825575620, 3592403635),
    (512, 512): (256, 256, 856466475, 1516360090),
    (300, 257): (256, 219, 2001601294, 3309882911),
    (640, 36): (256, 14, 4028046193, 2694941561),
}
sizes = st.tuples(st.integers(1, 700), st.integers(1, 700))
bytes_ = st.integers(0, 255)


def patterned(height, width):
    """(H, W, 3) uint8, the same in every version of NumPy."""
    n = np.arange(height * width * 3, dtype=np.uint64)
    mixed = (n * np.uint64(2654435761) >> np.uint64(11)) ^ (n >> np.uint64(3))
    return mixed.astype(np.uint8).reshape(height, width, 3)


def packed(picture):
    """(H, W) uint32 with the fourth byte set to something."""
    spare = np.full((*picture.shape[:2], 1), 77, np.uint8)
    return np.ascontiguousarray(np.concatenate([picture, spare], axis=2)).view(np.uint32)[..., 0]


def last(planes):
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1))


@pytest.mark.parametrize(("height", "width"), OPENCV)
def test_small_pictures_and_their_colours_are_those_of_opencv(height, width):
    h, w, resized, hsv = OPENCV[height, width]
    small = pixels.sampler(height, width).from_rgb(packed(patterned(height, width)))
    assert small.shape == (3, h, w)
    assert zlib.crc32(last(small).tobytes()) == resized
    assert zlib.crc32(last(pixels.to_hsv(small)).tobytes()) == hsv


@given(size=sizes)
def test_the_longer_side_becomes_256_and_nothing_is_enlarged(size):
    h, w = pixels.grid_size(*size)
    assert max(h, w) == min(256, max(size))
    assert 1 <= h <= size[0]
    assert 1 <= w <= size[1]
    assert abs(h * size[1] - w * size[0]) <= max(size)  # the shape is kept to half a pixel, or a pixel at the least


@settings(max_examples=25)
@given(size=sizes, rotation=st.sampled_from([0, 90, 180, 270]))
def test_turning_while_sampling_equals_turning_before(size, rotation):
    picture = patterned(*size)
    turned = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
    expected = pixels.sampler(*turned.shape[:2]).from_rgb(packed(turned))
    np.testing.assert_array_equal(pixels.sampler(*size, rotation).from_rgb(packed(picture)), expected)


@settings(max_examples=25)
@given(size=sizes)
def test_samples_are_bilinear_to_one_level(size):
    picture = patterned(*size)
    h, w = pixels.grid_size(*size)
    places = [
        np.clip((np.arange(n) + 0.5) * length / n - 0.5, 0, length - 1) for n, length in zip((h, w), size, strict=True)
    ]
    (y, x), exact = places, picture.astype(float)
    above, left = y.astype(int), x.astype(int)
    below, right = np.minimum(above + 1, size[0] - 1), np.minimum(left + 1, size[1] - 1)
    dy, dx = (y - above)[:, None, None], (x - left)[None, :, None]
    upper = exact[above][:, left] * (1 - dx) + exact[above][:, right] * dx
    lower = exact[below][:, left] * (1 - dx) + exact[below][:, right] * dx
    difference = last(pixels.sampler(*size).from_rgb(packed(picture))) - (upper * (1 - dy) + lower * dy)
    assert np.abs(difference).max() <= 1.0


def test_a_stride_wider_than_the_picture_is_skipped():
    wide = packed(patterned(480, 900))
    expected = pixels.sampler(480, 854).from_rgb(np.ascontiguousarray(wide[:, :854]))
    np.testing.assert_array_equal(pixels.sampler(480, 854).from_rgb(wide), expected)


@given(step=st.sampled_from([1, 3, 5, 7]), h=st.integers(1, 8), w=st.integers(129, 140), seed=st.integers(0, 99))
def test_copied_centres_are_the_middles_of_blocks(step, h, w, seed):
    if step == 1:
        height, width = 2 * h, 2 * min(w, 128)
    else:
        height, width = step * 2 * h, step * 256
    sampler = pixels.sampler(height, width)
    assert sampler.hits_centres
    rng = np.random.default_rng(seed)
    plane, half = rng.integers(0, 256, (height, width)), rng.integers(0, 256, (height // 2, width // 2))
    shape = pixels.grid_size(height, width)
    for source in (plane, half):
        full = source if source is plane else source.repeat(2, axis=0).repeat(2, axis=1)
        out = np.empty(shape, np.uint16)
        sampler.copy_centres(source.astype(np.uint8), out)
        np.testing.assert_array_equal(out, full[step // 2 :: step, step // 2 :: step])


@given(red=bytes_, green=bytes_, blue=bytes_)
def test_hue_and_saturation_are_those_of_the_colour_wheel_to_one_level(red, green, blue):
    hue, saturation, value = pixels.to_hsv(np.array([red, green, blue], np.uint8).reshape(3, 1, 1)).ravel().tolist()
    h, s, v = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    assert value == max(red, green, blue) == round(v * 255)
    assert abs(saturation - s * 255) <= 0.51
    apart = abs(hue - h * 180)
    assert min(apart, 180 - apart) <= 0.51
    assert 0 <= hue < 181


def test_greys_have_no_hue_and_black_no_saturation():
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None], 3, axis=0).reshape(3, 16, 16)
    hsv = pixels.to_hsv(greys)
    assert not hsv[:2].any()
    np.testing.assert_array_equal(hsv[2], greys[0])


@given(seed=st.integers(0, 50), shape=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_distances_are_symmetric_and_means_are_exact(seed, shape):
    a, b = np.random.default_rng(seed).integers(0, 256, (2, 3, *shape)).astype(np.uint8)
    apart = pixels.distances(a, b)
    np.testing.assert_array_equal(apart, np.abs(a.astype(int) - b))
    np.testing.assert_array_equal(apart, pixels.distances(b, a))
    assert pixels.means(apart).tolist() == [plane.astype(int).sum() / plane.size for plane in apart]


@given(seed=st.integers(0, 20), size=st.tuples(st.integers(1, 40), st.integers(1, 40)), data=st.data())
def test_areas_keep_the_mean_and_lie_between_the_extremes(seed, size, data):
    plane = np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)
    shape = tuple(data.draw(st.integers(1, length)) for length in size)
    small = pixels.box(plane, shape)
    assert small.shape == shape
    assert small.mean(dtype=float) == pytest.approx(plane.mean(), abs=1e-3)
    assert plane.min() - 1e-3 <= small.min() <= small.max() <= plane.max() + 1e-3
    if size[0] % shape[0] == size[1] % shape[1] == 0:
        blocks = plane.reshape(shape[0], size[0] // shape[0], shape[1], -1).mean(axis=(1, 3))
        np.testing.assert_allclose(small, blocks, atol=1e-4)


@given(factor=st.integers(1, 4), shape=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_nearest_of_an_enlarged_picture_is_the_picture(factor, shape):
    planes = np.random.default_rng(3).integers(0, 256, (3, *shape)).astype(np.uint8)
    large = planes.repeat(factor, axis=1).repeat(factor, axis=2)
    np.testing.assert_array_equal(pixels.nearest(large, shape), planes)
    np.testing.assert_array_equal(pixels.nearest(planes, large.shape[1:]), large)
