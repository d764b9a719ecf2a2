"""What an export is made from and what it says when it is done. Plain tables and records; no format is known here."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.curation.clip_tables import captions_of, clips_of, files_of
from internvideo.errors import nearest
from internvideo.store.best_caption import CAPTION_SCALES, best, best_first
from internvideo.store.dataset import Dataset

KEY = ("video", "stream", "start", "end")
NEEDED = ("clip", *KEY, "start_seconds", "end_seconds", "frames", "video_time_base", "path", "source", "licence")
PRIVATE = ("path", "evidence")  # say where a file lies on somebody's disk
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
JSON = Mapping[str, Any]
Progress = Callable[[int, int, str], None]  # done, of how many, name of the last one


def silent(done: int, total: int, name: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote. skipped: (clip name, reason), in the order of the clips."""

    files: int
    clips: int
    bytes: int
    skipped: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ClipRow:
    """One clip with what cutting and naming need."""

    name: str  # `records.Clip.name`
    video: str
    stream: int
    start: int
    end: int
    time_base: Fraction | None  # None: not known, so it cannot be cut
    frames: int | None
    source: str
    file: str  # name of the file it comes from, without folders; "" if it has none

    @property
    def key(self) -> str:
        """The name with nothing in it that file systems or WebDataset read as something else (it splits at dots)."""
        return _UNSAFE.sub("_", self.name)


@dataclass(frozen=True, kw_only=True)
class ExportData:
    """The clips of a view, in order of their key.

    clips: one row each with the columns `NEEDED` and any scalar values. captions: texts of these clips (`clip`, `item`,
    `text`, `scale`, `origin`, `language`, perhaps `covers`). files: video -> (path, size in bytes) where there is one.
    scales: which texts may stand for a clip, best first (see `best_caption`).
    """

    dataset: str
    view: str
    clip_set: str
    clips: pa.Table
    captions: pa.Table
    files: Mapping[str, tuple[Path, int]]
    scales: Sequence[str] = CAPTION_SCALES

    def __post_init__(self) -> None:
        for name in NEEDED:
            if name not in self.clips.column_names:
                raise ValueError(f"an export needs the column `{name}`; {nearest(name, self.clips.column_names)}")

    def __len__(self) -> int:
        return int(self.clips.num_rows)

    @cached_property
    def rows(self) -> list[ClipRow]:
        """Every clip, in order."""
        columns = (
            self.clips[name].to_pylist() for name in NEEDED if name not in ("start_seconds", "end_seconds", "licence")
        )
        made = []
        for name, video, stream, start, end, frames, time_base, path, source in zip(*columns, strict=True):
            base = Fraction(time_base) if time_base else None
            file = PurePath(path).name if path else ""
            made.append(ClipRow(name, video, stream, start, end, base, frames, source or video, file))
        return made

    @cached_property
    def texts(self) -> dict[str, list[dict[str, Any]]]:
        """Clip name -> all its texts, best first."""
        texts: dict[str, list[dict[str, Any]]] = {}
        for row in best_first(self.captions).to_pylist():
            texts.setdefault(row.pop("clip"), []).append(row)
        return texts

    @cached_property
    def best(self) -> dict[str, str]:
        """Clip name -> the text that stands for it. Clips without one are left out."""
        texts = best_first(self.captions, self.scales)["text"]
        return {clip: texts[row].as_py() for clip, row in best(self.captions, self.scales).items()}

    def values(self, row: int) -> dict[str, Any]:
        """All scalar columns of a clip beside its key, without private ones; numbers that JSON cannot hold are None."""
        hidden = {*KEY, "clip", *PRIVATE}
        record = self.clips.slice(row, 1).to_pylist()[0]
        return {name: _finite(value) for name, value in sorted(record.items()) if name not in hidden}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything that the export is made from; the ids of the films stand for their bytes."""
        digest = hashlib.sha256(repr((self.dataset, self.view, self.clip_set, tuple(self.scales))).encode())
        public = self.clips.drop_columns([name for name in PRIVATE if name in self.clips.column_names])
        for table in (public, self.captions):
            sink = pa.BufferOutputStream()
            plain = table.replace_schema_metadata(None).combine_chunks()
            pq.write_table(plain, sink, compression="none", use_dictionary=False)  # what lies under nulls is not in it
            digest.update(sink.getvalue())
        return digest.hexdigest()


def from_dataset(
    dataset: Dataset, view: str | None, clip_set: str, scales: Sequence[str] = CAPTION_SCALES
) -> ExportData:
    """The clips of a view of a dataset, or all of a clip set. Raises StoreError for unknown names."""
    clips = clips_of(dataset, clip_set, view)
    return ExportData(
        dataset=dataset.path.resolve().name,
        view=view or "",
        clip_set=clip_set,
        clips=clips,
        captions=captions_of(dataset, clips),
        files=files_of(dataset),
        scales=scales,
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
