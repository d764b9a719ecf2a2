"""The folder of an export: what is finished, what it was made from, and which clips have left the dataset with it.

`export.jsonl` grows by one line per finished file, so that a killed export goes on where it stopped; `manifest.json`
and `ids.parquet` come last. None of them holds a time, a host or a path.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.curation.export.data import KEY, ExportData, ExportSummary, Progress
from internvideo.errors import StoreError
from internvideo.store import durable
from internvideo.store.faults import shown, told

JOURNAL, MANIFEST, IDS = "export.jsonl", "manifest.json", "ids.parquet"
VERSION = 1  # of the layout of all formats
LINES_PER_WORD = 4096  # written between two words of progress


class ExportFolder:
    """One export being written. `options` are all settings that change its bytes.

    Raises StoreError if the folder holds something that is no export of this format.
    """

    def __init__(self, path: Path, form: str, data: ExportData, options: Mapping[str, object]) -> None:
        self.path, self.form = path, form
        self._data = data
        self._options = {"version": VERSION, **options}
        self._request = {"format": form, "made_from": data.fingerprint, "options": self._options}
        durable.make_folder(path)
        self._finished = self._resume()

    def _resume(self) -> list[dict[str, Any]]:
        """Entries of an earlier run of the same export; one of something else is refused or started over."""
        journal = self.path / JOURNAL
        with told("read", journal):
            known = journal.read_bytes() if journal.exists() else b""
            others = sorted(path.name for path in self.path.iterdir() if not path.name.endswith(durable.TEMPORARY))
        if not known and [name for name in others if name != JOURNAL]:
            raise StoreError(
                f"`{shown(self.path)}` is not empty: it holds `{shown(others[0])}`", "name a new folder for the export"
            )
        entries = list(_parsed(known))
        if entries and entries[0].get("format") != self.form:
            raise StoreError(
                f"`{shown(self.path)}` holds an export of format `{entries[0].get('format')}`",
                "name another folder, or remove this one",
            )
        if not entries or entries[0] != self._request:  # new, or the dataset or an option has changed
            self._start_over(entries)
            return []
        self._rewrite(entries[1:])  # without a torn last line
        return entries[1:]

    def _start_over(self, entries: list[dict[str, Any]]) -> None:
        """Remove what the earlier export wrote, and nothing else."""
        for name in (MANIFEST, IDS):
            durable.remove(self.path / name)
        for entry in entries[1:]:
            for file in entry.get("files", []):
                if _is_below(file["name"]):  # a journal that somebody else wrote must not remove other files
                    durable.remove(self.path / file["name"])
        self._rewrite([])

    def _rewrite(self, entries: list[dict[str, Any]]) -> None:
        lines = b"".join(_line(entry) for entry in [self._request, *entries])
        durable.write_atomic(self.path / JOURNAL, lines)

    def finished(self) -> Iterator[dict[str, Any]]:
        """Entries of earlier runs, in order, as long as their files are there with the size they had."""
        for entry in self._finished:
            if any(not self._is_there(file) for file in entry["files"]):
                return
            yield entry

    def _is_there(self, file: Mapping[str, Any]) -> bool:
        path = self.path / str(file["name"])
        return path.is_file() and path.stat().st_size == file["bytes"]

    def finish(self, entry: Mapping[str, Any]) -> None:
        """Note one more finished unit; `files` in it names its files with size and hash."""
        journal = self.path / JOURNAL
        with told("append to", journal), journal.open("ab") as file:
            file.write(_line(entry))
            file.flush()
            os.fsync(file.fileno())

    def keep(self, entries: list[dict[str, Any]]) -> None:
        """Forget entries behind those: their files are made again."""
        if len(entries) < len(self._finished):
            self._rewrite(entries)

    def close(self, files: list[dict[str, Any]], rows: list[int], skipped: list[tuple[str, str]]) -> ExportSummary:
        """Write `ids.parquet` and `manifest.json`. files: all others; rows: the clips that the export holds."""
        ids = self._data.clips.take(pa.array(rows, pa.int64())).select(["clip", *KEY])
        listed = [*files, self.write_table(IDS, ids)]
        manifest = {
            "format": self.form,
            "dataset": self._data.dataset,
            "view": self._data.view or None,
            "clip_set": self._data.clip_set,
            "clips": len(rows),
            "videos": len(set(ids["video"].to_pylist())),
            "skipped": [{"clip": clip, "reason": reason} for clip, reason in skipped],
            "ids_sha256": hashlib.sha256("\n".join(ids["clip"].to_pylist()).encode("utf-8")).hexdigest(),
            **self._request,
            "files": listed,
        }
        self.write(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode("utf-8") + b"\n")
        written = [*listed, file_entry(self.path, MANIFEST)]
        return ExportSummary(len(written), len(rows), sum(file["bytes"] for file in written), skipped)

    def write_lines(
        self, name: str, rows: Iterable[Mapping[str, Any]], count: int, progress: Progress
    ) -> dict[str, Any]:
        """Write one JSON object per line, and note the file as finished; its entry. count: how many there will be."""
        partial = self.path / (name + durable.TEMPORARY)
        with told("write", partial), partial.open("w", encoding="utf-8", newline="\n") as file:
            for done, row in enumerate(rows, start=1):
                file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
                if done % LINES_PER_WORD == 0 or done == count:
                    progress(done, count, "")
        with told("write", self.path / name):
            partial.replace(self.path / name)
        entry = file_entry(self.path, name)
        if entry not in [file for unit in self.finished() for file in unit["files"]]:
            self.finish({"files": [entry]})
        return entry

    def write(self, name: str, data: bytes) -> dict[str, Any]:
        """Write one small file whole; its entry."""
        durable.write_atomic(self.path / name, data)
        return {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def write_table(self, name: str, table: pa.Table) -> dict[str, Any]:
        """Write a Parquet file; the same rows give the same bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(
            table.replace_schema_metadata(None).combine_chunks(), sink, compression="zstd", row_group_size=65_536
        )
        return self.write(name, bytes(sink.getvalue()))


def file_entry(folder: Path, name: str) -> dict[str, Any]:
    """Name, size and hash of a file that is there."""
    path = folder / name
    with told("read", path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"name": name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _is_below(name: str) -> bool:
    """Whether a relative path stays in its folder, on every system."""
    return not any(kind(name).is_absolute() or ".." in kind(name).parts for kind in (PurePosixPath, PureWindowsPath))


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=False).encode("utf-8") + b"\n"


def _parsed(journal: bytes) -> Iterator[dict[str, Any]]:
    """Entries up to the first line that is torn."""
    for line in journal.split(b"\n")[:-1]:
        try:
            yield json.loads(line)
        except ValueError:
            return
