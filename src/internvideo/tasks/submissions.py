"""Official files of the challenges: what their servers take, written from predictions; and read, if others wrote them.
Also the files that the published code itself leaves behind: VideoMAE's views, and results of open-set recognition.

Numbers are plain ints and floats: some servers refuse anything else.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.datasets.ava import write_ava
from internvideo.datasets.ego4d import PictureBoxes, WordQuery
from internvideo.datasets.lists import BadList, cell, class_number, class_numbers, json_file, number, record
from internvideo.datasets.sample import PathLike
from internvideo.metrics.classification import View
from internvideo.tasks.predictions import BadPredictions, Boxes, Segments


def write_activitynet(
    path: PathLike, found: Mapping[str, Segments], classes: Sequence[str], version: str = "VERSION 1.3"
) -> None:
    """ActivityNet, HACS, FineAction and THUMOS14: the segments of each video, best first."""
    results = {name: _rows(one, classes) for name, one in found.items()}
    _write(path, {"version": version, "results": results, "external_data": {}})


def read_activitynet(path: PathLike, classes: Sequence[str]) -> dict[str, Segments]:
    """The predictions of such a file. Labels that are not known get the number -1, which no truth has."""
    numbers = class_numbers(classes)
    found: dict[str, Segments] = {}
    for name, rows in record(cell(record(json_file(path), f"`{path}`"), "results", path), "results").items():
        spans = np.array([cell(row, "segment", path) for row in rows], np.float64).reshape(-1, 2)
        scores = np.array([number(cell(row, "score", path), "score", path) for row in rows])
        labels = [_known(numbers, str(cell(row, "label", path)), path) for row in rows]
        found[name] = Segments(name, spans, scores, np.array(labels, np.int64))
    return found


def _known(numbers: Mapping[str, int], label: str, path: PathLike) -> int:
    try:
        return class_number(numbers, label, path)
    except BadList:
        return -1


def write_moments(path: PathLike, found: Mapping[str, Segments], classes: Sequence[str]) -> None:
    """Ego4D moment queries: the same segments for detection and for retrieval."""
    results = {clip: _rows(one, classes) for clip, one in found.items()}
    about = {"version": "1.0", "challenge": "ego4d_moment_queries"}
    _write(path, {**about, "detect_results": results, "retrieve_results": results})


def write_word_queries(path: PathLike, queries: Sequence[WordQuery], found: Mapping[str, Segments]) -> None:
    """Ego4D natural-language queries: the five best windows of each; a query without any gets none."""
    rows = []
    for query in queries:
        one = found.get(query.name)
        times: list[list[float]] = []
        if one is not None:
            best = np.argsort(-one.scores, kind="stable")[:5]
            times = [[float(second) for second in one.spans[place]] for place in best]
        about = {"clip_uid": query.clip, "annotation_uid": query.annotation, "query_idx": query.number}
        rows.append({**about, "predicted_times": times})
    _write(path, {"version": "1.0", "challenge": "ego4d_nlq_challenge", "results": rows})


def write_next_objects(path: PathLike, found: Mapping[str, Boxes]) -> None:
    """Ego4D short-term anticipation: labels are nouns; `more` holds verbs and seconds; boxes are pixels here."""
    results = {
        uid: [
            {
                "box": [float(value) for value in box],
                "noun_category_id": int(noun),
                "verb_category_id": int(verb),
                "time_to_contact": float(seconds),
                "score": float(score),
            }
            for box, noun, verb, seconds, score in zip(
                one.boxes, one.labels, one.more["verbs"], one.more["seconds"], one.scores, strict=True
            )
        ]
        for uid, one in found.items()
    }
    challenge = "ego4d_short_term_object_interaction_anticipation"
    _write(path, {"version": "1.0", "challenge": challenge, "results": results})


def write_hands(path: PathLike, found: Mapping[str, np.ndarray]) -> None:
    """Ego4D future hands: 20 numbers per clip from (5, 2, 2): moment, hand, (x, y)."""
    _write(path, {name: [float(value) for value in points.reshape(-1)] for name, points in found.items()})


def write_picture_boxes(
    path: PathLike,
    pictures: Sequence[PictureBoxes],
    classes: Mapping[int, tuple[int, str]],
    found: Mapping[str, Boxes],
) -> None:
    """COCO's results: a record per box, x, y, width and height in pixels; classes and pictures as in the list."""
    rows = []
    for picture in pictures:
        one, size = found.get(picture.name), np.tile(picture.size, 2)
        for box, label, score in zip(one.boxes * size, one.labels, one.scores, strict=True) if one else ():
            corners = [float(value) for value in box]
            place = [*corners[:2], corners[2] - corners[0], corners[3] - corners[1]]
            about = {"image_id": _number_or_text(picture.name), "category_id": classes[int(label)][0]}
            rows.append({**about, "bbox": place, "score": float(score)})
    _write(path, rows)


