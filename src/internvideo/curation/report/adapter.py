"""A dataset and one of its views as the data of a report. The one place of the report that knows the store."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo import __version__
from internvideo.curation.clip_tables import captions_of, columns_of, files_of
from internvideo.curation.finish import with_seconds
from internvideo.curation.report.data import Facts, FailedFile, Member, Relation, ReportData, Step, Threshold
from internvideo.curation.report.page import render
from internvideo.curation.report.thumbnails import FOLDER, Request, Thumbnail, thumbnails
from internvideo.curation.report.wording import number
from internvideo.curation.select import Rank, Rule, ViewRecipe, select
from internvideo.errors import UsageError
from internvideo.store import durable
from internvideo.store.columns import Columns
from internvideo.store.dataset import Dataset

KEY = ("video", "stream", "start", "end")
FILE = "report.html"
VERSIONS = Facts("Versions", [("internvideo", __version__), ("PyAV", version("av")), ("PyArrow", version("pyarrow"))])
RATES = Path("runs", "rates.json")  # in a dataset: what its last run measured
_RATE_TITLES = {
    "frames": ("Frames decoded", ""),
    "frames_per_second": ("Speed", "frames/s"),
    "times_real_time": ("Times real time", "×"),
    "frames_per_cpu_second": ("Per core", "frames/s"),
    "cpu_seconds": ("CPU time", "s"),
}
_NUMBER, _COLUMN = r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)", r'"?([A-Za-z_]\w*)"?'
_COMPARISON = re.compile(rf"\s*\(?\s*{_COLUMN}\s*(>=|<=|>|<)\s*{_NUMBER}\s*\)?\s*")
_REVERSED = re.compile(rf"\s*\(?\s*{_NUMBER}\s*(>=|<=|>|<)\s*{_COLUMN}\s*\)?\s*")
_BETWEEN = re.compile(rf"{_COLUMN}\s+BETWEEN\s+{_NUMBER}\s+AND\s+{_NUMBER}", re.IGNORECASE)
_MIRROR: Mapping[str, Relation] = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}
ELSE = "not in the view"  # said of clips that no rule is known to have dropped
# What helps, by class of failure; the error itself was shown when it happened.
ADVICE = {
    "missing": "put the file back, or curate the folder where it is now",
    "unreadable": "check permissions and the disk, then curate again",
    "not-a-video": "fetch it again, or leave it out",
    "truncated": "fetch it again; it was not copied to the end",
    "damaged": "fetch it again; what decodes is kept",
    "unsupported-codec": "convert it; `internvideo doctor` lists the decoders",
    "no-frames": "leave it out, or give the file that has the pictures",
    "over-limits": "if you trust the file, raise the limits",
    "changed": "curate again when nobody writes to it",
    "killed": "`internvideo dataset retry` tries it once more",
    "internal": "a mistake of ours: please report it with the message",
}


def write_report(dataset: Dataset, view: str | None, out: Path | None = None, *, facts: Sequence[Facts] = ()) -> Path:
    """Write the report of a view (None: of all shots), by default as `report.html` in the dataset's folder; its path.

    facts: what else is to be told of how the dataset was made. Raises StoreError for an unknown view.
    """
    data = report_data(dataset, view, facts=facts)
    files = files_of(dataset)

    def pictures(rows: Sequence[int]) -> Mapping[str, Thumbnail]:
        columns = [data.clips[name] for name in KEY]
        requests = []
        for row in rows:
            video, stream, start, end = (column[row].as_py() for column in columns)
            path = str(files[video][0]) if video in files else None
            requests.append(Request(data.names[row], path, stream, (start + end) // 2))
        return thumbnails(requests, dataset.path / FOLDER)

    page = out or dataset.path / FILE
    durable.make_folder(page.parent)
    durable.write_atomic(page, render(data, pictures).encode("utf-8"))
    return page


def report_data(dataset: Dataset, view: str | None, *, facts: Sequence[Facts] = ()) -> ReportData:
    """What the report of a view tells; see `write_report`."""
    seen = ViewedClips(dataset, view)
    table, failures = seen.table.to_table(), seen.failures
    clips = table.append_column("kept", pa.array(seen.kept)).append_column("dropped_by", seen.dropped_by)
    clips = clips.append_column("name", pa.array(seen.names, pa.string()))
    status = dataset.status()
    videos = dataset.rows("probe") if "probe" in dataset.operators() else pa.table({"video": pa.array([], pa.string())})
    return ReportData(
        name=dataset.path.resolve().name,
        view=view or "all shots",
        clips=clips,
        captions=_captions(dataset, table),
        videos=videos,
        files=status.files + sum(status.unidentified.values()),
        copies=max(0, status.files - (status.videos - status.gone)),
        failures=failures,
        funnel=seen.funnel,
        thresholds=seen.thresholds,
        groups=seen.groups,
        recipe=dataset.manifest.recipe,
        operators=[(name, spec.key) for name, spec in dataset.operators().items() if name != "places"],
        facts=[*facts, *facts_of(dataset)],
    )


class ViewedClips:
    """The clips of a view's clip set, and what is known of them under the view; each fact is made when it is asked for.

    table: as `clip_tables.columns_of`. view: None for all clips of the set. Raises StoreError for an unknown view.
    """

    def __init__(self, dataset: Dataset, view: str | None) -> None:
        self._dataset, self._view = dataset, view
        self._description = dataset.view_description(view) if view else {}
        self.clip_set = str(self._description.get("clip_set", "shots"))
        self.table = columns_of(dataset, self.clip_set)
        self._recipe = _view_recipe(self._description.get("recipe"))
        self._failures = _failures(dataset)

    @cached_property
    def kept(self) -> np.ndarray:
        """(N,) bool: which are in the view."""
        if self._view is None:
            return np.ones(self.table.num_rows, bool)
        return _is_in(self.table, self._dataset.view(self._view))

    @cached_property
    def dropped_by(self) -> pa.Array:
        """(N,) string: the step of the view that drops each clip, `ELSE` if none is known, null for kept ones.

        The view is applied again: it keeps the ids of its clips only. Where that fails, because the dataset has changed
        since, no rule is named.
        """
        try:
            reasons = select(with_seconds(self.table), self._recipe).dropped_by if self._recipe else None
        except UsageError:
            reasons = None
        known = pa.array(reasons or [None] * self.table.num_rows, pa.string())
        return pc.if_else(pa.array(self.kept), pa.scalar(None, pa.string()), pc.fill_null(known, ELSE))

    @cached_property
    def thresholds(self) -> list[Threshold]:
        """What rules ask of numbers."""
        asked = [
            t for rule in (self._recipe.all_rules if self._recipe else ()) for t in thresholds_of(rule.name, rule.keep)
        ]
        schema = with_seconds(self.table).schema
        return [threshold for threshold in asked if _is_number(schema, threshold.column)]

    @property
    def funnel(self) -> list[Step]:
        return _funnel(self._description)

    @cached_property
    def _shown(self) -> tuple[list[str], list[str]]:
        """Names of the clips' files and of failures, without the folder that all share."""
        paths = pc.fill_null(self.table["path"], "").combine_chunks().dictionary_encode()
        known = paths.dictionary.to_pylist()
        names = _without_folders([*known, *(failure.name for failure in self._failures)])
        return pa.array(names[: len(known)], pa.string()).take(paths.indices).to_pylist(), names[len(known) :]

    @property
    def names(self) -> list[str]:
        return self._shown[0]

    @cached_property
    def failures(self) -> list[FailedFile]:
        return [replace(f, name=name) for f, name in zip(self._failures, self._shown[1], strict=True)]

    @cached_property
    def groups(self) -> list[list[Member]]:
        """Groups of near-duplicates, keepers first, then the most similar."""
        return _groups(self.table)


