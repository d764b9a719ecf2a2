"""Open answers: both denominators; options: the official predictions of NExT-QA."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.datasets.moving_shapes.quiz import ANSWERS
from internvideo.datasets.questions import read_nextqa
from internvideo.metrics.answers import answer_accuracy
from internvideo.tasks.answers import Answering, QuestionAnswering
from internvideo.tasks.choice import MultipleChoice, multiple_choice
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Scores, match
from tests.tasks.marking import example

WORDS = ("man", "dog", "run")


def task(truths, **how):
    examples = [example(str(n), truth, ["what?"], "what") for n, truth in enumerate(truths)]
    return QuestionAnswering(examples=examples, vocabulary=WORDS, protocol=Answering(**how))


def rows(*answers):
    return {str(n): Scores(str(n), np.eye(3)[WORDS.index(word)]) for n, word in enumerate(answers) if word}


def test_both_denominators():
    truths, given = ["Man", "dog ", "zebra", "run"], rows("man", "run", "man", None)
    metrics = task(truths).score(given).metrics
    assert metrics["over"] == {"all questions": 25, "answers in the vocabulary": pytest.approx(100 / 3), "coverage": 75}
    assert metrics["accuracy"] == 25
    assert task(truths, out_of_vocabulary="dropped").score(given).metrics["accuracy"] == pytest.approx(100 / 3)


def test_equal_scores_answer_nothing():
    assert task(["man"]).score({"0": Scores("0", np.ones(3))}).metrics["accuracy"] == 0


@given(st.lists(st.tuples(st.sampled_from([*WORDS, None]), st.sampled_from([*WORDS, "zebra"])), min_size=1))
def test_the_published_number_times_coverage_is_the_whole_one(pairs):
    found = answer_accuracy([answer for answer, _ in pairs], [truth for _, truth in pairs], WORDS)
    assert found["all questions"] == pytest.approx(found["answers in the vocabulary"] * found["coverage"] / 100)


def test_answers_of_the_small_world_are_different():
    assert len(set(ANSWERS)) == len(ANSWERS) == 66


def test_predictions_of_hga_get_the_official_numbers(shared):
    folder = shared / "data/evaluators/video_qa_nextqa"
    (name,) = expected = json.loads((folder / "expected/expected.json").read_text())
    made = multiple_choice(Data(place=str(folder / "groundtruth/val_part.csv"), reader="nextqa", root="/videos"))
    assert isinstance(made, MultipleChoice) and len(made.examples) == expected[name]["n"]
    records = made.read_official(folder / "predictions" / name)
    marks = made.score(match(records, [one.id for one in made.examples]).found).metrics
    official = {
        "causal/why": "Why", "causal/how": "How", "temporal/before and after": "Bef&Aft", "temporal/when": "When",
        "descriptive/count": "Cnt", "descriptive/where": "Loc", "descriptive/other": "Other",
        "causal": "Acc_C", "temporal": "Acc_T", "descriptive": "Acc_D",
    }  # fmt: skip
    assert {official[kind]: round(value, 2) for kind, value in marks["per type"].items()} == expected[name][
        "per_type_percent"
    ]
    assert round(marks["accuracy"], 2) == expected[name]["accuracy_percent"]
    truths = [question.answer for question in read_nextqa(folder / "groundtruth/val_part.csv", "")]
    assert marks["always the same option"] == pytest.approx(100 * max(map(truths.count, range(5))) / len(truths))
