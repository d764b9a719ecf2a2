"""Lists of tasks as samples to learn from: questions with the number of their answer."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from internvideo.datasets.questions import QUESTION_READERS, Question, read_answers
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of
from internvideo.errors import pick
from internvideo.metrics.answers import answer_key


def read_question_list(path: PathLike, root: PathLike, *, format: str, answers: PathLike) -> Samples:
    """Open questions: the caption is the question, the label its answer's number in the vocabulary `answers`.

    format: a key of `datasets.questions.QUESTION_READERS`. Questions whose answer the vocabulary lacks teach nothing
    and are left out.
    """
    vocabulary = read_answers(answers)
    return Samples(_labelled(pick(QUESTION_READERS, format, "format")(path, root), vocabulary, format), vocabulary)


def _labelled(questions: Sequence[Question], vocabulary: Sequence[str], corpus: str) -> Iterator[Sample]:
    numbers = {answer_key(text): number for number, text in enumerate(vocabulary)}
    for one in questions:
        if isinstance(one.answer, str) and answer_key(one.answer) in numbers:
            label = numbers[answer_key(one.answer)]
            yield replace(one.sample, uid=uid_of(corpus, one.id), captions=(one.text,), label=label)