def facts_of(dataset: Dataset) -> list[Facts]:
    """Rates of the last run, and versions."""
    return [*_rates(dataset), VERSIONS]


def thresholds_of(rule: str, expression: str) -> list[Threshold]:
    """What an expression asks of single columns, as far as it is comparisons with numbers joined by AND.

    >>> [(t.column, t.relation, t.value) for t in thresholds_of("r", "a >= 2 AND b BETWEEN 1 AND 3")]
    [('a', '>=', 2.0), ('b', '>=', 1.0), ('b', '<=', 3.0)]
    """
    plain = _BETWEEN.sub(r"\1 >= \2 AND \1 <= \3", expression)
    found = []
    for part in re.split(r"\s+AND\s+", plain, flags=re.IGNORECASE):
        if match := _COMPARISON.fullmatch(part):
            found.append(Threshold(rule, match[1], cast(Relation, match[2]), float(match[3])))
        elif match := _REVERSED.fullmatch(part):
            found.append(Threshold(rule, match[3], _MIRROR[match[2]], float(match[1])))
        else:
            return []  # an OR, a function: no single threshold tells what it does
    return found


def _is_number(schema: pa.Schema, column: str) -> bool:
    kind = schema.field(column).type if column in schema.names else pa.null()
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _view_recipe(stored: object) -> ViewRecipe | None:
    """A recipe from its plain form in the description of a view; None if it is not one of ours."""
    if not isinstance(stored, dict):
        return None
    fields = {name: value for name, value in stored.items() if name != "class"}
    try:
        for name, kind in (("rules", Rule), ("ranks", Rank)):
            parts = [{key: value for key, value in part.items() if key != "class"} for part in fields.get(name, [])]
            fields[name] = tuple(kind(**part) for part in parts)
        fields |= {name: tuple(fields.get(name, ())) for name in ("asks", "also")}
        return ViewRecipe(**fields)
    except (TypeError, ValueError, AttributeError, UsageError):
        return None


