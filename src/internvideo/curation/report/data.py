"""What a report is made from: plain tables and records, so that the page can be drawn and tested without a dataset.

Nothing here reads files or knows HTML.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.text_statistics import words_of
from internvideo.errors import nearest

Relation = Literal[">=", ">", "<=", "<"]
NEEDED = ("video", "stream", "start", "end", "start_seconds", "end_seconds", "kept", "dropped_by", "name", "source")
LENGTH = "seconds"  # stands for the length of a clip where a column is asked for
CAPTION_COLUMNS = ("clip", "text", "scale", "language")


@dataclass(frozen=True, slots=True)
class Step:
    """One rule of a view, in the order of application. Clips that a rule knows no value of are `unknown`."""

    rule: str
    came: int
    kept: int
    unknown: int = 0

    @property
    def dropped(self) -> int:
        return self.came - self.kept


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a rule asks of one number: `column` `relation` `value`. `rule` names its step of the funnel."""

    rule: str
    column: str
    relation: Relation
    value: float

    @property
    def keeps_above(self) -> bool:
        return self.relation in (">=", ">")

    @property
    def words(self) -> str:
        """The relation as people say it."""
        return {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}[self.relation]

    def passes(self, values: np.ndarray) -> np.ndarray:
        """(N,) bool: which of `values` (N,) it lets through; not those that are NaN."""
        compare = {">=": np.greater_equal, ">": np.greater, "<=": np.less_equal, "<": np.less}[self.relation]
        return np.asarray(compare(values, self.value), bool)


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A file, or a video and an operator, of which nothing could be had."""

    name: str
    kind: str  # the word of `errors` and of `dataset retry --class`
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A clip in a group of near-duplicates. clip: its row of the clips; similarity: to the keeper, in [0, 1]."""

    clip: int
    keeper: bool
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """A titled list of what and how much: rates, costs, versions."""

    title: str
    rows: Sequence[tuple[str, str]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that the page tells.

    clips: one row per clip, with the columns `NEEDED` (`kept` bool; `dropped_by` the rule that dropped it, null if
    kept; `name` the printable name of its file, `source` the channel, folder or film) and any scores; `clip` is added.
    captions: `CAPTION_COLUMNS` (`clip` as `records.Clip.name`), the text that stands for a clip before its others; a
    column `words` saves counting.
    videos: one row per readable video with `seconds`, `width`, `height` (as shown) and `source`.
    """

    name: str
    view: str
    clips: pa.Table
    captions: pa.Table
    videos: pa.Table
    files: int
    copies: int = 0  # files with the bytes of another
    failures: Sequence[FailedFile] = ()
    funnel: Sequence[Step] = ()
    thresholds: Sequence[Threshold] = ()
    groups: Sequence[Sequence[Member]] = ()
    recipe: str = ""
    operators: Sequence[tuple[str, str]] = ()  # name, version and fingerprint
    facts: Sequence[Facts] = ()
    titles: dict[str, str] = field(default_factory=dict)  # of score columns that the report has no title for

    def __post_init__(self) -> None:
        for table, needed in ((self.clips, NEEDED), (self.captions, CAPTION_COLUMNS)):
            for name in needed:
                if name not in table.column_names:
                    raise ValueError(f"a report needs the column `{name}`; {nearest(name, table.column_names)}")
        for threshold in self.thresholds:
            if threshold.column not in (*self.clips.column_names, LENGTH):
                raise ValueError(f"threshold on `{threshold.column}`, which is no column of the clips")

    @cached_property
    def kept(self) -> np.ndarray:
        """(N,) bool."""
        return np.asarray(self.clips["kept"].to_numpy(), bool)

    @cached_property
    def names(self) -> list[str]:
        """`records.Clip.name` of every clip."""
        video = self.clips["video"]
        head = pc.if_else(pc.starts_with(video, "ext:"), video, pc.utf8_slice_codeunits(video, 0, 12))
        stream, start, end = (pc.cast(self.clips[key], pa.string()) for key in ("stream", "start", "end"))
        joined = pc.binary_join_element_wise(pc.binary_join_element_wise(head, stream, start, "."), end, "-")
        return list(joined.to_pylist())

    @cached_property
    def seconds(self) -> np.ndarray:
        """(N,) float64: length of every clip."""
        length: np.ndarray = self.numbers("end_seconds") - self.numbers("start_seconds")
        return length

    def numbers(self, column: str) -> np.ndarray:
        """(N,) float64 of a numeric or boolean column of the clips, or of `LENGTH`; NaN where it is null."""
        if column == LENGTH:
            return self.seconds
        return np.asarray(pc.cast(self.clips[column], pa.float64()).to_numpy(zero_copy_only=False), np.float64)

    @cached_property
    def caption_words(self) -> np.ndarray:
        """(C,) int64: words of every caption."""
        if "words" in self.captions.column_names:
            return np.asarray(pc.fill_null(self.captions["words"], 0).to_numpy(), np.int64)
        return np.array([len(words_of(text)) for text in self.captions["text"].to_pylist()], np.int64)

    @cached_property
    def best_captions(self) -> dict[str, int]:
        """Clip name -> row in `captions` of the one that stands for it: the first that there is of it."""
        best: dict[str, int] = {}
        for row, clip in enumerate(self.captions["clip"].to_pylist()):
            best.setdefault(clip, row)
        return best
