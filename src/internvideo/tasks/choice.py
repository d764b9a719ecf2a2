"""Multiple choice: which of several texts is true of a video, or answers a question about it.

Zero-shot, as InternVideo (Wang et al., 2022) measures MSRVTT-MC and LSMDC-MC: the option whose text is nearest to the
video. Ties count as wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.config import override
from internvideo.datasets.lists import json_file, record
from internvideo.datasets.moving_shapes.quiz import Question, choose_caption, choose_motion, choose_order
from internvideo.datasets.moving_shapes.world import Plot, Scene
from internvideo.errors import UsageError, pick
from internvideo.tasks.data import Data, read_questions, scenes_of, world
from internvideo.tasks.predictions import BadPredictions, Record, Scores, shown
from internvideo.tasks.task import SEES, Asked, Example, Marks, OneAnswer, Sees
from internvideo.text.cleaning import clean_caption


@dataclass(frozen=True, kw_only=True)
class Choosing:
    """How options become texts: a template with `{question}` (empty if there is none) and `{option}`.

    sees: "still" shows the middle frame in place of all, "shuffled" all in another order, "blank" nothing: what the
    options alone give away.
    """

    template: str = "{question} {option}"
    sees: Sees = "all"


@dataclass(frozen=True, kw_only=True)
class MultipleChoice(OneAnswer):
    """Predictions: one score per option, in their order. Examples: texts are the options, then truth is the number of
    the right one, from 0; group is the type of question."""

    examples: Sequence[Example]
    questions: Mapping[str, str] = field(default_factory=dict)  # of examples that have one
    protocol: Choosing = field(default_factory=Choosing)
    name: str = "multiple-choice"
    family: str = "scores"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        video = asked.videos(examples[0].sample, SEES[self.protocol.sees])[0].astype(np.float64)
        for example in examples:
            question = self.questions.get(example.id, "")
            texts = [self.protocol.template.format(question=question, option=o).strip() for o in example.texts]
            texts = list(map(clean_caption, texts)) if asked.card.family.cleaning == "viclip" else texts
            yield Scores(example.id, asked.texts(texts).astype(np.float64) @ video * asked.scale)

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        return mark_choices(self.examples, predictions)

    def read_official(self, path: Path) -> list[Record]:
        """Predictions as JSON of id -> number of the option, or id -> {"prediction": number} (NExT-QA's own files)."""
        counts = {example.id: len(example.texts) for example in self.examples}
        records: list[Record] = []
        for id, answer in record(json_file(path), f"`{path}`").items():
            number = answer.get("prediction") if isinstance(answer, dict) else answer
            if not isinstance(number, int) or not 0 <= number < counts.get(id, number + 1):
                raise BadPredictions(f"`{path}`: the answer {answer!r} to {id} is no option", 'expected {"id": 3, ...}')
            records.append(Scores(id, np.eye(counts.get(id, number + 1))[number]))
        return records


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
    metrics |= per_type([example.group for example in known], right)
    metrics["chance"] = 100.0 * float(np.mean([1 / len(example.texts) for example in known]))
    common = Counter(example.truth for example in known).most_common(1)[0][1]
    metrics["always the same option"] = 100.0 * common / len(known)
    metrics["examples"] = len(known)
    return Marks(metrics=metrics, tables={"parts": parts_of([example.group for example in known], right)})


def parts_of(groups: Sequence[str], right: np.ndarray) -> dict[str, tuple[int, int]]:
    """Of each group: right answers, and all.

    >>> parts_of(["how", "why", "how"], np.array([True, False, False]))
    {'how': (1, 2), 'why': (0, 1)}
    """
    inside = {
        name: [r for group, r in zip(groups, right.tolist(), strict=True) if group == name]
        for name in dict.fromkeys(groups)
    }
    return {name: (sum(given), len(given)) for name, given in inside.items()}


def per_type(groups: Sequence[str], right: np.ndarray) -> dict[str, dict[str, float]]:
    """{"per type": {...}}: percent right of each group, and of the groups above it (`a` of `a/b`); {} of one group.

    >>> per_type(["a/b", "a/c", "d"], np.array([True, False, True]))
    {'per type': {'a': 50.0, 'a/b': 100.0, 'a/c': 0.0, 'd': 100.0}}
    """
    names = {group[: place or None] for group in set(groups) for place in (0, group.find("/")) if place >= 0}
    if len(set(groups)) < 2:
        return {}
    inside = {name: np.array([group == name or group.startswith(f"{name}/") for group in groups]) for name in names}
    return {"per type": {name: 100.0 * float(right[inside[name]].mean()) for name in sorted(names)}}


def is_right(scores: np.ndarray, truth: int) -> bool:
    """Whether the right option has the highest score, alone.

    >>> is_right(np.array([0.1, 0.7]), 1), is_right(np.array([0.5, 0.5]), 1)
    (True, False)
    """
    return bool((scores >= scores[truth]).sum() == 1)


_SMALL_WORLD: Mapping[str, tuple[Plot | None, Callable[[Scene], Question]]] = {
    "caption": (None, choose_caption),
    "motion": ("single", choose_motion),
    "order": ("in order", choose_order),
}


def multiple_choice(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> MultipleChoice:
    """The task over a list of questions with options.

    The small world asks with data.asks=caption which of five captions of the same things is true, with motion which of
    twelve motions it is, with order which of all orders of what happened.
    """
    protocol = override(Choosing(), options)
    if data.small_world:
        plot, choose = pick(_SMALL_WORLD, data.options.get("asks", "caption"), "data.asks")
        name = f"choice-{plot or 'any'}-{data.split or 'test'}".replace(" ", "-")
        films = world(data, name, scenes_of(data, 200, plot=plot))
        asked = [(one, choose(one.scene)) for one in films]
        choices = [Example(one.id, one.sample, q.options, q.right, one.scene.plot) for one, q in asked]
        return MultipleChoice(examples=choices, protocol=protocol)
    questions = read_questions(data)
    if open_ones := [one.id for one in questions if not one.options]:
        raise UsageError(f"{len(open_ones):,} questions have no options: {shown(open_ones)}",
                         "`internvideo evaluate question-answering` takes open questions")  # fmt: skip
    return MultipleChoice(
        examples=[Example(one.id, one.sample, one.options, one.answer, one.kind) for one in questions],
        questions={one.id: one.text for one in questions},
        protocol=protocol,
    )
