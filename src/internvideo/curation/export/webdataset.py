"""Tar shards for training: per clip a cut film, its caption, and everything known of it as JSON.

Members are named `<key>.mp4`, `<key>.txt`, `<key>.json`, where the key is the clip's name with `_` for dots (WebDataset
takes what follows the first dot for the extension). The same dataset and options give the same bytes. `index.json` says
what each shard holds; `clip_map.parquet` says in which shard, and where in it, each clip lies.
"""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from internvideo.curation.export.cutting import CutOptions, cut_in_order
from internvideo.curation.export.data import ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder, file_entry
from internvideo.store import durable
from internvideo.store.faults import told
from internvideo.video.cut import CutResult

CLIPS_PER_SHARD = 1000
BYTES_PER_SHARD = 1_000_000_000
INDEX, CLIP_MAP, CUTS = "index.json", "clip_map.parquet", ".cuts"
MAP_SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("key", pa.string()),
        ("tar", pa.string()),
        ("offset", pa.int64()),  # of the film's bytes in the tar file
        ("size", pa.int64()),
        ("frames", pa.int32()),
        ("seconds", pa.float64()),
    ]
)


@dataclass
class _Shard:
    """One tar file being filled."""

    number: int
    first: int  # row of the dataset
    path: Path
    tar: tarfile.TarFile
    clips: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def begin(cls, folder: Path, number: int, first: int) -> "_Shard":
        path = folder / f"shard-{number:06d}.tar.tmp"
        with told("write", path):
            return cls(number, first, path, tarfile.open(path, "w", format=tarfile.USTAR_FORMAT))

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".tmp")

    @property
    def size(self) -> int:
        return int(self.tar.offset)

    def add(self, name: str, data: bytes) -> int:
        """Append a member without owner and date; the offset of its bytes."""
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = len(data), 0, 0o644
        offset = self.size + tarfile.BLOCKSIZE  # behind its header
        with told("write", self.path):
            self.tar.addfile(member, io.BytesIO(data))
        return offset

    def take(self, row: int, members: list[tuple[str, bytes]], result: CutResult) -> None:
        """Append the files of one clip."""
        offsets = {name: self.add(name, content) for name, content in members}
        film = next(offset for name, offset in offsets.items() if name.endswith(".mp4"))
        length = round(result.seconds, 6)
        clip = {"row": row, "offset": film, "size": result.bytes, "frames": result.frames, "seconds": length}
        self.clips.append(clip)

    def end(self, folder: ExportFolder, stop: int) -> dict[str, Any]:
        """Close the file and give it its name; the entry of the journal. stop: the first row that it has not."""
        with told("write", self.path):
            self.tar.close()
            self.path.replace(self.path.with_name(self.name))
        entry = {
            "files": [file_entry(folder.path, self.name)],
            "first": self.first,
            "stop": stop,
            "clips": self.clips,
            "skipped": self.skipped,
        }
        folder.finish(entry)
        return entry


def export_webdataset(
    data: ExportData,
    out: Path,
    *,
    cut: CutOptions = CutOptions(),  # noqa: B008  frozen
    clips_per_shard: int = CLIPS_PER_SHARD,
    bytes_per_shard: int = BYTES_PER_SHARD,
    workers: int | None = None,
    progress: Progress = silent,
) -> ExportSummary:
    """Write shards, `clip_map.parquet` and `index.json` to the folder `out`.

    A shard holds at most `clips_per_shard` clips and, unless one clip alone has more, `bytes_per_shard` bytes. A killed
    export keeps its finished shards. A clip that cannot be cut is skipped and listed; one without a caption has no
    `.txt`. workers: clips that are cut at a time. Raises StoreError and CannotWrite if `out` cannot be written.
    """
    options = {"cut": cut.as_row(), "clips_per_shard": clips_per_shard, "bytes_per_shard": bytes_per_shard}
    folder = ExportFolder(out, "webdataset", data, options)
    entries = list(folder.finished())
    folder.keep(entries)
    cuts = out / CUTS
    durable.remove(cuts)
    durable.make_folder(cuts)
    filling = _Filling(folder, data, cuts, cut, clips_per_shard, bytes_per_shard)
    try:
        entries += filling.shards(entries[-1]["stop"] if entries else 0, len(entries), workers, progress)
    finally:
        shutil.rmtree(cuts, ignore_errors=True)
    _sweep(out, len(entries))
    return _close(folder, data, entries)


