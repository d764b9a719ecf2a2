"""One writer per dataset: a lock that the system drops when its holder dies, and a note that says who holds it.

The lock is an exclusive SQLite transaction on an empty file: it works wherever SQLite does, and neither a killed
process nor a pid that is used again can keep it. `writer.json` is only for the message. Between hosts it is as good as
the locks of the network file system.
"""

import errno
import json
import os
import socket
import sqlite3
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from internvideo.errors import DatasetBusy
from internvideo.store import durable
from internvideo.store.faults import shown, told

LOCK = "writer.lock.sqlite"
NOTE = "writer.json"
HEARTBEAT = 10.0  # seconds between two signs of life in the note


class WriterLock:
    """Held from construction to `release` or to the end of the process.

    Raises DatasetBusy, naming the holder, if another writer has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with told("lock", folder / LOCK):
            self._connection = sqlite3.connect(
                (folder / LOCK).absolute().as_uri() + "?mode=rwc", uri=True, timeout=0.0, isolation_level=None
            )
            try:
                self._connection.execute("BEGIN EXCLUSIVE")
                if not os.access(folder / LOCK, os.W_OK):  # then SQLite begins, but locks nothing
                    self._connection.close()
                    raise PermissionError(errno.EACCES, "read-only")
            except sqlite3.OperationalError as error:
                self._connection.close()
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise _busy(folder) from None
                raise
        self._started = _now()
        self._beaten = 0.0
        self.beat()

    def __enter__(self) -> "WriterLock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def beat(self) -> None:
        """Write a sign of life into the note, at most every HEARTBEAT seconds. If it fails (disk full), so be it."""
        now = datetime.now(UTC).timestamp()
        if now - self._beaten < HEARTBEAT:
            return
        self._beaten = now
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "command": " ".join(sys.argv),
            "started": self._started,
            "heartbeat": _now(),
        }
        path = self.folder / NOTE
        temporary = path.with_name(NOTE + durable.TEMPORARY)
        with suppress(OSError):
            temporary.write_bytes(json.dumps(note, indent=2).encode("ascii"))
            temporary.replace(path)

    def release(self) -> None:
        """Let the next writer in. Twice is once."""
        with suppress(OSError):
            (self.folder / NOTE).unlink(missing_ok=True)
        self._connection.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _busy(folder: Path) -> DatasetBusy:
    try:
        note = json.loads((folder / NOTE).read_bytes())
        who = f"process {note['pid']} on {note['host']} since {note['started']} (last sign of life {note['heartbeat']})"
        what = f"\n  {note['command']}"
    except (OSError, ValueError, KeyError, TypeError):  # the holder is just starting or just ending
        who, what = "another process", ""
    return DatasetBusy(
        f"`{shown(folder)}` is being written by {who}{what}",
        "wait for it to finish or stop it; stopping loses nothing. Reading (status, search, serve) is always possible",
    )
