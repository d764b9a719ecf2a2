"""Action recognition: which class a video shows. Top-1 and top-5 over the mean of its views.

Source: InternVideo (Wang et al., 2022); views as in VideoMAE and UniFormerV2. A network with a class head answers
directly. One of videos and texts compares with sentences about the classes (zero-shot): ViCLIP averages similarities
over the sentences, InternVideo-MM probabilities, CLIP embeddings.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from internvideo.config import override
from internvideo.datasets.moving_shapes.wording import CLASS_NAMES
from internvideo.datasets.moving_shapes.world import MOTIONS
from internvideo.errors import UsageError
from internvideo.metrics.calibration import expected_calibration_error, log_softmax
from internvideo.metrics.classification import confusion, mean_per_class, merge_views, softmax, top_k
from internvideo.metrics.ensembles import ENSEMBLES, compare
from internvideo.models.families import Card
from internvideo.tasks.data import Data, name_of, read_list, scenes_of, world
from internvideo.tasks.predictions import TINY, BadPredictions, Record, Scores, same_width, shown
from internvideo.tasks.submissions import read_views
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer, Sampling, Views
from internvideo.text.prompts import PROMPTS, sentence_vectors

Merge = Literal["probability", "score"]


@dataclass(frozen=True, kw_only=True)
class Looking:
    """How a class head is asked. clips, crops, sampling, stride: see `task.Views`.

    merge: the mean over views of probabilities, or of logits ("score").
    """

    clips: int = 1
    crops: int = 1
    sampling: Sampling = "model"
    stride: int = 4
    merge: Merge = "probability"

    @property
    def views(self) -> Views:
        return Views(clips=self.clips, crops=self.crops, sampling=self.sampling, stride=self.stride)


@dataclass(frozen=True, kw_only=True)
class Recognition(OneAnswer):
    """Single-label classification with a class head. Predictions: log-probabilities of the classes, (K,)."""

    examples: Sequence[Example]  # truth: class number, or None
    classes: tuple[str, ...] = ()  # (): not named
    protocol: Looking = field(default_factory=Looking)
    name: str = "recognition"
    family: str = "scores"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        if asked.card.family.ensemble in ENSEMBLES:
            raise UsageError(
                f"`{asked.card.name}` has no class head: it compares videos with texts",
                "`internvideo evaluate zero-shot-recognition` asks it; or fine-tune a classifier",
            )
        rows = asked.videos(examples[0].sample, self.protocol.views).astype(np.float64)
        check_head(rows.shape[1], len(self.classes), asked.card.name)
        mean = np.log(softmax(rows).mean(axis=0)) if self.protocol.merge == "probability" else rows.mean(axis=0)
        for example in examples:
            yield Scores(example.id, log_softmax(mean))

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        return mark_classes(self.examples, predictions, self.classes)

    def read_official(self, path: Path) -> list[Record]:
        """VideoMAE's files of a test run (`submissions.read_views`). Videos have the names of their files there, up to
        the first dot; labels must be those of the list."""
        views = read_views(path)
        given = {view.video: view.label for view in views}
        short = {Path(example.id).name.partition(".")[0]: example for example in self.examples}
        if len(short) < len(self.examples):
            raise BadPredictions("several files of the list have the same name", "they cannot be told apart by it")
        other = [name for name, label in given.items() if name in short and short[name].truth not in (None, label)]
        if other:
            raise BadPredictions(f"{len(other):,} videos have another class there: {shown(other)}", "another list?")
        merge = self.protocol.merge if isinstance(self.protocol, Looking) else "probability"
        means, _ = merge_views(views, merge)
        rows = np.log(means + TINY) if merge == "probability" else means
        names = [short[name].id if name in short else name for name in given]
        return [Scores(name, row) for name, row in zip(names, rows, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How a network of videos and texts is asked. prompts: a key of `text.prompts.PROMPTS`.

    ensemble: how the answers to several sentences become one; "family" as the network's family publishes it.
    """

    prompts: str = "action"
    ensemble: Literal["family", "similarities", "probabilities", "embeddings"] = "family"


@dataclass(frozen=True, kw_only=True)
class ZeroShotRecognition(Recognition):
    """Classification by sentences about the classes, without training. Needs their names."""

    protocol: Prompting = field(default_factory=Prompting)  # type: ignore[assignment]  # the other way to be asked
    name: str = "zero-shot-recognition"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        texts = asked.once("sentences about the classes", lambda: self._texts(asked))
        video = asked.videos(examples[0].sample)[0].astype(np.float64)
        scores = compare(video, texts, asked.scale, self._ensemble(asked.card))
        for example in examples:
            yield Scores(example.id, scores)

    def _texts(self, asked: Asked) -> np.ndarray:
        if not self.classes:
            raise UsageError("zero-shot recognition needs the names of the classes", "--classes FILE, in their order")
        templates = PROMPTS.get(self.protocol.prompts, (self.protocol.prompts,))
        return sentence_vectors(asked.texts, templates, self.classes, asked.card.family.cleaning)

    def _ensemble(self, card: Card) -> str:
        return card.family.ensemble if self.protocol.ensemble == "family" else self.protocol.ensemble


