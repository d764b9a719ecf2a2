"""Clips that follow from numbers per frame: laws of spans, and the cuts that PySceneDetect published."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.measures import DensePass
from internvideo.curation.operator import Operator, Series, Subject
from internvideo.curation.segmenters import SHOTS, Shots, Whole, Windows
from internvideo.errors import UsageError
from internvideo.video.reader import open_video

RATE = Fraction(1, 600)
steps = st.lists(st.integers(1, 400), min_size=1, max_size=80)  # ticks that each frame is shown


def subject_of(shown, cuts=(), dark=(), *, last=None, first_tick=0):
    """A video whose frames are shown for so many ticks each, with cuts at some frames and dark stretches."""
    count = len(shown)
    ticks = first_tick + np.cumsum([0, *shown[:-1]]) if count else np.empty(0, np.int64)
    duration = np.array([*shown[:-1], shown[-1] if last is None else last], np.int64) if count else ticks
    jump = np.full(count, 0.5)
    jump[list(cuts)] = 90.0
    jump[:1] = np.nan
    level = np.full(count, 100.0)
    for start, stop in dark:
        level[start:stop] = 0.0
    ticks = np.asarray(ticks, np.int64)
    series = {
        "clock": Series(ticks, {"duration": duration}),
        "change": Series(ticks, {"hue": jump, "saturation": jump, "value": jump}),
        "brightness": Series(ticks, {"level": level}),
    }
    return Subject("v" * 64, 0, RATE, {}, series=series)


def spans(table):
    return list(zip(table["start"].to_pylist(), table["end"].to_pylist(), strict=True))


def assert_covers(table, shown, first_tick=0):
    """One after the other, from the first frame to the end of the last."""
    found = spans(table)
    assert found[0][0] == first_tick
    assert found[-1][1] == first_tick + sum(shown)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert sum(table["frames"].to_pylist()) == len(shown)
    for start, end, row in zip(table["start"], table["end"], table.to_pylist(), strict=True):
        assert row["start_seconds"] == float(start.as_py() * RATE)
        assert row["end_seconds"] == float(end.as_py() * RATE)
        assert (row["video"], row["stream"], row["item"]) == ("v" * 64, 0, 0)


@given(
    shown=steps,
    cuts=st.sets(st.integers(1, 79)),
    detector=st.sampled_from(["adaptive+threshold", "content", "threshold"]),
)
def test_shots_cover_the_video(shown, cuts, detector):
    cuts = {cut for cut in cuts if cut < len(shown)}
    table = Shots(detector=detector).process(subject_of(shown, cuts, first_tick=-77))
    assert_covers(table, shown, first_tick=-77)


@given(shown=steps, cuts=st.sets(st.integers(1, 79)), most=st.sampled_from([0.1, 0.5, 2.0]))
def test_long_shots_are_divided_into_parts_that_cover_them(shown, cuts, most):
    subject = subject_of(shown, {cut for cut in cuts if cut < len(shown)})
    table = Shots(detector="content", max_seconds=most).process(subject)
    assert_covers(table, shown)
    ends = {end for _, end in spans(Shots(detector="content").process(subject))}
    assert ends <= {end for _, end in spans(table)}
    longest_frame = max(shown) * RATE
    assert all((end - start) * RATE <= most + 2 * longest_frame for start, end in spans(table))


@given(shown=steps, cuts=st.sets(st.integers(1, 79)), least=st.sampled_from([0.0, 0.2, 1.0]))
def test_short_clips_are_not_made_and_the_others_stay(shown, cuts, least):
    subject = subject_of(shown, {cut for cut in cuts if cut < len(shown)})
    every, kept = (spans(Shots(detector="content", min_seconds=s).process(subject)) for s in (0.0, least))
    assert kept == [
        (start, end) for start, end in every if (end - start) * RATE >= Fraction(least).limit_denominator(1000)
    ]


def test_edges_are_taken_off_at_cuts_only():
    subject = subject_of([20] * 60, {20, 40})
    assert spans(Shots(detector="content", edge_frames=2).process(subject)) == [(0, 360), (440, 760), (840, 1200)]
    assert spans(Shots(detector="content", edge_frames=9).process(subject)) == [(0, 220), (580, 620), (980, 1200)]
    assert spans(Shots(detector="content", edge_frames=10).process(subject)) == [(0, 200), (1000, 1200)]


def test_fades_and_cuts_are_joined():
    subject = subject_of([20] * 200, {50}, dark=[(100, 110), (48, 49)])
    assert [start for start, _ in spans(Shots().process(subject))] == [0, 50 * 20, 105 * 20]
    assert [start for start, _ in spans(Shots(detector="adaptive").process(subject))] == [0, 50 * 20]
    late = Shots(detector="threshold", fade_bias=1.0).process(subject)
    assert [start for start, _ in spans(late)] == [0, 49 * 20, 110 * 20]


def test_a_dark_shot_between_two_cuts_is_no_fade():
    subject = subject_of([20] * 300, {50, 130}, dark=[(50, 130), (200, 210)])
    assert [start for start, _ in spans(Shots().process(subject))] == [0, 50 * 20, 130 * 20, 205 * 20]
    open_end = subject_of([20] * 300, {50}, dark=[(50, 130)])
    assert [start for start, _ in spans(Shots().process(open_end))] == [0, 50 * 20], "out of the dark without a cut"


def test_what_dissolves_slowly_is_a_cut_and_a_hard_cut_stands_for_what_is_near_it():
    subject = subject_of([20] * 400, {150})  # 25 frames a second: a glimpse every 50 frames
    seen = np.full((8, 3 * 18 * 32), 40, np.uint8)
    seen[3:] = 120  # from the frame 150 on: the hard cut
    seen[6:] = 220  # between the frames 250 and 300
    glimpses = Series(subject.series["clock"].ticks[::50], {"hsv": seen})
    subject = replace(subject, series={**subject.series, "glimpse": glimpses})
    detector = Shots(detector="adaptive+threshold+dissolve")
    assert [start for start, _ in spans(detector.process(subject))] == [0, 150 * 20, 275 * 20]
    assert "glimpse" in detector.frames.measures and "glimpse" not in Shots().frames.measures
    with pytest.raises(UsageError, match="dissolves are found by time"):
        Shots(detector="adaptive+threshold+dissolve", min_shot_frames=15)


def test_the_shortest_shot_is_counted_in_seconds_or_in_frames():
    subject = subject_of([60] * 60, {20, 25})  # ten frames a second
    assert len(spans(Shots(detector="content", merge=False).process(subject))) == 2
    assert len(spans(Shots(detector="content", merge=False, min_shot_seconds=0.5).process(subject))) == 3
    assert len(spans(Shots(detector="content", merge=False, min_shot_frames=5).process(subject))) == 3
    assert len(spans(Shots(detector="content", merge=False, min_shot_frames=6).process(subject))) == 2


@pytest.mark.parametrize(("last", "end"), [(30, 90), (0, 80), (-5, 80)])
def test_without_a_duration_the_last_frame_lasts_as_long_as_the_one_before(last, end):
    assert spans(Whole().process(subject_of([40, 20, 20], last=last))) == [(0, end)]


def test_a_single_frame_without_duration_lasts_a_tick():
    for segmenter in (Whole(), Windows(), Shots()):
        assert spans(segmenter.process(subject_of([5], last=0))) == [(0, 1)]


@given(shown=steps, seconds=st.sampled_from([0.05, 0.4, 4.0]))
def test_windows_cover_the_video(shown, seconds):
    table = Windows(seconds=seconds).process(subject_of(shown))
    assert_covers(table, shown)
    longest_frame = max(shown) * RATE
    for start, end in spans(table)[:-1]:
        assert abs(float((end - start) * RATE) - seconds) <= longest_frame or (end - start) * RATE >= seconds


@pytest.mark.parametrize(
    ("tenths", "ends"),
    [
        (10, [1.0]),
        (39, [3.9]),
        (59, [5.9]),
        (60, [4.0, 6.0]),
        (80, [4.0, 8.0]),
        (99, [4.0, 9.9]),
        (100, [4.0, 8.0, 10.0]),
    ],
)
def test_a_short_rest_is_joined_to_the_last_window(tenths, ends):
    table = Windows(seconds=4.0).process(subject_of([60] * tenths))
    assert table["end_seconds"].to_pylist() == ends


def test_windows_may_overlap_or_leave_gaps():
    subject = subject_of([60] * 100)
    half = Windows(name="half", seconds=4.0, stride=2.0).process(subject)
    assert half["start_seconds"].to_pylist() == [0.0, 2.0, 4.0, 6.0]
    assert half["end_seconds"].to_pylist() == [4.0, 6.0, 8.0, 10.0]
    apart = Windows(name="apart", seconds=1.0, stride=5.0).process(subject)
    assert [(row["start_seconds"], row["end_seconds"]) for row in apart.to_pylist()] == [(0, 1), (5, 6)]
    cut_off = Windows(name="cut-off", seconds=3.0, stride=4.0).process(subject)
    assert cut_off["end_seconds"].to_pylist() == [3.0, 7.0, 10.0]


def test_a_window_without_frames_is_not_made():
    table = Windows(seconds=1.0).process(subject_of([60, 60, 3000, 60, 60]))
    assert all(count > 0 for count in table["frames"].to_pylist())
    assert_covers(table, [60, 60, 3000, 60, 60])


@pytest.mark.parametrize("segmenter", [Shots(), Windows(), Whole()])
def test_segmenters_are_operators_and_a_video_without_frames_has_no_clips(segmenter):
    assert isinstance(segmenter, Operator)
    assert segmenter.segmenter
    table = segmenter.process(subject_of([]))
    assert table.num_rows == 0
    assert table.schema.names[-3:] == ["start_seconds", "end_seconds", "frames"]


def test_nonsense_is_refused():
    with pytest.raises(UsageError, match="did you mean `adaptive`"):
        Shots(detector="adaptiv")
    with pytest.raises(ValueError, match="max_seconds"):
        Shots(min_seconds=3.0, max_seconds=2.0)
    with pytest.raises(ValueError, match="stride"):
        Windows(stride=0.0)


# The settings behind the names in the published lists, where shots have 15 frames or more.
PUBLISHED = {
    "ContentDetector.default": Shots(detector="content", min_shot_frames=15),
    "ContentDetector.t30": Shots(detector="content", threshold=30.0, min_shot_frames=15),
    "AdaptiveDetector.default": Shots(detector="adaptive", ratio=3.0, window=2, min_shot_frames=15),
    "AdaptiveDetector.t5": Shots(detector="adaptive", ratio=5.0, window=2, min_shot_frames=15),
    "ThresholdDetector.default": Shots(detector="threshold", min_shot_frames=15),
}
FILM_RATE = 24000 / 1001  # frames of this rate are what the list of the film with variable rate counts


@pytest.mark.parametrize("name", ["counter.mp4", "fades.mp4", "goldeneye-vfr-drop3.mp4"])
def test_cuts_are_those_that_pyscenedetect_publishes(name, shared):
    published = json.loads((shared / "data/evaluators/scene_cuts/expected/expected.json").read_text())["videos"][name]
    dense = DensePass(Shots().frames.measures)
    with open_video(shared / "data" / published["video_file"]) as video:
        for picture in video.pictures():
            dense.feed(picture)
        seconds = (video.ticks - video.ticks[0]) * float(video.time_base)
        time_base = video.time_base
    series = dense.result()
    for setting, shots in PUBLISHED.items():
        cuts = shots.cuts(series, time_base)
        found = np.rint(seconds[cuts] * FILM_RATE).astype(int) if name.startswith("goldeneye") else cuts
        assert found.tolist() == published["cuts"][setting], setting


def test_presets_differ_in_their_detector():
    assert SHOTS["default"] == Shots()
    assert SHOTS["internvid"].detector == "content"
    assert SHOTS["internvid"].threshold == 27.0
