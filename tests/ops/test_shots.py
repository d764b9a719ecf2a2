"""Detectors against programs that see one frame after the other, and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops import shots

lists = st.lists(st.sampled_from([0.0, 5.0, 14.9, 15.0, 26.9, 27.0, 30.0, 90.0]), min_size=1, max_size=60)
minimums = st.integers(0, 12)
steps = st.sampled_from([[1], [1, 1, 3], [7, 2], [5]])


def clock_of(count, gaps):
    """A clock whose ticks are not evenly apart."""
    return np.cumsum(np.resize(gaps, count)).astype(np.int64)


def merged_one_by_one(scores, times, minimum, threshold):
    """The definition of merging as a program that decides at each frame with what it has seen so far."""
    cuts, last, last_loud, burst_began, seen_cut = [], times[0], 0, None, False
    for frame, (score, time) in enumerate(zip(scores, times, strict=True)):
        loud, far = score >= threshold, time - last >= minimum
        if burst_began is not None:
            if not loud and far and last - burst_began >= minimum:
                cuts.append(last_loud)
                burst_began = None
        elif loud and far:
            cuts.append(frame)
            seen_cut = True
        elif loud and seen_cut:
            burst_began = time
        if loud:
            last, last_loud = time, frame
    return cuts


def adaptive_one_by_one(scores, times, minimum, threshold, window, least):
    cuts, last = [], times[0]
    for frame in range(window, len(scores) - window):
        others = [scores[i] for i in range(frame - window, frame + window + 1) if i != frame]
        mean = sum(others) / (2 * window)
        ratio = min(scores[frame] / mean, 255.0) if mean >= 1e-5 else 255.0 if scores[frame] >= least else 0.0
        if ratio >= threshold and scores[frame] >= least and times[frame] - last >= minimum:
            cuts.append(frame)
            last = times[frame]
    return cuts


def fades_one_by_one(levels, times, minimum, threshold, bias):
    cuts, last, dark_since = [], times[0], None
    for frame, (level, time) in enumerate(zip(levels, times, strict=True)):
        if level < threshold and dark_since is None:
            dark_since = frame
        elif level >= threshold and dark_since is not None:
            if time - last >= minimum:
                cuts.append(dark_since + round((frame - dark_since) * (1 + bias) / 2))
                last = time
            dark_since = None
    return cuts


@given(scores=lists, minimum=minimums, gaps=steps)
def test_merging_equals_deciding_frame_by_frame(scores, minimum, gaps):
    clock = clock_of(len(scores), gaps)
    cuts = shots.content_cuts(np.array(scores), clock, minimum)
    expected = [i for i, s in enumerate(scores) if s >= 27] if not minimum else None
    assert cuts.tolist() == (
        expected if expected is not None else merged_one_by_one(scores, clock.tolist(), minimum, 27)
    )


@given(scores=lists, minimum=st.integers(1, 12), gaps=steps)
def test_without_merging_cuts_are_above_the_threshold_and_apart(scores, minimum, gaps):
    clock = clock_of(len(scores), gaps)
    cuts = shots.content_cuts(np.array(scores), clock, minimum, merge=False)
    assert all(scores[cut] >= 27 for cut in cuts)
    assert (np.diff(np.concatenate([clock[:1], clock[cuts]])) >= minimum).all()
    passed_over = set(np.flatnonzero(np.array(scores) >= 27)) - set(cuts.tolist())
    for frame in passed_over:  # each had a cut, or the beginning, shortly before
        before = [clock[cut] for cut in cuts if cut < frame] or [clock[0]]
        assert clock[frame] - before[-1] < minimum


@given(scores=lists, minimum=minimums, window=st.integers(1, 4), gaps=steps)
def test_adaptive_equals_deciding_frame_by_frame(scores, minimum, window, gaps):
    clock = clock_of(len(scores), gaps)
    cuts = shots.adaptive_cuts(np.array(scores), clock, minimum, threshold=3.0, window=window, least=15.0)
    assert cuts.tolist() == adaptive_one_by_one(scores, clock.tolist(), minimum, 3.0, window, 15.0)


@given(levels=lists, minimum=minimums, bias=st.sampled_from([-1.0, -0.5, 0.0, 0.3, 1.0]), gaps=steps)
def test_fades_equal_deciding_frame_by_frame(levels, minimum, bias, gaps):
    clock = clock_of(len(levels), gaps)
    cuts = shots.fade_cuts(np.array(levels), clock, minimum, threshold=15, bias=bias)
    assert cuts.tolist() == fades_one_by_one(levels, clock.tolist(), minimum, 15, bias)


def test_a_burst_makes_a_cut_where_it_begins_and_one_where_it_ends():
    scores = np.zeros(60)
    scores[20:31] = 50
    assert shots.content_cuts(scores, np.arange(60), 5).tolist() == [20, 30]
    assert shots.content_cuts(scores, np.arange(60), 5, merge=False).tolist() == [20, 25, 30]


def test_a_flash_of_one_frame_makes_one_cut():
    scores = np.zeros(60)
    scores[30:32] = 80  # the white frame and the one after it
    assert shots.content_cuts(scores, np.arange(60), 15).tolist() == [30]


@given(scores=lists, factor=st.sampled_from([0.5, 2.0, 4.0]))
def test_what_stands_out_does_not_depend_on_the_scale(scores, factor):
    scores = np.array(scores)
    np.testing.assert_allclose(shots.adaptive_scores(scores * factor, 2), shots.adaptive_scores(scores, 2), rtol=1e-12)


def test_steady_change_never_stands_out():
    assert shots.adaptive_cuts(np.full(50, 80.0), np.arange(50), 0).tolist() == []
    assert shots.adaptive_scores(np.full(50, 80.0), 3)[3:-3] == pytest.approx(1.0)


def test_adaptive_finds_a_cut_in_the_middle_of_fast_motion():
    scores = np.full(50, 12.0)
    scores[25] = 60.0
    assert shots.adaptive_cuts(scores, np.arange(50), 15).tolist() == [25]


@pytest.mark.parametrize(("bias", "cut"), [(-1, 10), (0, 15), (1, 20), (0.5, 18)])
def test_the_bias_moves_the_cut_through_the_dark(bias, cut):
    levels = np.full(40, 100.0)
    levels[10:20] = 3
    assert shots.fade_cuts(levels, np.arange(40), 0, bias=bias).tolist() == [cut]


def test_a_dark_end_makes_a_cut_only_if_asked():
    levels = np.concatenate([np.full(30, 90.0), np.zeros(10)])
    assert shots.fade_cuts(levels, np.arange(40), 0).tolist() == []
    assert shots.fade_cuts(levels, np.arange(40), 0, add_last=True).tolist() == [30]


def test_the_first_frame_has_no_score():
    nothing = np.array([np.nan, 3.0, 6.0])
    assert shots.content_scores(nothing, nothing, nothing).tolist() == [0.0, 3.0, 6.0]
    assert shots.content_scores(nothing, nothing * 0, nothing * 0, (1, 0, 1)).tolist() == [0.0, 1.5, 3.0]


@given(
    first=st.sets(st.integers(1, 59)),
    second=st.sets(st.integers(1, 59)),
    minimum=st.integers(0, 9),
    gaps=steps,
)
def test_joining_keeps_all_of_the_first_and_adds_only_what_keeps_its_distance(first, second, minimum, gaps):
    clock = clock_of(60, gaps)
    joined = shots.join(np.array(sorted(first), np.int64), np.array(sorted(second), np.int64), clock, minimum)
    assert first <= set(joined.tolist()) <= first | second
    assert (np.diff(joined) > 0).all()
    for cut in set(joined.tolist()) - first:
        others = np.abs(clock[joined] - clock[cut])
        assert (np.sort(others)[1:] >= minimum).all()
    for cut in second - set(joined.tolist()):
        assert np.abs(clock[joined] - clock[cut]).min() < max(minimum, 1)


def test_nothing_gives_nothing():
    none, clock = np.empty(0), np.empty(0, np.int64)
    assert len(shots.content_cuts(none, clock, 5)) == len(shots.adaptive_cuts(none, clock, 5)) == 0
    assert len(shots.fade_cuts(none, clock, 5)) == 0


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="window"):
        shots.adaptive_scores(np.zeros(9), 0)
    with pytest.raises(ValueError, match="bias"):
        shots.fade_cuts(np.zeros(9), np.arange(9), 0, bias=1.5)
    with pytest.raises(ValueError, match="weight"):
        shots.content_scores(np.zeros(9), np.zeros(9), np.zeros(9), (0, 0, 0))