def mark_classes(examples: Sequence[Example], predictions: Mapping[str, Record], classes: Sequence[str] = ()) -> Marks:
    """Top-1, top-5 (of more than five classes), their mean, the mean over classes, and calibration.

    Examples without a prediction count as wrong. Ties count against the right class.
    """
    known = [example for example in examples if example.truth is not None]
    if not known:
        return Marks(metrics={}, notes=("the list says no classes: there is nothing to mark",))
    scores = {id: one.scores for id, one in predictions.items() if isinstance(one, Scores)}
    width = len(classes) or len(next(iter(scores.values())))
    same_width(predictions.values(), width, "class")
    truth = np.array([example.truth for example in known])
    check_classes(truth, width)
    there = np.array([example.id in scores for example in known])
    given = np.stack([scores[example.id] for example in known if example.id in scores])
    table = np.zeros((len(known), width))  # equal scores: wrong for every k below the number of classes
    table[there] = given
    found = top_k(table, truth, (1, 5) if width > 5 else (1,))
    metrics: dict[str, Any] = {f"top-{k}": value for k, value in found.items()}
    if 5 in found:
        metrics["mean of top-1 and top-5"] = (found[1] + found[5]) / 2
    counts = confusion(np.where(there, table.argmax(axis=1), -1), truth, width)
    metrics["mean per class"] = mean_per_class(counts)
    metrics["calibration error"] = 100 * expected_calibration_error(softmax(given), truth[there])
    metrics["examples"] = len(known)
    names = list(classes) or [f"class {number}" for number in range(width)]
    tables: dict[str, Any] = {"classes": names, "confusion": counts, "confidence": softmax(given).max(axis=1)}
    tables["right"] = given.argmax(axis=1) == truth[there]
    tables["parts"] = {
        name: (int(row[k]), int(row.sum())) for k, (name, row) in enumerate(zip(names, counts, strict=True))
    }
    return Marks(metrics=metrics, tables=tables)


def check_head(width: int, classes: int, model: str) -> None:
    """Raise UsageError, at the first video, if a class head and the classes of the list do not belong together."""
    if classes and width != classes:
        raise UsageError(
            f"the head of `{model}` has {width} classes, the list {classes}",
            "--classes names those of its training data, in their order",
        )


def check_classes(truth: np.ndarray, width: int) -> None:
    """Raise UsageError if the list has classes that the predictions do not."""
    if truth.max() >= width or truth.min() < 0:
        raise UsageError(
            f"the list has classes {truth.min()} to {truth.max()}, the predictions {width} scores each",
            "are list, --classes and the head of the network of the same data set?",
        )


def recognition(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> Recognition:
    """The task over a list. paper: nothing differs, the published views are options (clips=5 crops=3 ...)."""
    examples, classes = labelled(data)
    return Recognition(examples=examples, classes=classes, protocol=override(Looking(), options))


def zero_shot_recognition(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> ZeroShotRecognition:
    """The same list asked by sentences."""
    examples, classes = labelled(data)
    if data.small_world:
        classes = tuple(CLASS_NAMES[name] for name in classes)
    return ZeroShotRecognition(examples=examples, classes=classes, protocol=override(Prompting(), options))


def labelled(data: Data) -> tuple[list[Example], tuple[str, ...]]:
    """Examples with class numbers, and the names of the classes. The small world: scenes of one thing, 16 motions."""
    if data.small_world:
        films = world(data, f"recognition-{data.split or 'test'}", scenes_of(data, 160, plot="single"))
        return [Example(one.id, one.sample, truth=MOTIONS.index(one.scene.label)) for one in films], MOTIONS
    samples = read_list(data, options={"split": data.split})
    root = data.root or (data.place if Path(data.place).is_dir() else str(Path(data.place).parent))
    examples = [Example(name_of(each, root), each, truth=each.label) for each in samples]
    return unique(examples, data.place), samples.classes or tuple(data.classes)


def unique(examples: Sequence[Example], place: str) -> list[Example]:
    """The same examples; raise UsageError if an id comes twice."""
    seen: set[str] = set()
    twice = [one.id for one in examples if one.id in seen or seen.add(one.id)]  # type: ignore[func-returns-value]
    if twice:
        shown = ", ".join(twice[:5])
        raise UsageError(f"{len(twice):,} ids come twice in `{place}`: {shown}", "give every video once")
    return list(examples)
