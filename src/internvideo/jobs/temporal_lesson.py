"""What a head for segments learns from: features of untrimmed videos and the segments in them."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
from torch import nn

from internvideo.datasets.feature_folder import FeatureFolder, Features
from internvideo.datasets.timelines import Timelines, Untrimmed, read_timelines
from internvideo.errors import UsageError
from internvideo.jobs.head_networks import head_network
from internvideo.jobs.talk import note
from internvideo.models.temporal_head import TemporalHead
from internvideo.ops.spans import Grid
from internvideo.tasks.predictions import Record, Segments
from internvideo.tasks.temporal import USUAL, Finding, TemporalLocalisation, find_segments
from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Sequence1D, cropped, sequence_batch


class TemporalLesson:
    """Reads all features once, refuses those whose grid does not fit, and says which videos are missing."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, TemporalData)
        self.recipe, self.data = recipe, recipe.data
        self.folder = feature_folder(self.data)
        self.timelines = _present(_timelines(self.data), self.folder, "learn from")
        self.samples = len(self.timelines.videos)
        facts = [(each.name, each.segments.tolist(), each.labels.tolist()) for each in self.timelines.videos]
        self.listed = hashlib.sha256(repr((facts, self.folder.made_by)).encode()).hexdigest()
        self._read: dict[str, Features] = {}
        held = recipe.held_out
        self.held_data = held if isinstance(held, TemporalData) else None
        self.held = (
            _present(_timelines(held), feature_folder(held), "evaluate") if isinstance(held, TemporalData) else None
        )

    def network(self) -> nn.Module:
        """Reads as many channels as the features have, and names the classes of the list."""
        classes = 1 if self.data.agnostic else len(self.timelines.classes)
        return head_network(self.recipe, channels=self.folder.width(), classes=classes)

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        head = cast(TemporalHead, network)
        videos = [self._sequence(self.timelines.videos[number], head) for number in numbers]
        crop, kept = self.data.crop, self.data.kept
        chosen = [cropped(each, head.config.steps, rng, crop, kept) for each, rng in zip(videos, rngs, strict=True)]
        return sequence_batch(chosen, head)

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: mean average precision in percent, by the overlaps of the benchmark that names the model."""
        if self.held is None or self.held_data is None:
            return {}
        head, data, folder = cast(TemporalHead, network), self.held_data, feature_folder(self.held_data)
        benchmark = benchmark_of(self.recipe.model)
        decoding, suppression = USUAL[benchmark]
        found: dict[str, Record] = {}
        for video in self.held.videos:
            features = _features(folder, video, data, head)
            found[video.name] = Segments(
                video.name, *find_segments(head, features, video.seconds, decoding, suppression)
            )
        task = TemporalLocalisation(timelines=self.held, protocol=Finding(benchmark=benchmark))  # type: ignore[arg-type]
        metrics = task.score(found).metrics
        return {"score": metrics["mAP"], "mAP": metrics["mAP"], "mAP@0.5": metrics["mAP@0.5"]}

    def _sequence(self, video: Untrimmed, head: TemporalHead) -> Sequence1D:
        if video.name not in self._read:
            self._read[video.name] = _features(self.folder, video, self.data, head)
        features, usable = self._read[video.name], video.usable
        return Sequence1D(features.rows, features.grid.steps(usable.segments), usable.labels)


def benchmark_of(model: str) -> str:
    """
    >>> benchmark_of("actionformer-hacs-debug"), benchmark_of("actionformer-own")
    ('hacs', 'activitynet')
    """
    return next((name for name in USUAL if name in model), "activitynet")


def feature_folder(data: TemporalData) -> FeatureFolder:
    """The folder of features that the data name, with their grid if the data tell it."""
    grid = Grid(fps=data.fps, stride=data.stride, window=data.window) if data.fps else None
    return FeatureFolder(data.features, prefix=data.prefix, grid=grid)


def _timelines(data: TemporalData) -> Timelines:
    found = read_timelines(data.annotations, classes=data.classes or None).of(data.subset)
    if data.agnostic:
        videos = tuple(replace(each, labels=np.zeros_like(each.labels)) for each in found.videos)
        found = Timelines(videos, ("action",))
    return found


def _present(timelines: Timelines, folder: FeatureFolder, what: str) -> Timelines:
    """The videos that have features; says how many have none, and what is wrong with segments."""
    missing = set(folder.missing(video.name for video in timelines.videos))
    kept = tuple(video for video in timelines.videos if video.name not in missing)
    if not kept:
        first = timelines.videos[0].name
        raise UsageError(
            f"none of {len(missing):,} videos to {what} has features in `{folder.folder}`, the first is `{first}`",
            "does the folder belong to these annotations? is a prefix missing?",
        )
    if missing:
        shown = ", ".join(sorted(missing)[:5])
        note(f"{len(missing):,} of {len(timelines.videos):,} videos to {what} have no features: {shown}")
    for problem in timelines.problems():
        note(f"{problem}; what is outside is cut off, what is empty left out")
    return replace(timelines, videos=kept)


def _features(folder: FeatureFolder, video: Untrimmed, data: TemporalData, head: TemporalHead) -> Features:
    found = folder.read(video.name, video.seconds)
    return found.stretched(head.config.steps, video.seconds) if data.stretched else found
