"""Open-set recognition: name the class of what is known, and say that the rest is unknown.

Source: InternVideo (Wang et al., 2022) and DEAR (Bao et al., 2021): UCF101 is known, HMDB51 or MiT-v2 unknown. Needs
three lists: training samples of the known classes give the threshold, others of them the accuracy.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from internvideo.config import override
from internvideo.datasets.lists import lines
from internvideo.datasets.moving_shapes.world import MOTIONS, UNKNOWN_MOTIONS, Split, scene
from internvideo.errors import UsageError
from internvideo.metrics.classification import softmax
from internvideo.metrics.open_set import (
    Answers,
    area_under_pr,
    auroc,
    fpr_at,
    open_calibration,
    open_f1_curve,
    threshold_at,
    thresholded_auroc,
)
from internvideo.tasks.data import Data, name_of, read_list, world
from internvideo.tasks.predictions import BadPredictions, Record, Scores, same_width, shown
from internvideo.tasks.recognition import check_classes, check_head, unique
from internvideo.tasks.submissions import read_open_results
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer, Sampling, Views

PARTS = ("training", "known", "unknown")
LIMIT = 10.0  # of logits before they become evidence


@dataclass(frozen=True, kw_only=True)
class Doubting:
    """How logits become an uncertainty, and what is reported.

    head: "evidence" (exponential, K / S) or "softmax" (1 - largest probability). fuse: views are averaged as Dirichlet
    means ("probabilities") or as logits, as published. auc: of the uncertainty itself ("continuous"), or of the
    decision at the threshold, as published. share: of the training samples that the threshold lets pass; threshold:
    a given one instead (then no training samples are needed).
    """

    clips: int = 1
    crops: int = 1
    sampling: Sampling = "model"
    stride: int = 2
    head: Literal["evidence", "softmax"] = "evidence"
    fuse: Literal["probabilities", "logits"] = "probabilities"
    auc: Literal["continuous", "thresholded"] = "continuous"
    share: float = 0.95
    threshold: float | None = None


PAPER = Doubting(fuse="logits", auc="thresholded")


@dataclass(frozen=True, kw_only=True)
class OpenSet(OneAnswer):
    """Predictions: K probabilities and then the uncertainty, (K + 1,).

    Examples: group is one of PARTS, truth the number of the class in its own list.
    """

    examples: Sequence[Example]
    classes: int = 0  # known ones; 0: as many as the predictions have
    protocol: Doubting = field(default_factory=Doubting)
    name: str = "open-set"
    family: str = "scores"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        how = self.protocol
        views = Views(clips=how.clips, crops=how.crops, sampling=how.sampling, stride=how.stride)
        logits = asked.videos(examples[0].sample, views).astype(np.float64)
        check_head(logits.shape[1], self.classes, asked.card.name)
        row = doubt(logits, how)
        for example in examples:
            yield Scores(example.id, row)

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        width = self.classes or len(next(r.scores for r in predictions.values() if isinstance(r, Scores))) - 1
        same_width(predictions.values(), width + 1, "known class, and the uncertainty")
        parts = {part: self._answers(part, predictions, width) for part in PARTS}
        check_classes(np.array([e.truth for e in self.examples if e.group != "unknown"]), width)
        how = self.protocol
        known, unknown = parts["known"], parts["unknown"]
        if not len(known.labels) or not len(unknown.labels):
            raise BadPredictions("there are no predictions of known or of unknown samples", "both are needed")
        threshold = how.threshold
        if threshold is None:
            if not len(parts["training"].labels):
                raise BadPredictions("there are no predictions of training samples", "or give threshold=NUMBER")
            threshold = threshold_at(parts["training"].uncertainty, how.share)
        doubts = known.uncertainty, unknown.uncertainty
        both = {"continuous": auroc(*doubts), "thresholded": thresholded_auroc(*doubts, threshold)}
        curve = open_f1_curve(known, unknown, threshold, width)
        metrics: dict[str, Any] = {
            "closed-set accuracy": 100.0 * float((known.answers == known.labels).mean()),
            "AUROC": 100.0 * both[how.auc],
            "AUROC continuous": 100.0 * both["continuous"],
            "AUROC thresholded": 100.0 * both["thresholded"],
            "FPR at 95 % recall": 100.0 * fpr_at(*doubts, nearest=how.auc == "thresholded"),
            "AUPR": 100.0 * area_under_pr(*doubts),
            "open macro F1": 100.0 * curve.mean,
            "calibration error": {n: 100.0 * v for n, v in open_calibration(known, unknown, threshold, width).items()},
            "threshold": threshold,
        }
        metrics |= {f"{part} samples": len(answers.labels) for part, answers in parts.items()}
        tables = {"openness": curve, "uncertainty": dict(zip(("known", "unknown"), doubts, strict=True))}
        return Marks(metrics=metrics, tables={**tables, "threshold": threshold})

    def read_official(self, path: Path) -> list[Record]:
        """DEAR's .npz (`submissions.read_open_results`), whose rows are in the order of the lists; needs `threshold`,
        since it has nothing about training samples. Probabilities are not in it: the answer gets all of them."""
        found = read_open_results(path)
        known = [example.truth for example in self.examples if example.group == "known"]
        width = 1 + max([self.classes - 1, *known, *(int(answers.max()) for answers, _, _ in found.values())])
        records: list[Record] = []
        for part, (answers, labels, doubts) in found.items():
            examples = [example for example in self.examples if example.group == part]
            if len(examples) != len(answers):
                raise BadPredictions(f"`{path}` has {len(answers):,} {part} samples, the list {len(examples):,}",
                                     "its rows have no names: it must be the very list")  # fmt: skip
            other = [e.id for e, label in zip(examples, labels, strict=True) if e.truth != label]
            if other:
                raise BadPredictions(f"{len(other):,} {part} samples have another class in `{path}`: {shown(other)}",
                                     "its rows have no names: they must be in the order of the list")  # fmt: skip
            rows = zip(examples, np.eye(width)[answers], doubts, strict=True)
            records += [Scores(example.id, np.append(row, doubt)) for example, row, doubt in rows]
        return records

    def _answers(self, part: str, predictions: Mapping[str, Record], width: int) -> Answers:
        """Of one part. What is missing gives the worst answer: a known sample is wrong and called unknown, an unknown
        one is called known; a missing training sample raises the threshold for nobody."""
        examples = [example for example in self.examples if example.group == part]
        rows = [predictions.get(example.id) for example in examples]
        if part == "training":
            examples = [e for e, row in zip(examples, rows, strict=True) if row is not None]
            rows = [row for row in rows if row is not None]
        worst = np.r_[np.zeros(width), 1.0 if part == "known" else 0.0]
        table = np.array([row.scores if isinstance(row, Scores) else worst for row in rows]).reshape(-1, width + 1)
        labels = np.array([example.truth for example in examples], np.int64)
        answers = table[:, :width].argmax(axis=1)
        if part == "known":
            answers = np.where([row is None for row in rows], width, answers)
        return Answers(answers, labels, table[:, width])


def doubt(logits: np.ndarray, how: Doubting) -> np.ndarray:
    """(V, K) logits of the views of a video -> K probabilities and the uncertainty, (K + 1,)."""
    if how.fuse == "logits":
        logits = logits.mean(axis=0, keepdims=True)
    if how.head == "softmax":
        mean = softmax(logits).mean(axis=0)
        return np.append(mean, 1 - mean.max())
    alpha = np.exp(np.clip(logits, -LIMIT, LIMIT)) + 1
    total = alpha.sum(axis=1, keepdims=True)
    return np.append((alpha / total).mean(axis=0), (logits.shape[1] / total).mean())


def open_set(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> OpenSet:
    """The task over three lists: `--data` has the known classes; data.unknown and data.training name the others.

    data.exclude: a file with names of unknown classes to leave out, such as those that are known by another name.
    """
    protocol = override(PAPER if paper else Doubting(), options)
    if data.small_world:
        return OpenSet(examples=_small_world(data), classes=len(MOTIONS), protocol=protocol)
    unknown, data = data.without("unknown")
    training, data = data.without("training")
    excluded, data = data.without("exclude")
    if not unknown or not (training or protocol.threshold is not None):
        raise UsageError(
            "open-set recognition needs lists of unknown and of training samples",
            "data.unknown=LIST data.training=LIST, or threshold=NUMBER without training samples",
        )
    places = {"training": training, "known": data.place, "unknown": unknown}
    examples: list[Example] = []
    for part, place in places.items():
        if place:
            own = replace(data, place=place, root=data.root or str(Path(place).parent))
            found = [
                Example(f"{part}/{name_of(each, own.root)}", each, truth=each.label, group=part)
                for each in read_list(own)
            ]
            examples += without_classes(found, set(lines(excluded))) if part == "unknown" and excluded else found
    if silent := [example.id for example in examples if example.truth is None]:
        raise UsageError(f"{len(silent):,} samples have no class: {shown(silent)}", "every line of the lists needs one")
    return OpenSet(examples=unique(examples, data.place), protocol=protocol)


def without_classes(examples: Sequence[Example], excluded: set[str]) -> list[Example]:
    """Those whose folder, which is named like their class, is not excluded; classes are numbered anew, without gaps.

    Raises UsageError for a name that is no folder.
    """
    folders = {Path(example.sample.path).parent.name for example in examples}
    if strange := sorted(excluded - folders):
        raise UsageError(
            f"no unknown class is called {', '.join(strange[:5])}", f"known: {', '.join(sorted(folders)[:8])}"
        )
    kept = [example for example in examples if Path(example.sample.path).parent.name not in excluded]
    numbers = {label: number for number, label in enumerate(sorted({example.truth for example in kept}))}
    return [replace(example, truth=numbers[example.truth]) for example in kept]


def _small_world(data: Data) -> list[Example]:
    """Scenes of one thing: 16 known motions, four that are never in training."""
    count, seconds = data.number("clips", 96), float(data.number("seconds", 3))
    found = []
    parts: tuple[tuple[str, Split, Sequence[str]], ...] = (
        ("training", "train", MOTIONS),
        ("known", "test", MOTIONS),
        ("unknown", "unknown", UNKNOWN_MOTIONS),
    )
    for part, split, motions in parts:
        scenes = [scene(split, number, plot="single", seconds=seconds) for number in range(count)]
        films = world(data, f"open-set-{part}", scenes)
        found += [Example(one.id, one.sample, truth=motions.index(one.scene.label), group=part) for one in films]
    return found
