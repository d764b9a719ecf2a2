"""What pictures derive from decoded frames, against full conversions by swscale."""

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.video import pixels
from internvideo.video.picture import Picture

LIMITED, FULL = 1, 2
BT601, BT709, BT2020_CONSTANT = 5, 1, 10


def frame_of(name, height, width, values):
    """A frame of a planar 8-bit format; `values(plane number, shape)` gives its samples."""
    frame = av.VideoFrame(width, height, name)
    for number, plane in enumerate(frame.planes):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = values(number, (plane.height, plane.width))
    return frame


def noise(seed):
    rng = np.random.default_rng(seed)
    return lambda number, shape: rng.integers(0, 256, shape)


def picture_of(frame, rotation=0):
    return Picture(frame, number=0, tick=0, seconds=0.0, key=True, rotation=rotation)


def sampled_after_conversion(frame):
    """(3, h, w): all pixels converted to RGB by swscale, then sampled."""
    rgb = frame.to_ndarray(format="rgb24", interpolation="BICUBIC")
    spare = np.zeros((*rgb.shape[:2], 1), np.uint8)
    packed = np.ascontiguousarray(np.concatenate([rgb, spare], axis=2)).view(np.uint32)[..., 0]
    return pixels.sampler(*rgb.shape[:2]).from_rgb(packed)


@pytest.mark.parametrize("name", ["yuv420p", "yuvj420p"])
@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
@pytest.mark.parametrize("size", [(720, 1280), (432, 768), (120, 160), (360, 640), (544, 1280), (256, 340), (84, 210)])
def test_converting_only_what_is_sampled_changes_nothing(name, matrix, colour_range, size):
    frame = frame_of(name, *size, noise(1))
    frame.colorspace, frame.color_range = matrix, colour_range
    np.testing.assert_array_equal(picture_of(frame).small, sampled_after_conversion(frame))


@pytest.mark.parametrize("name", ["yuv444p", "yuv422p", "rgb24", "gray", "yuva420p"])
def test_other_formats_are_converted_whole(name):
    if name == "rgb24":
        frame = av.VideoFrame.from_ndarray(noise(2)(0, (360, 640, 3)).astype(np.uint8), format=name)
    else:
        frame = frame_of(name, 360, 640, noise(2))
    difference = picture_of(frame).small.astype(int) - sampled_after_conversion(frame)
    assert np.abs(difference).max() <= 3  # swscale rounds differently on its way to 24 and to 32 bits


@settings(max_examples=30, deadline=None)
@given(width=st.integers(2, 330), height=st.integers(2, 60), grey=st.integers(16, 235))
def test_every_column_is_set_whatever_the_width(width, height, grey):
    frame = frame_of("yuv420p", height, width, lambda number, shape: 128 if number else grey)
    assert np.abs(picture_of(frame).small - (grey - 16) * 255 / 219).max() <= 4  # at odd heights swscale dithers


@pytest.mark.parametrize("size", [(720, 1280), (480, 854), (120, 160)])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied(size, rotation):
    frame = frame_of("yuv420p", *size, noise(3))
    upright, turned = picture_of(frame), picture_of(frame, rotation)
    for name in ("small", "luma"):
        expected = np.rot90(getattr(upright, name), -rotation // 90, axes=(-2, -1))
        # Rounding across and down does not commute where pixels are mixed: one level.
        assert np.abs(getattr(turned, name).astype(int) - expected).max() <= (1 if name == "small" else 0)
    assert turned.rgb.shape == np.rot90(upright.rgb, -rotation // 90).shape
    np.testing.assert_array_equal(np.moveaxis(turned.grid, -1, 0), turned.small)
    np.testing.assert_array_equal(turned.hsv, pixels.to_hsv(turned.small))


@pytest.mark.parametrize(
    ("name", "colour_range", "black", "white"),
    [
        ("yuv420p", LIMITED, 16, 235),
        ("yuv420p", FULL, 0, 255),
        ("yuvj420p", LIMITED, 0, 255),
        ("gray", LIMITED, 0, 255),
    ],
)
def test_luma_runs_from_0_for_black_to_255_for_white(name, colour_range, black, white):
    for value, luma in ((black, 0), (white, 255), ((black + white) / 2, 127.5)):
        frame = frame_of(name, 36, 64, lambda number, shape, value=value: 128 if number else int(value))
        frame.color_range = colour_range
        assert np.abs(picture_of(frame).luma - luma).max() <= 1


def test_luma_of_ten_bits_and_of_rgb():
    ten = av.VideoFrame(64, 36, "yuv420p10le")
    for number, plane in enumerate(ten.planes):
        np.frombuffer(memoryview(plane), "<u2")[:] = 512 if number else 940
    ten.color_range = LIMITED
    assert picture_of(ten).luma.min() >= 254
    red = np.zeros((36, 64, 3), np.uint8)
    red[..., 0] = 255
    luma = picture_of(av.VideoFrame.from_ndarray(red, format="rgb24")).luma
    assert np.abs(luma - 0.299 * 255).max() <= 2


def test_luma_averages_where_small_picks():
    stripes = np.where(np.arange(1280) % 5 == 2, 235, 16)  # only the columns that `small` hits are white
    frame = frame_of("yuv420p", 720, 1280, lambda number, shape: 128 if number else np.broadcast_to(stripes, shape))
    assert picture_of(frame).small.min() == 255
    assert np.abs(picture_of(frame).luma - 51.0).max() <= 1


def test_a_matrix_that_swscale_refuses_is_read_as_its_relative():
    frame = frame_of("yuv420p", 360, 640, noise(4))
    frame.colorspace = BT2020_CONSTANT
    same = frame_of("yuv420p", 360, 640, noise(4))
    same.colorspace = 9
    np.testing.assert_array_equal(picture_of(frame).small, picture_of(same).small)


def test_derived_arrays_are_made_once():
    picture = picture_of(frame_of("yuv420p", 72, 128, noise(5)))
    assert picture.small is picture.small
    assert picture.hsv is picture.hsv
    assert picture.luma is picture.luma
