"""Ego4D's tasks about hands and things: where hands will be, what is touched next and when, which thing changes.

Source: Ego4D (Grauman et al., 2022) and InternVideo's solutions to its challenges of that year.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from internvideo.config import override
from internvideo.datasets.ego4d import (
    Change,
    Hands,
    NextObjects,
    PictureBoxes,
    read_changes,
    read_hands,
    read_next_objects,
    read_object_boxes,
    read_picture_boxes,
)
from internvideo.datasets.sample import Sample, uid_of
from internvideo.errors import NoFrames, UsageError
from internvideo.metrics.anticipation import anticipation_map, change_errors, hand_displacement
from internvideo.metrics.coco import coco_map
from internvideo.metrics.detection import Regions
from internvideo.models.box_detector import BoxDetector
from internvideo.models.contact_head import ContactHead
from internvideo.models.videomae import VideoMAEClassifier
from internvideo.records import Preprocess, Span
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Boxes, Record, Scores, Trajectory, shown
from internvideo.tasks.spatial import box_table, files_of, padded, whole_pictures
from internvideo.tasks.submissions import write_hands, write_next_objects, write_picture_boxes
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer, Views
from internvideo.video.reader import open_video

HAND_NUMBERS = 20  # moments x hands x (x, y)
LATE = 0.25  # seconds that a time to contact may be wrong


@dataclass(frozen=True, kw_only=True)
class Server:
    """submission: file to write for the challenge's server; "": none."""

    submission: str = ""

    def told(self) -> tuple[str, ...]:
        return (f"the file for the server is `{self.submission}`",) if self.submission else ()


@dataclass(frozen=True, kw_only=True)
class FutureHands(OneAnswer):
    """Predictions: (10, 2) pixels: five moments, of each the left and the right hand."""

    hands: Sequence[Hands]
    paths: Mapping[str, str] = field(default_factory=dict)  # name -> file that ends before the first moment
    protocol: Server = field(default_factory=Server)
    name: str = "future-hands"
    family: str = "trajectories"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.name, Sample(uid_of("hands", each.name), self.paths.get(each.name, f"{each.name}.mp4"),
                                      source=each.name), truth=each.points.tolist())
            for each in self.hands
        ]  # fmt: skip

    @torch.inference_mode()
    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network = asked.network
        if not isinstance(network, VideoMAEClassifier) or network.config.classes != HAND_NUMBERS:
            raise UsageError(f"`{asked.card.name}` foretells no hands", "--model videomae-b-16-hands and the like")
        for example in examples:
            shares = network(asked.clips(example.sample)).float().cpu().numpy().mean(0)
            yield Trajectory(example.id, shares.reshape(-1, 2) * picture_size(example.sample.path))

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        found = {id: one.points.reshape(5, 2, 2) for id, one in predictions.items() if isinstance(one, Trajectory)}
        if self.protocol.submission:
            write_hands(self.protocol.submission, found)
        truth = np.stack([each.points for each in self.hands])
        told = np.stack([found.get(each.name, np.zeros((5, 2, 2))) for each in self.hands])
        return Marks(metrics={**hand_displacement(told, truth), "clips": len(truth)}, notes=self.protocol.told())


def picture_size(path: str) -> np.ndarray:
    """(width, height) of a video's pictures. Raises a `VideoError`."""
    with open_video(path) as video:
        return np.array([video.facts.width, video.facts.height], np.float64)


