"""What `--data` names: the small world, official annotation files, folders of classes, tables of one's own.

A list is read with its labels and captions; pixels come later.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from internvideo.datasets.lists import BadList, csv_rows
from internvideo.datasets.moving_shapes.rendered import rendered
from internvideo.datasets.moving_shapes.world import Plot, Scene, Split, scene
from internvideo.datasets.questions import QUESTION_READERS, Question
from internvideo.datasets.readers import READERS
from internvideo.datasets.sample import Sample, Samples, uid_of
from internvideo.datasets.table import FILE
from internvideo.errors import UsageError, nearest, pick

SMALL_WORLD = "moving_shapes"


@dataclass(frozen=True, kw_only=True)
class Data:
    """The list of an evaluation.

    place: a file or folder, or a folder whose name is moving_shapes: that is rendered if it is not there. reader: a key
    of `datasets.readers.READERS`; "" recognises folders of classes and tables. root: where the videos lie; "": beside
    the list. classes: names in order, or a file with them. options: what the reader takes beside that; of a table,
    columns and what they must say.
    """

    place: str
    reader: str = ""
    root: str = ""
    split: str = ""
    classes: Sequence[str] | str = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def small_world(self) -> bool:
        return Path(self.place).name == SMALL_WORLD and not self.reader

    def without(self, name: str) -> tuple[str, "Data"]:
        """An option that the task takes itself ("" if it is not given), and the data without it."""
        rest = {key: value for key, value in self.options.items() if key != name}
        return self.options.get(name, ""), replace(self, options=rest)

    def number(self, name: str, usual: int) -> int:
        """A whole number among the options."""
        text = self.options.get(name, str(usual))
        if not text.isdigit() or not int(text):
            raise UsageError(f"data.{name}={text} is no whole number over 0", f"data.{name}={usual} is the usual one")
        return int(text)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A scene of the small world with its file, and all that is known of it (see `moving_shapes.describe`)."""

    id: str
    sample: Sample
    scene: Scene
    facts: Mapping[str, Any]


def world(data: Data, name: str, scenes: Sequence[Scene]) -> list[Rendered]:
    """Scenes as files below the folder of the data. options: size (pixels per side)."""
    folder, rows = rendered(Path(data.place), name, scenes, size=data.number("size", 96))
    corpus = f"{SMALL_WORLD}/{name}"
    return [
        Rendered(one.key, Sample(uid_of(corpus, one.key), str(folder / row["file"]), source=one.key), one, row)
        for one, row in zip(scenes, rows, strict=True)
    ]


def scenes_of(data: Data, usual: int, *, split: str = "test", plot: Plot | None = None) -> list[Scene]:
    """The first scenes of a split. options: clips (how many), seconds (of each)."""
    seconds = float(data.number("seconds", 3))
    chosen = cast(Split, data.split or split)
    return [scene(chosen, number, plot=plot, seconds=seconds) for number in range(data.number("clips", usual))]


def read_list(data: Data, *, options: Mapping[str, Any] | None = None) -> Samples:
    """The samples of a list on disk, by its reader. options: what the task asks of the reader, if it takes that."""
    name = data.reader or _recognised(_there(data.place))
    reader = pick(READERS, name, "format")
    given = {key: value for key, value in (options or {}).items() if value and key in _taken(reader)}
    if "classes" in _taken(reader) and data.classes:
        given["classes"] = data.classes
    if name == "table":  # columns of one's own are options
        where = {**data.options, **({"split": data.split} if data.split else {})}
        given, data = {**given, "where": where}, replace(data, options={})
    samples: Samples = _read(reader, name, data, given)
    if not len(samples):
        raise UsageError(f"`{data.place}` has no samples", "is it the right list, folder or split?")
    return samples


def read_questions(data: Data) -> Sequence[Question]:
    """The questions of a list on disk. Their format must be named: lists of questions look alike."""
    if not data.reader:
        raise UsageError(f"how are the questions of `{data.place}` written?",
                         f"--format {', '.join(QUESTION_READERS)}")  # fmt: skip
    found: Sequence[Question] = _read(pick(QUESTION_READERS, data.reader, "format"), data.reader, data, {})
    return found


def _read(reader: Callable[..., Any], name: str, data: Data, given: Mapping[str, Any]) -> Any:
    for option in data.options:
        if option not in _taken(reader):
            raise UsageError(f"the format `{name}` has no option data.{option}", nearest(option, _taken(reader)))
    return reader(_there(data.place), data.root or str(Path(data.place).parent), **{**data.options, **given})


def _there(place: str) -> Path:
    if not Path(place).exists():
        raise UsageError(f"there is no `{place}`", f"a file, a folder, or {SMALL_WORLD}")
    return Path(place)


def _taken(reader: Callable[..., Samples]) -> list[str]:
    bound = getattr(reader, "keywords", {})
    parameters = inspect.signature(reader).parameters
    return [name for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY and name not in bound]


def _recognised(place: Path) -> str:
    """folders: one per class; table: columns by name; labelled-list: `path label` per line."""
    if place.is_dir():
        return "folders"
    suffix = place.suffix.lower()
    if suffix in (".jsonl", ".ndjson", ".parquet", ".tsv"):
        return "table"
    if suffix in (".csv", ".txt"):
        names = set(next(iter(csv_rows(place)), {})) if suffix == ".csv" else set()
        return "table" if names & set(FILE) else "labelled-list"
    raise BadList(f"`{place}`: what kind of list is it?", f"--format {', '.join(list(READERS)[:6])} ... says so")


def name_of(sample: Sample, root: str) -> str:
    """A sample's id: its path below the root, with suffix (DiDeMo has `x.avi` beside `x.mp4`), and its span."""
    path = Path(sample.path)
    try:
        path = path.relative_to(root)
    except ValueError:
        path = Path(path.name)
    return path.as_posix() + (f"@{sample.span.start:g}-{sample.span.end:g}" if sample.span else "")
