"""What a video shows, among labels of one's own or the classes that a network was trained on.

Contrastive networks compare the clip with sentences about each label, class heads answer directly. How answers to
several sentences become one is the rule of the model's family. Confidence is a softmax: see docs/guides/classify.md.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from internvideo.curation.scan import Found
from internvideo.errors import UsageError, VideoError
from internvideo.jobs.labels import read_labels, read_prompts
from internvideo.jobs.lanes import each_video
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.prepare import card_of, device_of, encode_texts
from internvideo.jobs.shared_batches import SharedBatches
from internvideo.jobs.talk import columns, note
from internvideo.metrics.calibration import log_softmax
from internvideo.metrics.ensembles import ENSEMBLES, compare
from internvideo.records import Span
from internvideo.text.prompts import sentence_vectors
from internvideo.video.clips import choose_frames, clips_of
from internvideo.video.reader import Video, open_video
from internvideo.video.sampling import middle

THUMBNAIL = 216  # pixels on the longer side


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What one video shows. Either `problem` says why there is no answer, or `scores` gives one.

    scores: (K,) float64 log-probabilities of `labels` for the whole video; spans, timeline: stretches of the video in
    seconds and (S, K) log-probabilities of each. pictures: a few small frames, (H, W, 3) uint8, if asked for.
    """

    video: str
    labels: tuple[str, ...]
    scores: np.ndarray
    spans: tuple[Span, ...] = ()
    timeline: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    pictures: tuple[np.ndarray, ...] = ()
    problem: VideoError | None = None

    @property
    def probabilities(self) -> np.ndarray:
        """(K,) float64, in the order of `labels`; they sum to 1."""
        return np.asarray(np.exp(self.scores))

    def top(self, count: int = 5, scores: np.ndarray | None = None) -> list[tuple[str, float]]:
        """The most likely labels with their probabilities, best first; equal ones in the order given."""
        scores = self.scores if scores is None else scores
        return [(self.labels[k], float(np.exp(scores[k]))) for k in np.argsort(-scores, kind="stable")[:count]]

    def as_row(self, count: int = 5) -> dict[str, object]:
        """For JSON."""
        if self.problem is not None:
            return {"video": self.video, "failed": self.problem.kind, "problem": self.problem.problem}
        parts = [
            {"start": round(span.start, 6), "end": round(span.end, 6), "top": _named(self.top(count, row))}
            for span, row in zip(self.spans, self.timeline, strict=True)
        ]
        return {"video": self.video, "top": _named(self.top(count)), **({"segments": parts} if parts else {})}


def say_answer(answer: Answer, count: int = 5) -> str:
    """For people: a line per label with its bar, then a line per segment."""
    lines = [answer.video]
    for label, probability in answer.top(count):
        lines.append(f"  {probability:6.1%}  {_bar(probability)}  {label}")
    parts = [(span, answer.top(1, row)[0]) for span, row in zip(answer.spans, answer.timeline, strict=True)]
    rows = [(f"  {span.start:.1f}", f"- {span.end:.1f} s", f"{share:.1%}", label) for span, (label, share) in parts]
    return "\n".join(lines) + ("\n" + columns(rows, right=(0, 1, 2)) if rows else "")