def _number_or_text(name: str) -> int | str:
    return int(name) if name.isdigit() else name


def write_keyframes(path: PathLike, found: Mapping[str, Boxes]) -> None:
    """AVA: a row per box and class. Names are `video,second`."""
    write_ava(
        path,
        (
            (*_keyframe(name), box, int(label), float(score))
            for name, one in found.items()
            for box, label, score in zip(one.boxes, one.labels, one.scores, strict=True)
        ),
    )


def read_views(path: Path) -> list[View]:
    """VideoMAE's files of a test run, one per process: a file, or a folder with 0.txt, 1.txt ...

    The first line of each is its own accuracy; then a line per view: `video [logit,logit,...] label chunk crop`.
    """
    files = sorted(path.glob("*.txt"), key=lambda file: (len(file.stem), file.stem)) if path.is_dir() else [path]
    if not files:
        raise BadPredictions(f"there is no .txt in `{path}`", "a folder with 0.txt, 1.txt ... of VideoMAE")
    return [_view(line, number, file) for file in files for number, line in enumerate(_lines(file), 1) if number > 1]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadPredictions(f"cannot read `{file}`: {error}", "check the path given to --predictions") from error


def _view(line: str, number: int, file: Path) -> View:
    head, _, tail = line.rpartition("]")  # names may have brackets, numbers have none
    name, _, logits = head.rpartition("[")
    try:
        label, chunk, split = map(int, tail.split())
        return View(name.strip(), label, chunk, split, np.array([float(one) for one in logits.split(",")]))
    except ValueError as error:
        raise BadPredictions(
            f"line {number} of `{file}` is no view ({error}): {line:.60}", "expected `video [0.1,2.5] label chunk crop`"
        ) from error


def read_open_results(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The .npz of DEAR's open-set scripts: "known" and "unknown" -> answers, labels, uncertainties, (n,) each."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return {
                part: tuple(held[f"{key}_{name}"].reshape(-1) for name in ("pred", "label", "unctt"))
                for part, key in (("known", "ind"), ("unknown", "ood"))
            }
    except (OSError, ValueError, KeyError) as error:
        raise BadPredictions(f"`{path}` holds no results of open-set recognition ({error})",
                             "expected ind_pred, ind_label, ind_unctt, and the same with ood_") from error  # fmt: skip


def _keyframe(name: str) -> tuple[str, float]:
    video, _, second = name.rpartition(",")
    return video, float(second)


def _rows(one: Segments, classes: Sequence[str]) -> list[dict[str, Any]]:
    order = np.argsort(-one.scores, kind="stable")
    return [
        {"label": classes[int(one.labels[place])], "score": float(one.scores[place]),
         "segment": [float(second) for second in one.spans[place]]}
        for place in order
    ]  # fmt: skip


def _write(path: PathLike, content: Any) -> None:
    Path(path).write_text(json.dumps(content), "utf-8")
