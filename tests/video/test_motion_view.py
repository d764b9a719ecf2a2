"""What moves is found wherever it is, cut as large as asked, and shown as change; what stands still does not matter."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.records import Preprocess
from internvideo.video import motion_view
from internvideo.video.motion_view import as_motion, cut_around, luma, motion_centres
from internvideo.video.transforms import cut_to_motion, preprocess, preprocess_crops

HOW = Preprocess(size=16, short_side=32, mean=(0.0,) * 3, std=(1.0,) * 3, centre="motion")
places = st.tuples(st.integers(8, 40), st.integers(8, 60))


def blinking(row, column, count=6, *, step=(0, 0), height=48, width=72, ground=90):
    """A square of 6 pixels around (row, column) that is there in every second frame."""
    frames = np.full((count, height, width, 3), ground, np.uint8)
    for number in range(0, count, 2):
        top, left = row + number * step[0] - 3, column + number * step[1] - 3
        frames[number, max(top, 0) : max(top + 6, 0), max(left, 0) : max(left + 6, 0)] = 200
    return frames


@given(places)
def test_the_centre_is_that_of_what_changes(place):
    row, column = place
    frames = blinking(row, column)
    assert motion_centres(frames) == pytest.approx(np.tile(place, (6, 1)))
    assert motion_centres(frames, follow=True) == pytest.approx(np.tile(place, (6, 1)))
    frames[:, 0, :5] = 255  # stands still
    assert motion_centres(frames) == pytest.approx(np.tile(place, (6, 1)))


def test_without_change_or_with_noise_alone_the_centre_is_the_middle():
    still = np.full((4, 20, 30, 3), 7, np.uint8)
    noise = np.random.default_rng(0).integers(100, 112, (4, 20, 30, 1)).repeat(3, 3).astype(np.uint8)
    for frames in (still, noise, still[:1]):
        for follow in (False, True):
            assert motion_centres(frames, follow=follow) == pytest.approx(np.tile((10.0, 15.0), (len(frames), 1)))


def test_following_goes_where_the_change_goes_but_only_sideways():
    frames = blinking(10, 10, 21, step=(1, 2))
    rows, columns = motion_centres(frames, follow=True).T
    assert (np.diff(columns) > 0).all()
    assert columns[-1] - columns[0] > 25
    assert np.ptp(rows) == np.ptp(motion_centres(frames)[:, 1]) == 0


def test_large_pictures_are_looked_at_in_steps(monkeypatch):
    frames = blinking(20, 30).repeat(5, axis=1).repeat(5, axis=2)
    coarse = motion_centres(frames)
    monkeypatch.setattr(motion_view, "COARSE", 10_000)
    assert coarse == pytest.approx(motion_centres(frames), abs=1.5)
    assert coarse[0] == pytest.approx((100, 150), abs=1.5)


@given(places, st.integers(1, 30), st.integers(1, 30))
def test_a_window_is_a_part_of_the_picture_padded_with_black(place, height, width):
    frames = np.random.default_rng(1).integers(1, 256, (2, 48, 72, 3)).astype(np.uint8)
    cut = cut_around(frames, np.array([place, (-40.0, 500.0)]), height, width)
    padded = np.pad(frames[0], ((60, 60), (60, 60), (0, 0)))
    top, left = (int(np.floor(at - size / 2 + 0.5)) + 60 for at, size in zip(place, (height, width), strict=True))
    assert np.array_equal(cut[0], padded[top : top + height, left : left + width])
    assert not cut[1].any()


def test_the_square_has_the_size_of_the_one_from_the_middle():
    frames = blinking(24, 36)
    frames[:, 23, 35] = (0, 0, 255)
    assert np.array_equal(cut_to_motion(frames, HOW), preprocess_middle(frames))
    clip = preprocess(blinking(10, 60), HOW)
    assert clip.shape == (3, 6, 16, 16)
    assert clip[0, 0, 8, 8] == pytest.approx(200 / 255, abs=0.02)
    wide = cut_to_motion(blinking(24, 36), HOW, larger=(1.0, 2.0))
    assert (wide[0, ..., 0] > 150).sum() < (cut_to_motion(blinking(24, 36), HOW)[0, ..., 0] > 150).sum()
    with pytest.raises(Exception, match="crops=1"):
        preprocess_crops(frames, HOW, 3)


def preprocess_middle(frames):
    clip = preprocess(frames, replace(HOW, centre="picture"))
    return np.rint(np.moveaxis(clip, 0, -1) * 255).astype(np.uint8)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_channels_of_motion_are_light_and_its_change(seed, count):
    frames = np.random.default_rng(seed).integers(0, 256, (count, 5, 4, 3)).astype(np.uint8)
    shown = as_motion(frames)
    light = luma(frames)
    assert np.array_equal(shown[..., 0], light)
    for number in range(count):
        pair = (number, number + 1) if number + 1 < count else (max(number - 1, 0), number)
        change = light[pair[1]] - light[pair[0]]
        assert np.array_equal(shown[number, ..., 1], np.clip(128 + change, 0, 255))
        assert np.array_equal(shown[number, ..., 2], np.clip(4 * np.abs(change), 0, 255))
    assert np.array_equal(as_motion(frames[:, :, ::-1]), shown[:, :, ::-1])


def test_what_a_preprocessing_cannot_do_is_an_error():
    for change in ({"centre": "face"}, {"channels": "depth"}, {"resize": "squash"}):
        with pytest.raises(ValueError, match=next(iter(change))):
            replace(HOW, **change)
    assert HOW.joint and replace(HOW, centre="picture", channels="motion").joint
    assert not replace(HOW, centre="picture").joint