def _bar(share: float, width: int = 24) -> str:
    """
    >>> _bar(0.3, 5)
    '█▌   '
    """
    eighths = round(share * width * 8)
    return ("█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8]).ljust(width)[:width]


def _named(pairs: list[tuple[str, float]]) -> list[dict[str, object]]:
    return [{"label": label, "probability": round(probability, 6)} for label, probability in pairs]


def classify(
    video: str | os.PathLike[str],
    labels: str | os.PathLike[str] | Sequence[str] | None,
    model: nn.Module,
    *,
    prompts: str | Sequence[str] = "name",
    segments: float | str | None = None,
    temperature: float = 1.0,
) -> Answer:
    """What one video shows. For many at once, side by side: `classify_all`.

    labels: a sequence, `a dog,a cat`, or a label file; for a class head its class names, or None. prompts: see
    `labels.read_prompts`. segments: seconds, or "shots": also an answer for each stretch of the video. temperature:
    see `metrics.calibration`. Raises UsageError, and the VideoError of a video that cannot be used.

    >>> classify("cat.mp4", ["a cat", "a dog"], model).top(1)  # doctest: +SKIP
    [('a cat', 0.97)]
    """
    place = find_videos([video])[:1] if not Path(video).is_dir() else []
    if not place:
        raise UsageError(f"`{video}` is a folder", "`classify_all` takes folders")
    (answer,) = each_answer(place, Question(model, labels, prompts, temperature), segments)
    if answer.problem is not None:
        raise answer.problem
    return answer


def classify_all(
    videos: Sequence[str | os.PathLike[str]],
    labels: str | os.PathLike[str] | Sequence[str] | None,
    model: nn.Module,
    *,
    prompts: str | Sequence[str] = "name",
    segments: float | str | None = None,
    temperature: float = 1.0,
) -> list[Answer]:
    """What the videos of files, folders and patterns show, in order; broken ones have a `problem`. As `classify`."""
    return list(each_answer(find_videos(videos), Question(model, labels, prompts, temperature), segments))


class Question:
    """Labels put to a network: a clip in, log-probabilities of the labels out."""

    def __init__(
        self,
        model: nn.Module,
        labels: str | os.PathLike[str] | Sequence[str] | None,
        prompts: str | Sequence[str] = "name",
        temperature: float = 1.0,
    ) -> None:
        """labels, prompts, temperature: as in `classify`. Sentences are read by the network once, here."""
        if not temperature > 0:
            raise UsageError(f"a temperature is over 0, got {temperature}", "1 leaves the confidence as it is")
        self.model, self._temperature = model, temperature
        self.card = card_of(model)
        self._ensemble = self.card.family.ensemble
        self.labels = self.card.classes if labels is None else read_labels(labels)
        self._texts = np.empty((0, 0, 0))
        if self._ensemble in ENSEMBLES:
            if not self.labels:
                raise UsageError(f"`{self.card.name}` needs labels to choose from", "--labels 'a dog,a cat'")
            templates, cleaning = read_prompts(prompts), self.card.family.cleaning
            self._texts = sentence_vectors(partial(encode_texts, model), templates, self.labels, cleaning)
            self._tell_equal_labels()
        network: Callable[[Tensor], Tensor] = model
        if self._ensemble in ENSEMBLES:
            network = model.encode_video  # type: ignore[assignment]  # nn.Module types it as a Tensor
        self.batches = SharedBatches(network, device_of(model))

    def clips(self, clips: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """(K,) float64 log-probabilities for each clip (3, T, size, size), all of one video."""
        for row in self.batches(clips):
            yield log_softmax(self._log_probabilities(row.astype(np.float64)), self._temperature)

    def _log_probabilities(self, row: np.ndarray) -> np.ndarray:
        """Of the network's answer to one clip: (D,) embedding or (K,) logits -> (K,)."""
        if self._ensemble not in ENSEMBLES:
            self._name_classes(len(row))
            return log_softmax(row)
        scale = self.model.scale
        return compare(row, self._texts, scale.item() if isinstance(scale, Tensor) else float(scale), self._ensemble)  # type: ignore[arg-type]

    def _tell_equal_labels(self) -> None:
        first: dict[bytes, str] = {}
        for label, vectors in zip(self.labels, self._texts.swapaxes(0, 1), strict=True):
            other = first.setdefault(vectors.tobytes(), label)
            if other is not label:
                note(f"to `{self.card.name}`, `{other}` and `{label}` are the same: nothing it says tells them apart")

    def _name_classes(self, count: int) -> None:
        if not self.labels:
            self.labels = tuple(f"class {number}" for number in range(count))
        if len(self.labels) != count:
            raise UsageError(
                f"`{self.card.name}` knows {count} classes, but {len(self.labels)} labels were given",
                "give the label file of its training data, one name per class in their order; or no labels",
            )


def each_answer(
    places: Sequence[Found],
    ask: Question,
    segments: float | str | None = None,
    *,
    pictures: int = 0,
    lanes: int | None = None,
) -> Iterator[Answer]:
    """An `Answer` for every video, in order. pictures: how many small frames to keep of each."""
    if isinstance(segments, str) and segments != "shots":
        segments = _seconds(segments)
    if isinstance(segments, float | int) and not 0 < segments < math.inf:
        raise UsageError(f"segments last more than 0 seconds, got {segments}", "for example --segments 5")

    def work(place: Found, check: Callable[[], None]) -> Answer:
        if place.problem is not None:
            raise place.problem
        with open_video(place.path) as video:
            spans = () if segments is None else tuple(divide(video, segments))
            windows = [choose_frames(video, ask.card.preprocess, span) for span in (None, *spans)]
            whole, parts = (clips_of(video, part, ask.card.preprocess) for part in (windows[:1], windows[1:]))
            rows = []
            for row in ask.clips(chain(whole, parts)):  # not in one go: frames of the whole would be held all the time
                rows.append(row)
                check()
            kept = _small(video, windows, pictures) if pictures else ()
        return Answer(place.name, ask.labels, rows[0], spans, np.array(rows[1:]), kept)

    for place, given in each_video(places, work, lanes, ask.batches):
        yield Answer(place.name, ask.labels, np.empty(0), problem=given) if isinstance(given, VideoError) else given


def divide(video: Video, segments: float | str) -> Iterator[Span]:
    """The video in stretches of equal seconds, a rest of less than half joined to the last; or its shots."""
    ticks = video.ticks
    end = int(ticks[-1]) + (int(np.diff(ticks)[-1:].sum()) or 1)
    base = video.time_base
    if segments == "shots":
        edges = [float(tick * base) for tick in (*(int(ticks[cut]) for cut in (0, *_cuts(video))), end)]
    else:
        start, total = float(int(ticks[0]) * base), float((end - int(ticks[0])) * base)
        count = max(1, int(total / float(segments) + 0.5))
        if count > len(ticks):
            raise UsageError(f"segments of {segments} s are shorter than a frame of `{video.name}`", "take longer ones")
        edges = [*(start + place * float(segments) for place in range(count)), start + total]
    yield from map(Span, edges[:-1], edges[1:])


def _cuts(video: Video) -> list[int]:
    """Frames that begin a new shot, found as `curate` does."""
    from internvideo.curation.measures import DensePass
    from internvideo.curation.segmenters import Shots

    shots = Shots()
    dense = DensePass(shots.frames.measures)
    for picture in video.pictures():
        dense.feed(picture)
    return [int(cut) for cut in shots.cuts(dense.result(), video.time_base)]


def _small(video: Video, windows: Sequence[Sequence[int]], count: int) -> tuple[np.ndarray, ...]:
    """Up to `count` frames that the network looked at: of the whole video, or the middle one of each segment."""
    seen = [window[len(window) // 2] for window in windows[1:]] or sorted(set(windows[0]))
    picked = [seen[number] for number in middle(len(seen), count)] if len(seen) > count else seen
    height, width = video.facts.height, video.facts.width
    shrink = min(1.0, THUMBNAIL / max(height, width))
    frames = video.frames(picked, size=(max(1, round(height * shrink)), max(1, round(width * shrink))))
    return tuple(frames)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"segments `{text}` are neither seconds nor shots", "--segments 5 or --segments shots"
        ) from None
