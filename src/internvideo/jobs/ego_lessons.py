"""What networks for Ego4D's hands and things learn from: clips before an action, boxes of the last frames, pictures."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from internvideo.errors import UsageError
from internvideo.jobs.asking import Network, views_of
from internvideo.jobs.head_networks import head_network
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import note
from internvideo.metrics.detection import overlaps
from internvideo.models.contact_head import ContactHead
from internvideo.models.videomae import VideoMAEClassifier
from internvideo.tasks.data import Data
from internvideo.tasks.egocentric import (
    ChangedObjects,
    ChangeMoments,
    FutureHands,
    NextContacts,
    box_problems,
    change_moments,
    changed_objects,
    future_hands,
    last_pictures,
    next_objects,
    picture_size,
)
from internvideo.tasks.predictions import Record
from internvideo.tasks.spatial import padded
from internvideo.tasks.task import Task
from internvideo.training.head_recipe import ChangeData, ContactData, HandData, HeadRecipe, PictureData

MATCHED = 0.5  # overlap from which a detected box is the annotated one


class HandLesson:
    """Clips that are there; of each where hands are at five moments after it."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, HandData)
        self.recipe = recipe
        self.task = _hands(recipe.data)
        self.hands = [each for each in self.task.hands if each.name in self.task.paths and each.points.any()]
        _told(len(self.task.hands), len(self.hands), recipe.data.annotations, recipe.data.videos)
        self.samples = len(self.hands)
        self.listed = _hash([(each.name, each.points.tolist()) for each in self.hands])
        self.held = _hands(recipe.held_out) if isinstance(recipe.held_out, HandData) else None

    def network(self) -> nn.Module:
        return head_network(self.recipe)

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        chosen, how = [self.hands[number] for number in numbers], card_of(network).preprocess
        samples = {example.id: example.sample for example in self.task.examples}
        clips = np.stack([next(views_of(samples[each.name], how)) for each in chosen])
        sizes = np.stack([picture_size(self.task.paths[each.name]) for each in chosen])
        points = np.stack([each.points for each in chosen])
        return {
            "video": torch.from_numpy(clips),
            "points": torch.from_numpy(points).float(),
            "sizes": torch.from_numpy(sizes).float(),
        }

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: the mean displacement of both hands in pixels, below 0 so that more is better."""
        if self.held is None:
            return {}
        metrics = _asked(self.held, network)
        names = ("M.Disp left", "M.Disp right", "C.Disp left", "C.Disp right")
        found = {name: metrics[name] for name in names if np.isfinite(metrics[name])}
        means = [value for name, value in found.items() if name.startswith("M")]
        return {"score": -float(np.mean(means)), **found} if means else {}


class ChangeLesson:
    """Clips that are there; the class is the part of it in which something changes; the last one: nothing does."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, ChangeData)
        self.recipe = recipe
        self.task = _changes(recipe.data)
        self.changes = [each for each in self.task.changes if {each.name, each.video} & self.task.paths.keys()]
        _told(len(self.task.changes), len(self.changes), recipe.data.annotations, recipe.data.videos)
        self.samples = len(self.changes)
        self.listed = _hash(self.changes)
        self.held = _changes(recipe.held_out) if isinstance(recipe.held_out, ChangeData) else None

    def network(self) -> nn.Module:
        return head_network(self.recipe)

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        chosen, how = [self.changes[number] for number in numbers], card_of(network).preprocess
        parts = cast(VideoMAEClassifier, network).config.classes - 1
        labels = [
            parts if each.moment is None else min(int(each.moment / each.seconds * parts), parts - 1) for each in chosen
        ]
        clips = np.stack([next(views_of(self.task.sample(each), how)) for each in chosen])
        return {"video": torch.from_numpy(clips), "label": torch.tensor(labels)}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: the mean error in seconds, below 0 so that more is better."""
        if self.held is None:
            return {}
        metrics = _asked(self.held, network)
        found = {name: metrics[name] for name in ("keyframe error", "state change")}
        return {"score": -found["keyframe error"], **found}


class ContactLesson:
    """Frames whose video is there, with the boxes that are touched next; beside them, if given, those of a detector.

    A detected box that overlaps an annotated one of its noun is taught the same, all others that nothing is
    done with them.
    """

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, ContactData)
        self.recipe, self.data = recipe, recipe.data
        self.task = _contacts(self.data)
        self.frames = [each for each in self.task.frames if each.video in self.task.paths and len(each.boxes)]
        _told(len(self.task.frames), len(self.frames), self.data.annotations, self.data.videos)
        self.samples = len(self.frames)
        self.listed = _hash([(each.uid, each.boxes.tolist(), each.verbs.tolist()) for each in self.frames])
        self.held = _contacts(recipe.held_out) if isinstance(recipe.held_out, ContactData) else None

    def network(self) -> nn.Module:
        """As many verbs as the list has, if these are more than the network knows."""
        network = head_network(self.recipe)
        highest, known = max(int(each.verbs.max()) for each in self.frames), cast(ContactHead, network).config.verbs
        if known <= highest:
            raise UsageError(
                f"the list has verbs up to {highest}, `{self.recipe.model}` knows {known}",
                f'network=["base.base.classes={highest + 2}"]',
            )
        return network

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        head, how = cast(ContactHead, network), card_of(network).preprocess
        clips, shares, verbs, seconds = [], [], [], []
        for number in numbers:
            frame = self.frames[number]
            clip, size = last_pictures(self.task.paths[frame.video], frame.frame, how, self.data.stride)
            boxes, verb, time = self._taught(number, head.config.verbs)
            clips.append(clip)
            shares.append(boxes / np.tile(frame.size if all(frame.size) else size, 2))
            verbs.append(verb)
            seconds.append(time)
        video, placed, owner = padded(clips, shares, head.config.base.base.clip.patch)
        told = {"verbs": torch.from_numpy(np.concatenate(verbs)), "seconds": torch.from_numpy(np.concatenate(seconds))}
        return {"video": video, "boxes": placed, "owner": owner, **told}

    def _taught(self, number: int, nothing: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (n, 4), verbs (n,) int64, seconds (n,) float32."""
        frame = self.frames[number]
        boxes, verbs, seconds = frame.boxes, frame.verbs, frame.seconds
        if self.task.detected is not None:
            found, nouns, _ = self.task.boxes_of(frame)
            alike = overlaps(found[:, None], frame.boxes[None], unit=1.0) * (nouns[:, None] == frame.nouns[None])
            best = alike.argmax(1)
            right = alike[np.arange(len(best)), best] > MATCHED
            boxes = np.concatenate([boxes, found])
            verbs = np.concatenate([verbs, np.where(right, frame.verbs[best], nothing)])
            seconds = np.concatenate([seconds, np.where(right, frame.seconds[best], 0.0)])
        return boxes, verbs.astype(np.int64), seconds.astype(np.float32)

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: top-5 mAP of noun, verb and time together, in percent."""
        if self.held is None:
            return {}
        metrics = _asked(self.held, network)
        return {
            "score": metrics["top-5 mAP overall"],
            **{name: metrics[name] for name in metrics if "mAP" in name},
        }


class PictureLesson:
    """Pictures with boxes, of which those without an inside are left out and others cut at the edge."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, PictureData)
        self.recipe = recipe
        self.task = _pictures(recipe.data)
        self.samples = len(self.task.pictures)
        if not self.samples:
            raise UsageError(f"`{recipe.data.annotations}` has no pictures")
        for problem in box_problems(self.task.pictures):
            note(f"{problem}; they are cut at the edge, what is empty then is left out")
        facts = [(each.file, each.boxes.tolist(), each.labels.tolist()) for each in self.task.pictures]
        self.listed = _hash(facts)
        self.held = _pictures(recipe.held_out) if isinstance(recipe.held_out, PictureData) else None

    def network(self) -> nn.Module:
        return head_network(self.recipe, classes_of_base=len(self.task.classes))

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        how, examples = card_of(network).preprocess, self.task.examples
        clips, boxes, kinds, owner = [], [], [], []
        for row, (number, rng) in enumerate(zip(numbers, rngs, strict=True)):
            clip = next(views_of(examples[number].sample, how))
            own = np.clip(self.task.pictures[number].boxes, 0, 1)
            if rng.random() < 0.5:
                clip, own = clip[..., ::-1].copy(), own[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [1, 0, 1, 0]
            inside = (own[:, 2:] > own[:, :2]).all(1)
            clips.append(clip)
            boxes.append(own[inside])
            kinds.append(self.task.pictures[number].labels[inside])
            owner.append(np.full(int(inside.sum()), row))
        told = {"boxes": torch.from_numpy(np.concatenate(boxes).astype(np.float32))}
        told |= {"kinds": torch.from_numpy(np.concatenate(kinds)), "owner": torch.from_numpy(np.concatenate(owner))}
        return {"video": torch.from_numpy(np.stack(clips)), **told}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: COCO's average precision in percent."""
        if self.held is None:
            return {}
        metrics = _asked(self.held, network)
        return {"score": metrics["AP"], **{name: metrics[name] for name in ("AP", "AP50", "AP75")}}


def _hands(data: HandData) -> FutureHands:
    return future_hands(Data(place=data.annotations, root=data.videos))


def _changes(data: ChangeData) -> ChangeMoments:
    return change_moments(Data(place=data.annotations, root=data.videos))


def _contacts(data: ContactData) -> NextContacts:
    settings = [f"stride={data.stride}", f"least={data.least}"]
    return next_objects(
        Data(place=data.annotations, root=data.videos),
        settings + ([f"detections={data.detections}"] if data.detections else []),
    )


def _pictures(data: PictureData) -> ChangedObjects:
    return changed_objects(Data(place=data.annotations, root=data.pictures))


def _asked(task: Task, network: nn.Module) -> Mapping[str, float]:
    """The marks of what the network says about all examples."""
    asked, found = Network(network), dict[str, Record]()
    for example in task.examples:
        found |= {record.id: record for record in task.predict(asked, [example])}
    return task.score(found).metrics


def _told(listed: int, usable: int, annotations: str, videos: str) -> None:
    """Raise UsageError if nothing can be learned from, else say what is missing."""
    if not usable:
        raise UsageError(f"none of {listed:,} samples of `{annotations}` can be used",
                         f"do the names in `{videos}` belong to this list?")  # fmt: skip
    if usable < listed:
        note(f"{listed - usable:,} of {listed:,} samples of `{annotations}` have no video, or nothing to learn")


def _hash(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()
