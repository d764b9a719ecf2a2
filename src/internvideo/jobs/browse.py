"""A dataset as a page browses it: score distributions, live counts, clips at a border, groups, failures, verdicts.

Made from the same data as the report, so both tell the same.
"""

import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.clip_tables import captions_of
from internvideo.curation.finish import with_seconds
from internvideo.curation.report.adapter import ViewedClips, facts_of
from internvideo.curation.report.data import LENGTH
from internvideo.curation.report.histogram import histogram
from internvideo.curation.select import KEY, numbers
from internvideo.errors import MissingVideo, UsageError, nearest
from internvideo.jobs.dataset import main_view
from internvideo.store.best_caption import OPERATORS
from internvideo.store.dataset import Dataset

VERDICTS = ("keep", "drop", "bad caption", "bad cut", "unsure")
GROUP = "duplicates_group"
TEXTS_KEPT = 10_000  # clips whose texts are held
MOST = 200  # clips or groups in one answer
# Numbers about the picture and the words; the others say how they were come by.
SHOWN = re.compile(
    r"(motion|exposure|sharpness|stillness|bars|colour|aesthetic|match)_(?!.*(frames|text_item))\w+|duplicates_similarity|semantic_similarity|text_\w+"
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
        self._seen = ViewedClips(dataset, self.view)
        self._table = self._seen.table
        self._texts: dict[str, list[dict[str, Any]]] = {}
        self._numbers: dict[str, np.ndarray] = {}
        self._judged: dict[str, str] = {}
        self._judged_at = -1

    def overview(self) -> dict[str, Any]:
        """All that the page shows before anything is moved."""
        seen, status = self._seen, self._dataset.status()
        rows = {one.name: one.rows for one in status.operators}
        return {
            "view": self.view,
            "views": self._dataset.views(),
            "files": status.files + sum(status.unidentified.values()),
            "copies": max(0, status.files - (status.videos - status.gone)),
            "videos": rows.get("probe", 0),
            "clips": self._table.num_rows,
            "kept": int(seen.kept.sum()),
            "captions": sum(rows.get(name, 0) for name in OPERATORS),  # of all clip sets
            "groups": self._group_count(),
            "funnel": [{"rule": s.rule, "came": s.came, "kept": s.kept, "unknown": s.unknown} for s in seen.funnel],
            "failures": [
                {"name": f.name, "kind": f.kind, "message": f.message, "advice": f.advice} for f in seen.failures[:MOST]
            ],
            "columns": self._all_columns(),
            "facts": [{"title": f.title, "rows": list(f.rows), "note": f.note} for f in facts_of(self._dataset)],
        }

    def _all_columns(self) -> list[dict[str, Any]]:
        """Side by side: reading and counting run outside the interpreter lock."""
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
            kept = threads.submit(lambda: self._seen.kept)
            list(threads.map(self.numbers, self._numeric))
            kept.result()
            return list(threads.map(self._column, self.columns))

    def _group_count(self) -> int:
        if GROUP not in self._table.column_names:
            return 0
        return int(pc.count_distinct(self._table[GROUP], mode="only_valid").as_py())

    def numbers(self, column: str) -> np.ndarray:
        """(N,) float64 of a column, or of `LENGTH`; NaN where it is null."""
        if column not in self._numbers:
            table = with_seconds(self._table)
            self._numbers[column] = numbers(table, column, "column")
        return self._numbers[column]

    @cached_property
    def _numeric(self) -> list[str]:
        return [
            field.name
            for field in self._table.schema
            if (pa.types.is_integer(field.type) or pa.types.is_floating(field.type)) and SHOWN.fullmatch(field.name)
        ]

    @cached_property
    def columns(self) -> list[str]:
        """Numbers that differ from clip to clip, those with thresholds first."""
        varied = [name for name in self._numeric if (v := _known(self.numbers(name))).max() > v.min()]
        asked = list(dict.fromkeys(threshold.column for threshold in self._seen.thresholds))
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
            values = self.numbers(asked.column)
            order = smallest(np.where(np.isfinite(values), np.abs(values - edge), np.inf), 12)
            order = order[np.argsort(values[order], kind="stable")]
            near = [{**self.card(int(row)), "value": _plain(values[row])} for row in order if np.isfinite(values[row])]
        return {"count": int(inside.sum()), "of": len(inside), "bars": bars, "border": near}

    def within(self, ranges: Sequence[Range]) -> np.ndarray:
        """(N,) bool. Raises UsageError for an unknown column."""
        inside = np.ones(self._table.num_rows, bool)
        for one in ranges:
            if one.column not in self.columns:
                raise UsageError(f"no column `{one.column}`", nearest(one.column, self.columns))
            values = self.numbers(one.column)
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
            values = np.nan_to_num(self.numbers(sort)[rows], nan=-np.inf if down else np.inf)
            rows = rows[np.argsort(-values if down else values, kind="stable")]
        shown = rows[first : first + min(count, MOST)]
        return {"count": len(rows), "clips": [self.card(int(row)) for row in shown]}

    def card(self, row: int) -> dict[str, Any]:
        """What a small picture of a clip is captioned with."""
        clips, name = self._table, str(self._table["clip"][row])
        texts = self._texts_of(row)
        return {
            "clip": name,
            "video": clips["video"][row].as_py(),
            "name": self._seen.names[row],
            "start": clips["start_seconds"][row].as_py(),
            "end": clips["end_seconds"][row].as_py(),
            "kept": bool(self._seen.kept[row]),
            "dropped_by": self._seen.dropped_by[row].as_py(),
            "caption": texts[0]["text"] if texts else "",
            "verdict": self.verdicts().get(name, ""),
        }

    def _texts_of(self, row: int) -> list[dict[str, Any]]:
        """All texts about a clip, the best first. Read by video, for the clips that are shown."""
        name = str(self._table["clip"][row])
        if name not in self._texts:
            video = self._table["video"][row].as_py()
            if len(self._texts) > TEXTS_KEPT:
                self._texts.clear()
            mine = pc.equal(self._table["video"], video)
            keys = pa.table({key: self._table[key].filter(mine) for key in ("clip", *KEY)})
            self._texts |= {clip: [] for clip in keys["clip"].to_pylist()}
            for text in captions_of(self._dataset, keys, [video]).to_pylist():
                self._texts[text["clip"]].append({key: text[key] for key in ("text", "scale", "language")})
        return self._texts[name]

    def clip(self, name: str) -> dict[str, Any]:
        """A card with all scores and all captions. Raises MissingVideo for an unknown clip."""
        if name not in self._rows:
            raise MissingVideo(f"no clip `{name[:80]}` in the view's clip set", "names stand in the answers")
        row = self._rows[name]
        scores = {column: _plain(self.numbers(column)[row]) for column in self.columns}
        return {**self.card(row), "scores": scores, "captions": self._texts_of(row)}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self._table["clip"].to_pylist())}

    def groups(self, first: int = 0, count: int = 20) -> dict[str, Any]:
        """Groups of near-duplicates, keepers first."""
        shown = self._seen.groups[first : first + min(count, MOST)]
        members = [
            [{**self.card(m.clip), "keeper": m.keeper, "similarity": _plain(m.similarity)} for m in group]
            for group in shown
        ]
        return {"count": len(self._seen.groups), "groups": members}

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
        asked = [t for t in self._seen.thresholds if t.column == name]
        return {
            "name": name,
            "thresholds": [{"rule": t.rule, "relation": t.relation, "value": t.value} for t in asked],
            **self._bars(name, self._seen.kept),
        }

    def _bars(self, name: str, inside: np.ndarray) -> Mapping[str, Any]:
        marks = [threshold.value for threshold in self._seen.thresholds if threshold.column == name]
        made = histogram(self.numbers(name), inside, marks=marks, median=False)
        return {
            "edges": [_plain(edge) for edge in made.edges],
            "inside": made.kept.tolist(),
            "outside": made.dropped.tolist(),
            "lowest": _plain(made.lowest),
            "highest": _plain(made.highest),
            "missing": made.missing,
        }


def smallest(values: np.ndarray, count: int) -> np.ndarray:
    """Rows of the smallest values, the smallest first, of equals the earlier row. Sorts few, whatever there is."""
    count = min(count, len(values))
    if not count:
        return np.empty(0, np.int64)
    few = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    found: np.ndarray = few[np.argsort(values[few], kind="stable")][:count]
    return found


def _known(values: np.ndarray) -> np.ndarray:
    """The finite ones; a zero if there are none."""
    found = values[np.isfinite(values)]
    return found if len(found) else np.zeros(1)


def _plain(value: float | None) -> float | None:
    """A number that JSON has."""
    return None if value is None or not math.isfinite(value) else float(value)
