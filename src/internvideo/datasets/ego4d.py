"""Ego4D's tasks beside moment queries (`datasets.timelines`): queries in words, objects that are touched next, hands.

Files as the challenge of 2022 gives them; newer releases name some ids otherwise, both are read. Seconds count within
clips, boxes are pixels with both ends inside, frames are those of the whole video.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from internvideo.datasets.lists import BadList, cell, json_file, number, record, records
from internvideo.datasets.sample import PathLike

MOMENTS_BEFORE = ("pre_45", "pre_30", "pre_15", "pre_frame", "contact_frame")  # of hands


@dataclass(frozen=True)
class WordQuery:
    """A question about a clip. window: the (start, end) seconds that answer it; None in a test file."""

    clip: str
    annotation: str
    number: int
    text: str
    window: tuple[float, float] | None
    split: str

    @property
    def name(self) -> str:
        """One of its kind in the file."""
        return f"{self.annotation}_{self.number}"


def read_word_queries(path: PathLike) -> list[WordQuery]:
    """`nlq_{train,val,test}.json`. Questions without words are left out, as the challenge does."""
    found = []
    for video in records(cell(record(json_file(path), f"`{path}`"), "videos", path), path):
        for clip in cell(video, "clips", path):
            for annotation in clip.get("annotations") or []:
                for place, query in enumerate(annotation.get("language_queries") or []):
                    text = str(query.get("query") or "").strip()
                    if text:
                        found.append(
                            WordQuery(
                                str(cell(clip, "clip_uid", path)),
                                str(annotation.get("annotation_uid", "")),
                                place,
                                text,
                                _window(query, path),
                                str(video.get("split", "")),
                            )
                        )
    return found


def _window(query: dict[str, Any], path: PathLike) -> tuple[float, float] | None:
    if query.get("clip_start_sec") is None:
        return None
    start, end = (number(query[f"clip_{side}_sec"], "time", path) for side in ("start", "end"))
    return min(start, end), max(start, end)


@dataclass(frozen=True, eq=False)
class NextObjects:
    """What is touched next after one frame. boxes (n, 4) pixels; nouns, verbs and seconds until it: (n,)."""

    uid: str
    video: str
    frame: int
    boxes: np.ndarray
    nouns: np.ndarray
    verbs: np.ndarray
    seconds: np.ndarray


def read_next_objects(path: PathLike) -> list[NextObjects]:
    """`fho_sta_{train,val,test}.json`; test files have no objects."""
    found = []
    for row in records(cell(record(json_file(path), f"`{path}`"), "annotations", path), path):
        objects = row.get("objects") or []
        boxes = np.array([each["box"] for each in objects], np.float64).reshape(-1, 4)
        if (boxes[:, 2:] < boxes[:, :2]).any():
            raise BadList(f"`{path}`: `{row.get('uid')}` has a box whose end lies before its start")
        nouns, verbs = (
            np.array([each[f"{kind}_category_id"] for each in objects], np.int64) for kind in ("noun", "verb")
        )
        seconds = np.array([each["time_to_contact"] for each in objects], np.float64)
        video = row.get("video_id") or row.get("video_uid") or row.get("clip_uid") or ""
        frame = row.get("frame") if row.get("frame") is not None else row.get("clip_frame", 0)
        found.append(
            NextObjects(str(cell(row, "uid", path)), str(video), int(frame or 0), boxes, nouns, verbs, seconds)
        )
    return found


@dataclass(frozen=True, eq=False)
class Hands:
    """Where both hands are at five moments before and at contact: points (5, 2, 2): moment, hand (left, right), (x, y)
    pixels; (0, 0) where a hand is not seen. first: the frame of the first moment; pictures before it are the input."""

    clip: str
    first: int
    points: np.ndarray

    @property
    def name(self) -> str:
        """As submissions call it: the last frame that may be looked at."""
        return f"{self.clip}_{self.first - 1}"


def read_hands(path: PathLike) -> list[Hands]:
    """`fho_hands_{train,val,test}.json`."""
    return list(_hands(record(json_file(path), f"`{path}`"), path))


def _hands(found: dict[str, Any], path: PathLike) -> Iterator[Hands]:
    for clip in records(cell(found, "clips", path), path):
        for row in clip.get("frames") or []:
            points = np.zeros((len(MOMENTS_BEFORE), 2, 2))
            for moment, name in enumerate(MOMENTS_BEFORE):
                for box in (row.get(name) or {}).get("boxes") or []:
                    for hand, key in enumerate(("left_hand", "right_hand")):
                        if key in box:
                            points[moment, hand] = box[key]
            first = (row.get(MOMENTS_BEFORE[0]) or {}).get("frame")
            if first is not None:
                yield Hands(str(clip.get("clip_id", clip.get("clip_uid", ""))), int(first), points)
