"""Spatio-temporal localisation: who does what at a keyframe (AVA 2.2, AVA-Kinetics). Mean average precision of frames.

A network names the actions of given boxes: those of a person detector (a file, or a function), or the annotated ones.
Source: InternVideo (Wang et al., 2022), downstream tasks; metric: ActivityNet's AVA evaluation.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from internvideo.config import override
from internvideo.datasets.ava import Persons, inside, read_ava, read_excluded, read_label_map, read_person_boxes
from internvideo.datasets.folders import VIDEO_SUFFIXES
from internvideo.datasets.sample import Sample, uid_of
from internvideo.errors import NoFrames, UsageError
from internvideo.metrics.detection import Regions, frame_map
from internvideo.models.spatial_head import BoxReader
from internvideo.ops.boxes import widen
from internvideo.records import Preprocess
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Boxes, Record
from internvideo.tasks.shape_keyframes import ACTIONS, shape_keyframes
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer
from internvideo.video.reader import Video, open_video
from internvideo.video.resize import resize
from internvideo.video.transforms import normalise, short_side_size

Detector = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # (H, W, 3) uint8 -> boxes (P, 4) in [0, 1], scores


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How persons are looked at. persons: file of a detector's boxes; "": the annotated ones. least: of their scores.

    offset: second of the video at which its file begins (AVA's cut files begin at 900). stride: frames between those
    that are looked at. most, threshold: of the metric. excluded: file of keyframes that do not count. lowest: scores of
    actions below it are not kept.
    """

    persons: str = ""
    least: float = 0.8
    offset: float = 0.0
    stride: int = 4
    most: int = 50
    threshold: float = 0.5
    excluded: str = ""
    lowest: float = 0.001


def keyframe_clip(path: str, second: float, how: Preprocess, stride: int = 4) -> np.ndarray:
    """(3, T, H, W) float32 around a keyframe: every `stride`-th of stride x T frames with it in the middle.

    The whole picture, its short side resized to `how.size`. Frames before the start or behind the end of the file are
    its first or last one. Raises a `VideoError`.
    """
    with open_video(path) as video:
        middle = int(np.searchsorted(video.ticks, video.tick(second), side="right")) - 1
        if second < video.seconds(0) - 1 or second > video.seconds(len(video) - 1) + 1:
            raise NoFrames(
                f"`{video.name}` has no keyframe at {second:g} s: it lasts from {video.seconds(0):.1f} to "
                f"{video.seconds(len(video) - 1):.1f} s",
                "offset=SECONDS says at which second of the list a file begins",
            )
        half = stride * how.frame_count // 2
        return whole_pictures(video, middle - half + stride * np.arange(how.frame_count), how)


def whole_pictures(video: Video, numbers: np.ndarray, how: Preprocess) -> np.ndarray:
    """(3, T, H, W) float32: frames by number, the nearest where there is none; their short side becomes
    `how.size`."""
    frames = video.frames(np.clip(numbers, 0, len(video) - 1))
    height, width = short_side_size(frames, how.size)
    small = resize(frames, height, width, interpolation=how.interpolation, antialias=how.antialias)
    return normalise(small, how.mean, how.std)


