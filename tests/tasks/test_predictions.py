"""The file of predictions: it comes back as it was written, and says what is wrong with it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.tasks.predictions import (
    BadPredictions,
    Boxes,
    Embedding,
    Scores,
    Segments,
    Trajectory,
    match,
    read_predictions,
    write_predictions,
)

ONE_OF_EACH = {
    "scores": Scores("a", np.array([0.25, -1e-7, 3])),
    "segments": Segments("a", np.array([[0, 1.5], [2, 3]]), np.array([0.5, 0.25]), np.array([3, 0])),
    "boxes": Boxes(
        "a", np.zeros((1, 4)), np.array([0.5]), np.array([7]), {"verb": np.array([2]), "s": np.array([0.5])}
    ),
    "embeddings": Embedding("a", np.array([0.6, 0.8])),
    "trajectories": Trajectory("a", np.array([[0.0, 1.0], [2.0, 2.0]])),
}


@pytest.mark.parametrize("family", ONE_OF_EACH)
def test_every_family_comes_back(tmp_path, family):
    record = ONE_OF_EACH[family]
    write_predictions(tmp_path / "p.jsonl", {"family": family, "task": "t"}, [record])
    about, (found,) = read_predictions(tmp_path / "p.jsonl", family)
    assert about == {"family": family, "task": "t"} and type(found) is type(record) and found.id == "a"
    for name in record.__slots__:
        want, got = getattr(record, name), getattr(found, name)
        if name == "more":
            assert want.keys() == got.keys() and all(np.array_equal(want[key], got[key]) for key in want)
        elif name != "id":
            assert np.array_equal(want, got)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_float32_comes_back_bit_by_bit(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "numbers.jsonl"
    write_predictions(path, {}, [Scores("a", np.array(values, np.float32))])
    (found,) = read_predictions(path, "scores")[1]
    assert np.array_equal(found.scores.astype(np.float32), np.array(values, np.float32))


def test_a_file_without_a_first_line_is_read_and_a_torn_last_line_is_left_out(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('\ufeff{"id": "a", "scores": [1]}\r\n{"id": 7, "scores": [2]}', "utf-8")
    assert [one.id for one in read_predictions(path, "scores")[1]] == ["a", "7"]
    path.write_text('{"about": {}}\n{"id": "a", "scores": [1]}\n{"id": "b", "sco', "utf-8")
    assert [one.id for one in read_predictions(path, "scores")[1]] == ["a"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"id": "a", "scores": [1]}\n{"scores": [1]}', "line 2 .* has no `id`"),
        ('{"id": "a", "logits": [1]}', "line 1 .* is no scores record"),
        ('{"id": "a", "scores": [[1]]}', "expected 1 axes"),
        ('{"id": "a", "scores": [1]', "line 1 .* is not JSON"),
        ("[1]", "is no record"),
        ('{"about": {"family": "boxes"}}\n', "holds boxes, this task reads scores"),
    ],
)
def test_what_is_no_prediction_is_told_with_its_line(tmp_path, text, told):
    (tmp_path / "p.jsonl").write_text(text, "utf-8")
    with pytest.raises(BadPredictions, match=told):
        read_predictions(tmp_path / "p.jsonl", "scores")


def test_missing_extra_and_repeated_ids_are_counted():
    rows = [Scores(id, np.ones(2)) for id in ("a", "x", "b", "b")]
    found = match(rows, ["b", "c", "a"])
    assert list(found.found) == ["b", "a"]
    assert (found.missing, found.extra, found.repeated) == (("c",), ("x",), ("b",))
    assert found.notes() == [
        "1 examples have no prediction: c",
        "1 predictions are in no list: x",
        "1 predictions come twice: b",
    ]


def test_what_cannot_be_marked_is_refused():
    with pytest.raises(BadPredictions, match="1 ids are predicted twice, differently: a"):
        match([Scores("a", np.ones(2)), Scores("a", np.zeros(2))], ["a"])
    with pytest.raises(BadPredictions, match=r"6 predictions hold NaN or infinity: 0, 1, 2, 3, 4 \.\.\."):
        match([Scores(str(n), np.array([np.nan, 1])) for n in range(6)], ["0"])
    with pytest.raises(BadPredictions, match="none of the 2 examples has a prediction"):
        match([Scores("x", np.ones(2))], ["a", "b"])
