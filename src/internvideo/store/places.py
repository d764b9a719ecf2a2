"""Where the bytes of a video lie: remembered so that an unchanged file is never read again, and kept as values.

Works on an open ledger transaction; opens no video. A video has either places where it is, or, when it is gone from
all of them, those where it was last.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from internvideo.errors import InternVideoError
from internvideo.records import Licence
from internvideo.store.faults import printable, shown
from internvideo.store.ledger import Ledger, Row
from internvideo.store.values import VIDEO_KEY, OperatorSpec

PLACES = OperatorSpec(
    name="places",
    version=1,
    grain="video",
    parameters={},
    schema=pa.schema(
        [
            *VIDEO_KEY,
            ("root", pa.binary()),  # raw bytes of the folder that was scanned; null: a record without a file
            ("path", pa.binary()),  # raw bytes, relative to the root
            ("place", pa.string()),  # both, printable
            ("bytes", pa.int64()),
            ("source", pa.string()),
            ("licence", pa.string()),
            ("evidence", pa.string()),
            ("commercial", pa.bool_()),
            ("present", pa.bool_()),  # False: it was there at the last scan but one; null: a record without a file
        ]
    ),
)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as a scan sees it, without opening it. `root` and `relative` are raw bytes (`os.fsencode`)."""

    root: bytes
    relative: bytes
    size: int  # bytes
    mtime_ns: int
    inode: int
    device: int

    def __post_init__(self) -> None:
        if not self.root or not self.relative:
            raise ValueError("a FileRecord names the folder that was scanned and the path below it")

    @classmethod
    def of(cls, root: Path, relative: Path) -> "FileRecord":
        """Ask the system about `root / relative` (links are followed). Raises OSError if it is not there."""
        facts = (root / relative).stat()
        return cls(
            os.fsencode(root), os.fsencode(relative), facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_dev
        )


def known(ledger: Ledger, file: FileRecord) -> tuple[str, bool] | None:
    """The video that lay at this place when the file had the same size, time and inode, and whether it counts as there.

    It does not after a scan missed it (a disk that was not mounted). None: the file has to be read. `device` is
    recorded but not compared: it changes when a disk is mounted again.
    """
    rows = ledger.ask(
        "SELECT video, present FROM places WHERE root = ? AND path = ? AND video != ''"
        " AND size = ? AND mtime_ns = ? AND inode = ? ORDER BY present DESC, video",
        (file.root, file.relative, file.size, file.mtime_ns, str(file.inode)),
    )
    return (str(rows[0][0]), bool(rows[0][1])) if rows else None


def remember(
    ledger: Ledger, file: FileRecord, video: str | InternVideoError, source: str | None, licence: Licence | None
) -> list[str]:
    """Note what lies at a place now. Returns the videos whose places changed, sorted.

    source, licence: None keeps what was known of this video.
    """
    name = video if isinstance(video, str) else ""
    changed = set()
    at = (file.root, file.relative)
    for (other,) in ledger.ask("SELECT video FROM places WHERE root = ? AND path = ? AND video != ?", (*at, name)):
        changed |= _lose(ledger, at, str(other))
    if isinstance(video, InternVideoError):
        why: tuple[str | None, str | None] = (video.kind, printable(video.problem))
    else:
        why = (None, None)
        changed.add(video)
        ledger.write("INSERT OR IGNORE INTO videos VALUES (?)", (video,))
        source, licence = _inherit(ledger, video, at, source, licence)
        ledger.write("DELETE FROM places WHERE video = ? AND (present = 0 OR root = x'')", (video,))
    stat = (file.size, file.mtime_ns, str(file.inode), str(file.device))
    ledger.write(
        "INSERT OR REPLACE INTO places VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*at, name, *stat, source, *_licence_cells(licence), *why),
    )
    return sorted(changed)


def begin(ledger: Ledger, video: str, source: str | None, licence: Licence | None) -> list[str]:
    """Note that a video exists. A record without a file gets a row of its own; known places only learn what is new."""
    ledger.write("INSERT OR IGNORE INTO videos VALUES (?)", (video,))
    if not ledger.ask("SELECT 1 FROM places WHERE video = ?", (video,)):
        ledger.write(
            "INSERT INTO places VALUES (x'', ?, ?, 1, NULL, NULL, NULL, NULL, ?, ?, ?, ?, NULL, NULL)",
            (video.encode("utf-8"), video, source, *_licence_cells(licence)),
        )
        return [video]
    new_source = source is not None and ledger.write(
        "UPDATE places SET source = ? WHERE video = ? AND source IS NULL", (source, video)
    )
    new_licence = licence is not None and ledger.write(
        "UPDATE places SET licence = ?, evidence = ?, commercial = ? WHERE video = ? AND licence IS NULL",
        (*_licence_cells(licence), video),
    )
    return [video] if new_source or new_licence else []


def lose(ledger: Ledger, at: tuple[bytes, bytes], video: str) -> list[str]:
    """Note that a video is no longer at a place where it was. Returns the videos whose places changed."""
    there = ledger.ask("SELECT 1 FROM places WHERE root = ? AND path = ? AND video = ? AND present = 1", (*at, video))
    return sorted(_lose(ledger, at, video)) if there else []


