"""The ledger: a row per (video, operator), and what is finished but not yet folded into shards. SQLite, no logic.

A transaction that returned survives a kill of the process. On a local disk the journal is a WAL and a power cut may
take back the commits since the last `flush`, never more and never half of one; `flush` waits for the disk. With the
rollback journal (network file systems) every commit waits.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeAlias

from internvideo.errors import DamagedDataset, StoreError
from internvideo.store import durable
from internvideo.store.faults import shown, told

LEDGER = "ledger.sqlite"
VERSION = 1
BUSY_SECONDS = 60.0  # a reader may hold the file for a moment
QUICK, ON_DISK = "NORMAL", "FULL"  # `PRAGMA synchronous` of a WAL between and in flushes; ON_DISK without a WAL

_ADD = """INSERT INTO totals VALUES (new.operator, new.state, new.kind, 1, new.rows)
    ON CONFLICT (operator, state, kind) DO UPDATE SET videos = videos + 1, rows = rows + excluded.rows;"""
_SUBTRACT = """UPDATE totals SET videos = videos - 1, rows = rows - old.rows
    WHERE operator = old.operator AND state = old.state AND kind = old.kind;"""

COUNTED = "SELECT operator, state, kind, count(*), sum(rows) FROM status GROUP BY operator, state, kind"

Cell: TypeAlias = str | int | bytes | None
Row: TypeAlias = tuple[Cell, ...]

TABLES = (
    "CREATE TABLE operators (id INTEGER PRIMARY KEY, name TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (name, key))",
    "CREATE TABLE videos (video TEXT PRIMARY KEY) WITHOUT ROWID",
    # Raw bytes; a record without a file has root '' and its id as path. A file that could not be identified has video
    # '' and says why in kind and message. present 0: it was there once; a video has present places or absent ones.
    """CREATE TABLE places (
        root BLOB NOT NULL, path BLOB NOT NULL, video TEXT NOT NULL, present INTEGER NOT NULL,
        size INTEGER, mtime_ns INTEGER, inode TEXT, device TEXT,
        source TEXT, licence TEXT, evidence TEXT, commercial INTEGER, kind TEXT, message TEXT,
        PRIMARY KEY (root, path, video)) WITHOUT ROWID""",
    "CREATE INDEX places_by_video ON places (video)",
    "CREATE INDEX places_absent ON places (video) WHERE present = 0",
    # video '': a result over all videos.
    """CREATE TABLE status (
        operator INTEGER NOT NULL, video TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('due', 'done', 'failed', 'quarantined')),
        input TEXT NOT NULL, rows INTEGER NOT NULL,
        kind TEXT NOT NULL, message TEXT NOT NULL, attempts INTEGER NOT NULL,
        PRIMARY KEY (operator, video)) WITHOUT ROWID""",
    # Sums of `status`, kept by the triggers below, so that counting a large dataset takes no time. REPLACE would go
    # round the triggers: write with ON CONFLICT DO UPDATE.
    """CREATE TABLE totals (
        operator INTEGER NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL,
        videos INTEGER NOT NULL, rows INTEGER NOT NULL,
        PRIMARY KEY (operator, state, kind)) WITHOUT ROWID""",
    f"CREATE TRIGGER status_insert AFTER INSERT ON status BEGIN {_ADD} END",
    f"CREATE TRIGGER status_update AFTER UPDATE ON status BEGIN {_SUBTRACT} {_ADD} END",
    f"CREATE TRIGGER status_delete AFTER DELETE ON status BEGIN {_SUBTRACT} END",
    # video '': the whole shard. rows NULL: the video loses its rows; empty: done, without rows.
    """CREATE TABLE fragments (
        operator INTEGER NOT NULL, shard INTEGER NOT NULL, video TEXT NOT NULL, input TEXT NOT NULL, rows BLOB,
        PRIMARY KEY (operator, shard, video))""",
    """CREATE TABLE files (
        operator INTEGER NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
        PRIMARY KEY (operator, name)) WITHOUT ROWID""",
    "CREATE TABLE pieces (video TEXT NOT NULL, piece TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (video, piece))",
)


class Ledger:
    """A connection to `ledger.sqlite`. `create` makes the file, `open` expects it; close it after use."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._depth = 0
        self._wal = False

    @classmethod
    def create(cls, path: Path) -> "Ledger":
        """Make an empty ledger where there is none (or only the beginning of one)."""
        ledger = cls(path, _connect(path, "rwc"))
        with told("create", path):
            ledger._connection.execute(f"PRAGMA synchronous = {ON_DISK}")
            ledger._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        with told("create", path), ledger.transaction():
            if ledger.number("PRAGMA user_version") == 0:
                for statement in TABLES:
                    ledger._connection.execute(statement)
                ledger._connection.execute(f"PRAGMA user_version = {VERSION}")
        return ledger

    @classmethod
    def open(cls, path: Path, journal: Literal["wal", "rollback"]) -> "Ledger":
        """Open for writing. Raises DamagedDataset if it is missing or no ledger, StoreError if it is too new."""
        ledger = cls._open(path, "rw")
        with told("open", path):
            mode = ledger._connection.execute(
                "PRAGMA journal_mode = " + ("wal" if journal == "wal" else "delete")
            ).fetchone()[0]
            ledger._wal = mode == "wal"
            ledger._connection.execute(f"PRAGMA synchronous = {QUICK if ledger._wal else ON_DISK}")
        return ledger

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        """Open for reading beside a writer, also in a folder that may not be written."""
        try:
            return cls._open(path, "ro")
        except DamagedDataset:
            raise
        except StoreError:
            # After a kill the file is left with its WAL: to read that, the folder must be writable, unless it is empty.
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise
            return cls._open(path, "ro&immutable=1")

    @classmethod
    def _open(cls, path: Path, mode: str) -> "Ledger":
        hint = f"`internvideo dataset verify {shown(path.parent)} --repair` rebuilds it from the values"
        if not path.is_file():
            raise DamagedDataset(f"`{shown(path)}` is missing", hint)
        ledger = cls(path, _connect(path, mode))
        try:
            with told("open", path):
                version = ledger.number("PRAGMA user_version")
                tables = ledger.number("SELECT count(*) FROM sqlite_master WHERE type = 'table'")
        except BaseException:
            ledger.close()
            raise
        if version == VERSION and tables:
            return ledger
        ledger.close()
        if version > VERSION:
            raise StoreError(
                f"`{shown(path)}` has ledger version {version}; this internvideo knows {VERSION}",
                "pip install --upgrade internvideo",
            )
        raise DamagedDataset(f"`{shown(path)}` has ledger version {version}; expected {VERSION}", hint)

    @property
    def in_transaction(self) -> bool:
        return self._depth > 0

    @contextmanager
    def transaction(self, *, on_disk: bool = False) -> Iterator[None]:
        """All or nothing. One inside another joins it. on_disk: wait until this and all before survive a power cut."""
        if self._depth:
            yield
            return
        with told("write", self.path):
            if on_disk and self._wal:
                self._connection.execute(f"PRAGMA synchronous = {ON_DISK}")
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth = 1
            try:
                yield
                durable.step("commit")
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0
                if on_disk and self._wal:
                    self._connection.execute(f"PRAGMA synchronous = {QUICK}")
        durable.step("committed")

    def settle(self) -> None:
        """Wait until all that was committed so far survives a power cut."""
        if self._wal:
            with self.transaction(on_disk=True):  # a commit in this mode syncs the journal with all before it
                self.write(f"PRAGMA user_version = {VERSION}")

    def ask(self, sql: str, values: Sequence[Cell] = ()) -> list[Row]:
        """Rows of a SELECT."""
        with told("read", self.path):
            return self._connection.execute(sql, values).fetchall()

    def number(self, sql: str, values: Sequence[Cell] = ()) -> int:
        """The one integer that a query answers (0 for none or NULL)."""
        rows = self.ask(sql, values)
        return int(rows[0][0] or 0) if rows else 0

    def write(self, sql: str, values: Sequence[Cell] = ()) -> int:
        """Run a statement inside a transaction; how many rows it changed."""
        if not self._depth:
            raise RuntimeError("Ledger.write needs `with ledger.transaction()`")
        return self._connection.execute(sql, values).rowcount

    def write_many(self, sql: str, values: Sequence[Sequence[Cell]]) -> None:
        """`write` for each of `values`."""
        if not self._depth:
            raise RuntimeError("Ledger.write_many needs `with ledger.transaction()`")
        self._connection.executemany(sql, values)

    def shrink(self) -> None:
        """Give back the space of fragments that were folded."""
        with told("write", self.path):
            self._connection.execute("PRAGMA incremental_vacuum").fetchall()

    def rebuild(self) -> None:
        """Write the file anew, so that nothing of deleted rows is left in it."""
        with told("write", self.path):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Release the file. Twice is once.

        A WAL is folded back and left off, so that the file at rest can be copied alone and read in a read-only folder;
        while somebody reads, that waits for the next time.
        """
        if self._wal:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        self._wal = False
        self._connection.close()

    def totals_are_right(self) -> bool:
        """Whether `totals` are the sums of `status`."""
        sums = f"SELECT * FROM ({COUNTED} ORDER BY 1, 2, 3)"
        return self.ask("SELECT * FROM totals WHERE videos > 0 ORDER BY operator, state, kind") == self.ask(sums)

    def count_again(self) -> None:
        """Make `totals` the sums of `status`."""
        with self.transaction():
            self.write("DELETE FROM totals")
            self.write(f"INSERT INTO totals {COUNTED}")

    def operator_id(self, name: str, key: str) -> int | None:
        """The ledger's number of an operator version; None: never registered."""
        rows = self.ask("SELECT id FROM operators WHERE name = ? AND key = ?", (name, key))
        return int(rows[0][0] or 0) if rows else None

    def operators(self) -> list[tuple[int, str, str]]:
        """(id, name, key) of all operator versions, sorted by name and key."""
        rows = self.ask("SELECT id, name, key FROM operators ORDER BY name, key")
        return [(int(number or 0), str(name), str(key)) for number, name, key in rows]


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """mode: rwc, rw or ro. The path goes in as a URI of bytes, so that names that are no UTF-8 work."""
    with told("open", path):
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