def padded(clips: Sequence[np.ndarray], boxes: Sequence[np.ndarray], patch: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clips of several sizes as one batch, zeros right and below; boxes (R, 4), in [0, 1] of that; owner (R,)."""
    height, width = (-(-max(clip.shape[axis] for clip in clips) // patch) * patch for axis in (2, 3))
    batch = torch.stack(
        [F.pad(torch.from_numpy(clip), (0, width - clip.shape[3], 0, height - clip.shape[2])) for clip in clips]
    )
    shares = [np.array([clip.shape[3] / width, clip.shape[2] / height] * 2) for clip in clips]
    placed = np.concatenate([each.reshape(-1, 4) * share for each, share in zip(boxes, shares, strict=True)])
    owner = np.repeat(np.arange(len(clips)), [len(each) for each in boxes])
    return batch, torch.from_numpy(placed.astype(np.float32)), torch.from_numpy(owner)


@dataclass(frozen=True, kw_only=True)
class SpatialLocalisation(OneAnswer):
    """Predictions per keyframe: boxes, one row per box and class; classes count from 1."""

    frames: Sequence[Persons]
    classes: Mapping[int, str]  # those that count
    paths: Mapping[str, str] = field(default_factory=dict)  # video -> file
    persons: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None  # keyframe -> boxes, scores; None: the annotated
    excluded: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    detector: Detector | None = None
    protocol: Naming = field(default_factory=Naming)
    name: str = "spatial"
    family: str = "boxes"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.name, Sample(uid_of("spatial", each.name), self.paths.get(each.video, each.video),
                                      source=each.video),
                    truth=[each.boxes.tolist(), [sorted(kinds) for kinds in each.actions]])
            for each in self.frames
        ]  # fmt: skip

    @torch.inference_mode()
    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network = asked.network
        if not isinstance(network, BoxReader):
            raise UsageError(f"`{asked.card.name}` names no boxes", "--model videomae-b-16-ava and the like")
        by_name = asked.once("keyframes by name", lambda: {each.name: each for each in self.frames})
        device = next(network.parameters()).device
        for example in examples:
            frame = by_name[example.id]
            second = frame.second - self.protocol.offset
            boxes, scores = self._persons(frame, example.sample.path, second)
            if not len(boxes):
                yield Boxes(example.id, np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
                continue
            clip = keyframe_clip(example.sample.path, second, asked.card.preprocess, self.protocol.stride)
            wide = boxes if self.persons is None else widen(torch.from_numpy(boxes)).numpy()
            batch, placed, owner = padded([clip], [wide], network.patch)
            logits = network(batch.to(device), placed.to(device), owner.to(device))
            likely = logits.float().sigmoid().cpu().numpy() * scores[:, None]
            rows, kinds = np.nonzero(likely >= self.protocol.lowest)
            yield Boxes(example.id, boxes[rows], likely[rows, kinds].astype(np.float64), kinds + 1)

    def _persons(self, frame: Persons, path: str, second: float) -> tuple[np.ndarray, np.ndarray]:
        if self.detector is not None:
            with open_video(path) as video:
                return self.detector(video.at_seconds([second])[0])
        if self.persons is None:
            return frame.boxes, frame.scores
        return self.persons.get(frame.name, (np.zeros((0, 4)), np.zeros(0)))

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        found = {id: one for id, one in predictions.items() if isinstance(one, Boxes)}
        predicted = box_table(found)
        rows = [
            (each.name, kind, box)
            for each in self.frames
            for box, kinds in zip(each.boxes.tolist(), each.actions, strict=True)
            for kind in sorted(kinds)
        ]
        if not rows:
            return Marks(metrics={}, notes=(*self.notes, "the list says no actions: there is nothing to mark"))
        names, kinds, boxes = zip(*rows, strict=True)
        truths = Regions(np.array(names), np.array(kinds), np.array(boxes, np.float64))
        how = self.protocol
        value, by_class = frame_map(
            predicted, truths, self.classes, threshold=how.threshold, most=how.most, excluded=self.excluded
        )
        metrics: dict[str, Any] = {f"frame-mAP@{how.threshold:g}": 100 * value}
        metrics |= {"keyframes": len(self.frames), "boxes": sum(len(each.boxes) for each in self.frames)}
        known = {name: 100 * each for name, each in by_class.items() if not np.isnan(each)}
        metrics["classes"] = len(known)
        tables = {"classes": list(known), "average precision": np.array(list(known.values()))}
        return Marks(metrics=metrics, notes=self.notes, tables=tables)


def box_table(found: Mapping[str, Boxes]) -> Regions:
    """All predicted boxes as one table."""
    return Regions(
        np.array([id for id, one in found.items() for _ in one.scores], dtype=np.str_),
        np.concatenate([np.zeros(0, np.int64), *(one.labels for one in found.values())]),
        np.concatenate([np.zeros((0, 4)), *(one.boxes.reshape(-1, 4) for one in found.values())]),
        np.concatenate([np.zeros(0), *(one.scores for one in found.values())]),
    )


def files_of(root: str) -> dict[str, str]:
    """Video name -> file of a folder, without its suffix."""
    found = sorted(path for path in Path(root).rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES) if root else []
    return {path.stem: str(path) for path in found}


def spatial(
    data: Data, options: Sequence[str] = (), *, paper: bool = False, detector: Detector | None = None
) -> SpatialLocalisation:
    """The task over AVA's CSV (`--data`), its label map (data.labels=FILE.pbtxt) and a folder of videos (`--root`).

    The small world: data.clips=N clips with a keyframe each, which are rendered where they are not there.
    """
    protocol = override(Naming(), options)
    if data.small_world:
        drawn, paths = shape_keyframes(data)
        return SpatialLocalisation(frames=drawn, classes=ACTIONS, paths=paths, detector=detector, protocol=protocol)
    frames, told = inside(read_ava(data.place))
    if "labels" in data.options:
        classes = read_label_map(data.options["labels"])
    elif data.classes:
        classes = dict(enumerate(data.classes, start=1))
    else:
        classes = {kind: f"class {kind}" for frame in frames for kinds in frame.actions for kind in sorted(kinds)}
    gone = {Persons(video, second, np.zeros((0, 4)), (), np.zeros(0)).name for video, second in
            (read_excluded(protocol.excluded) if protocol.excluded else ())}  # fmt: skip
    unknown = sorted(gone - {frame.name for frame in frames})
    if unknown:
        told.append(f"{len(unknown):,} excluded keyframes are not in the list: {'; '.join(unknown[:5])}")
    persons = read_person_boxes(protocol.persons, least=protocol.least) if protocol.persons else None
    return SpatialLocalisation(
        frames=frames, classes=classes, paths=files_of(data.root), persons=persons, excluded=frozenset(gone),
        notes=tuple(told), detector=detector, protocol=protocol,
    )  # fmt: skip
