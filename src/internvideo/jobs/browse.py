"""A dataset as a page browses it: score distributions, live counts, clips at a border, groups, failures, verdicts.

Made from the same data as the report, so both tell the same.
"""

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from internvideo.curation.report.adapter import report_data
from internvideo.curation.report.data import LENGTH, ReportData
from internvideo.curation.report.histogram import histogram
from internvideo.errors import MissingVideo, UsageError, nearest
from internvideo.jobs.dataset import main_view
from internvideo.store.dataset import Dataset

VERDICTS = ("keep", "drop", "bad caption", "bad cut", "unsure")
MOST = 200  # clips or groups in one answer
# Numbers about the picture and the words; the others say how they were come by.
SHOWN = re.compile(
    r"(motion|exposure|sharpness|stillness|bars|colour|aesthetic|match)_(?!.*frames)\w+|duplicates_similarity|semantic_similarity|text_\w+"
    r"|caption_statistics_(words|distinct_share)|captions_covers|video_(width|height|fps|seconds)|decoding_missing"
)


@dataclass(frozen=True)
class Range:
    """low <= value <= high of a column; None: no bound. Clips without a value stay in only if there is no bound."""

    column: str
    low: float | None = None
    high: float | None = None


class Browser:
    """One view of a dataset, in memory; made again when the dataset has changed."""

    def __init__(self, dataset: Dataset, view: str | None = None) -> None:
        if view is not None and view not in dataset.views():
            raise UsageError(f"no view `{view}`", nearest(view, dataset.views()))
        self._dataset = dataset
        self.view = view or main_view(dataset)
        self.data: ReportData = report_data(dataset, self.view)
        self._judged: dict[str, str] = {}
        self._judged_at = -1

    def overview(self) -> dict[str, Any]:
        """All that the page shows before anything is moved."""
        data = self.data
        return {
            "view": self.view,
            "views": self._dataset.views(),
            "files": data.files,
            "copies": data.copies,
            "videos": data.videos.num_rows,
            "clips": data.clips.num_rows,
            "kept": int(data.kept.sum()),
            "captions": data.captions.num_rows,
            "groups": len(data.groups),
            "funnel": [{"rule": s.rule, "came": s.came, "kept": s.kept, "unknown": s.unknown} for s in data.funnel],
            "failures": [
                {"name": f.name, "kind": f.kind, "message": f.message, "advice": f.advice} for f in data.failures[:MOST]
            ],
            "columns": [self._column(name) for name in self.columns],
            "facts": [{"title": fact.title, "rows": list(fact.rows), "note": fact.note} for fact in data.facts],
        }

    @cached_property
    def columns(self) -> list[str]:
        """Numbers that differ from clip to clip, those with thresholds first."""
        table = self.data.clips
        numeric = [
            field.name
            for field in table.schema
            if (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)) and SHOWN.fullmatch(field.name)
        ]
        varied = [name for name in numeric if (v := _known(self.data.numbers(name))).max() > v.min()]
        asked = list(dict.fromkeys(threshold.column for threshold in self.data.thresholds))
        return list(dict.fromkeys([*(name for name in asked if name in varied), LENGTH, *varied]))

    def count(self, ranges: Sequence[Range], border: str | None = None) -> dict[str, Any]:
        """How many clips are within all ranges, how they are spread in each column, and the clips nearest a border.

        border: a column whose low bound (else high bound) is looked at from both sides.
        """
        inside = self.within(ranges)
        bars = {name: self._bars(name, inside) for name in {one.column for one in ranges}}
        near: list[dict[str, Any]] = []
        asked = next((one for one in ranges if one.column == border), None)
        if asked is not None and (edge := asked.low if asked.low is not None else asked.high) is not None:
            values = self.data.numbers(asked.column)
            order = np.argsort(np.where(np.isfinite(values), np.abs(values - edge), np.inf), kind="stable")[:12]
            order = order[np.argsort(values[order], kind="stable")]
            near = [{**self.card(int(row)), "value": _plain(values[row])} for row in order if np.isfinite(values[row])]
        return {"count": int(inside.sum()), "of": len(inside), "bars": bars, "border": near}

    def within(self, ranges: Sequence[Range]) -> np.ndarray:
        """(N,) bool. Raises UsageError for an unknown column."""
        inside = np.ones(self.data.clips.num_rows, bool)
        for one in ranges:
            if one.column not in self.columns:
                raise UsageError(f"no column `{one.column}`", nearest(one.column, self.columns))
            values = self.data.numbers(one.column)
            if one.low is not None:
                inside &= values >= one.low
            if one.high is not None:
                inside &= values <= one.high
        return inside

    def clips(
        self, ranges: Sequence[Range] = (), *, sort: str = "", down: bool = False, first: int = 0, count: int = 24
    ) -> dict[str, Any]:
        """Cards of clips within the ranges."""
        rows = np.flatnonzero(self.within(ranges))
        if sort:
            if sort not in self.columns:
                raise UsageError(f"no column `{sort}`", nearest(sort, self.columns))
            values = np.nan_to_num(self.data.numbers(sort)[rows], nan=-np.inf if down else np.inf)
            rows = rows[np.argsort(-values if down else values, kind="stable")]
        shown = rows[first : first + min(count, MOST)]
        return {"count": len(rows), "clips": [self.card(int(row)) for row in shown]}

    def card(self, row: int) -> dict[str, Any]:
        """What a small picture of a clip is captioned with."""
        clips, name = self.data.clips, self.data.names[row]
        caption = self.data.best_captions.get(name)
        return {
            "clip": name,
            "video": clips["video"][row].as_py(),
            "name": clips["name"][row].as_py(),
            "start": clips["start_seconds"][row].as_py(),
            "end": clips["end_seconds"][row].as_py(),
            "kept": bool(self.data.kept[row]),
            "dropped_by": clips["dropped_by"][row].as_py(),
            "caption": "" if caption is None else self.data.captions["text"][caption].as_py(),
            "verdict": self.verdicts().get(name, ""),
        }

    def clip(self, name: str) -> dict[str, Any]:
        """A card with all scores and all captions. Raises MissingVideo for an unknown clip."""
        if name not in self._rows:
            raise MissingVideo(f"no clip `{name[:80]}` in the view's clip set", "names stand in the answers")
        row = self._rows[name]
        scores = {column: _plain(self.data.numbers(column)[row]) for column in self.columns}
        table = self.data.captions
        mine = np.flatnonzero(np.array(table["clip"].to_pylist(), object) == name).tolist()
        texts = [{key: table[key][at].as_py() for key in ("text", "scale", "language")} for at in mine]
        return {**self.card(row), "scores": scores, "captions": texts}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.data.names)}

    def groups(self, first: int = 0, count: int = 20) -> dict[str, Any]:
        """Groups of near-duplicates, keepers first."""
        shown = self.data.groups[first : first + min(count, MOST)]
        members = [
            [{**self.card(m.clip), "keeper": m.keeper, "similarity": _plain(m.similarity)} for m in group]
            for group in shown
        ]
        return {"count": len(self.data.groups), "groups": members}

    def verdicts(self) -> dict[str, str]:
        """Clip -> the last judgement of it."""
        path = self._dataset.path / "verdicts.jsonl"
        stamp = path.stat().st_mtime_ns if path.is_file() else 0
        if self._judged_at != stamp:
            found = {str(one["clip"]): str(one.get("verdict", "")) for one in self._dataset.verdicts() if "clip" in one}
            self._judged, self._judged_at = found, stamp
        return self._judged

    def judge(self, name: str, verdict: str) -> dict[str, Any]:
        """Note what a person says of a clip. Raises UsageError for an unknown word."""
        if verdict not in VERDICTS:
            raise UsageError(f"no verdict `{verdict[:40]}`", nearest(verdict, VERDICTS))
        card = self.clip(name)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._dataset.judge({"clip": name, "video": card["video"], "verdict": verdict, "view": self.view, "at": now})
        return self.clip(name)

    def _column(self, name: str) -> dict[str, Any]:
        asked = [t for t in self.data.thresholds if t.column == name]
        return {
            "name": name,
            "thresholds": [{"rule": t.rule, "relation": t.relation, "value": t.value} for t in asked],
            **self._bars(name, self.data.kept),
        }

    def _bars(self, name: str, inside: np.ndarray) -> Mapping[str, Any]:
        marks = [threshold.value for threshold in self.data.thresholds if threshold.column == name]
        made = histogram(self.data.numbers(name), inside, marks=marks)
        return {
            "edges": [_plain(edge) for edge in made.edges],
            "inside": made.kept.tolist(),
            "outside": made.dropped.tolist(),
            "lowest": _plain(made.lowest),
            "highest": _plain(made.highest),
            "missing": made.missing,
        }


def _known(values: np.ndarray) -> np.ndarray:
    """The finite ones; a zero if there are none."""
    found = values[np.isfinite(values)]
    return found if len(found) else np.zeros(1)


def _plain(value: float | None) -> float | None:
    """A number that JSON has."""
    return None if value is None or not math.isfinite(value) else float(value)
