"""The few steps that must survive a kill or a power cut: write, sync, rename, append, remove.

Every file of a dataset is written here, so tests can stop the world between any two steps by replacing `step`. A kill
leaves at most `*.tmp` files; nothing reads those, and the next writer sweeps them away.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from internvideo.store.faults import told

TEMPORARY = ".tmp"


def step(name: str) -> None:
    """Called around each durable step; does nothing. Tests replace it to stop exactly there."""


def write_atomic(path: Path, data: bytes, *, sync_parent: bool = True) -> None:
    """Put `data` at `path`: a reader sees the old file or the whole new one, also after a power cut.

    sync_parent: False if the caller syncs the folder itself, once after several files.
    Raises StoreError (disk full, read-only ...) and then leaves the old file as it was.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    with told("write", path):
        try:
            step(f"write {path.name}")
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            step(f"rename {path.name}")
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    step(f"renamed {path.name}")
    if sync_parent:
        sync_folder(path.parent)


def write_disposable(path: Path, data: bytes | Callable[[Path], None]) -> bool:
    """Put derived data (or what a function writes) at `path` if possible, not synced; whether it worked.

    Any process may do it at any time.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data) if isinstance(data, bytes) else data(temporary)
        temporary.replace(path)
    except OSError:
        remove_disposable(temporary)
        return False
    return True


def remove_disposable(path: Path) -> None:
    """Delete derived data if possible."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut, where the system can (Windows does not open folders)."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        with told("sync", folder):
            os.fsync(number)
    finally:
        os.close(number)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents; each new name is synced."""
    if folder.is_dir():
        return
    with told("create", folder):
        new = [part for part in (folder, *folder.parents) if not part.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    step(f"made {folder.name}")
    for part in new:
        sync_folder(part.parent)


def append_line(path: Path, line: bytes, whole: Callable[[bytes], bool]) -> None:
    """Add one line to a file that only grows; it is on disk when this returns.

    whole: says of a last line without its line end whether it is one; if not, a kill has torn it, it was never
    acknowledged, and it is cut off.
    """
    with told("append to", path):
        step(f"append {path.name}")
        with path.open("ab+") as file:
            file.seek(0)
            body, end, tail = file.read().rpartition(b"\n")
            if tail and whole(tail):
                line = b"\n" + line
            elif tail:
                file.truncate(len(body + end))
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    step(f"appended {path.name}")


def remove(path: Path) -> None:
    """Delete a file, or a folder with all in it; nothing happens if it is not there."""
    with told("remove", path):
        step(f"remove {path.name}")
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    step(f"removed {path.name}")


def move(path: Path, to: Path) -> None:
    """Rename a file or folder inside the dataset; what was at `to` is replaced."""
    make_folder(to.parent)
    if to.exists():
        remove(to)
    with told("move", path):
        step(f"move {path.name}")
        path.replace(to)
    step(f"moved {path.name}")
    sync_folder(path.parent)
    sync_folder(to.parent)


def leftovers(folder: Path) -> Iterator[Path]:
    """Temporary files that a killed writer left in `folder` and below, sorted."""
    if folder.is_dir():
        yield from sorted(path for path in folder.rglob("*" + TEMPORARY) if path.is_file())
