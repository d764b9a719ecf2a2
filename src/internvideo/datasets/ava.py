"""AVA 2.2 and AVA-Kinetics: boxes of persons at keyframes and what they do; label maps, exclusions, person boxes.

Rows: `video, second, x1, y1, x2, y2, action, person`, coordinates in [0, 1], no header; a row per person and action.
Kinetics rows may have no box: a keyframe without persons. Source: the AVA and AVA-Kinetics download pages.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from internvideo.datasets.lists import BadList, cell, json_file, number, reading, records
from internvideo.datasets.sample import PathLike

_ITEM = re.compile(r'item\s*\{[^}]*?name:\s*"([^"]*)"[^}]*?(?:label_)?id:\s*(\d+)', re.DOTALL)
SHOWN = 5


@dataclass(frozen=True, eq=False)
class Persons:
    """Who is at one keyframe. boxes: (P, 4) in [0, 1]; actions: of each a set of class numbers, from 1; scores: (P,) of
    a person detector, 1 where people drew the boxes."""

    video: str
    second: float
    boxes: np.ndarray
    actions: tuple[frozenset[int], ...]
    scores: np.ndarray

    @property
    def name(self) -> str:
        """As prediction files call it.

        >>> Persons("a", 902.0, np.zeros((0, 4)), (), np.zeros(0)).name
        'a,0902'
        """
        return f"{self.video},{written(self.second)}"


def written(second: float) -> str:
    """
    >>> written(902.0), written(3.5)
    ('0902', '3.5')
    """
    return f"{int(second):04d}" if second == int(second) else f"{second:g}"


def read_ava(path: PathLike, *, excluded: PathLike | None = None) -> list[Persons]:
    """Keyframes in order of first appearance; a person is a box with all of its actions.

    excluded: file of `video, second` that do not count. Raises BadList for what is no row, with its line.
    """
    gone = read_excluded(excluded) if excluded is not None else set()
    frames: dict[tuple[str, float], dict[tuple[float, ...], set[int]]] = {}
    for line, row in _rows(path):
        if len(row) < 7 or not row[0]:
            raise BadList(
                f"line {line} of `{path}` has {len(row)} columns", "expected video,second,x1,y1,x2,y2,action,person"
            )
        key = row[0], number(row[1], "second", path)
        if key in gone:
            continue
        people = frames.setdefault(key, {})
        if row[2] and row[6]:
            box = tuple(number(text, "coordinate", path) for text in row[2:6])
            people.setdefault((*box, float(row[7]) if len(row) > 7 and row[7] else -1.0), set()).add(int(row[6]))
    return [
        Persons(
            video,
            second,
            np.array([box[:4] for box in people], np.float64).reshape(-1, 4),
            tuple(frozenset(actions) for actions in people.values()),
            np.ones(len(people)),
        )
        for (video, second), people in frames.items()
    ]


def read_excluded(path: PathLike) -> set[tuple[str, float]]:
    """`video, second` per line. An id that no annotation has is told where it is used."""
    return {(row[0], number(row[1], "second", path)) for _, row in _rows(path) if len(row) > 1}


def read_label_map(path: PathLike) -> dict[int, str]:
    """Class number, from 1, and name: a pbtxt of items, or lines `number: name`."""
    with reading(path):
        text = Path(path).read_text("utf-8-sig")
    found = {int(number_text): name for name, number_text in _ITEM.findall(text)}
    if not found:
        found = {int(m[1]): m[2].strip() for m in re.finditer(r"^\s*(\d+)\s*[:,]\s*(.+)$", text, re.MULTILINE)}
    if not found:
        raise BadList(f"`{path}` has no classes", 'expected items with name: "..." and id: ...')
    return found


def read_person_boxes(
    path: PathLike, sizes: Mapping[str, tuple[int, int]] | None = None, *, least: float = 0.8
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Boxes of a person detector: keyframe name -> (P, 4) in [0, 1] and (P,) scores of at least `least`.

    Two forms: `{"video,0902": [[x1, y1, x2, y2, score], ...]}`, in [0, 1]; or records `{"image_id", "bbox", "score"}`
    whose id ends in `_<second>`. There boxes are pixels, x, y, width and height, and sizes says the (width, height) of
    each video's picture (AVA); without sizes they are corners in [0, 1] (Kinetics).
    """
    found = json_file(path)
    rows: dict[str, list[list[float]]] = {}
    if isinstance(found, dict):
        for name, boxes in found.items():
            video, _, second = name.rpartition(",")
            rows[f"{video},{written(number(second, 'second', path))}"] = [list(map(float, box)) for box in boxes]
    else:
        for row in records(found, path):
            video, _, second = str(cell(row, "image_id", path)).rpartition("_")
            box = [number(value, "bbox", path) for value in cell(row, "bbox", path)]
            if sizes is not None:
                if video not in sizes:
                    raise BadList(f"`{path}`: nothing says how large the pictures of `{video}` are")
                width, height = sizes[video]
                box = [box[0] / width, box[1] / height, (box[0] + box[2]) / width, (box[1] + box[3]) / height]
            key = f"{video},{written(number(second, 'second', path))}"
            rows.setdefault(key, []).append([*box, number(cell(row, "score", path), "score", path)])
    table = {name: np.array(boxes, np.float64).reshape(-1, 5) for name, boxes in rows.items()}
    return {name: (boxes[kept, :4], boxes[kept, 4]) for name, boxes in table.items() for kept in [boxes[:, 4] >= least]}


def inside(frames: Iterable[Persons]) -> tuple[list[Persons], list[str]]:
    """The frames with boxes cut at the picture and without those that are empty then; and what was wrong, in words."""
    kept, outside, empty = [], [], []
    for frame in frames:
        cut = np.clip(frame.boxes, 0, 1)
        if (cut != frame.boxes).any():
            outside.append(frame.name)
        good = (cut[:, 2:] > cut[:, :2]).all(1)
        if not good.all():
            empty.append(frame.name)
        actions = tuple(each for each, stays in zip(frame.actions, good, strict=True) if stays)
        kept.append(Persons(frame.video, frame.second, cut[good], actions, frame.scores[good]))
    told = []
    for what, names in (("leave the picture; they are cut off", outside), ("have no inside; they are left out", empty)):
        if names:
            told.append(f"boxes of {len(names):,} keyframes {what}: {'; '.join(names[:SHOWN])}")
    return kept, told


def write_ava(path: PathLike, rows: Iterable[tuple[str, float, np.ndarray, int, float]]) -> None:
    """A file of predictions as the challenge takes it: (video, second, box, class from 1, score) per row."""
    lines = [
        ",".join(
            [video, written(second), *(f"{value:.5f}" for value in np.clip(box, 0, 1)), str(label), f"{score:.5f}"]
        )
        for video, second, box, label, score in rows
    ]
    Path(path).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def read_ava_predictions(path: PathLike) -> Iterator[tuple[str, float, tuple[float, ...], int, float]]:
    """The rows of such a file. The eighth column is a score here; in annotations it is the number of a person."""
    for line, row in _rows(path):
        if len(row) != 8:
            raise BadList(f"line {line} of `{path}` has {len(row)} columns", "expected 8, the last one a score")
        box = tuple(number(text, "coordinate", path) for text in row[2:6])
        yield row[0], number(row[1], "second", path), box, int(row[6]), number(row[7], "score", path)


def _rows(path: PathLike) -> Iterator[tuple[int, list[str]]]:
    with reading(path), Path(path).open(encoding="utf-8-sig", newline="") as file:
        for row in (table := csv.reader(file)):
            if row:
                yield table.line_num, [text.strip() for text in row]
