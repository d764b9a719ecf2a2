"""Lists to batches: mixed, shuffled, sharded over ranks, made ahead by workers, and resumed exactly.

Which item comes where is `order`'s, how it is made is `items`'s and by whom is `workers`'s question. A broken file
costs its own pair only: it is counted and named, and another sample of its corpus takes the place, caption and all.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from internvideo.datasets.augment import FRAME_DRAWS
from internvideo.datasets.items import ClipRecipe
from internvideo.datasets.order import Mixture, Place
from internvideo.datasets.sample import Coverage, Sample, Samples, coverage, hash_of
from internvideo.datasets.workers import Workers
from internvideo.errors import UsageError, VideoError, pick

Batch = dict[str, Tensor | str]
ATTEMPTS = 32  # samples that may be broken one after the other


class TooManyBroken(VideoError):
    """So many files are broken that no batch can be filled."""

    kind = "too-many-broken"


@dataclass(frozen=True)
class Corpus:
    """One set of a mixture, of one medium. share: relative part of all items; None: its length.

    frames: how frames of training views are drawn, if not as the recipe of the loader says (a key of `FRAME_DRAWS`).
    """

    name: str
    samples: Samples
    share: float | None = None
    frames: str | None = None

    def __post_init__(self) -> None:
        if self.frames is not None:
            pick(FRAME_DRAWS, self.frames, "drawing of frames")
        if not len(self.samples):
            raise UsageError(f"the list `{self.name}` is empty", "is it the right file, split or view?")
        if len(self.samples.media) > 1:
            raise UsageError(f"`{self.name}` holds videos and images", "make a corpus of each")
        if self.share is not None and not 0 < self.share < float("inf"):
            raise UsageError(f"the share of `{self.name}` is {self.share}", "give a positive number, or leave it out")


@dataclass(frozen=True)
class Broken:
    """A file that could not be used, and how often it was met."""

    path: str
    kind: str
    message: str
    count: int = 1


@dataclass(frozen=True)
class _Item:
    """What is known of one row of a batch beside its pixels."""

    corpus: str
    sample: Sample
    text: list[int]
    broken: list[tuple[str, VideoError]]


@dataclass(frozen=True)
class _Begun:
    """A batch under way: the workers write into `video`."""

    place: tuple[int, int]  # epoch and step
    video: Tensor  # (B, repeats, 3, T, size, size)
    items: list[Future[_Item]]


class Loader:
    """Endless epochs of batches, the same for every number of workers and after every resume.

    A batch is `{"video": (B, 3, T, size, size) float32, "uid": (B,) int64, "source": (B,) int64, "media": str}`, with
    "text" (B, L) int64 if the recipe has a context, "label" (B,) int64 if samples have one (-1: none) and "soft" (B, K)
    float32, shares of classes, if some have several; B = batch * repeats, images have T = 1. Equal sources are equal
    films; a sample of none is its own.

    batch: of this rank. Rank r of `world` has the r-th stretch of each batch of batch * world items, so several ranks
    see what one would see with the whole. prefetch: batches that are made ahead. steps_per_epoch: by default as many as
    go through the lists once. image_batch: of batches of images, if it is another; alternate: batches of clips and of
    images take turns (see `order.Mixture`). Use it in a `with` statement or close it. Not for several threads at once.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        recipe: ClipRecipe,
        *,
        batch: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        steps_per_epoch: int | None = None,
        shuffle: bool = True,
        workers: int = 0,
        processes: bool = True,
        prefetch: int = 2,
        image_batch: int | None = None,
        alternate: bool = False,
    ) -> None:
        if min(batch, image_batch or 1) < 1 or not 0 <= rank < world or min(workers, seed) < 0 or prefetch < 1:
            raise ValueError(f"seed {seed}, batch {batch}, rank {rank} of {world}, {workers} workers, {prefetch} ahead")
        self.corpora, self.recipe = tuple(corpora), recipe
        self._check_corpora()
        total = sum(len(corpus.samples) for corpus in self.corpora)
        self._sizes = {"video": batch, "image": batch if image_batch is None else image_batch}
        self.steps_per_epoch = steps_per_epoch or self._steps_once(world)
        if not self.steps_per_epoch:
            raise UsageError(f"{total} samples do not fill one batch of {batch * world}", "lower the batch size")
        shares = [Fraction(len(each.samples)) if each.share is None else Fraction(each.share) for each in self.corpora]
        self._mixture = Mixture(
            lengths=tuple(len(corpus.samples) for corpus in self.corpora),
            media=tuple(corpus.samples.media[0] for corpus in self.corpora),
            shares=tuple(shares),
            batch=batch * world,
            steps=self.steps_per_epoch,
            seed=seed,
            shuffle=shuffle,
            image_batch=None if image_batch is None else image_batch * world,
            alternate=alternate,
        )
        self._rank = rank
        self._prefetch = prefetch if workers else 0
        self._workers = Workers(recipe, workers, processes=processes)
        self._position = (0, 0)
        self._ahead: deque[_Begun] = deque()
        self._broken: dict[tuple[str, str], Broken] = {}

    def _steps_once(self, world: int) -> int:
        """Batches that go through all lists once."""
        counts = dict.fromkeys(self._sizes, 0)
        for corpus in self.corpora:
            counts[corpus.samples.media[0]] += len(corpus.samples)
        if len(set(self._sizes.values())) == 1:
            return sum(counts.values()) // (self._sizes["video"] * world)
        return sum(counts[medium] // (size * world) for medium, size in self._sizes.items())

    def _check_corpora(self) -> None:
        if len({corpus.name for corpus in self.corpora}) < len(self.corpora) or not self.corpora:
            raise UsageError("a mixture needs corpora of different names", "rename one")
        for corpus in self.corpora:
            _check_captions(corpus, self.recipe)
        self._labels = _labels_of([corpus.samples for corpus in self.corpora])

    def __enter__(self) -> "Loader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the workers."""
        self._workers.close()

    def coverage(self) -> dict[str, Coverage]:
        """How much of each list is there, by corpus."""
        return {corpus.name: coverage(corpus.samples) for corpus in self.corpora}

    @property
    def broken(self) -> list[Broken]:
        """Files that could not be used, in the order in which batches met them."""
        return list(self._broken.values())

    def __iter__(self) -> Iterator[Batch]:
        """Batches from the present position on, epoch after epoch."""
        while True:
            yield from self.batches(*self._position)

    def batches(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from `start_step` on. The first ones of the next epoch are begun meanwhile."""
        for step in range(start_step, self.steps_per_epoch):
            yield self._batch_at(epoch, step)

    def _batch_at(self, epoch: int, step: int) -> Batch:
        """A batch, and those that follow it begun; what was begun for another place is forgotten."""
        if not self._ahead or self._ahead[0].place != (epoch, step):
            for begun in self._ahead:
                for item in begun.items:
                    item.cancel()
            self._ahead.clear()
        while len(self._ahead) <= self._prefetch:
            place = self._after(*self._ahead[-1].place) if self._ahead else (epoch, step)
            self._ahead.append(self._begin(*place))
        return self._end(self._ahead.popleft())

    def _after(self, epoch: int, step: int) -> tuple[int, int]:
        """The next place."""
        return (epoch, step + 1) if step + 1 < self.steps_per_epoch else (epoch + 1, 0)

    def _begin(self, epoch: int, step: int) -> _Begun:
        """Give the items of a batch to the workers, who write into its tensor."""
        medium = self._mixture.medium(epoch, step)
        size = self._sizes[medium]
        video = torch.empty(size, *self.recipe.shape(medium))
        rows = video.numpy()
        places = self._mixture.places(epoch, step, range(self._rank * size, (self._rank + 1) * size))
        calls = [partial(self._item, epoch, place, clips) for place, clips in zip(places, rows, strict=True)]
        return _Begun((epoch, step), video, [self._workers.submit(call) for call in calls])

    def _item(self, epoch: int, place: Place, clips: np.ndarray) -> _Item:
        broken: list[tuple[str, VideoError]] = []
        for attempt in range(ATTEMPTS):
            corpus = self.corpora[place.corpus]
            sample = corpus.samples[place.number]
            try:
                text = self._workers.make(
                    sample, (self._mixture.seed, epoch, place.slot, attempt), clips, corpus.frames
                )
            except VideoError as problem:
                broken.append((sample.path, problem))
                place = self._mixture.instead(epoch, place, attempt)
            else:
                return _Item(corpus.name, sample, text, broken)
        last = broken[-1][1]
        raise TooManyBroken(
            f"{ATTEMPTS} samples of `{corpus.name}` in a row are broken; the last: {last.problem}",
            "is its root right? `Loader.coverage` counts what is missing",
        ) from last

    def _end(self, begun: _Begun) -> Batch:
        items = [item.result() for item in begun.items]
        for item in items:
            for path, problem in item.broken:
                met = Broken(path, problem.kind, problem.problem)
                known = self._broken.get((path, problem.kind))
                self._broken[path, problem.kind] = replace(known, count=known.count + 1) if known else met
        self._position = self._after(*begun.place)
        return _collated(begun.video, items, self.recipe, self._labels)

    def state_dict(self) -> dict[str, Any]:
        """The position behind the last batch given out, what was broken, and what the position is a position in."""
        return {
            "epoch": self._position[0],
            "step": self._position[1],
            "broken": [(each.path, each.kind, each.message, each.count) for each in self._broken.values()],
            "order": self._order(),
        }

    def load_state_dict(self, state: Mapping[str, Any], *, changed: bool = False) -> None:
        """Go on behind a position, with any number of workers and any division of the same batch over ranks.

        changed: True to go on although lists, shares, batch or seed differ; the position is then only a number.
        Raises UsageError that says what differs.
        """
        mine, theirs = self._order(), state["order"]
        names = [name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]
        differences = [f"{name} was {theirs.get(name)}, now {mine.get(name)}" for name in names]
        if differences and not changed:
            raise UsageError(
                "the data is not what the run began with; " + "; ".join(differences),
                "restore it, or say that it may have changed",
            )
        epoch, step = int(state["epoch"]), int(state["step"])
        self._position = (epoch, step) if step < self.steps_per_epoch else (epoch + 1, 0)
        self._broken = {(path, kind): Broken(path, kind, text, count) for path, kind, text, count in state["broken"]}

    def _order(self) -> dict[str, Any]:
        order = self._mixture
        known: dict[str, Any] = {
            "seed": order.seed,
            "batch": order.batch,
            "steps": order.steps,
            "shuffle": order.shuffle,
            "image_batch": order.image_batch,
            "alternate": order.alternate,
        }
        for corpus, share in zip(self.corpora, order.shares, strict=True):
            known[f"list `{corpus.name}`"] = corpus.samples.hash
            known[f"share of `{corpus.name}`"] = str(share)
        return known


def in_order(
    samples: Samples, recipe: ClipRecipe, broken: list[Broken], *, batch: int, workers: int = 0, processes: bool = True
) -> Iterator[Batch]:
    """A list once from end to end, for evaluation, in batches like those of `Loader`.

    broken: is given what cannot be used; nothing takes its place, so batches may be smaller than `batch`.
    """
    if recipe.augment is not None:
        raise ValueError("evaluation draws nothing: leave out `augment`")
    _check_captions(Corpus("list", samples), recipe)
    shape, labels = recipe.shape(samples.media[0]), _labels_of([samples])
    with closing(Workers(recipe, workers, processes=processes)) as pool:
        waiting: deque[tuple[Tensor, list[Sample], list[Future[list[int]]]]] = deque()
        for first in [*range(0, len(samples), batch), None, None]:
            if first is not None:
                rows = list(samples[first : first + batch])
                video = torch.empty(len(rows), *shape)
                calls = [partial(pool.make, row, (0,), clips) for row, clips in zip(rows, video.numpy(), strict=True)]
                waiting.append((video, rows, [pool.submit(call) for call in calls]))
            if waiting and (first is None or len(waiting) > 2):
                video, rows, texts = waiting.popleft()
                items = [_tried(row, text, broken) for row, text in zip(rows, texts, strict=True)]
                kept = [place for place, item in enumerate(items) if item is not None]
                if kept:
                    yield _collated(video[kept], [item for item in items if item is not None], recipe, labels)


def _check_captions(corpus: Corpus, recipe: ClipRecipe) -> None:
    silent = len(corpus.samples) - corpus.samples.captioned
    if recipe.context and silent:
        raise UsageError(
            f"{silent:,} of the {len(corpus.samples):,} samples of `{corpus.name}` have no caption",
            "least_words=1 in the recipe leaves them out; in Python `datasets.sample.with_text`",
        )


def _tried(sample: Sample, text: "Future[list[int]]", broken: list[Broken]) -> _Item | None:
    try:
        return _Item("list", sample, text.result(), [])
    except VideoError as problem:
        broken.append(Broken(sample.path, problem.kind, problem.problem))
        return None


def _labels_of(lists: Sequence[Samples]) -> int | None:
    """How many classes shares are told of; 0: every sample has one class or -1 for none; None: none has, or some have
    none and others shares."""
    silent, softly = (any(bad) for bad in zip(*((e.labelled < len(e), e.softly) for e in lists), strict=True))
    if not any(each.labelled for each in lists) or (silent and softly):
        return None
    return max(each.highest_label for each in lists) + 1 if any(each.softly for each in lists) else 0


def _collated(video: Tensor, items: Sequence[_Item], recipe: ClipRecipe, labels: int | None) -> Batch:
    """video: (B, repeats, 3, T, size, size); labels: see `_labels_of`."""
    numbers = {"uid": [item.sample.uid for item in items], "source": [_source(item) for item in items]}
    if labels is not None:
        numbers["label"] = [-1 if item.sample.label is None else item.sample.label for item in items]
    batch: Batch = {"video": video.flatten(0, 1), "media": items[0].sample.media}
    for name, column in numbers.items():
        batch[name] = torch.tensor(column).repeat_interleave(recipe.repeats)
    if labels:
        shares = torch.zeros(len(items), labels)
        for row, item in zip(shares, items, strict=True):
            for number, share in item.sample.soft or ((item.sample.label or 0, 1.0),):
                row[number] = share
        batch["soft"] = shares.repeat_interleave(recipe.repeats, 0)
    if recipe.context:
        batch["text"] = torch.tensor([item.text for item in items]).repeat_interleave(recipe.repeats, 0)
    return batch


def _source(item: _Item) -> int:
    """A number for the film."""
    return hash_of(f"{item.corpus}\0{item.sample.source}") if item.sample.source else item.sample.uid