def future_hands(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> FutureHands:
    """The task over `fho_hands_*.json` (`--data`) and a folder of clips (`--root`), `<clip>_<last frame>.mp4`."""
    return FutureHands(hands=read_hands(data.place), paths=files_of(data.root), protocol=override(Server(), options))


@dataclass(frozen=True, kw_only=True)
class ChangeMoments(OneAnswer):
    """Predictions: scores of the middles of equal parts of a clip, and last of "nothing changes"."""

    changes: Sequence[Change]
    paths: Mapping[str, str] = field(default_factory=dict)  # clip or video -> file
    name: str = "change-moments"
    family: str = "scores"
    protocol: Views = field(default_factory=Views)

    @property
    def examples(self) -> Sequence[Example]:
        return [Example(each.name, self.sample(each), truth=each.moment) for each in self.changes]

    def sample(self, change: Change) -> Sample:
        """A file of the clip's own name, or its stretch of the video's file."""
        own = self.paths.get(change.name)
        span = None if own else Span(change.start, change.start + change.seconds)
        path = own or self.paths.get(change.video, f"{change.name}.mp4")
        return Sample(uid_of("change", change.name), path, span, source=change.video)

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        for example in examples:
            yield Scores(example.id, asked.videos(example.sample).mean(0).astype(np.float64))

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        """A clip without an answer counts as one in which nothing changes, told for its first part."""
        given = {id: one.scores for id, one in predictions.items() if isinstance(one, Scores)}
        width = max(len(scores) for scores in given.values()) if given else 2
        nothing = np.append(np.zeros(width - 1), 1.0)
        table = np.stack([given.get(each.name, nothing) for each in self.changes])
        moments = np.array([np.nan if each.moment is None else each.moment for each in self.changes])
        found = change_errors(table, moments, np.array([each.seconds for each in self.changes]))
        metrics = {"keyframe error": found["keyframe error"], "state change": 100 * found["state change"]}
        return Marks(metrics={**metrics, "clips": len(table)})


def change_moments(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> ChangeMoments:
    """The task over `fho_oscc-pnr_*.json` (`--data`) and a folder of clips or whole videos (`--root`)."""
    protocol = override(Views(), options)
    return ChangeMoments(changes=read_changes(data.place), paths=files_of(data.root), protocol=protocol)


@dataclass(frozen=True, kw_only=True)
class Contact(Server):
    """detections: file of boxes of a detector with nouns; "": the annotated ones. least: of their scores. stride:
    frames between those that are looked at. empty_frames: see `metrics.anticipation.anticipation_map`."""

    detections: str = ""
    least: float = 0.0
    stride: int = 2
    empty_frames: Literal["count", "skip"] = "count"


def last_pictures(path: str, frame: int, how: Preprocess, stride: int) -> tuple[np.ndarray, tuple[int, int]]:
    """(3, T, H, W) float32: every `stride`-th frame up to `frame`, the first one where there is none before; and the
    (width, height) of the video. Raises a `VideoError`."""
    with open_video(path) as video:
        if frame >= len(video):
            raise NoFrames(
                f"`{video.name}` has no frame {frame:,}: it has {len(video):,}",
                "frames of the list count in whole videos: are these cut ones?",
            )
        numbers = frame - stride * np.arange(how.frame_count)[::-1]
        return whole_pictures(video, numbers, how), (video.facts.width, video.facts.height)


@dataclass(frozen=True, kw_only=True)
class NextContacts(OneAnswer):
    """Predictions: boxes in pixels of the list, labels are nouns; `more`: verbs and seconds until contact."""

    frames: Sequence[NextObjects]
    paths: Mapping[str, str] = field(default_factory=dict)  # video -> file
    detected: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]] | None = None  # None: the annotated boxes
    protocol: Contact = field(default_factory=Contact)
    name: str = "next-objects"
    family: str = "boxes"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.uid, Sample(uid_of("next", each.uid), self.paths.get(each.video, f"{each.video}.mp4"),
                                     source=each.video), truth=each.boxes.tolist())
            for each in self.frames
        ]  # fmt: skip

    @torch.inference_mode()
    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network = asked.network
        if not isinstance(network, ContactHead):
            raise UsageError(f"`{asked.card.name}` foretells no contacts", "--model videomae-l-16-contact and the like")
        by_name = asked.once("frames by name", lambda: {each.uid: each for each in self.frames})
        device = next(network.parameters()).device
        for example in examples:
            frame = by_name[example.id]
            boxes, nouns, scores = self.boxes_of(frame)
            if not len(boxes):
                none = np.zeros(0, np.int64)
                yield Boxes(example.id, np.zeros((0, 4)), np.zeros(0), none, {"verbs": none, "seconds": np.zeros(0)})
                continue
            clip, size = last_pictures(example.sample.path, frame.frame, asked.card.preprocess, self.protocol.stride)
            shares = boxes / np.tile(frame.size if all(frame.size) else size, 2)
            batch, placed, owner = padded([clip], [shares], network.config.base.base.clip.patch)
            verbs, seconds = network(batch.to(device), placed.to(device), owner.to(device))
            likely = verbs.float().softmax(-1)[:, :-1].cpu().numpy()
            best = likely.argmax(1)
            told = {"verbs": best, "seconds": seconds.float().cpu().numpy().astype(np.float64)}
            sure = scores * likely[np.arange(len(best)), best]
            yield Boxes(example.id, boxes, sure.astype(np.float64), nouns, told)

    def boxes_of(self, frame: NextObjects) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is looked at: (n, 4) pixels, (n,) nouns, (n,) scores."""
        if self.detected is None:
            return frame.boxes, frame.nouns, np.ones(len(frame.boxes))
        nothing = np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0)
        return self.detected.get(frame.uid, nothing)

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        """Top-5 mAP of nouns, with verbs, with times, and with both (`overall`)."""
        found = {id: one for id, one in predictions.items() if isinstance(one, Boxes)}
        if self.protocol.submission:
            write_next_objects(self.protocol.submission, found)
        predicted = box_table(found)
        truths = Regions(
            np.array([each.uid for each in self.frames for _ in each.boxes], dtype=np.str_),
            np.concatenate([np.zeros(0, np.int64), *(each.nouns for each in self.frames)]),
            np.concatenate([np.zeros((0, 4)), *(each.boxes for each in self.frames)]),
        )
        if not len(truths):
            return Marks(metrics={}, notes=(*self.protocol.told(), "the list has no objects: there is nothing to mark"))
        said, meant = (
            [np.concatenate([np.zeros(0), *column]) for column in columns]
            for columns in (
                ([one.more["verbs"] for one in found.values()], [one.more["seconds"] for one in found.values()]),
                ([each.verbs for each in self.frames], [each.seconds for each in self.frames]),
            )
        )

        def same(rows: np.ndarray, owners: np.ndarray) -> np.ndarray:
            return np.asarray(said[0][rows] == meant[0][owners])

        def near(rows: np.ndarray, owners: np.ndarray) -> np.ndarray:
            return np.asarray(np.abs(said[1][rows] - meant[1][owners]) <= LATE)

        kinds = {
            "noun": lambda rows, owners: np.ones(len(rows), bool),
            "noun+verb": same,
            "noun+time": near,
            "overall": lambda rows, owners: same(rows, owners) & near(rows, owners),
        }
        metrics: dict[str, Any] = {
            f"top-5 mAP {name}": 100
            * anticipation_map(predicted, truths, agrees, empty_frames=self.protocol.empty_frames)
            for name, agrees in kinds.items()
        }
        return Marks(metrics={**metrics, "frames": len(self.frames)}, notes=self.protocol.told())


def next_objects(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> NextContacts:
    """The task over `fho_sta_*.json` (`--data`) and a folder of videos (`--root`).

    paper: frames without predictions are not looked at, as in the published evaluator.
    """
    protocol = override(Contact(empty_frames="skip" if paper else "count"), options)
    detected = read_object_boxes(protocol.detections, least=protocol.least) if protocol.detections else None
    frames = read_next_objects(data.place)
    return NextContacts(frames=frames, paths=files_of(data.root), detected=detected, protocol=protocol)


@dataclass(frozen=True, kw_only=True)
class ChangedObjects(OneAnswer):
    """Predictions: boxes in [0, 1] of each picture with class numbers from 0. Metric: COCO's average precision."""

    pictures: Sequence[PictureBoxes]
    classes: Mapping[int, tuple[int, str]]  # number -> (id in the list, name)
    root: str = ""
    protocol: Server = field(default_factory=Server)
    name: str = "changed-objects"
    family: str = "boxes"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.name, Sample(uid_of("change", each.file), f"{self.root}/{each.file}", media="image",
                                      source=each.file), truth=each.boxes.tolist())
            for each in self.pictures
        ]  # fmt: skip

    @torch.inference_mode()
    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network = asked.network
        if not isinstance(network, BoxDetector):
            raise UsageError(f"`{asked.card.name}` finds no boxes", "--model videomae-b-16-boxes and the like")
        for example in examples:
            logits, boxes = (each[0].float().cpu() for each in network(asked.clips(example.sample)))
            likely = logits.sigmoid().flatten()
            best = likely.argsort(descending=True, stable=True)[:100]
            cut = boxes[best // logits.shape[1]].clamp(0, 1).double().numpy()
            yield Boxes(example.id, cut, likely[best].double().numpy(), (best % logits.shape[1]).numpy())

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        found = {id: one for id, one in predictions.items() if isinstance(one, Boxes)}
        if self.protocol.submission:
            write_picture_boxes(self.protocol.submission, self.pictures, self.classes, found)
        sizes = {each.name: np.tile(each.size, 2) for each in self.pictures}
        pixels = {
            id: Boxes(id, one.boxes.reshape(-1, 4) * sizes[id], one.scores, one.labels) for id, one in found.items()
        }
        truths = Regions(
            np.array([each.name for each in self.pictures for _ in each.labels], dtype=np.str_),
            np.concatenate([np.zeros(0, np.int64), *(each.labels for each in self.pictures)]),
            np.concatenate([np.zeros((0, 4)), *(each.boxes * sizes[each.name] for each in self.pictures)]),
        )
        notes = (*self.protocol.told(), *box_problems(self.pictures))
        if not len(truths):
            return Marks(metrics={}, notes=(*notes, "the list has no boxes: there is nothing to mark"))
        marks = {name: 100 * value for name, value in coco_map(box_table(pixels), truths).items()}
        return Marks(metrics={**marks, "pictures": len(self.pictures), "boxes": len(truths)}, notes=notes)


def box_problems(pictures: Sequence[PictureBoxes]) -> list[str]:
    """What is wrong with annotated boxes, a line per kind with counts and the first cases; all count as they are."""
    empty = [each.name for each in pictures if (each.boxes[:, 2:] <= each.boxes[:, :2]).any()]
    outside = [each.name for each in pictures if (each.boxes < -1e-6).any() or (each.boxes > 1 + 1e-6).any()]
    cases = {"have no inside": empty, "leave the picture": outside}
    return [f"boxes of {len(names):,} pictures {what}: {shown(names)}" for what, names in cases.items() if names]


def changed_objects(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> ChangedObjects:
    """The task over COCO's JSON (`--data`) and a folder of pictures (`--root`)."""
    pictures, classes = read_picture_boxes(data.place)
    return ChangedObjects(
        pictures=pictures, classes=classes, root=data.root or ".", protocol=override(Server(), options)
    )
