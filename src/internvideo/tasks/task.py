"""What a benchmark is: which questions it asks of which videos, and how it marks the answers.

`Task` is all that `internvideo evaluate` knows. Examples hold no pixels and marking needs no model: `predict` alone
asks one, through `Asked`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from torch import Tensor, nn

from internvideo.datasets.sample import Sample
from internvideo.models.families import Card
from internvideo.tasks.predictions import Record

T = TypeVar("T")
Sampling = Literal["model", "dense", "sparse", "still", "shuffled", "blank"]


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that is marked. `truth` is the task's own: a class or option number, a text ..., None if not known."""

    id: str  # one of its kind in the list, the same in every run
    sample: Sample  # where the pixels are
    texts: tuple[str, ...] = ()  # captions, options, a question: as the task says
    truth: Any = None
    group: str = ""  # what is also reported apart: the type of a question, the part of an open set


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    """How often a video is looked at: `clips` stretches of time, `crops` squares along the longer side of each.

    sampling: "model" takes the frame policy of the weights (one clip only); "dense": windows of every `stride`-th
    frame, spread over the video; "sparse": interleaved even samplings of the whole video. What a score is worth show
    "still": the middle frame in place of all others, "shuffled": the model's frames in an order drawn at random, the
    same for all videos, and "blank": no pixels at all.
    """

    clips: int = 1
    crops: int = 1
    sampling: Sampling = "model"
    stride: int = 4  # frames, of "dense"


SEES: Mapping[str, Views] = {  # what a network is shown of each video
    "all": Views(),
    "still": Views(sampling="still"),
    "shuffled": Views(sampling="shuffled"),
    "blank": Views(sampling="blank"),
}
Sees = Literal["all", "still", "shuffled", "blank"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """What came out. metrics: numbers by name, also of parts ({"t2v": {"R@1": ...}}); shares are in percent.

    tables: further things worth a page or a picture: see `jobs.report_pages`.
    """

    metrics: Mapping[str, Any]
    notes: Sequence[str] = ()  # what a reader must know: ties, missing answers
    tables: Mapping[str, Any] = field(default_factory=dict)


class Asked(Protocol):
    """A network as tasks see it. Every frame is decoded once per call, whatever the number of views."""

    card: Card
    network: nn.Module

    @property
    def scale(self) -> float:
        """What cosines are multiplied with before a softmax."""
        ...

    def clips(self, sample: Sample, views: Views = ...) -> Tensor:
        """(V, 3, T, size, size) float32, normalised, on the device of the network. Raises a `VideoError`."""
        ...

    def videos(self, sample: Sample, views: Views = ...) -> np.ndarray:
        """What the network says of each view: (V, D) unit embeddings, or (V, K) logits of a class head."""
        ...

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        """(n, D) float32, unit length. Raises UsageError for a network that reads no text."""
        ...

    def answers(self, sample: Sample, questions: Sequence[str], views: Views = ...) -> np.ndarray:
        """(Q, A) scores of the answers to questions about one view. UsageError for a network that answers none."""
        ...

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gives, made once for all videos: the vectors of class names."""
        ...


class OneAnswer:
    """A task whose examples have one answer each, of their own id."""

    def ids_of(self, example: Example) -> Sequence[str]:
        return (example.id,)


class Task(Protocol):
    """A benchmark over one list. Frozen: what it asks and how it marks follows from its fields."""

    @property
    def name(self) -> str:
        """The word behind `internvideo evaluate`."""
        ...

    @property
    def family(self) -> str:
        """Of its predictions: a key of `predictions.FAMILIES`."""
        ...

    @property
    def examples(self) -> Sequence[Example]:
        """All that is asked, each id once."""
        ...

    @property
    def protocol(self) -> Any:
        """A frozen dataclass of the switches that numbers depend on; every report states them."""
        ...

    def ids_of(self, example: Example) -> Sequence[str]:
        """The ids of the predictions that belong to an example; mostly its own."""
        ...

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        """Answers to all examples of one video: they share their sample. Raises a `VideoError` of that video; what was
        given before that counts."""
        ...

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        """Mark predictions by id. Not all need be there: what is missing counts as wrong, never as left out."""
        ...


def list_hash(examples: Sequence[Example]) -> str:
    """SHA-256 of what is asked and what is right, in this order; not of the folders that the videos lie in."""
    digest = hashlib.sha256()
    for each in examples:
        digest.update(repr((each.id, each.sample.span, each.texts, each.truth, each.group)).encode("utf-8", "replace"))
    return digest.hexdigest()


def tags(protocol: Any) -> dict[str, str]:
    """The switches of a protocol as words, those of nested dataclasses by path.

    >>> tags(Views(clips=4))
    {'clips': '4', 'crops': '1', 'sampling': 'model', 'stride': '4'}
    """
    found: dict[str, str] = {}
    for name, value in asdict(protocol).items() if is_dataclass(protocol) and not isinstance(protocol, type) else ():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": _word(one) for inner, one in value.items()}
        else:
            found[name] = _word(value)
    return found


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
