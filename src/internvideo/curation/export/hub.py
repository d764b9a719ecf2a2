"""A release as the Hugging Face Hub lays it out: a card, Parquet files, statistics with a picture, removals.

    README.md  data/clips-00000-of-00001.parquet  statistics.json  figures/statistics.png  removals.jsonl  [media/]

The first six columns are InternVid's, verbatim; `Language` (of the caption) and `Type` (category of the video) follow,
the two facts that InternVid-10M-FLT-INFO adds, then what else is known of a clip.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvideo.curation.export.bars import draw_bars
from internvideo.curation.export.card import Release, Told, card
from internvideo.curation.export.cutting import CutOptions
from internvideo.curation.export.data import ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder, file_entry
from internvideo.curation.export.internvid import COLUMNS, internvid_rows
from internvideo.curation.export.statistics import distributions
from internvideo.curation.export.webdataset import export_webdataset
from internvideo.curation.report.figures import SCORES
from internvideo.store import durable

CARD, STATISTICS, FIGURE, REMOVALS, MEDIA = (
    *("README.md", "statistics.json", "figures/statistics.png", "removals.jsonl", "media"),
)
MEANINGS = {
    "YoutubeID": "identifier of the video; for others the first digits of the hash of its file",
    "Start_timestamp": "of the clip, HH:MM:SS.mmm from the start of the video",
    "End_timestamp": "the first moment that is no longer in the clip",
    "Caption": "the text that stands for the clip",
    "UMT_Score": "how well caption and clip fit: cosine by the network of `match`, or as an imported list says",
    "Aesthetic_Score": "by the head of `aesthetic`, or as an imported list says",
    "Language": "of the caption",
    "Type": "category of the video, in the words of its source",
    "clip": "name of the clip: hash of the video, stream, ticks",
    "video": "SHA-256 of the file of the video",
    "licence": "of the video, in the words of its source",
    "source": "channel, folder or film that the video comes from",
    "words": "of the caption",
    "stream": "number of the picture stream in the file",
    "start_tick": "first tick of the clip, in the time base of the stream",
    "end_tick": "first tick behind the clip",
    "file": "name of the file",
    "frames": "of the clip",
    "start_seconds": "first moment of the clip on the clock of the file",
    "end_seconds": "end of the clip on the clock of the file",
}
# What is of use only inside the dataset, or stands in other columns.
INSIDE = (
    *("caption", "decoding_", "frame_hashes_", "imported_", "model_captions_", "packet_digest_", "places_"),
    *("ranks_", "sidecars_", "spoken_", "transcript_", "translations_", "video_time_base"),
)
_KINDS = {"words": pa.int32(), "stream": pa.int32(), "start_tick": pa.int64(), "end_tick": pa.int64()}


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """rows_per_file: of the Parquet files. media: also the cut clips, as WebDataset shards."""

    rows_per_file: int = 500_000
    media: bool = False
    cut: CutOptions = field(default_factory=CutOptions)


def export_hub(
    data: ExportData,
    out: Path,
    *,
    options: HubOptions = HubOptions(),
    release: Release = Release(),  # noqa: B008  frozen
    progress: Progress = silent,
) -> ExportSummary:
    """Write the release to the folder `out`. Clips that cannot be cut are left out of `media` only, and listed."""
    told = hashlib.sha256(repr(release).encode("utf-8")).hexdigest()
    folder = ExportFolder(out, "hub", data, {**asdict(options), "release": told})
    for name in ("data", Path(FIGURE).parent.name):
        durable.make_folder(out / name)
    files: list[dict[str, Any]] = []
    count = max(1, math.ceil(len(data) / options.rows_per_file))
    schema, total = _schema(data), max(1, len(data))
    rows = _rows(data)
    for number in range(count):
        size = min(options.rows_per_file, len(data) - number * options.rows_per_file)
        batch = [row for _, row in zip(range(size), rows, strict=False)]
        name = f"data/clips-{number:05d}-of-{count:05d}.parquet"
        files.append(folder.write_table(name, pa.Table.from_pylist(batch, schema=schema)))
        progress(number * options.rows_per_file + size, total, name)
    skipped: list[tuple[str, str]] = []
    if options.media:
        media = export_webdataset(data, out / MEDIA, cut=options.cut, progress=progress)
        skipped = media.skipped
        files += [file_entry(out, f"{MEDIA}/{path.name}") for path in sorted((out / MEDIA).iterdir()) if path.is_file()]
    files += _pages(folder, data, schema, release, options.media)
    if {"files": files} not in list(folder.finished()):
        folder.finish({"files": files})
    return folder.close(files, list(range(len(data))), skipped)


def _pages(
    folder: ExportFolder, data: ExportData, schema: pa.Schema, release: Release, media: bool
) -> Iterator[dict[str, Any]]:
    first = list(internvid_rows(data, extras=False))
    scores = {name: [row[name] for row in first] for name in ("UMT_Score", "Aesthetic_Score")}
    told, found = _told(data, schema, media), distributions(data, scores)
    everything: dict[str, Any] = {
        "clips": len(data),
        "videos": told.videos,
        "hours": told.hours,
        "captioned": told.captioned,
    }
    everything |= {"funnel": [list(step) for step in release.funnel], "distributions": [d.as_row() for d in found]}
    removals = b"".join(json.dumps(line, sort_keys=True).encode("ascii") + b"\n" for line in release.removals)
    yield folder.write(STATISTICS, json.dumps(everything, indent=1, ensure_ascii=False).encode("utf-8") + b"\n")
    yield folder.write(FIGURE, draw_bars(found))
    yield folder.write(REMOVALS, removals)
    yield folder.write(CARD, card(told, release, found).encode("utf-8"))


def _rows(data: ExportData) -> Iterator[dict[str, Any]]:
    category = "sidecars_category"
    for row in internvid_rows(data, extras=True):
        yield {**row, "Language": row["language"], "Type": row.get(category)}


def _schema(data: ExportData) -> pa.Schema:
    """The six columns, then language and type, then the key, then all scalar values that say something, by name."""
    numbers = {"UMT_Score", "Aesthetic_Score"}
    fields = [(name, pa.float64() if name in numbers else pa.string()) for name in COLUMNS]
    fields += [("Language", pa.string()), ("Type", pa.string())]
    keys = ("clip", "video", "stream", "start_tick", "end_tick", "file", "words")
    fields += [(name, _KINDS.get(name, pa.string())) for name in keys]
    taken = {name for name, _ in fields}
    known = data.values(0) if len(data) else {}
    told = (name for name in known if name not in taken and not name.startswith(INSIDE))
    fields += [(name, data.clips.schema.field(name).type) for name in told]
    return pa.schema(fields)


def _told(data: ExportData, schema: pa.Schema, media: bool) -> Told:
    licences: dict[str, str] = {}
    seconds = 0.0
    columns = ("video", "licence", "start_seconds", "end_seconds")
    for video, licence, start, end in zip(*(data.clips[name].to_pylist() for name in columns), strict=True):
        licences.setdefault(video, licence or "")
        seconds += end - start
    chosen = [_chosen(data.texts[clip], text) for clip, text in data.best.items()]
    return Told(
        name=data.dataset,
        view=data.view,
        clips=len(data),
        videos=len(licences),
        hours=seconds / 3600,
        captioned=len(data.best),
        columns=[(name, _meaning(name)) for name in schema.names],
        languages=sorted({row["language"].split("-")[0] for row in chosen if row["language"]}),
        licences=dict(Counter(licences.values())),
        origins=dict(Counter(f"{row['scale']}, {row['origin']}" for row in chosen)),
        media=media,
    )


def _meaning(column: str) -> str:
    if column in MEANINGS:
        return MEANINGS[column]
    title = SCORES.get(column)
    operator, _, value = column.partition("_")
    return f"{title.name}. {title.meaning}" if title else f"{value.replace('_', ' ')}, of the operator `{operator}`"


def _chosen(texts: Sequence[dict[str, Any]], text: str) -> dict[str, Any]:
    return next(row for row in texts if row["text"] == text)
