"""What a model said, as a file that anyone can open: a line of JSON per answer, and a first line about all of them.

Five families of records cover every task. A file is marked without the model that wrote it. Knows no task.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from internvideo.errors import InternVideoError, pick
from internvideo.metrics.classification import softmax

TINY = 1e-300  # of probabilities, before their logarithm
SHOWN = 5  # cases that are named where something is wrong with many


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How much speaks for each class, option or answer: (K,) float; the highest is the answer."""

    id: str
    scores: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Stretches of a video: spans (n, 2) seconds, start and end; scores (n,); labels (n,) class numbers."""

    id: str
    spans: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Things in one picture: boxes (n, 4), (x1, y1, x2, y2) in [0, 1]; scores (n,); labels (n,) class numbers.

    more: further numbers of each box by name, (n,) or (n, m): verbs, seconds to contact.
    """

    id: str
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    more: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """One vector of a video or of a text: (D,)."""

    id: str
    vector: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """A path: (n, D) coordinates, or numbers of places in order."""

    id: str
    points: np.ndarray


Record: TypeAlias = Scores | Segments | Boxes | Embedding | Trajectory
FAMILIES: Mapping[str, type[Record]] = {
    "scores": Scores,
    "segments": Segments,
    "boxes": Boxes,
    "embeddings": Embedding,
    "trajectories": Trajectory,
}
_AXES = {"scores": 1, "labels": 1, "vector": 1, "spans": 2, "boxes": 2, "points": 2}


class BadPredictions(InternVideoError):
    """A file of predictions cannot be marked."""

    kind = "predictions"


def to_row(record: Record) -> dict[str, Any]:
    """For JSON. Nine digits bring back every float32.

    >>> to_row(Scores("a", np.array([0.5, 2])))
    {'id': 'a', 'scores': [0.5, 2.0]}
    """
    row: dict[str, Any] = {"id": record.id}
    for each in fields(record):
        value = getattr(record, each.name)
        if each.name == "more":
            row |= {"more": {name: _plain(numbers) for name, numbers in value.items()}} if value else {}
        elif each.name != "id":
            row[each.name] = _plain(value)
    return row


def _plain(numbers: np.ndarray) -> Any:
    if numbers.ndim > 1:
        return [_plain(row) for row in numbers]
    values: list[Any] = numbers.tolist()
    return values if np.issubdtype(numbers.dtype, np.integer) else [float(f"{value:.9g}") for value in values]


def from_row(family: str, row: Mapping[str, Any], where: str = "") -> Record:
    """The record that a line of JSON holds. Raises BadPredictions, which names `where`, for anything else."""
    kind = pick(FAMILIES, family, "family of predictions")
    if "id" not in row:
        raise BadPredictions(f"{where} has no `id`: {dict(row)!r:.80}", f"expected {_form(family)}")
    values: dict[str, Any] = {"id": str(row["id"])}
    try:
        for each in fields(kind):
            if each.name in _AXES:
                values[each.name] = _array(row[each.name], _AXES[each.name], whole=each.name == "labels")
            elif each.name == "more":
                values["more"] = {name: np.asarray(numbers) for name, numbers in row.get("more", {}).items()}
    except (KeyError, TypeError, ValueError) as error:
        raise BadPredictions(f"{where} is no {family} record ({error})", f"expected {_form(family)}") from error
    return kind(**values)


def _array(numbers: Any, axes: int, *, whole: bool) -> np.ndarray:
    found = np.asarray(numbers, np.int64 if whole else np.float64)
    if found.ndim != axes and found.size:
        raise ValueError(f"expected {axes} axes, got shape {found.shape}")
    return found if found.size else found.reshape((0,) * axes)


def _form(family: str) -> str:
    names = (each.name for each in fields(pick(FAMILIES, family, "family of predictions")) if each.name in _AXES)
    parts = (f'"{name}": {"[...]" if _AXES[name] == 1 else "[[...], ...]"}' for name in names)
    return '{"id": "...", ' + ", ".join(parts) + "}"


def about_line(about: Mapping[str, Any]) -> str:
    """The first line of a file: what its records are and how they came about."""
    return json.dumps({"about": about}, ensure_ascii=False) + "\n"


def line(record: Record) -> str:
    """One record as a line of the file."""
    return json.dumps(to_row(record), ensure_ascii=False) + "\n"


