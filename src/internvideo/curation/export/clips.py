"""Cut films in folders by source, and a table of them: for editors, annotators and programs that read plain files."""

import csv
import io
import re
import shutil
from pathlib import Path, PurePath
from typing import Any

from internvideo.curation.export.cutting import CutOptions, cut_in_order
from internvideo.curation.export.data import ClipRow, ExportData, ExportSummary, Progress, silent
from internvideo.curation.export.folder import ExportFolder, file_entry
from internvideo.store import durable
from internvideo.store.faults import told

TABLE, CUTS = "clips.csv", ".cuts"
FIRST_COLUMNS = ("file", "clip", "source", "start_seconds", "end_seconds", "seconds", "frames", "caption", "licence")
LONGEST_PART = 60  # characters of a source or film in a path
_UNSAFE = re.compile(r"[^\w-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)  # names that Windows does not allow


def export_clips(
    data: ExportData,
    out: Path,
    *,
    cut: CutOptions = CutOptions(),  # noqa: B008  frozen
    workers: int | None = None,
    progress: Progress = silent,
) -> ExportSummary:
    """Write `<source>/<film>_<start>s_<key>.mp4` for every clip, and `clips.csv`, to the folder `out`.

    A killed export keeps its finished files. A clip that cannot be cut is skipped and listed. workers: clips that are
    cut at a time. Raises StoreError and CannotWrite if `out` cannot be written.
    """
    folder = ExportFolder(out, "clips", data, {"cut": cut.as_row()})
    entries = list(folder.finished())
    folder.keep(entries)
    cuts = out / CUTS
    durable.remove(cuts)
    durable.make_folder(cuts)
    try:
        rows = range(len(entries), len(data))
        for row, path, result in cut_in_order(data, rows, cuts, cut, workers):
            clip = data.rows[row]
            entry: dict[str, Any] = {"files": [], "row": row}
            if isinstance(result, str):
                entry["skipped"] = result
            else:
                name = place_of(clip)
                durable.make_folder((out / name).parent)
                with told("write", out / name):
                    path.replace(out / name)
                entry |= {
                    "files": [file_entry(out, name)],
                    "frames": result.frames,
                    "seconds": round(result.seconds, 6),
                }
            folder.finish(entry)
            entries.append(entry)
            progress(row + 1, len(data), clip.name)
    finally:
        shutil.rmtree(cuts, ignore_errors=True)
    return _close(folder, data, entries)


def place_of(clip: ClipRow) -> str:
    """Where a clip's file lies in the export: readable, unique, and allowed on every system."""
    start = float(clip.start * clip.time_base) if clip.time_base is not None else 0.0
    film = _part(PurePath(clip.file).stem)
    return f"{_part(clip.source)}/{film}_{start:09.3f}s_{clip.key}.mp4"


def _part(text: str) -> str:
    """Letters, digits, `_` and `-` of any script; never empty, never a device."""
    part = _UNSAFE.sub("_", text.encode("utf-8", "replace").decode("utf-8"))[:LONGEST_PART].strip("_") or "unnamed"
    return f"_{part}" if _RESERVED.fullmatch(part) else part


def _close(folder: ExportFolder, data: ExportData, entries: list[dict[str, Any]]) -> ExportSummary:
    written = [entry for entry in entries if entry["files"]]
    hidden = {"frames", "path", *FIRST_COLUMNS}
    values = [name for name in data.values(0) if name not in hidden] if len(data) else []
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [*FIRST_COLUMNS, *values], lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    for entry in written:
        clip = data.rows[entry["row"]]
        known = {"file": entry["files"][0]["name"], "clip": clip.name, "caption": data.best.get(clip.name, "")}
        known |= {"seconds": entry["seconds"], "frames": entry["frames"]}
        table.writerow({**data.values(entry["row"]), **known})
    listed = [entry["files"][0] for entry in written]
    listed.append(folder.write(TABLE, text.getvalue().encode("utf-8")))
    skipped = [(data.rows[entry["row"]].name, entry["skipped"]) for entry in entries if not entry["files"]]
    return folder.close(listed, [entry["row"] for entry in written], skipped)
