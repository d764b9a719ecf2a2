"""Takes a subset out of a dataset, in one of `FORMATS`; remembers where it went, so that `forget` finds it."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from internvideo.config import override
from internvideo.curation.export.card import Release
from internvideo.curation.export.clips import export_clips
from internvideo.curation.export.cutting import CutOptions
from internvideo.curation.export.data import ExportSummary, from_dataset
from internvideo.curation.export.fiftyone import export_fiftyone
from internvideo.curation.export.hub import HubOptions, export_hub
from internvideo.curation.export.instructions import InstructionOptions, export_instructions
from internvideo.curation.export.interleaved import InterleavedOptions, export_interleaved
from internvideo.curation.export.internvid import export_internvid
from internvideo.curation.export.webdataset import BYTES_PER_SHARD, CLIPS_PER_SHARD, export_webdataset
from internvideo.errors import UsageError, pick
from internvideo.jobs.dataset import main_view
from internvideo.jobs.formats import FORMATS
from internvideo.jobs.talk import CountTalk, size
from internvideo.store import journal_lines
from internvideo.store.dataset import Dataset
from internvideo.store.forget import REMOVALS

if TYPE_CHECKING:
    from internvideo.datasets.frame_shards import FrameShardSummary

Folder = str | os.PathLike[str]
EXPORTS = "exports.jsonl"  # where exports went: `forget` looks there
SHOWN = 20  # skipped clips that are named


@dataclass(frozen=True, kw_only=True)
class _List:
    extras: bool = False


@dataclass(frozen=True, kw_only=True)
class _Cut:
    cut: CutOptions = field(default_factory=CutOptions)


@dataclass(frozen=True, kw_only=True)
class _Shards(_Cut):
    clips_per_shard: int = CLIPS_PER_SHARD
    bytes_per_shard: int = BYTES_PER_SHARD


@dataclass(frozen=True, kw_only=True)
class _Interleaved:
    options: InterleavedOptions = field(default_factory=InterleavedOptions)


@dataclass(frozen=True, kw_only=True)
class _Instructions:
    options: InstructionOptions = field(default_factory=InstructionOptions)


@dataclass(frozen=True, kw_only=True)
class _Hub:
    options: HubOptions = field(default_factory=HubOptions)


@dataclass(frozen=True, kw_only=True)
class _Plain:
    pass


EXPORTERS: Mapping[str, tuple[Callable[..., ExportSummary], Any]] = {  # with what can be set about them
    "internvid": (export_internvid, _List()),
    "webdataset": (export_webdataset, _Shards()),
    "clips": (export_clips, _Cut()),
    "interleaved": (export_interleaved, _Interleaved()),
    "instructions": (export_instructions, _Instructions()),
    "hub": (export_hub, _Hub()),
    "fiftyone": (export_fiftyone, _Plain()),
}


def export(
    folder: Folder, form: str, out: Folder, *, view: str | None = None, settings: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a view in one of `FORMATS`; what was written and what was left out.

    settings: `key=value` of that format, such as `cut.mode=keyframes` or `options.form=joined`.
    """
    pick(FORMATS, form, "export format")
    exporter, chosen = EXPORTERS.get(form, (None, None))
    if settings and chosen is None:
        raise UsageError(f"`{settings[0]}`: the format `{form}` has nothing to set", "leave it out")
    chosen = override(chosen, settings)
    dataset = Dataset(Path(folder))
    if form in ("vectors", "qdrant"):
        if form == "vectors":
            _note_export(dataset, form, Path(out), None, ())
        return {"format": form, "view": None, "out": str(out), **asdict(_vectors(dataset, form, out))}
    name = view or main_view(dataset)
    _note_export(dataset, form, Path(out), view, settings)
    clip_set = str(dataset.view_description(name)["clip_set"]) if name is not None else "shots"
    with CountTalk(f"{form} export", "clips") as talk:
        if exporter is None or chosen is None:
            summary: ExportSummary | FrameShardSummary = _frames(folder, name, clip_set, Path(out), talk)
        else:
            told = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
            if form == "instructions":
                told["rows"] = _instructions(dataset)
            if form == "hub":
                told["release"] = _release(dataset, name, clip_set)
            summary = exporter(from_dataset(dataset, name, clip_set), Path(out), progress=talk, **told)
    return {"format": form, "view": name, "out": str(out), **asdict(summary)}


def _frames(folder: Folder, view: str | None, clip_set: str, out: Path, talk: CountTalk) -> "FrameShardSummary":
    from internvideo.datasets.curated import read_curated
    from internvideo.datasets.frame_shards import write_frame_shards

    return write_frame_shards(read_curated(folder, view=view, clip_set=clip_set), out, progress=talk)


def _release(dataset: Dataset, view: str | None, clip_set: str) -> Release:
    """How it came about, for the card. Why somebody asked for a removal is nobody else's business."""
    status = dataset.status()
    funnel: Any = dataset.view_description(view).get("funnel", []) if view is not None else []
    return Release(
        files=status.files,
        videos=status.videos - status.gone - status.withheld,
        clips=dataset.clips(clip_set).num_rows,
        funnel=[(str(step["rule"]), int(step["in"]), int(step["kept"])) for step in funnel],
        operators=[(name, spec.key) for name, spec in dataset.operators().items() if name != "places"],
        removals=[
            {name: line[name] for name in ("video", "date", "clips")}
            for line in journal_lines.read(dataset.path / REMOVALS)[0]
        ],
    )


def _instructions(dataset: Dataset) -> pa.Table:
    from internvideo.curation.language.instructions import NAME

    if NAME not in dataset.operators():
        raise UsageError(
            "this dataset has no instruction data",
            "`internvideo dataset instruct DATASET --endpoint URL --llm NAME` has it written",
        )
    return dataset.rows(NAME)


def _note_export(dataset: Dataset, form: str, out: Path, view: str | None, settings: Sequence[str]) -> None:
    known = dataset.path / EXPORTS
    line = {"format": form, "out": str(out.resolve()), "view": view, **({"settings": [*settings]} if settings else {})}
    if line not in journal_lines.read(known)[0]:
        journal_lines.append(known, line)


def _vectors(dataset: Dataset, form: str, out: Folder) -> ExportSummary:
    """All moments that can be searched: views do not matter to them."""
    from internvideo.jobs.vectors_out import export_parquet, export_qdrant

    with CountTalk(f"{form} export", "moments") as talk:
        if form == "qdrant":
            return export_qdrant(dataset, os.fspath(out), talk)
        return export_parquet(dataset, Path(out), talk)


def say_export(found: dict[str, Any]) -> str:
    lines = [f"{found['clips']:,} clips in {found['files']:,} files, {size(found['bytes'])}: {found['out']}"]
    lines += [f"  skipped {name}: {reason}" for name, reason in found["skipped"][:SHOWN]]
    if len(found["skipped"]) > SHOWN:
        lines.append(f"  and {len(found['skipped']) - SHOWN:,} more: manifest.json")
    return "\n".join(lines)
