"""A dataset and one of its views as the data of a report. The one place of the report that knows the store."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo import __version__
from internvideo.curation.clip_tables import captions_of, clips_of, files_of
from internvideo.curation.report.data import Facts, FailedFile, Member, ReportData, Step, Threshold
from internvideo.curation.report.page import render
from internvideo.curation.report.thumbnails import FOLDER, Request, Thumbnail, thumbnails
from internvideo.store import durable
from internvideo.store.dataset import Dataset

KEY = ("video", "stream", "start", "end")
FILE = "report.html"
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


@dataclass(frozen=True)
class Verdicts:
    """How a view decided. dropped_by: (N,) string, the rule that dropped each clip of the clip set, null if kept."""

    dropped_by: pa.Array
    thresholds: Sequence[Threshold] = ()


def write_report(data: ReportData, out: Path, files: Mapping[str, Path], cache: Path | None = None) -> Path:
    """Write the page to the file `out`. files: video -> where it lies. cache: pictures of earlier reports."""

    def pictures(rows: Sequence[int]) -> Mapping[str, Thumbnail]:
        columns = [data.clips[name] for name in KEY]
        requests = []
        for row in rows:
            video, stream, start, end = (column[row].as_py() for column in columns)
            path = files.get(video)
            requests.append(Request(data.names[row], None if path is None else str(path), stream, (start + end) // 2))
        return thumbnails(requests, cache)

    durable.make_folder(out.parent)
    durable.write_atomic(out, render(data, pictures).encode("utf-8"))
    return out


def report_dataset(
    dataset: Dataset,
    view: str,
    out: Path | None = None,
    *,
    verdicts: Verdicts | None = None,
    facts: Sequence[Facts] = (),
) -> Path:
    """Write the report of a view, by default as `report.html` in the dataset's folder; gives its path.

    verdicts: which rule dropped what; None if that is not known. facts: what a run took, shown before the versions.
    Raises StoreError for an unknown view.
    """
    data = from_dataset(dataset, view, verdicts=verdicts, facts=facts)
    files = {video: path for video, (path, _) in files_of(dataset).items()}
    return write_report(data, out or dataset.path / FILE, files, dataset.path / FOLDER)


def from_dataset(
    dataset: Dataset, view: str, *, verdicts: Verdicts | None = None, facts: Sequence[Facts] = ()
) -> ReportData:
    """The data of a report: see `report_dataset`."""
    description = dataset.view_description(view)
    clip_set = str(description.get("clip_set", "shots"))
    table = clips_of(dataset, clip_set)
    kept = _is_in(table, dataset.view(view))
    reasons = verdicts.dropped_by if verdicts else pa.nulls(table.num_rows, pa.string())
    reasons = pc.if_else(pa.array(kept), pa.scalar(None, pa.string()), pc.fill_null(reasons, ELSE))
    clips = table.append_column("kept", pa.array(kept)).append_column("dropped_by", reasons)
    failures = _failures(dataset)
    names = _without_folders([*pc.fill_null(table["path"], "").to_pylist(), *(failure.name for failure in failures)])
    clips = clips.append_column("name", pa.array(names[: table.num_rows], pa.string()))
    clips = clips.set_column(clips.column_names.index("source"), "source", pc.coalesce(table["source"], table["video"]))
    status = dataset.status()
    videos = dataset.rows("probe") if "probe" in dataset.operators() else pa.table({"video": pa.array([], pa.string())})
    return ReportData(
        name=dataset.path.resolve().name,
        view=view,
        clips=clips,
        captions=_captions(dataset, table),
        videos=videos,
        files=status.files + sum(status.unidentified.values()),
        copies=max(0, status.files - (status.videos - status.gone)),
        failures=[replace(f, name=name) for f, name in zip(failures, names[table.num_rows :], strict=True)],
        funnel=_funnel(description),
        thresholds=[t for t in verdicts.thresholds if t.column in (*table.column_names, "seconds")] if verdicts else [],
        groups=_groups(table),
        recipe=dataset.manifest.recipe,
        facts=[*facts, _versions(dataset)],
    )


def _is_in(table: pa.Table, ids: pa.Table) -> np.ndarray:
    """(N,) bool: which rows of the table have a key in `ids`."""
    rows = table.select(KEY).append_column("row", pa.array(np.arange(table.num_rows)))
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


def _groups(table: pa.Table) -> list[list[Member]]:
    """Groups of near-duplicates, keepers first, then the most similar."""
    if "duplicates_group" not in table.column_names:
        return []
    groups: dict[str, list[Member]] = {}
    columns = (table[f"duplicates_{name}"].to_pylist() for name in ("group", "keeper", "similarity"))
    for row, (group, keeper, similarity) in enumerate(zip(*columns, strict=True)):
        if group is not None:
            groups.setdefault(group, []).append(Member(row, bool(keeper), similarity))
    return [
        sorted(members, key=lambda member: (not member.keeper, -(member.similarity or 0.0), member.clip))
        for _, members in sorted(groups.items(), key=lambda item: item[1][0].clip)
    ]


def _versions(dataset: Dataset) -> Facts:
    rows = [("internvideo", __version__), ("PyAV", version("av")), ("PyArrow", version("pyarrow"))]
    rows += [(name, spec.key) for name, spec in dataset.operators().items() if name != "places"]
    return Facts("Versions", rows, "Of operators: version and fingerprint of all that their values depend on.")
