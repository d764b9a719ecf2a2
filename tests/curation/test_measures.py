"""The dense pass: pieces make the whole, samples come on time, series survive the way between processes."""

from itertools import pairwise

import av
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.curation import measures
from internvideo.curation.measure import Measure
from internvideo.curation.measures import MEASURES, DensePass, concatenate, series_from_bytes, series_to_bytes
from internvideo.curation.operator import Series
from internvideo.errors import UsageError
from internvideo.video.picture import Picture
from internvideo.video.reader import open_video

TICKS = 600  # per second


def picture(number, seconds, values, size=(36, 64)):
    """A picture whose left half has one colour and whose right half another."""
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[:, : size[1] // 2], pixels[:, size[1] // 2 :] = values
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame.duration = 20
    tick = round(seconds * TICKS)
    return Picture(frame, number=number, tick=tick, seconds=seconds, key=number == 0, rotation=0)


def film(count, gap=1 / 30, seed=0):
    colours = np.random.default_rng(seed).integers(0, 256, (count, 2, 3))
    return [picture(number, number * gap, colours[number]) for number in range(count)]


def measured(pictures, names=MEASURES, *, continues=False):
    dense = DensePass(names, continues=continues)
    for each in pictures:
        dense.feed(each)
    return dense.result()


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        np.testing.assert_array_equal(found[name].ticks, one.ticks)
        assert found[name].columns.keys() == one.columns.keys()
        for column, values in one.columns.items():
            assert found[name].columns[column].dtype == values.dtype
            np.testing.assert_array_equal(found[name].columns[column], values)


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 39)), gap=st.sampled_from([1 / 30, 0.1, 0.7]))
def test_pieces_that_share_a_frame_make_the_same_series_as_the_whole(cuts, gap):
    pictures = film(41, gap)
    bounds = [0, *sorted(cuts), 40]
    pieces = [measured(pictures[a : b + 1], continues=a > 0) for a, b in pairwise(bounds)]
    assert_equal(concatenate(pieces), measured(pictures))


@pytest.mark.parametrize("held", [1, 3, 100])
def test_how_many_frames_wait_does_not_show(held, monkeypatch):
    expected = measured(film(40))
    monkeypatch.setattr(measures, "HELD_FRAMES", held)
    monkeypatch.setattr(measures, "_ROWS", held)
    assert_equal(measured(film(40)), expected)


def test_large_frames_do_not_wait(monkeypatch):
    monkeypatch.setattr(measures, "HELD_BYTES", 100)
    dense = DensePass(["clock"])
    for each in film(5):
        dense.feed(each)
        assert not dense._waiting
    assert len(dense.result()["clock"].ticks) == 5


