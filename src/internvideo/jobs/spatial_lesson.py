"""What a head over boxes learns from: keyframes of videos with persons and what they do."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from internvideo.datasets.box_augment import cropped_with_boxes, shifted_colours
from internvideo.errors import UsageError
from internvideo.jobs.asking import Network
from internvideo.jobs.head_networks import head_network
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import note
from internvideo.models.spatial_head import BoxReader
from internvideo.records import Preprocess
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Record
from internvideo.tasks.spatial import SpatialLocalisation, keyframe_clip, padded, spatial
from internvideo.training.head_recipe import BoxData, HeadRecipe


class SpatialLesson:
    """Keyframes whose video is there and that have persons. Clips are decoded as they are needed and kept in memory if
    the recipe says so."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, BoxData)
        self.recipe, self.data = recipe, recipe.data
        self.task = _task(self.data)
        self.frames = [each for each in self.task.frames if len(each.boxes) and each.video in self.task.paths]
        if not self.frames:
            raise UsageError(f"no keyframe of `{self.data.annotations}` has its video below `{self.data.videos}`")
        missing = {each.video for each in self.task.frames} - set(self.task.paths)
        if missing:
            note(f"{len(missing):,} videos of the list are missing: {', '.join(sorted(missing)[:5])}")
        for told in self.task.notes:
            note(told)
        self.samples = len(self.frames)
        facts = [(each.name, each.boxes.tolist(), [sorted(kinds) for kinds in each.actions]) for each in self.frames]
        self.listed = hashlib.sha256(repr(facts).encode()).hexdigest()
        self.held = _task(recipe.held_out) if isinstance(recipe.held_out, BoxData) else None
        self._kept: dict[str, np.ndarray] = {}

    def network(self) -> nn.Module:
        """As many classes as the label map numbers, also those that do not count."""
        highest = max(self.task.classes)
        network = head_network(self.recipe)
        if cast(BoxReader, network).classes < highest:
            return head_network(self.recipe, classes_of_base=highest, classes=highest)
        return network

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        """Pictures are cut, mirrored and coloured at random as the recipe says, with their boxes."""
        head, how = cast(BoxReader, network), card_of(network).preprocess
        clips, boxes, kinds = [], [], []
        for number, rng in zip(numbers, rngs, strict=True):
            clip, own, stays = self._view(number, how, rng)
            clips.append(clip)
            boxes.append(own)
            named = torch.zeros(len(own), head.classes)
            for row, place in enumerate(np.flatnonzero(stays).tolist()):
                named[row, [kind - 1 for kind in sorted(self.frames[number].actions[place])]] = 1
            kinds.append(named)
        video, placed, owner = padded(clips, boxes, head.patch)
        return {"video": video, "boxes": placed, "owner": owner, "kinds": torch.cat(kinds)}

    def _view(
        self, number: int, how: Preprocess, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A clip, its boxes, and which of the annotated ones these are."""
        clip, own = self._clip(number, how), self.frames[number].boxes
        stays = np.ones(len(own), bool)
        if self.data.crop:
            clip, own, stays = cropped_with_boxes(clip, own, self.data.crop, rng)
        if any(self.data.colours):
            mean, std = (np.array(each, np.float32)[:, None, None, None] for each in (how.mean, how.std))
            clip = (shifted_colours(np.clip(clip * std + mean, 0, 1), self.data.colours, rng) - mean) / std
        if self.data.mirrored and rng.random() < 0.5:
            clip, own = clip[..., ::-1], own[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [1, 0, 1, 0]
        return np.ascontiguousarray(clip), own, stays

    def _clip(self, number: int, how: Preprocess) -> np.ndarray:
        frame = self.frames[number]
        if frame.name not in self._kept:
            second = frame.second - self.data.offset
            clip = keyframe_clip(self.task.paths[frame.video], second, how, self.data.stride)
            if not self.data.keep:
                return clip
            self._kept[frame.name] = clip
        return self._kept[frame.name]

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: frame-mAP at an overlap of 0.5, in percent, of the annotated boxes."""
        if self.held is None:
            return {}
        asked, found = Network(network), dict[str, Record]()
        for example in self.held.examples:
            found |= {record.id: record for record in self.held.predict(asked, [example])}
        value = self.held.score(found).metrics[f"frame-mAP@{self.held.protocol.threshold:g}"]
        return {"score": value, "frame-mAP": value}


def _task(data: BoxData) -> SpatialLocalisation:
    options = {"labels": data.labels, "clips": str(data.clips or "")}
    given = {name: value for name, value in options.items() if value}
    settings = [f"offset={data.offset}", f"stride={data.stride}"]
    return spatial(Data(place=data.annotations, root=data.videos, split=data.subset, options=given), settings)
