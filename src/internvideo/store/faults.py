"""What the system's errors mean for a dataset folder: the one place that turns OSError and sqlite3.Error into words."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from internvideo.errors import DamagedDataset, DatasetBusy, StoreError


class DiskFull(StoreError):
    """No space, quota or file size left; what was committed before is kept."""

    kind = "disk-full"


class ReadOnlyDataset(StoreError):
    """The folder may be read but not written."""

    kind = "read-only"


FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def shown(path: str | bytes | os.PathLike[str]) -> str:
    """A path that always prints; bytes that are no UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates (from odd file names) are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def told(doing: str, where: Path) -> Iterator[None]:
    """Raise what goes wrong inside as a `StoreError` that says what was being done, where, and how to mend it.

    >>> with told("write", Path("x")):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    internvideo.store.faults.DiskFull: no space left to write `x`
    <BLANKLINE>
    hint: free some space on that disk, then run the same command again: finished work is kept
    """
    try:
        yield
    except OSError as error:
        raise _from_system(error, doing, where) from error
    except sqlite3.ProgrammingError:
        raise  # a closed connection, another thread: our bug, not the disk's
    except sqlite3.Error as error:
        raise _from_sqlite(error, doing, where) from error


def _full(doing: str, where: Path) -> StoreError:
    return DiskFull(
        f"no space left to {doing} `{shown(where)}`",
        "free some space on that disk, then run the same command again: finished work is kept",
    )


def _denied(doing: str, where: Path) -> StoreError:
    return ReadOnlyDataset(
        f"no permission to {doing} `{shown(where)}`",
        "make the folder writable for this user, or copy the dataset to a place that is",
    )


def _from_system(error: OSError, doing: str, where: Path) -> StoreError:
    if error.errno in FULL:
        return _full(doing, where)
    if error.errno in DENIED:
        return _denied(doing, where)
    if error.errno == errno.ENOENT:
        return StoreError(f"cannot {doing} `{shown(where)}`: it is not there", "is the dataset folder still in place?")
    if error.errno == errno.ENAMETOOLONG:
        return StoreError(f"cannot {doing} `{shown(where)}`: the path is too long", "choose a shorter dataset folder")
    why = error.strerror or str(error)
    return StoreError(f"cannot {doing} `{shown(where)}`: {why}", "check that disk, then run the same command again")


def _from_sqlite(error: sqlite3.Error, doing: str, where: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary code, without the extended one
    if code == sqlite3.SQLITE_FULL:
        return _full(doing, where)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return _denied(doing, where)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatasetBusy(
            f"cannot {doing} `{shown(where)}`: another process holds it", "wait until it has finished, then try again"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedDataset(
            f"cannot {doing} `{shown(where)}`: it is no readable SQLite file ({error})",
            f"`internvideo dataset verify {shown(where.parent)} --repair` rebuilds it from the values",
        )
    return StoreError(f"cannot {doing} `{shown(where)}`: {error}", "check that disk, then run the same command again")