@given(
    period=st.sampled_from([0.25, 0.5, 1.0]), gaps=st.lists(st.floats(0.01, 1.9), max_size=40), start=st.floats(-3, 3)
)
def test_the_first_frame_of_each_period_is_sampled(period, gaps, start):
    seconds = (start + np.concatenate([[0.0], np.cumsum(gaps)])).tolist()
    measure = Measure("one", ("value",), period, 1, lambda picture, before: (1.0,))
    pictures = [picture(number, second, (0, 0), (2, 2)) for number, second in enumerate(seconds)]
    sampled = [
        second
        for second, now, before in zip(seconds, pictures, [None, *pictures], strict=False)
        if measure.samples(now, before)
    ]
    assert sampled[0] == seconds[0]
    assert [second // period for second in sampled] == sorted({second // period for second in seconds})
    assert sampled == [min(s for s in seconds if s // period == p // period) for p in sampled]


def test_nothing_fed_gives_empty_series_of_the_right_types():
    for name, series in measured([]).items():
        assert series.ticks.shape == (0,)
        assert series.ticks.dtype == np.int64
        for column, kind in zip(MEASURES[name].columns, MEASURES[name].types, strict=True):
            assert series.columns[column].shape == (0, *np.dtype(kind).shape)
            assert series.columns[column].dtype == np.dtype(kind).base


@settings(max_examples=20, deadline=None)
@given(count=st.integers(0, 40))
def test_series_come_back_from_bytes_as_they_were(count):
    series = measured(film(count))
    assert_equal(series_from_bytes(series_to_bytes(series)), series)


def test_series_are_sent_small():
    rng = np.random.default_rng(0)
    series = {"change": Series(np.arange(50_000) * 512, {"value": rng.integers(0, 40, 50_000) / 4})}
    assert len(series_to_bytes(series)) < 50_000 * 8
    assert pa.ipc.open_stream(series_to_bytes(series)).schema.names == ["change/", "change/value"]


def test_change_is_the_mean_difference_of_hue_saturation_and_value():
    black, white, red, green = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0)
    pictures = [
        picture(i, i / 10, sides)
        for i, sides in enumerate([(black, black), (black, white), (red, white), (green, white)])
    ]
    change = measured(pictures, ["change"])["change"].columns
    assert np.isnan([change[name][0] for name in ("hue", "saturation", "value")]).all()
    assert change["value"][1:].tolist() == [127.5, 127.5, 0.0]
    assert change["saturation"][1:].tolist() == [0.0, 127.5, 0.0]
    assert change["hue"][1:].tolist() == [0.0, 0.0, 30.0]  # red is at 0, green at 60 half degrees


def test_brightness_is_the_mean_of_all_channels():
    level = measured([picture(0, 0.0, ((0, 0, 0), (255, 0, 30)))], ["brightness"])["brightness"].columns["level"]
    assert level.tolist() == [47.5]


def test_a_picture_of_another_size_is_compared_with_the_one_before():
    pictures = [
        picture(0, 0.0, (0, 255), (36, 64)),
        picture(1, 0.1, (0, 255), (72, 128)),
        picture(2, 0.2, (0, 255), (64, 36)),
    ]
    series = measured(pictures)
    assert series["change"].columns["value"][1:].tolist() == [0.0, 0.0]


def test_the_clock_tells_how_long_frames_are_shown():
    clock = measured(film(3), ["clock"])["clock"]
    assert clock.ticks.tolist() == [0, 20, 40]
    assert clock.columns["duration"].tolist() == [20, 20, 20]


def test_an_unknown_measure_is_named_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean `change`"):
        DensePass(["chagne"])


def test_a_measure_has_a_type_per_column():
    with pytest.raises(ValueError, match="2 columns and 1 types"):
        Measure("one", ("a", "b"), 0.0, 1, lambda picture, before: (0, 0), ("f8",))


# Content scores of PySceneDetect 0.7.2 (ContentDetector, OpenCV 5.0 reading) by file and frame.
PYSCENEDETECT = {
    "PySceneDetect/goldeneye-vfr-drop3.mp4": {
        1: 0.16018014143730885,
        40: 3.835865825688073,
        59: 1.4576763188073392,
        60: 63.886790424311926,
        61: 4.599065844801223,
        139: 2.3946865443425076,
        140: 71.09300936544342,
        141: 2.7570599197247705,
    },
    "PySceneDetect/issue-134-rotate.mp4": {
        1: 0.07455323012232416,
        40: 1.8072558295107033,
        89: 1.5292192278287462,
        90: 63.64804329128441,
        91: 4.494779720948013,
        209: 2.25538751911315,
        210: 70.65444619648319,
        211: 2.558677370030581,
    },
    "data-juicer/video1.mp4": {
        1: 3.6521086516203702,
        40: 2.409884982638889,
        143: 12.523790147569443,
        144: 59.13160988136574,
        145: 12.822464554398147,
        236: 5.274314597800926,
        237: 48.020751953125,
        238: 0.04335756655092593,
    },
}


@pytest.mark.parametrize("name", PYSCENEDETECT)
def test_scores_are_those_of_pyscenedetect_to_the_last_bit(name, shared):
    dense = DensePass(["change"])
    with open_video(shared / "data" / "videos" / name) as video:
        for each in video.pictures(None, int(video.ticks[max(PYSCENEDETECT[name])]) + 1):
            dense.feed(each)
    change = dense.result()["change"].columns
    for frame, score in PYSCENEDETECT[name].items():
        assert (change["hue"][frame] + change["saturation"][frame] + change["value"][frame]) / 3 == score
