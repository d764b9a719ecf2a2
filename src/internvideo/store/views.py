"""Named subsets: the clips' keys, how they were chosen, and from what. Copies nothing, evaluates nothing.

`views/<name>.parquet` holds both (the description is in its metadata), so that they can never be of two different
runs; `<name>.toml` is the same description for people.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.errors import DamagedDataset, StoreError, nearest
from internvideo.store import durable, shards, toml_text
from internvideo.store.faults import shown, told
from internvideo.store.ledger import Ledger
from internvideo.store.values import SPAN_KEY, OperatorSpec

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
DESCRIPTION = b"internvideo.view"
MADE_FROM = "made_from"  # in the description: the clip set as it was


def save(
    folder: Path, name: str, ids: pa.Table, description: Mapping[str, object], made_from: Mapping[str, str]
) -> None:
    """Write a view: clip keys (further columns are dropped, doubles too) and a description that TOML can hold.

    made_from: `state_of` the clip set. The same ids in any order give the same bytes. Raises ValueError for a bad name
    or missing key columns, TypeError for a description that TOML cannot hold.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"view name `{name}`: use lower case letters, digits, `-` and `_`, at most 64")
    keys = ids.select(SPAN_KEY.names).cast(SPAN_KEY)
    if not shards.is_sorted(keys, SPAN_KEY.names):
        keys = shards.sort_by(keys.group_by(SPAN_KEY.names).aggregate([]), SPAN_KEY.names)
    text = toml_text.dumps({**description, MADE_FROM: made_from})
    tomllib.loads(text)
    schema = SPAN_KEY.with_metadata({DESCRIPTION: text.encode("utf-8")})
    durable.make_folder(folder / "views")
    durable.write_atomic(folder / "views" / f"{name}.parquet", shards.encode(keys, schema))
    durable.write_atomic(folder / "views" / f"{name}.toml", text.encode("utf-8"))


def state_of(ledger: Ledger, spec: OperatorSpec) -> dict[str, str]:
    """Names an operator version and, by one hash, the shards it had; a view of it is out of date when they change."""
    files = ledger.ask(
        "SELECT files.name, sha256 FROM files JOIN operators ON operators.id = files.operator"
        " WHERE operators.name = ? AND key = ? ORDER BY files.name",
        (spec.name, spec.key),
    )
    return {"operator": spec.path, "files": hashlib.sha256(repr(files).encode("ascii")).hexdigest()}


def names(folder: Path) -> list[str]:
    """Views that exist, sorted."""
    if not (folder / "views").is_dir():
        return []
    with told("list", folder / "views"):
        return sorted(path.stem for path in (folder / "views").glob("*.parquet"))


def load(folder: Path, name: str) -> tuple[pa.Table, dict[str, object]]:
    """Clip keys, sorted, and the description. Raises StoreError for an unknown name, DamagedDataset for a bad file."""
    known = names(folder)
    if name not in known:
        raise StoreError(f"no view `{name}` in `{shown(folder)}`", nearest(name, known))
    path = folder / "views" / f"{name}.parquet"
    text = _description(path)
    return shards.read(path, SPAN_KEY), tomllib.loads(text)


def size(folder: Path, name: str) -> int:
    """Number of clips in a view, from the footer of its file; -1 if it does not read."""
    try:
        with (folder / "views" / f"{name}.parquet").open("rb") as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (pa.ArrowException, OSError):
        return -1


def mend_texts(folder: Path) -> None:
    """Write `<name>.toml` again where a kill came between the two files of a view; remove one without a view."""
    for name in names(folder):
        path = folder / "views" / f"{name}.toml"
        try:
            text = _description(path.with_suffix(".parquet")).encode("utf-8")
        except DamagedDataset:
            continue  # `verify` names it
        if not path.is_file() or path.read_bytes() != text:
            durable.write_atomic(path, text)


def _description(path: Path) -> str:
    with told("read", path):
        data = path.read_bytes()
    try:
        metadata = pq.read_schema(pa.BufferReader(data)).metadata or {}
        text = metadata[DESCRIPTION].decode("utf-8")
        tomllib.loads(text)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DamagedDataset(f"`{shown(path)}` is no view: {error}", "select the view again") from error
    return str(text)
