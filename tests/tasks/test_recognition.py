"""Marking of classes and options: on predictions written by hand."""

import numpy as np
import pytest

from internvideo.errors import UsageError
from internvideo.metrics.calibration import log_softmax
from internvideo.metrics.ensembles import compare
from internvideo.tasks.choice import MultipleChoice
from internvideo.tasks.predictions import BadPredictions, Scores
from internvideo.tasks.recognition import Recognition
from tests.tasks.marking import example


def test_what_is_missing_counts_as_wrong():
    task = Recognition(
        examples=[example("a", 0), example("b", 1), example("c", 2), example("d", 2)], classes=tuple("xyz")
    )
    rows = {
        id: Scores(id, np.array(scores))
        for id, scores in {"a": [3, 1, 1.0], "b": [3, 2, 1.0], "c": [0, 0, 1.0]}.items()
    }
    marks = task.score(rows)
    assert marks.metrics["top-1"] == 50 and marks.metrics["mean per class"] == 50 and marks.metrics["examples"] == 4
    assert marks.tables["confusion"].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 1]]


def test_constant_scores_are_wrong_and_top_5_needs_more_than_five_classes():
    task = Recognition(examples=[example("a", 0)], classes=tuple("abcdef"))
    assert task.score({"a": Scores("a", np.zeros(6))}).metrics["top-5"] == 0
    task = Recognition(examples=[example("a", 0)], classes=tuple("ab"))
    assert "top-5" not in task.score({"a": Scores("a", np.array([1.0, 0]))}).metrics


def test_classes_that_do_not_fit_the_head_are_told():
    task = Recognition(examples=[example("a", 0), example("b", 5)])
    with pytest.raises(UsageError, match="classes 0 to 5, the predictions 3 scores"):
        task.score({"a": Scores("a", np.arange(3.0))})
    task = Recognition(examples=[example("a", 0)], classes=tuple("abcd"))
    with pytest.raises(BadPredictions, match=r"1 predictions do not have 4 scores, one per class: a \(3\)"):
        task.score({"a": Scores("a", np.arange(3.0))})


def test_a_list_without_classes_gets_no_metric():
    marks = Recognition(examples=[example("a")]).score({"a": Scores("a", np.arange(3.0))})
    assert marks.metrics == {} and "nothing to mark" in marks.notes[0]


def test_rules_of_the_families_differ_and_each_is_a_distribution():
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(3, 4, 8))
    texts /= np.linalg.norm(texts, axis=-1, keepdims=True)
    video = texts[0, 2] * 0.8 + texts[1, 1] * 0.2
    found = {
        rule: np.exp(compare(video, texts, 20.0, rule)) for rule in ("similarities", "probabilities", "embeddings")
    }
    for probabilities in found.values():
        assert probabilities.sum() == pytest.approx(1)
    each = [np.exp(log_softmax(20.0 * texts[p] @ video)) for p in range(3)]
    np.testing.assert_allclose(found["probabilities"], np.mean(each, axis=0))
    assert not np.allclose(found["similarities"], found["probabilities"])


def test_options_are_counted_from_0_and_missing_or_tied_answers_are_wrong():
    examples = [example(id, 1, "xyz", group) for id, group in (("a", "how"), ("b", "how"), ("c", "why"), ("d", "why"))]
    rows = {"a": [0, 1, 0], "b": [1, 0, 0], "c": [1, 1, 0]}
    marks = MultipleChoice(examples=examples).score({id: Scores(id, np.array(row, float)) for id, row in rows.items()})
    assert marks.metrics["accuracy"] == 25 and marks.metrics["per type"] == {"how": 50, "why": 0}
    assert marks.metrics["chance"] == pytest.approx(100 / 3) and marks.metrics["always the same option"] == 100
    with pytest.raises(BadPredictions, match="not one score per option: a"):
        MultipleChoice(examples=examples).score({"a": Scores("a", np.ones(2))})
