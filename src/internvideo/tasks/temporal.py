"""Temporal action localisation: when which action begins and ends in an untrimmed video. Mean average precision.

A head (ActionFormer) reads features that were extracted before; a task's videos are therefore arrays. Which class an
action is may come from outside, as scores of the whole video. Source: InternVideo (Wang et al., 2022), downstream
tasks; metric: ActivityNet's evaluation.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from internvideo.config import override
from internvideo.datasets.feature_folder import FeatureFolder, Features
from internvideo.datasets.lists import json_file, record
from internvideo.datasets.sample import Sample, uid_of
from internvideo.datasets.timelines import Timelines, Untrimmed, read_timelines
from internvideo.errors import UsageError, VideoError
from internvideo.metrics.detection import (
    ACTIVITYNET_THRESHOLDS,
    MOMENT_THRESHOLDS,
    THUMOS_THRESHOLDS,
    Regions,
    detection_ap,
    fuse_class_scores,
    temporal_map,
)
from internvideo.metrics.moments import moments_retrieved
from internvideo.models.query_head import QueryHead
from internvideo.models.temporal_head import TemporalHead, pad
from internvideo.ops.spans import Decoding, Grid, decode
from internvideo.ops.suppression import Suppression, suppress
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Record, Segments
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer

Benchmark = Literal["thumos14", "activitynet", "hacs", "fineaction", "moments"]
THRESHOLDS: Mapping[str, tuple[float, ...]] = {
    "thumos14": THUMOS_THRESHOLDS,
    "moments": MOMENT_THRESHOLDS,
}  # all others as ActivityNet


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How segments are found and marked.

    benchmark: whose overlaps count. prefix, fps, stride, window: of the features, see `TemporalData`. stretched: every
    video becomes as many steps as the head has. class_scores: JSON file with scores of the classes of each video; of
    these the best `video_classes` go to the best `per_video` segments. repeated: see `metrics.detection.temporal_map`.
    """

    benchmark: Benchmark = "thumos14"
    repeated: Literal["count", "once"] = "count"
    prefix: str = ""
    fps: float = 0.0
    stride: float = 0.0
    window: float = 0.0
    stretched: bool = False
    decoding: Decoding = field(default_factory=Decoding)
    suppression: Suppression = field(default_factory=Suppression)
    class_scores: str = ""
    video_classes: int = 2
    per_video: int = 200

    @property
    def grid(self) -> Grid | None:
        return Grid(fps=self.fps, stride=self.stride, window=self.window) if self.fps else None

    @property
    def thresholds(self) -> tuple[float, ...]:
        return THRESHOLDS.get(self.benchmark, ACTIVITYNET_THRESHOLDS)


AGNOSTIC = Suppression(sigma=0.75, per_class=False, most=100, voting=0.7)
USUAL: Mapping[str, tuple[Decoding, Suppression]] = {  # the published settings of each benchmark
    "thumos14": (Decoding(), Suppression()),
    "activitynet": (Decoding(shortest=0.1), AGNOSTIC),
    "hacs": (Decoding(shortest=0.1), AGNOSTIC),
    "fineaction": (Decoding(shortest=0.001), Suppression(sigma=0.75, per_class=False, most=100, voting=0.9)),
    "moments": (Decoding(), Suppression()),
}


