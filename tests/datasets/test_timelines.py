"""Public lists of segments, each told apart and read whole; features whose grid fits them, or not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.datasets.feature_folder import FeatureFolder, Features, GridMismatch
from internvideo.datasets.lists import BadList
from internvideo.datasets.timelines import read_timelines
from internvideo.ops.spans import Grid


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def entry(*segments, subset="training", duration=100.0, **more):
    rows = [{"segment": [start, end], "label": label} for start, end, label in segments]
    return {"subset": subset, "duration": duration, "annotations": rows, **more}


def test_the_activitynet_form_with_labels_in_alphabetical_order(tmp_path):
    database = {"b": entry((1, 2, "run"), (3, 4, "jump"), subset="Validation"), "a": entry((0, 9, "walk"), fps=25)}
    path = written(tmp_path, "x.json", {"version": "VERSION 1.3", "database": database})
    found = read_timelines(path)
    assert found.classes == ("jump", "run", "walk")
    assert [video.name for video in found.videos] == ["b", "a"]
    assert found.videos[0].labels.tolist() == [1, 0]
    assert found.videos[0].segments.tolist() == [[1, 2], [3, 4]]
    assert found.videos[1].fps == 25
    assert [video.name for video in found.of("VALIDATION").videos] == ["b"]
    with pytest.raises(BadList, match="subset `test`"):
        found.of("test")


def test_numbers_that_the_file_gives_are_kept_and_contradictions_refused(tmp_path):
    row = {"segment": [0, 1], "label": "z", "label_id": 0}
    other = {"segment": [0, 1], "label": "a", "label_id": 1}
    database = {"v": {"subset": "test", "duration": 2, "annotations": [row, other]}}
    assert read_timelines(written(tmp_path, "x.json", {"database": database})).classes == ("z", "a")
    database["v"]["annotations"].append({"segment": [0, 1], "label": "z", "label_id": 1})
    with pytest.raises(BadList, match="`z` has the numbers 0 and 1"):
        read_timelines(written(tmp_path, "x.json", {"database": database}))


def test_class_names_from_a_file_may_be_spelt_otherwise(tmp_path):
    path = written(tmp_path, "x.json", {"v": entry((0, 1, "BaseballPitch"))})
    names = written(tmp_path, "names.json", ["golf swing", "baseball_pitch"])
    found = read_timelines(path, classes=names)
    assert found.videos[0].labels.tolist() == [1]
    assert found.classes == ("golf swing", "baseball_pitch")


def test_the_official_thumos_folder(tmp_path):
    written(tmp_path, "Diving_val.txt", "video_validation_0000001  1.5 3.0\nvideo_validation_0000001  7.0 9.5\n")
    written(tmp_path, "CliffDiving_val.txt", "video_validation_0000001  1.5 3.0\n")
    written(tmp_path, "Ambiguous_val.txt", "video_validation_0000001  20 30\n")
    written(tmp_path, "Diving_test.txt", "video_test_0000002  0.1 0.9\n")
    written(tmp_path, "x_metadata.csv", "filename,video-duration,fps\nvideo_validation_0000001.mp4,33.5,30\n")
    found = read_timelines(tmp_path)
    assert found.classes == ("CliffDiving", "Diving")
    video = found.of("validation").videos[0]
    assert (video.seconds, video.fps) == (33.5, 30)
    assert video.segments.tolist() == [[1.5, 3.0], [1.5, 3.0], [7.0, 9.5]]
    assert video.labels.tolist() == [0, 1, 1]


def test_ego4d_moments_count_only_primary_labels_and_each_once(tmp_path):
    def label(start, end, name, primary=True):
        return {"start_time": start, "end_time": end, "label": name, "primary": primary}

    clip = {
        "clip_uid": "c1",
        "video_start_sec": 10.0,
        "video_end_sec": 490.0,
        "annotations": [
            {"labels": [label(1, 5, "wash"), label(2, 6, "cut", primary=False)]},
            {"labels": [label(1, 5, "wash"), label(8, 9, "cut")]},
        ],
    }
    path = written(tmp_path, "moments_val.json", {"videos": [{"video_uid": "v", "split": "val", "clips": [clip]}]})
    video = read_timelines(path).of("val").videos[0]
    assert (video.name, video.seconds) == ("c1", 480.0)
    assert video.segments.tolist() == [[1, 5], [8, 9]]


def test_what_is_wrong_with_segments_is_counted_and_left_out_of_learning(tmp_path):
    database = {"v": entry((5, 4, "a"), (3, 3, "a"), (-2, 4, "a"), (90, 130, "a"), (150, 160, "a"), (1, 2, "a"))}
    video = read_timelines(written(tmp_path, "x.json", database)).videos[0]
    assert video.usable.segments.tolist() == [[0, 4], [90, 100], [1, 2]]
    told = read_timelines(tmp_path / "x.json").problems()
    assert [line.split(":")[0] for line in told] == [
        "1 segments end before they start",
        "1 segments are empty",
        "3 segments leave the video",
    ]
    assert "v [5, 4] of 100 s" in told[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "no record"),
        ("{}", "has no videos"),
        ('{"v": {"annotations": [{"segment": [1], "label": "a"}]}}', "expected \\[start, end\\]"),
        ('{"v": {"annotations": [{"segment": [1, "x"], "label": "a"}]}}', "no number"),
        ('{"v": {"annotations": [{"label": "a"}]}}', "no `segment`"),
        ("{", "does not read"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path, content, told):
    with pytest.raises(BadList, match=told):
        read_timelines(written(tmp_path, "x.json", content))


def test_the_real_lists_are_read_whole(shared):
    here = shared / "data"
    for path, videos, classes, segments in (
        (
            "evaluators/temporal_localization_activitynet/groundtruth/activitynet_v1-3_validation_part.json",
            3448,
            200,
            5273,
        ),
        ("evaluators/temporal_localization_thumos14/groundtruth/thumos14_valid.json", 200, 20, 3007),
        ("annotations/thumos14/thumos14_valid_tsp_groundtruth.csv", 200, 20, 3007),
        ("annotations/activitynet/activitynet_v1-3_train_groundtruth_part.csv", 2000, 200, 3093),
    ):
        found = read_timelines(here / path)
        assert (len(found.videos), len(found.classes)) == (videos, classes)
        assert sum(len(video.segments) for video in found.videos) == segments
    names = here / "annotations" / "thumos14" / "thumos14_action_label_mapping.json"
    assert read_timelines(here / "annotations/thumos14/thumos14_valid_tsp_groundtruth.csv", classes=names).classes[
        0
    ] == ("BaseballPitch")


def features(tmp_path, rows=50, width=3, *, name="v", beside=True, **grid):
    array = np.arange(rows * width, dtype=np.float32).reshape(rows, width)
    np.save(tmp_path / f"{name}.npy", array)
    if beside:
        written(tmp_path, f"{name}.npy.json", {"fps": 25.0, "stride": 4, "window": 16, **grid})
    return array


def test_features_tell_their_own_grid_and_are_found_by_name(tmp_path):
    array = features(tmp_path, name="v_a")
    folder = FeatureFolder(tmp_path, prefix="v_")
    found = folder.read("a", 50 * 4 / 25)
    assert np.array_equal(found.rows, array)
    assert found.grid == Grid(fps=25, stride=4, window=16)
    assert folder.width() == 3
    assert folder.missing(["a", "b"]) == ["b"]


def test_a_grid_that_does_not_fit_the_video_is_refused_with_the_numbers(tmp_path):
    features(tmp_path)
    with pytest.raises(GridMismatch, match=r"50 rows every 4 frames at 25 fps are 8\.5 s.* 16\.0 s") as caught:
        FeatureFolder(tmp_path).read("v", 16.0)
    assert "12.5 fps" in caught.value.hint
    assert FeatureFolder(tmp_path, grid=Grid(fps=12.5, stride=4, window=16)).read("v", 16.0).grid.fps == 12.5


def test_arrays_without_a_grid_or_of_another_form_are_refused(tmp_path):
    features(tmp_path, beside=False)
    with pytest.raises(BadList, match="nothing says when the rows"):
        FeatureFolder(tmp_path).read("v", 8.0)
    np.save(tmp_path / "v.npy", np.zeros((2, 3, 4), np.float32))
    with pytest.raises(BadList, match=r"shape \(2, 3, 4\)"):
        FeatureFolder(tmp_path, grid=Grid(fps=25, stride=4, window=16)).read("v", 8.0)
    np.save(tmp_path / "v.npy", np.full((50, 3), np.nan, np.float32))
    with pytest.raises(BadList, match="holds no numbers"):
        FeatureFolder(tmp_path, grid=Grid(fps=25, stride=4, window=16)).read("v", 8.0)
    with pytest.raises(BadList, match="no folder"):
        FeatureFolder(tmp_path / "none")


@given(rows=st.integers(1, 40), steps=st.integers(1, 60))
def test_stretching_keeps_a_line_a_line(rows, steps):
    line = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    grid = Grid(fps=25, stride=4, window=4)
    found = Features(line, grid).stretched(steps, rows * 4 / 25)
    assert len(found.rows) == steps
    assert (np.diff(found.rows[:, 0]) >= -1e-6).all()
    middle = found.grid.seconds(np.arange(steps))
    inside = (middle >= grid.seconds(np.array(0.0))) & (middle <= grid.seconds(np.array(rows - 1.0)))
    expected = grid.steps(middle[inside]) / max(rows - 1, 1)
    np.testing.assert_allclose(found.rows[inside, 0], expected, atol=1e-4)
