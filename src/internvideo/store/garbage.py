"""What lies in a dataset that nothing names any more: values of earlier recipes, and stale copies in `cache/`."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from internvideo.store import durable, values
from internvideo.store.faults import shown, told
from internvideo.store.joined import CACHE
from internvideo.store.ledger import Ledger

REMOVED = "removed-"  # folders of values on their way out, under `cache/`


@dataclass(frozen=True)
class Garbage:
    """A file or folder that may go."""

    path: str  # printable, inside the dataset
    bytes: int
    reason: str


def garbage(folder: Path, current: Mapping[str, str], fresh: Collection[Path]) -> dict[Path, Garbage]:
    """All of it, sorted by path.

    current: operator -> key. fresh: files of `cache/` that are up to date. An operator version is in use if it is
    current, or if the text of a view or an index names it as `<operator>/<key>`.
    """
    named = b"\n".join(_texts(folder))
    found = {}
    for place in values.operator_folders(folder / "values"):
        version = f"{place.parent.name}/{place.name}"
        if current.get(place.parent.name) != place.name and version.encode("ascii") not in named:
            found[place] = _item(folder, place, "no recipe, view or index names this version")
    stale = [path for path in (folder / CACHE).glob("table-*.parquet*") if path not in fresh]
    for path in sorted([*stale, *(folder / CACHE).glob(f"{REMOVED}*")]):
        found[path] = _item(folder, path, "made from values that have changed or gone")
    return found


def sweep(folder: Path, ledger: Ledger, current: Mapping[str, str], items: Sequence[Path]) -> None:
    """Remove them. A folder of values leaves in one step (a rename), so that a kill leaves all of it or nothing."""
    for path in items:
        away = path
        if path.is_relative_to(folder / "values"):
            away = folder / CACHE / f"{REMOVED}{path.parent.name}-{path.name}"
            durable.move(path, away)
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
        durable.remove(away)
    forget_removed(folder, ledger, current)


def forget_removed(folder: Path, ledger: Ledger, current: Mapping[str, str]) -> None:
    """Strike operator versions from the ledger whose folder was removed."""
    there = {(place.parent.name, place.name) for place in values.operator_folders(folder / "values")}
    for number, name, key in ledger.operators():
        if (name, key) not in there and current.get(name) != key:
            strike(ledger, number)


def strike(ledger: Ledger, operator: int) -> None:
    """Forget an operator version: its status, fragments and files."""
    with ledger.transaction():
        for table in ("status", "totals", "fragments", "files"):
            ledger.write(f"DELETE FROM {table} WHERE operator = ?", (operator,))
        ledger.write("DELETE FROM operators WHERE id = ?", (operator,))


def _texts(folder: Path) -> Iterator[bytes]:
    """What views and indexes say of themselves."""
    for path in sorted([*(folder / "views").glob("*.toml"), *(folder / "index").glob("*/*.toml")]):
        with told("read", path):
            yield path.read_bytes()


def _item(folder: Path, path: Path, reason: str) -> Garbage:
    files = [inner for inner in path.rglob("*") if inner.is_file()] if path.is_dir() else [path]
    return Garbage(shown(path.relative_to(folder)), sum(file.stat().st_size for file in files), reason)
