"""Open answers from a closed vocabulary: which share is right, and over which questions. numpy only."""

from collections.abc import Mapping, Sequence

import numpy as np


def answer_key(text: str) -> str:
    """What answers are compared by: the exact string, in small letters, without white space around it.

    >>> answer_key(" Two Dogs")
    'two dogs'
    """
    return text.strip().lower()


def answer_accuracy(
    answers: Sequence[str | None], truths: Sequence[str], vocabulary: Sequence[str]
) -> Mapping[str, float]:
    """Percent right over all questions and over those whose answer is in the vocabulary; and how many these are.

    answers: None where none was given, which is wrong. A question whose true answer is not in the vocabulary cannot be
    answered: it counts as wrong over all questions, and is left out of the published number.
    """
    if not truths or len(answers) != len(truths):
        raise ValueError(f"{len(answers)} answers to {len(truths)} questions")
    known = {answer_key(text) for text in vocabulary}
    keys = [answer_key(text) for text in truths]
    reachable = np.array([key in known for key in keys])
    right = np.array([a is not None and answer_key(a) == key for a, key in zip(answers, keys, strict=True)]) & reachable
    return {
        "all questions": 100.0 * float(right.mean()),
        "answers in the vocabulary": 100.0 * float(right[reachable].mean()) if reachable.any() else 0.0,
        "coverage": 100.0 * float(reachable.mean()),
    }
