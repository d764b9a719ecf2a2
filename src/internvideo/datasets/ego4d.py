"""Ego4D's tasks beside moment queries (`datasets.timelines`): queries in words, objects that are touched next or
change, hands.

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
    """A question about a clip of `seconds`. window: the (start, end) seconds that answer it; None in a test file."""

    clip: str
    seconds: float
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
            first, last = (number(cell(clip, f"video_{side}_sec", path), "time", path) for side in ("start", "end"))
            for annotation in clip.get("annotations") or []:
                for place, query in enumerate(annotation.get("language_queries") or []):
                    text = str(query.get("query") or "").strip()
                    if text:
                        found.append(
                            WordQuery(
                                str(cell(clip, "clip_uid", path)),
                                last - first,
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
    """What is touched next after one frame. boxes (n, 4) pixels; nouns, verbs and seconds until it: (n,).

    size: (width, height) of the pictures that the boxes are in, (0, 0) if the file does not say.
    """

    uid: str
    video: str
    frame: int
    size: tuple[int, int]
    boxes: np.ndarray
    nouns: np.ndarray
    verbs: np.ndarray
    seconds: np.ndarray


def read_next_objects(path: PathLike) -> list[NextObjects]:
    """`fho_sta_{train,val,test}.json`; test files have no objects."""
    found, content = [], record(json_file(path), f"`{path}`")
    videos = content.get("videos") or (content.get("info") or {}).get("video_metadata") or {}
    for row in records(cell(content, "annotations", path), path):
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
        about = videos.get(video) or {}
        size = int(about.get("frame_width", 0)), int(about.get("frame_height", 0))
        uid = str(cell(row, "uid", path))
        found.append(NextObjects(uid, str(video), int(frame or 0), size, boxes, nouns, verbs, seconds))
    return found


def read_object_boxes(path: PathLike, *, least: float = 0.0) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """What a detector found at each frame, `{uid: [{"box", "noun_category_id", "score"}]}`: (n, 4) pixels, (n,) nouns,
    (n,) scores of at least `least`."""
    found = {}
    for uid, rows in record(json_file(path), f"`{path}`").items():
        kept = [row for row in records(rows, path) if number(cell(row, "score", path), "score", path) >= least]
        boxes = np.array([cell(row, "box", path) for row in kept], np.float64).reshape(-1, 4)
        nouns = np.array([int(cell(row, "noun_category_id", path)) for row in kept], np.int64)
        found[uid] = boxes, nouns, np.array([float(row["score"]) for row in kept])
    return found


@dataclass(frozen=True, eq=False)
class PictureBoxes:
    """Things in one picture. file: its path below the folder of pictures; boxes (n, 4) in [0, 1]; labels (n,)
    from 0; size: (width, height) in pixels."""

    name: str
    file: str
    boxes: np.ndarray
    labels: np.ndarray
    size: tuple[int, int]


def read_picture_boxes(path: PathLike) -> tuple[list[PictureBoxes], dict[int, tuple[int, str]]]:
    """COCO's JSON, as state-change objects come: pictures with boxes, and class number -> (id in the file, name).

    Boxes stay as they are, also where they leave the picture.
    """
    content = record(json_file(path), f"`{path}`")
    kinds = {int(cell(row, "id", path)): str(row.get("name", row["id"])) for row in content.get("categories") or []}
    numbers = {identity: place for place, identity in enumerate(sorted(kinds))}
    rows: dict[Any, list[tuple[list[float], int]]] = {}
    for row in records(content.get("annotations") or [], path):
        x, y, width, height = (number(value, "bbox", path) for value in cell(row, "bbox", path))
        kind = int(row.get("category_id", min(numbers, default=0)))
        if kind not in numbers:
            raise BadList(f"`{path}`: a box is of the category {kind}, the file knows {sorted(numbers)[:5]}")
        rows.setdefault(cell(row, "image_id", path), []).append(([x, y, x + width, y + height], numbers[kind]))
    found = []
    for picture in records(cell(content, "images", path), path):
        size = int(cell(picture, "width", path)), int(cell(picture, "height", path))
        mine = rows.pop(picture["id"], [])
        boxes = np.array([box for box, _ in mine], np.float64).reshape(-1, 4) / np.tile(size, 2)
        labels = np.array([kind for _, kind in mine], np.int64)
        found.append(PictureBoxes(str(picture["id"]), str(cell(picture, "file_name", path)), boxes, labels, size))
    if rows:
        first = ", ".join(map(str, list(rows)[:5]))
        raise BadList(f"`{path}`: boxes of {len(rows):,} pictures that the file does not list: {first}")
    return found, {place: (identity, kinds[identity]) for identity, place in numbers.items()}


@dataclass(frozen=True)
class Change:
    """A clip of `seconds` in which a thing changes or not; moment: seconds from its start to when it begins to."""

    name: str
    video: str
    start: float  # in the video, seconds
    seconds: float
    moment: float | None


def read_changes(path: PathLike) -> list[Change]:
    """`fho_oscc-pnr_{train,val}.json`. A moment outside its clip is refused with the numbers."""
    found = []
    for clip in records(cell(record(json_file(path), f"`{path}`"), "clips", path), path):
        start, end = (number(cell(clip, f"parent_{side}_sec", path), "time", path) for side in ("start", "end"))
        name, at = str(cell(clip, "unique_id", path)), clip.get("parent_pnr_sec")
        if not start < end:
            raise BadList(f"`{path}`: the clip `{name}` goes from {start:g} to {end:g} s")
        moment = number(at, "parent_pnr_sec", path) - start if clip.get("state_change") and at is not None else None
        if moment is not None and not 0 <= moment <= end - start:
            raise BadList(f"`{path}`: `{name}` changes {moment:g} s after its start, but lasts {end - start:g} s")
        found.append(Change(name, str(clip.get("video_uid", name)), start, end - start, moment))
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
