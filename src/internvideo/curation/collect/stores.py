"""Object stores (`s3://`, `gs://`, `memory://` ...) through fsspec: what lies in them, and one object as a file."""

import json
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from internvideo.curation.collect.sources import Address, file_name
from internvideo.curation.collect.web import Refused
from internvideo.curation.side_suffixes import is_video
from internvideo.errors import MissingExtra, UsageError
from internvideo.models.download import AddressFailed

BLOCK = 1 << 20
_VERSION = ("ETag", "etag", "checksum", "md5Hash", "generation", "LastModified", "mtime", "created")


def is_store(address: str) -> bool:
    """
    >>> [is_store(a) for a in ("s3://films/a.mp4", "https://example.org/a.mp4", "list.csv")]
    [True, False, False]
    """
    scheme, colon, _ = address.partition("://")
    return bool(colon) and scheme.isalnum() and scheme not in ("http", "https", "file", "local")


def videos_in(address: str) -> Iterator[Address]:
    """Every video below a place of a store, by name. Raises UsageError for a store that fsspec cannot open."""
    files, root = _opened(address)
    for name, _facts in sorted(files.find(root, detail=True).items()):
        if is_video(name):
            below = name.removeprefix(root.rstrip("/") + "/")
            title = file_name(posixpath.splitext(below)[0], "")
            yield Address(files.unstrip_protocol(name), title, {}, address, store=True)


def fetch_object(address: str, part: Path, largest: int) -> None:
    """Copy an object to `part`, going on where an earlier call stopped if it is still the same object.

    Raises AddressFailed.
    """
    files, name = _opened(address)
    state = part.with_name(part.name + ".json")
    try:
        facts: dict[str, Any] = files.info(name)
        size = int(facts.get("size") or 0)
        if size > largest:
            raise Refused(f"{size:,} bytes, over the limit of {largest:,}")
        version = json.dumps([size, *(str(facts.get(key)) for key in _VERSION)])
        same = part.is_file() and state.is_file() and state.read_text("utf-8") == version
        have = part.stat().st_size if same else 0
        state.write_text(version, "utf-8")
        with files.open(name, "rb") as source, part.open("ab" if have else "wb") as copy:
            source.seek(have)
            while block := source.read(BLOCK):
                copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
    except FileNotFoundError as error:
        raise AddressFailed("there is no such object (any more)", 404) from error
    except PermissionError as error:
        raise AddressFailed("the store does not let it be read", 403) from error
    except OSError as error:
        raise AddressFailed(f"the store failed: {error}", 503) from error
    if part.stat().st_size != size:
        raise AddressFailed(f"{part.stat().st_size:,} of {size:,} bytes came", 503)
    state.unlink(missing_ok=True)


def _opened(address: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra("fsspec", "collect") from error
    try:
        files, name = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise UsageError(f"`{address}` cannot be opened: {error}", "install the package that fsspec names") from error
    return files, str(name)
