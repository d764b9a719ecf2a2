"""Video question answering with open answers: the best answer of a vocabulary, right if it is the very string.

Source: InternVideo (Wang et al., 2022); MSRVTT-QA, MSVD-QA, TGIF-FrameQA. The published accuracy leaves questions out
whose answer the vocabulary lacks; the correct one counts them as wrong. Both are always reported.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from internvideo.config import override
from internvideo.datasets.moving_shapes.quiz import ANSWERS, open_questions
from internvideo.datasets.moving_shapes.world import PLOTS, Plot
from internvideo.datasets.questions import read_answers
from internvideo.errors import UsageError, pick
from internvideo.metrics.answers import answer_accuracy, answer_key
from internvideo.tasks.choice import parts_of, per_type
from internvideo.tasks.data import Data, Rendered, read_questions, scenes_of, world
from internvideo.tasks.predictions import Record, Scores, same_width, shown
from internvideo.tasks.task import SEES, Asked, Example, Marks, OneAnswer, Sees


@dataclass(frozen=True, kw_only=True)
class Answering:
    """out_of_vocabulary: questions that cannot be answered count as "wrong", or are "dropped", as published.

    sees: "still", "shuffled" and "blank" show less than a video (`task.Views`): what the questions alone give away.
    """

    out_of_vocabulary: Literal["wrong", "dropped"] = "wrong"
    sees: Sees = "all"


@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(OneAnswer):
    """Predictions: a score for each answer of the vocabulary, (A,); published heads have one more, never right.

    Examples: texts are the question alone, truth is the answer, group the type of question.
    """

    examples: Sequence[Example]
    vocabulary: Sequence[str]
    protocol: Answering = field(default_factory=Answering)
    name: str = "question-answering"
    family: str = "scores"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        questions = [example.texts[0] for example in examples]
        rows = asked.answers(examples[0].sample, questions, SEES[self.protocol.sees])
        if rows.shape[1] not in (len(self.vocabulary), len(self.vocabulary) + 1):
            raise UsageError(
                f"the network has {rows.shape[1]} answers, the vocabulary {len(self.vocabulary)}",
                "data.answers=FILE names those that it was trained with",
            )
        for example, row in zip(examples, rows, strict=True):
            yield Scores(example.id, row[: len(self.vocabulary)])

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        known = [example for example in self.examples if example.truth is not None]
        if not known:
            return Marks(metrics={}, notes=("the list says no answers: there is nothing to mark",))
        same_width(predictions.values(), len(self.vocabulary), "answer of the vocabulary")
        best: list[str | None] = []
        for example in known:
            record = predictions.get(example.id)
            best.append(self._best(record.scores) if isinstance(record, Scores) else None)
        found = answer_accuracy(best, [example.truth for example in known], self.vocabulary)
        counted = "all questions" if self.protocol.out_of_vocabulary == "wrong" else "answers in the vocabulary"
        metrics: dict[str, Any] = {"accuracy": found[counted], "over": dict(found)}
        right = np.array(
            [a is not None and answer_key(a) == answer_key(e.truth) for a, e in zip(best, known, strict=True)]
        )
        metrics |= per_type([example.group for example in known], right)
        truth, count = Counter(answer_key(example.truth) for example in known).most_common(1)[0]
        metrics[f"always `{truth}`"] = 100.0 * count / len(known)
        metrics["examples"] = len(known)
        return Marks(metrics=metrics, tables={"parts": parts_of([example.group for example in known], right)})

    def _best(self, scores: np.ndarray) -> str | None:
        """The answer with the highest score, if it is alone."""
        best = int(scores.argmax())
        return self.vocabulary[best] if (scores == scores[best]).sum() == 1 else None


_PLOTS: Mapping[str, Plot | None] = {"any": None, **{plot: plot for plot in PLOTS}}


def question_answering(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> QuestionAnswering:
    """The task over a list of open questions. data.answers: the vocabulary (JSON answer -> number, or lines).

    data.plot: the small world asks about scenes of that kind only, such as "single", of one thing.
    """
    base = Answering(out_of_vocabulary="dropped") if paper else Answering()
    protocol = override(base, options)
    if data.small_world:
        name = data.options.get("plot", "any")
        plot = pick(_PLOTS, name, "data.plot")
        films = world(data, f"answers-{name}-{data.split or 'test'}".replace(" ", "-"), scenes_of(data, 200, plot=plot))
        return QuestionAnswering(examples=small_questions(films), vocabulary=ANSWERS, protocol=protocol)
    vocabulary, data = data.without("answers")
    if not vocabulary:
        raise UsageError("which answers may be given?", "data.answers=FILE, such as msrvtt_train_ans2label.json")
    found = read_questions(data)
    if closed := [one.id for one in found if one.options]:
        raise UsageError(f"{len(closed):,} questions have options: {shown(closed)}",
                         "`internvideo evaluate multiple-choice` takes them")  # fmt: skip
    return QuestionAnswering(
        examples=[Example(one.id, one.sample, (one.text,), one.answer, one.kind) for one in found],
        vocabulary=read_answers(vocabulary),
        protocol=protocol,
    )


def small_questions(films: Sequence[Rendered]) -> list[Example]:
    """All open questions about scenes of the small world."""
    return [
        Example(f"{one.id}/{number}", one.sample, (question.text,), question.answer, question.kind)
        for one in films
        for number, question in enumerate(open_questions(one.scene))
    ]
