"""Multiple choice: which of several texts is true of a video, or answers a question about it.

Zero-shot, as InternVideo (Wang et al., 2022) measures MSRVTT-MC and LSMDC-MC: the option whose text is nearest to the
video. Ties count as wrong.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from internvideo.config import override
from internvideo.datasets.moving_shapes.quiz import choose_caption
from internvideo.errors import UsageError
from internvideo.tasks.data import Data, scenes_of, world
from internvideo.tasks.predictions import BadPredictions, Record, Scores, shown
from internvideo.tasks.task import Asked, Example, Marks
from internvideo.text.cleaning import clean_caption


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """How options become texts: the option alone, or with the question before it, as templates with `{question}` and
    `{option}`."""

    template: str = "{option}"


@dataclass(frozen=True, kw_only=True)
class MultipleChoice:
    """Predictions: one score per option, in their order. Examples: texts are the options, then truth is the number of
    the right one, from 0; group is the type of question."""

    examples: Sequence[Example]
    questions: Mapping[str, str] = field(default_factory=dict)  # of examples that have one
    protocol: Choosing = field(default_factory=Choosing)
    name: str = "multiple-choice"
    family: str = "scores"

    def ids_of(self, example: Example) -> Sequence[str]:
        return (example.id,)

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        video = asked.videos(examples[0].sample)[0].astype(np.float64)
        for example in examples:
            question = self.questions.get(example.id, "")
            texts = [self.protocol.template.format(question=question, option=option) for option in example.texts]
            texts = list(map(clean_caption, texts)) if asked.card.family.cleaning == "viclip" else texts
            yield Scores(example.id, asked.texts(texts).astype(np.float64) @ video * asked.scale)

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        return mark_choices(self.examples, predictions)


def mark_choices(examples: Sequence[Example], predictions: Mapping[str, Record]) -> Marks:
    """Share of right answers in percent, in all and per group. What is missing or tied with the right one is wrong."""
    known = [example for example in examples if example.truth is not None]
    if not known:
        return Marks(metrics={}, notes=("the list says no answers: there is nothing to mark",))
    given = {id: one.scores for id, one in predictions.items() if isinstance(one, Scores)}
    wrong = [e.id for e in known if e.id in given and len(given[e.id]) != len(e.texts)]
    if wrong:
        raise BadPredictions(
            f"{len(wrong):,} predictions have not one score per option: {shown(wrong)}", "another list?"
        )
    right = np.array([example.id in given and is_right(given[example.id], example.truth) for example in known])
    metrics: dict[str, Any] = {"accuracy": 100.0 * float(right.mean())}
    groups = np.array([example.group for example in known])
    if len(set(groups)) > 1:
        metrics["per type"] = {name: 100.0 * float(right[groups == name].mean()) for name in sorted(set(groups))}
    metrics["chance"] = 100.0 * float(np.mean([1 / len(example.texts) for example in known]))
    common = Counter(example.truth for example in known).most_common(1)[0][1]
    metrics["always the same option"] = 100.0 * common / len(known)
    metrics["examples"] = len(known)
    return Marks(metrics=metrics)


def is_right(scores: np.ndarray, truth: int) -> bool:
    """Whether the right option has the highest score, alone.

    >>> is_right(np.array([0.1, 0.7]), 1), is_right(np.array([0.5, 0.5]), 1)
    (True, False)
    """
    return bool((scores >= scores[truth]).sum() == 1)


def multiple_choice(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> MultipleChoice:
    """The task over a list of questions with options. The small world: five captions of the same things."""
    protocol = override(Choosing(), options)
    if data.small_world:
        films = world(data, f"choice-{data.split or 'test'}", scenes_of(data, 200))
        asked = [(one, choose_caption(one.scene)) for one in films]
        return MultipleChoice(
            examples=[Example(one.id, one.sample, q.options, q.right, one.scene.plot) for one, q in asked],
            protocol=protocol,
        )
    raise UsageError(f"`{data.place}` is no list of questions with options", "--format")
