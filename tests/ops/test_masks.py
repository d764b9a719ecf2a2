"""Mask generators: counts and structure of each, for any grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops import masks

GRIDS = st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8))
RATIOS = st.floats(0, 0.95)
SEEDS = st.integers(0, 2**32 - 1)


def rng(seed):
    return np.random.default_rng(seed)


@given(GRIDS, RATIOS, SEEDS)
def test_a_tube_hides_the_same_places_at_all_times(grid, ratio, seed):
    mask = masks.tube(grid, ratio, rng(seed)).reshape(grid)
    assert mask.dtype == bool
    assert (mask == mask[:1]).all()
    assert mask[0].sum() == int(ratio * grid[1] * grid[2])


@given(GRIDS, RATIOS, SEEDS)
def test_uniform_hides_its_share(grid, ratio, seed):
    mask = masks.uniform(grid, ratio, rng(seed))
    assert mask.sum() == int(ratio * mask.size)


def test_published_counts():
    assert (~masks.tube((8, 14, 14), 0.9, rng(0))).sum() == 160
    assert masks.random_kept(1568, 0.9, 2, rng(0)).shape == (2, 157)
    assert masks.random_kept(2048, 0.9, 2, rng(0)).shape == (2, 205)


@given(st.tuples(st.integers(2, 8), st.integers(6, 9), st.integers(6, 9)), st.floats(0.3, 0.8), SEEDS)
def test_progressive_masks_hide_more_and_more_and_nested(grid, ratio, seed):
    mask = masks.progressive(grid, ratio, rng(seed)).reshape(grid[0], -1)
    counts = masks.progressive_counts(grid, ratio)
    assert ((~mask).sum(1) == np.array(counts) - 1).all()
    assert (mask[1:] >= mask[:-1]).all()


@given(st.sampled_from([(4, 6, 6), (8, 7, 9), (2, 10, 10)]), st.floats(0.3, 0.8), SEEDS)
def test_centre_progressive_masks_are_the_same_forwards_and_backwards(grid, ratio, seed):
    mask = masks.centre_progressive(grid, ratio, rng(seed)).reshape(grid[0], -1)
    assert (mask == mask[::-1]).all()
    assert (np.diff((~mask).sum(1)[: grid[0] // 2]) >= 0).all()


def test_progressive_masks_refuse_small_grids():
    with pytest.raises(ValueError, match="too small for a progressive mask"):
        masks.progressive((8, 4, 4), 0.75, rng(0))


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 4), st.sampled_from([0.25, 0.5, 0.75]))
def test_running_cells_see_every_cube_once_in_four_steps(times, rows, columns, ratio):
    grid = (times + 3, 2 * rows, 2 * columns)
    maps = masks.running_cells(grid, ratio).reshape(4, *grid)
    assert (maps[:, :4].sum(1) == int(4 * ratio)).all()
    assert (maps[:, :, :2, :2].sum((2, 3)) == int(4 * ratio)).all()
    assert (maps[:3, 1:] == maps[1:, :-1]).all()


@pytest.mark.parametrize(("grid", "ratio"), [((4, 4, 4), 0.1), ((4, 4, 4), 1.0), ((4, 3, 4), 0.5)])
def test_cells_that_would_be_whole_or_cut_are_refused(grid, ratio):
    with pytest.raises(ValueError, match="cells need"):
        masks.running_cells(grid, ratio)


@given(st.integers(1, 50), RATIOS, st.integers(1, 4), SEEDS)
def test_drawn_cubes_are_as_many_in_every_clip(tokens, ratio, batch, seed):
    chosen = masks.random_decoded(tokens, ratio, batch, rng(seed))
    assert (chosen.sum(1) == int(ratio * tokens)).all()
    kept = masks.random_kept(tokens, ratio, batch, rng(seed))
    assert kept.shape == (batch, tokens - int(ratio * tokens))
    assert (np.diff(kept, axis=1) > 0).all()
    assert kept.size == 0 or (kept.min() >= 0 and kept.max() < tokens)


def test_every_token_is_kept_equally_often():
    kept = masks.random_kept(10, 0.7, 20_000, rng(0))
    share = np.bincount(kept.ravel(), minlength=10) / 20_000
    assert np.abs(share - 0.3).max() < 0.02


@given(st.integers(1, 30), RATIOS, st.integers(1, 4), SEEDS)
def test_visible_numbers_are_where_nothing_is_hidden(tokens, ratio, batch, seed):
    chosen = masks.random_decoded(tokens, ratio, batch, rng(seed))
    for row, numbers in zip(chosen, masks.visible(chosen), strict=True):
        assert numbers.tolist() == [i for i in range(tokens) if not row[i]]


def test_clips_that_hide_different_counts_do_not_make_a_batch():
    with pytest.raises(ValueError, match=r"got \[1, 2\]"):
        masks.visible(np.array([[True, False, False], [True, True, False]]))