def _is_in(table: Columns, ids: pa.Table) -> np.ndarray:
    """(N,) bool: which rows of the table have a key in `ids`. Both are sorted by key.

    By 64 bits of each key, which is quick; that the rows found are those asked for is looked at after.
    """
    keys = table.select(KEY)
    videos = pa.chunked_array([*keys["video"].chunks, *ids["video"].chunks], pa.string()).combine_chunks()
    number = videos.dictionary_encode().indices.to_numpy().astype(np.uint64)
    rest = [np.concatenate([keys[name].to_numpy(), ids[name].to_numpy()]).astype(np.int64) for name in KEY[1:]]
    code = number
    for column in rest:
        code = code * np.uint64(0x9E3779B97F4A7C15) + column.view(np.uint64)
    inside = np.isin(code[: table.num_rows], code[table.num_rows :], assume_unique=True)  # keys are
    there = keys.filter(pa.array(inside))
    if there.num_rows == ids.num_rows and there.equals(ids.select(KEY)):
        return inside
    rows = keys.append_column("row", pa.array(np.arange(table.num_rows)))  # clips have gone since, or codes are equal
    found = rows.join(ids.select(KEY), list(KEY), join_type="left semi")["row"].to_numpy()
    inside = np.zeros(table.num_rows, bool)
    inside[found] = True
    return inside


def _captions(dataset: Dataset, clips: pa.Table) -> pa.Table:
    """All texts, best first, with the words that `caption_statistics` counted."""
    captions = captions_of(dataset, clips)
    if not captions.num_rows or "caption_statistics" not in dataset.operators():
        return captions
    counted = dataset.rows("caption_statistics").join(clips.select(["clip", *KEY]), list(KEY), join_type="inner")
    words = dict(zip(_pairs(counted), counted["words"].to_pylist(), strict=True))
    column = [words.get(pair) for pair in _pairs(captions)]
    return captions.append_column("words", pa.array(column, pa.int32())) if None not in column else captions


def _pairs(table: pa.Table) -> list[tuple[str, int]]:
    return list(zip(table["clip"].to_pylist(), table["item"].to_pylist(), strict=True))


def _failures(dataset: Dataset) -> list[FailedFile]:
    found = []
    for item in dataset.failures():
        name = item.place or item.video[:12] or "the whole dataset"
        doing = f"{item.operator}: " if item.operator else ""
        found.append(FailedFile(name, item.kind, doing + item.message, ADVICE.get(item.kind, "")))
    return found


def _without_folders(paths: Sequence[str]) -> list[str]:
    """The paths without the folder that all of them share: a report may be shown to others."""
    folders = sorted({str(PurePath(path).parent) for path in paths if PurePath(path).is_absolute()})
    shared = os.path.commonpath(folders) if len({PurePath(folder).anchor for folder in folders}) == 1 else ""
    return [
        str(PurePath(path).relative_to(shared)) if shared and PurePath(path).is_absolute() else path for path in paths
    ]


def _funnel(description: Mapping[str, object]) -> list[Step]:
    steps = description.get("funnel")
    if not isinstance(steps, list):
        return []
    return [Step(str(s["rule"]), int(s["in"]), int(s["kept"]), int(s.get("unknown", 0))) for s in steps]


def _groups(table: Columns) -> list[list[Member]]:
    if "duplicates_group" not in table.column_names:
        return []
    groups: dict[str, list[Member]] = {}
    rows = np.flatnonzero(pc.is_valid(table["duplicates_group"]).to_numpy())
    columns = (
        table[f"duplicates_{name}"].take(pa.array(rows)).to_pylist() for name in ("group", "keeper", "similarity")
    )
    for row, group, keeper, similarity in zip(rows.tolist(), *columns, strict=True):
        groups.setdefault(group, []).append(Member(row, bool(keeper), similarity))
    return [
        sorted(members, key=lambda member: (not member.keeper, -(member.similarity or 0.0), member.clip))
        for _, members in sorted(groups.items(), key=lambda item: item[1][0].clip)
    ]


def _rates(dataset: Dataset) -> list[Facts]:
    """What the last run that decoded anything measured, if it left a note."""
    try:
        told = json.loads((dataset.path / RATES).read_text("utf-8"))
        rows = [
            (title, number(float(told[name]), unit)) for name, (title, unit) in _RATE_TITLES.items() if name in told
        ]
    except (OSError, ValueError, TypeError):
        return []
    note = "Measured by the last run that had something to decode, on the machine that it ran on."
    return [Facts("The run", rows, note)] if rows else []