def write_predictions(path: str | os.PathLike[str], about: Mapping[str, Any], records: Iterable[Record]) -> None:
    """A whole file at once; `read_predictions` gives the same back."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.write(about_line(about))
        file.writelines(map(line, records))


def read_predictions(path: str | os.PathLike[str], family: str) -> tuple[dict[str, Any], list[Record]]:
    """What the first line says ({} if there is none), and all records.

    A last line without an end (a killed run) is left out. Raises BadPredictions with the number of the line.
    """
    about: dict[str, Any] = {}
    records: list[Record] = []
    for number, row in _rows(Path(path)):
        where = f"line {number} of `{path}`"
        if not isinstance(row, dict):
            raise BadPredictions(f"{where} is no record but {row!r:.60}", f"expected {_form(family)}")
        if number == 1 and "about" in row:
            about = dict(row["about"])
            if about.get("family", family) != family:
                raise BadPredictions(f"`{path}` holds {about['family']}, this task reads {family}", "another task?")
        else:
            records.append(from_row(family, row, where))
    return about, records


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadPredictions(f"cannot read `{path}`: {error}", "check the path given to --predictions") from error
    whole = text[: text.rfind("\n") + 1] if text.startswith('{"about"') else text
    for number, one in enumerate(whole.splitlines(), start=1):
        if one.strip():
            try:
                yield number, json.loads(one)
            except ValueError as error:
                raise BadPredictions(
                    f"line {number} of `{path}` is not JSON ({error})", "one record per line"
                ) from error


@dataclass(frozen=True)
class Matched:
    """Predictions beside the examples that they answer. found: by id, in the order of the examples.

    missing: examples without a prediction; extra: predictions of nothing in the list; repeated: given twice, equal.
    """

    found: Mapping[str, Record]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    repeated: tuple[str, ...]

    def notes(self) -> list[str]:
        """What is not as it should be, each with its count and first cases."""
        told = {"have no prediction": self.missing, "are in no list": self.extra, "come twice": self.repeated}
        nouns = {"have no prediction": "examples", "are in no list": "predictions", "come twice": "predictions"}
        return [f"{len(ids):,} {nouns[what]} {what}: {shown(ids)}" for what, ids in told.items() if ids]


def match(records: Iterable[Record], ids: Sequence[str]) -> Matched:
    """Put predictions beside examples. Raises BadPredictions for scores that are no numbers, for an id that is given
    twice with different answers, and if there is no prediction of any example."""
    given: dict[str, Record] = {}
    repeated: list[str] = []
    different: list[str] = []
    broken: list[str] = []
    for record in records:
        if not _finite(record):
            broken.append(record.id)
        elif record.id in given:
            (repeated if _equal(given[record.id], record) else different).append(record.id)
        given.setdefault(record.id, record)
    if broken:
        raise BadPredictions(
            f"{len(broken):,} predictions hold NaN or infinity: {shown(broken)}", "mend the model first"
        )
    if different:
        raise BadPredictions(
            f"{len(different):,} ids are predicted twice, differently: {shown(different)}", "leave one of each"
        )
    found = {id: given[id] for id in ids if id in given}
    if not found and ids:
        raise BadPredictions(
            f"none of the {len(ids):,} examples has a prediction; examples: {shown(ids)}; predictions: "
            f"{shown(list(given)) or 'none'}",
            "are these predictions of another list?",
        )
    known = set(ids)
    extra = tuple(id for id in given if id not in known)
    return Matched(found, tuple(id for id in ids if id not in given), extra, tuple(repeated))


def shown(ids: Sequence[str]) -> str:
    """The first cases.

    >>> shown(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e ...'
    """
    return ", ".join(ids[:SHOWN]) + (" ..." if len(ids) > SHOWN else "")


def same_width(records: Iterable[Record], width: int, what: str) -> None:
    """Raise BadPredictions unless every score record has `width` numbers. what: what they are scores of."""
    wrong = [f"{one.id} ({len(one.scores)})" for one in records if isinstance(one, Scores) and len(one.scores) != width]
    if wrong:
        raise BadPredictions(
            f"{len(wrong):,} predictions do not have {width} scores, one per {what}: {shown(wrong)}",
            "do the classes of the list and the head of the network belong together?",
        )


def _arrays(record: Record) -> list[np.ndarray]:
    values = [getattr(record, each.name) for each in fields(record) if each.name not in ("id", "more")]
    return values + list(getattr(record, "more", {}).values())


def _finite(record: Record) -> bool:
    return all(bool(np.isfinite(numbers).all()) for numbers in _arrays(record))


def _equal(one: Record, other: Record) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(_arrays(one), _arrays(other), strict=True))


def mixed(parts: Sequence[Sequence[Record]], weights: Sequence[float]) -> list[Record]:
    """Several models' scores as one: log of the weighted mean of their probabilities (softmax of the scores), by id.

    Raises BadPredictions unless all have the same ids and as many scores each.
    """
    tables = [{one.id: one.scores for one in part if isinstance(one, Scores)} for part in parts]
    for table in tables[1:]:
        if other := sorted(table.keys() ^ tables[0].keys()):
            raise BadPredictions(f"{len(other):,} ids are not in all files: {shown(other)}", "one list for all models")
    if wrong := [id for id in tables[0] if len({len(table[id]) for table in tables}) > 1]:
        raise BadPredictions(
            f"{len(wrong):,} ids have other numbers of scores in each file: {shown(wrong)}", "one head"
        )
    shares = np.array(weights) / sum(weights)
    return [
        Scores(id, np.log(sum(w * softmax(table[id]) for w, table in zip(shares, tables, strict=True)) + TINY))
        for id in tables[0]
    ]