@dataclass(frozen=True)
class _Filling:
    """Fills shard after shard."""

    folder: ExportFolder
    data: ExportData
    cuts: Path
    cut: CutOptions
    most_clips: int
    most_bytes: int

    def shards(self, first: int, number: int, workers: int | None, progress: Progress) -> Iterator[dict[str, Any]]:
        """The entry of each shard, numbered from `number` on, of the clips from row `first` on."""
        shard = _Shard.begin(self.folder.path, number, first)
        rows = range(first, len(self.data))
        try:
            for row, path, result in cut_in_order(self.data, rows, self.cuts, self.cut, workers):
                clip = self.data.rows[row]
                if isinstance(result, str):
                    shard.skipped.append((clip.name, result))
                else:
                    members = _members(self.data, row, path, result)
                    if shard.clips and self._full(shard, members):
                        yield shard.end(self.folder, row)
                        number += 1
                        shard = _Shard.begin(self.folder.path, number, row)
                    shard.take(row, members, result)
                    path.unlink(missing_ok=True)
                progress(row + 1, len(self.data), clip.name)
            if shard.clips or shard.skipped:
                yield shard.end(self.folder, len(self.data))
        finally:
            shard.tar.close()
            shard.path.unlink(missing_ok=True)

    def _full(self, shard: _Shard, members: list[tuple[str, bytes]]) -> bool:
        more = sum(len(content) + 2 * tarfile.BLOCKSIZE for _, content in members)
        return len(shard.clips) >= self.most_clips or shard.size + more > self.most_bytes


def _members(data: ExportData, row: int, path: Path, result: CutResult) -> list[tuple[str, bytes]]:
    """(name, content) of the clip's files, sorted by name."""
    clip = data.rows[row]
    with told("read", path):
        film = path.read_bytes()
    known = {
        "clip": clip.name,
        "video": clip.video,
        "stream": clip.stream,
        "start": clip.start,
        "end": clip.end,
        "file": clip.file or None,
        "cut": {
            "frames": result.frames,
            "seconds": round(result.seconds, 6),
            "start_seconds": float(result.start),
            "end_seconds": float(result.end),
            "sound": result.sound,
            "sha256": hashlib.sha256(film).hexdigest(),
        },
        "caption": data.best.get(clip.name),
        "captions": [
            {name: text[name] for name in ("text", "scale", "origin", "language")}
            for text in data.texts.get(clip.name, [])
        ],
        "values": data.values(row),
    }
    members = [
        ("json", json.dumps(known, ensure_ascii=False, allow_nan=False, sort_keys=True).encode("utf-8")),
        ("mp4", film),
    ]
    if clip.name in data.best:
        members.append(("txt", data.best[clip.name].encode("utf-8")))
    return [(f"{clip.key}.{suffix}", content) for suffix, content in members]


def _sweep(out: Path, shards: int) -> None:
    """Remove shards that an earlier, larger export left."""
    for path in sorted(out.glob("shard-*.tar*")):
        number = path.name.removeprefix("shard-").split(".")[0]
        if path.name.endswith(".tmp") or (number.isdigit() and int(number) >= shards):
            durable.remove(path)


def _close(folder: ExportFolder, data: ExportData, entries: list[dict[str, Any]]) -> ExportSummary:
    """Write the map and the index from the entries of all shards."""
    rows, mapped = [], []
    for entry in entries:
        tar = entry["files"][0]["name"]
        for clip in entry["clips"]:
            row = clip["row"]
            rows.append(row)
            mapped.append({**clip, "clip": data.rows[row].name, "key": data.rows[row].key, "tar": tar})
    skipped = [(clip, reason) for entry in entries for clip, reason in entry["skipped"]]
    shards = [
        {
            **entry["files"][0],
            "clips": len(entry["clips"]),
            "seconds": round(sum(clip["seconds"] for clip in entry["clips"]), 3),
        }
        for entry in entries
    ]
    index = {
        "clips": len(rows),
        "with_caption": sum(data.rows[row].name in data.best for row in rows),
        "seconds": round(sum(shard["seconds"] for shard in shards), 3),
        "bytes": sum(shard["bytes"] for shard in shards),
        "shards": shards,
    }
    text = json.dumps(index, indent=2).encode("ascii") + b"\n"
    files = [entry["files"][0] for entry in entries]
    files += [folder.write_table(CLIP_MAP, pa.Table.from_pylist(mapped, schema=MAP_SCHEMA)), folder.write(INDEX, text)]
    return folder.close(files, rows, skipped)