def vanish(ledger: Ledger, root: bytes, seen: Collection[bytes]) -> list[str]:
    """Note which files under `root` a whole scan no longer saw. Returns the videos whose places changed, sorted."""
    rows = ledger.ask("SELECT path, video FROM places WHERE root = ? AND root != x'' AND present = 1", (root,))
    still = frozenset(seen)
    lost = [(path, str(video)) for path, video in rows if path not in still]
    for path, video in lost:
        if video:
            ledger.write("UPDATE places SET present = 0 WHERE root = ? AND path = ? AND video = ?", (root, path, video))
        else:
            ledger.write("DELETE FROM places WHERE root = ? AND path = ? AND video = ''", (root, path))
    changed = sorted({video for _, video in lost if video})
    for video in changed:
        if ledger.ask("SELECT 1 FROM places WHERE video = ? AND present = 1", (video,)):
            ledger.write("DELETE FROM places WHERE video = ? AND present = 0", (video,))
    return changed


def present(ledger: Ledger) -> dict[tuple[bytes, bytes], tuple[int, int, int]]:
    """(root, path) of every identified file that is there -> (size, mtime_ns, inode), zeros where not known."""
    rows = ledger.ask(
        "SELECT root, path, size, mtime_ns, inode FROM places WHERE present = 1 AND root != x'' AND video != ''"
    )
    return {
        (root, path): (int(size or 0), int(mtime or 0), int(inode or 0))
        for root, path, size, mtime, inode in rows
        if isinstance(root, bytes) and isinstance(path, bytes)
    }


def gone(ledger: Ledger, video: str) -> bool:
    """Whether it had places and is at none of them any more."""
    rows = ledger.ask("SELECT max(present) FROM places WHERE video = ?", (video,))
    return rows[0][0] == 0


def rows_of(ledger: Ledger, video: str) -> pa.Table:
    """The places of a video as rows of the operator `places`."""
    rows = ledger.ask(
        "SELECT root, path, size, source, licence, evidence, commercial, present FROM places"
        " WHERE video = ? ORDER BY root, path",
        (video,),
    )
    return pa.Table.from_pylist([_value(video, item, row) for item, row in enumerate(rows)], schema=PLACES.schema)


def restore(ledger: Ledger, rows: pa.Table) -> None:
    """Put places back into a fresh ledger from their values; sizes are known, times and inodes are not."""
    for row in rows.to_pylist():
        file = row["present"] is not None
        at = (row["root"], row["path"]) if file else (b"", row["video"].encode("utf-8"))
        commercial = None if row["commercial"] is None else int(row["commercial"])
        ledger.write(
            "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, NULL, NULL, NULL, ?, ?, ?, ?, NULL, NULL)",
            (
                *at,
                row["video"],
                int(row["present"]) if file else 1,
                row["bytes"],
                row["source"],
                row["licence"],
                row["evidence"],
                commercial,
            ),
        )


def _value(video: str, item: int, row: Row) -> dict[str, object]:
    root, path, size, source, licence, evidence, commercial, present = row
    file = bool(root)
    assert isinstance(root, bytes) and isinstance(path, bytes)
    return {
        "video": video,
        "item": item,
        "root": root if file else None,
        "path": path if file else None,
        "place": shown(Path(os.fsdecode(root)) / os.fsdecode(path)) if file else None,
        "bytes": size,
        "source": source,
        "licence": licence,
        "evidence": evidence,
        "commercial": None if commercial is None else bool(commercial),
        "present": bool(present) if file else None,
    }


def _lose(ledger: Ledger, at: tuple[bytes, bytes], video: str) -> set[str]:
    """Something else lies at `at` now: `video` keeps the row only as its last known place."""
    elsewhere = ledger.ask(
        "SELECT 1 FROM places WHERE video = ? AND present = 1 AND NOT (root = ? AND path = ?)", (video, *at)
    )
    if elsewhere or not video:
        ledger.write("DELETE FROM places WHERE root = ? AND path = ? AND video = ?", (*at, video))
    else:
        ledger.write("UPDATE places SET present = 0 WHERE root = ? AND path = ? AND video = ?", (*at, video))
    return {video} if video else set()


def _inherit(
    ledger: Ledger, video: str, at: tuple[bytes, bytes], source: str | None, licence: Licence | None
) -> tuple[str | None, Licence | None]:
    """What is known of source and licence: of this video at this place, else of the rows that this place replaces."""
    rows = ledger.ask(
        "SELECT source, licence, evidence, commercial FROM places"
        " WHERE video = ? AND (root = ? AND path = ? OR present = 0 OR root = x'')"
        " ORDER BY root != ? OR path != ?, root, path",
        (video, *at, *at),
    )
    for old_source, name, evidence, commercial in rows:
        if source is None and old_source is not None:
            source = str(old_source)
        if licence is None and name is not None:
            licence = Licence(str(name), str(evidence or ""), None if commercial is None else bool(commercial))
    return source, licence


def _licence_cells(licence: Licence | None) -> tuple[str | None, str | None, int | None]:
    if licence is None:
        return None, None, None
    commercial = None if licence.commercial is None else int(licence.commercial)
    return printable(licence.name), printable(licence.evidence), commercial
