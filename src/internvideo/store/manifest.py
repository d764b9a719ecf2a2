"""`dataset.toml`: the format, the number of shards, the recipe, and the current version of each operator."""

import hashlib
import os
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from internvideo.errors import DamagedDataset, StoreError
from internvideo.store import durable, toml_text
from internvideo.store.faults import shown, told

FORMAT = 1
MANIFEST = "dataset.toml"
MAX_SHARDS = 10_000  # four digits in a file name

Journal = Literal["auto", "wal", "rollback"]

MIGRATIONS: dict[int, Callable[[Path], None]] = {}  # from format n to n + 1; format 1 is the first


@dataclass(frozen=True)
class Manifest:
    """What `dataset.toml` says."""

    shards: int  # fixed when the dataset is made
    journal: Journal = "auto"  # of the ledger; auto: rollback on a network file system, else WAL
    recipe: str = ""  # full text of the last recipe
    current: Mapping[str, str] = field(default_factory=dict)  # operator -> key of the version that readers see

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= MAX_SHARDS:
            raise ValueError(f"a dataset has 1 to {MAX_SHARDS} shards, got {self.shards}")
        if self.journal not in get_args(Journal):
            raise ValueError(f"journal is one of {', '.join(get_args(Journal))}, got `{self.journal}`")

    def text(self) -> str:
        recipe = {"fingerprint": hashlib.sha256(self.recipe.encode()).hexdigest(), "text": self.recipe}
        return toml_text.dumps(
            {
                "format": FORMAT,
                "shards": self.shards,
                "journal": self.journal,
                "current": dict(sorted(self.current.items())),
                "recipe": recipe,
            }
        )


def read(folder: Path) -> Manifest:
    """The manifest of a dataset. Raises StoreError if there is none, or its format is older or newer than this one."""
    path = folder / MANIFEST
    if not path.is_file():
        raise StoreError(
            f"`{shown(folder)}` is not a dataset: it has no {MANIFEST}",
            "name a folder made by `internvideo curate ... --out FOLDER`",
        )
    with told("read", path):
        data = path.read_bytes()
    try:
        text = tomllib.loads(data.decode("utf-8"))
        format_ = int(text["format"])
        if format_ == FORMAT:
            return Manifest(text["shards"], text["journal"], text["recipe"]["text"], text["current"])
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedDataset(f"`{shown(path)}` does not read: {error}", "put a copy of it back") from error
    if format_ > FORMAT:
        raise StoreError(
            f"`{shown(folder)}` has dataset format {format_}; this internvideo knows formats up to {FORMAT}",
            "pip install --upgrade internvideo",
        )
    raise StoreError(
        f"`{shown(folder)}` has dataset format {format_}; this internvideo writes format {FORMAT}",
        "no release ever wrote that format: put a copy of dataset.toml back, or curate into a new folder",
    )


def write(folder: Path, manifest: Manifest) -> None:
    """Replace `dataset.toml` in one step; nothing happens if it says the same already."""
    path, data = folder / MANIFEST, manifest.text().encode("utf-8")
    if not path.is_file() or path.read_bytes() != data:
        durable.write_atomic(path, data)


NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "drvfs", "afs", "ceph", "lustre", "gpfs", "beegfs"),
        *("glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.juicefs"),
    }
)


def journal_mode(folder: Path, wish: Journal, mounts: str | None = None) -> Literal["wal", "rollback"]:
    """Journal for a ledger in `folder`: what was asked for, else rollback where the folder seems to lie on a network.

    A WAL needs memory that all its users share, which a network file system does not give. Linux lists its mounts (the
    deepest one above the folder counts); Windows network paths start with two backslashes; elsewhere the folder is
    taken to be local, and `Dataset.create(..., journal="rollback")` says otherwise.

    mounts: text of /proc/self/mounts, for tests.
    """
    if wish != "auto":
        return wish
    if sys.platform == "win32":
        return "rollback" if str(folder.resolve()).startswith("\\\\") else "wal"
    if mounts is None:
        table = Path("/proc/self/mounts")
        try:
            mounts = os.fsdecode(table.read_bytes())
        except OSError:
            return "wal"
    here = os.fspath(folder.resolve())
    best, kind = -1, ""
    for line in mounts.splitlines():
        point, name = (*line.split(" "), "", "", "")[1:3]
        for code, char in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
            point = point.replace(code, char)
        inside = here == point or here.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, kind = len(point), name
    return "rollback" if kind in NETWORK else "wal"