@torch.inference_mode()
def find_segments(
    network: TemporalHead | QueryHead,
    features: Features,
    seconds: float,
    decoding: Decoding,
    suppression: Suppression,
    words: torch.Tensor | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segments of one video in descending order of score: (N, 2) seconds, (N,) scores, (N,) class numbers.

    words: (L,) the numbers of a sentence's words, for a `QueryHead`.
    """
    pyramid = network.base if isinstance(network, QueryHead) else network
    device = pyramid.scales[0].device
    batch, mask = pad([torch.from_numpy(features.rows.T)], pyramid.config)
    asked = () if words is None else (words[None].to(device),)
    found = network(batch.to(device), mask.to(device), *asked)
    logits, offsets = ([each[0] for each in column] for column in (found.logits, found.offsets))
    real = [each[0, 0] for each in found.masks]
    segments, scores, labels = decode(pyramid.points(batch.shape[-1]), logits, offsets, real, decoding)
    kept, scores, labels = suppress(segments, scores, labels, suppression)
    return features.grid.seconds(kept, seconds), scores, labels


@dataclass(frozen=True, kw_only=True)
class TemporalLocalisation(OneAnswer):
    """Predictions: segments of each video, class numbers as in `timelines`."""

    timelines: Timelines
    folder: FeatureFolder | None = None  # None: only marks
    protocol: Finding = field(default_factory=Finding)
    name: str = "temporal"
    family: str = "segments"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.name, Sample(uid_of("temporal", each.name), self._path(each.name), source=each.name),
                    truth=[each.segments.tolist(), each.labels.tolist(), each.seconds])
            for each in self.timelines.videos
        ]  # fmt: skip

    def _path(self, video: str) -> str:
        path = self.folder.path(video) if self.folder else None
        return str(path) if path else f"{video}.npy"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network, how = asked.network, self.protocol
        if not isinstance(network, TemporalHead) or self.folder is None:
            raise UsageError(
                f"`{asked.card.name}` finds no segments" if self.folder else "no folder of features was given",
                "--model actionformer-... and --root FOLDER, as `internvideo features` writes it",
            )
        if network.config.classes == 1 and len(self.timelines.classes) > 1 and not how.class_scores:
            raise UsageError(
                f"`{asked.card.name}` names no classes, the list has {len(self.timelines.classes)}",
                "class_scores=FILE.json gives scores of the classes of each video",
            )
        by_name = asked.once("videos by name", lambda: {each.name: each for each in self.timelines.videos})
        outside = asked.once("scores of whole videos", lambda: read_class_scores(how.class_scores))
        for example in examples:
            video = by_name[example.id]
            features = self._features(network, video)
            segments, scores, labels = find_segments(network, features, video.seconds, how.decoding, how.suppression)
            if outside:
                found = Regions(np.full(len(scores), video.name), labels, segments, scores)
                mine = {video.name: outside[video.name]} if video.name in outside else {}
                found = fuse_class_scores(found, mine, most=how.per_video, classes=how.video_classes)
                segments, scores, labels = found.bounds, found.scores, found.labels
            yield Segments(example.id, segments, scores, labels)

    def _features(self, network: TemporalHead, video: Untrimmed) -> Features:
        assert self.folder is not None
        features = features_of(self.folder, video.name, video.seconds, network.config.channels)
        return features.stretched(network.config.steps, video.seconds) if self.protocol.stretched else features

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        found = {id: one for id, one in predictions.items() if isinstance(one, Segments)}
        predicted, truths = regions_of(found), truths_of(self.timelines.videos)
        notes = self.timelines.problems() + outside_video(found, self.timelines.videos)
        if not len(truths):
            return Marks(metrics={}, notes=(*notes, "the list says no segments: there is nothing to mark"))
        thresholds = self.protocol.thresholds
        shares = temporal_map(predicted, truths, thresholds, repeated=self.protocol.repeated)
        metrics: dict[str, Any] = {name: 100 * value for name, value in shares.items()}
        if self.protocol.benchmark == "moments":
            for k in (1, 5):
                metrics[f"R@{k}x,tIoU=0.5"] = 100 * moments_retrieved(predicted, truths, k=k)
        metrics |= {"videos": len(self.timelines.videos), "segments": len(truths)}
        labels, table = detection_ap(predicted, truths, thresholds)
        names = [self.timelines.classes[label] for label in labels.tolist()]
        return Marks(metrics=metrics, notes=notes, tables={"classes": names, "average precision": 100 * table})


class MissingFeatures(VideoError):
    """A video of the list has no array."""

    kind = "missing"


def features_of(folder: FeatureFolder, video: str, seconds: float, channels: int) -> Features:
    """Those of a video that a head of so many channels reads. Raises MissingFeatures, UsageError, and what `read`
    does."""
    if folder.path(video) is None:
        raise MissingFeatures(f"there are no features of `{video}`")
    features = folder.read(video, seconds)
    if features.rows.shape[1] != channels:
        raise UsageError(
            f"the features of `{video}` have {features.rows.shape[1]} channels, the head reads {channels}",
            "extract them with the network that the head was trained on",
        )
    return features


def regions_of(found: Mapping[str, Segments]) -> Regions:
    """All predicted segments as one table."""
    groups = np.array([id for id, one in found.items() for _ in one.scores], dtype=np.str_)
    bounds = np.concatenate([np.zeros((0, 2)), *(one.spans.reshape(-1, 2) for one in found.values())])
    labels = np.concatenate([np.zeros(0, np.int64), *(one.labels for one in found.values())])
    return Regions(groups, labels, bounds, np.concatenate([np.zeros(0), *(one.scores for one in found.values())]))


def truths_of(videos: Sequence[Untrimmed]) -> Regions:
    """All true segments as one table, as they stand in the file."""
    groups = np.array([video.name for video in videos for _ in video.labels], dtype=np.str_)
    bounds = np.concatenate([np.zeros((0, 2)), *(video.segments for video in videos)])
    return Regions(groups, np.concatenate([np.zeros(0, np.int64), *(video.labels for video in videos)]), bounds)


def outside_video(found: Mapping[str, Segments], videos: Sequence[Untrimmed]) -> list[str]:
    """What is wrong with predicted segments; they count as they are, and so as wrong."""
    seconds = {video.name: video.seconds for video in videos}
    inverted = [
        id for id, one in found.items() if (one.spans.reshape(-1, 2)[:, 1] < one.spans.reshape(-1, 2)[:, 0]).any()
    ]
    beyond = [id for id, one in found.items() if id in seconds and (one.spans > seconds[id] + 1.0).any()]
    told = []
    for what, cases in (("end before they start", inverted), ("end behind the video", beyond)):
        if cases:
            told.append(f"{len(cases):,} videos have predictions that {what}: {', '.join(cases[:5])}")
    return told


def read_class_scores(path: str) -> dict[str, np.ndarray]:
    """`{"results": {video: [scores]}}` or the inner mapping alone; one list of scores may lie in another."""
    if not path:
        return {}
    found = record(json_file(path), f"`{path}`")
    found = record(found.get("results", found), f"the results of `{path}`")
    return {video: np.asarray(scores, np.float64).reshape(-1) for video, scores in found.items()}


def temporal(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> TemporalLocalisation:
    """The task over annotations (`--data`) and a folder of features (`--root`).

    paper: truths that are given twice count once, as in the evaluation that the papers used.
    """
    chosen = override(Finding(), [each for each in options if each.startswith("benchmark=")])
    decoding, suppression = USUAL[chosen.benchmark]
    usual = Finding(
        benchmark=chosen.benchmark, repeated="once" if paper else "count", decoding=decoding, suppression=suppression
    )
    protocol = override(usual, options)
    timelines = read_timelines(data.place, classes=data.classes or None, prefix=data.options.get("prefix", ""))
    folder = FeatureFolder(data.root, prefix=protocol.prefix, grid=protocol.grid) if data.root else None
    return TemporalLocalisation(timelines=timelines.of(data.split), folder=folder, protocol=protocol)
