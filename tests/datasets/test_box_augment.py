"""Boxes go with their pixels through crops; colours come back when nothing is shifted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.datasets.box_augment import cropped_with_boxes, shifted_colours


@given(st.integers(0, 10**6))
def test_a_box_stays_on_its_pixels(seed):
    rng = np.random.default_rng(seed)
    clip = np.zeros((3, 2, 40, 60), np.float32)
    left, top = int(rng.integers(0, 50)), int(rng.integers(0, 30))
    clip[:, :, top : top + 10, left : left + 10] = 1
    boxes = np.array([[left / 60, top / 40, (left + 10) / 60, (top + 10) / 40], [0.0, 0, 0.01, 0.01]])
    cut, placed, stays = cropped_with_boxes(clip, boxes, 24, rng)
    assert len(placed) == stays.sum() > 0 and placed.min() >= 0 and placed.max() <= 1
    if stays[0] and cut.shape != clip.shape:
        assert cut.shape == (3, 2, 24, 24)
        columns, rows = (np.flatnonzero(cut[0, 0].any(axis)) for axis in (0, 1))
        found = [columns[0] / 24, rows[0] / 24, (columns[-1] + 1) / 24, (rows[-1] + 1) / 24]
        assert placed[0].tolist() == pytest.approx(found)


def test_colours_turn_and_come_back():
    rng = np.random.default_rng(0)
    clip = rng.random((3, 2, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(shifted_colours(clip, (0, 0, 0), rng), clip, atol=1e-6)
    other = shifted_colours(clip, (20, 0.1, 0.1), rng)
    assert other.min() >= 0 and other.max() <= 1 and 0.001 < np.abs(other - clip).mean() < 0.2

    class Most:
        def uniform(self, low, high):
            return high

    red = np.array([1.0, 0, 0]).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(shifted_colours(red, (120, 0, 0), Most())[:, 0, 0, 0], [0, 1, 0], atol=1e-9)
    np.testing.assert_allclose(shifted_colours(red / 2, (0, 0, 1.0), Most())[:, 0, 0, 0], [1, 0, 0], atol=1e-9)
    grey = np.full((3, 1, 1, 1), 0.4)
    np.testing.assert_allclose(shifted_colours(grey, (90, 0.5, 0), Most()), grey)
