"""Brings what one dataset holds into another: places, rows and states of the operators that both or the other one have.

Rows of a video depend on nothing but the video and its side files, so it does not show where they were computed.
Results over all videos are left out: they belong to the set of videos that they saw.
"""

from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.errors import InternVideoError
from internvideo.records import Licence
from internvideo.store.dataset import PARTS, Dataset
from internvideo.store.ledger import LEDGER, Ledger, Row
from internvideo.store.places import PLACES, FileRecord
from internvideo.store.results import Failure, Result, State
from internvideo.store.values import OperatorSpec, shard_of
from internvideo.store.writer import STATE, Writer

_PLACE = (
    "root, path, video, present, size, mtime_ns, inode, device, source, licence, evidence, commercial, kind, message"
)


class _Told(InternVideoError):
    """A failure as another ledger tells it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def take_over(
    writer: Writer, other: Dataset, videos: Collection[str] | None = None, tell: Callable[[str], None] = lambda _: None
) -> int:
    """Take what `other` knows into the dataset of `writer`; how many results came. Doing it again changes nothing.

    videos: only these; None: all, and files that could not be identified. What both know is taken from `other`; its
    operators become the current versions. Withheld videos are left out. Flush afterwards.
    """
    wanted = None if videos is None else frozenset(videos)
    with closing(Ledger.read(other.path / LEDGER)) as ledger:
        _take_places(writer, ledger, wanted)
        specs = {name: spec for name, spec in other.operators().items() if spec.grain != "dataset" and spec != PLACES}
        writer.register(*specs.values())
        taken = 0
        for name, spec in specs.items():
            tell(name)
            taken += _take_results(writer, other, ledger, spec, wanted)
    return taken


def _take_places(writer: Writer, ledger: Ledger, wanted: Collection[str] | None) -> None:
    """Absent places first: a file that changed is absent as one video and present as another."""
    with writer.together():
        for row in ledger.ask(f"SELECT {_PLACE} FROM places ORDER BY present, root, path, video"):
            root, path, video, present, kind, message = *row[:4], *row[12:]
            assert isinstance(root, bytes) and isinstance(path, bytes)
            if (wanted is not None and video not in wanted) or video in writer.withheld:
                continue
            source = None if row[8] is None else str(row[8])
            if video and not root:
                writer.begin(str(video), source=source, licence=_licence(row))
            elif not present:
                writer.lose(root, path, str(video))
            else:
                size, mtime, inode, device = (int(cell or 0) for cell in row[4:8])
                found = str(video) if video else _Told(str(kind), str(message))
                record = FileRecord(root, path, size, mtime, inode, device)
                writer.remember(record, found, source=source, licence=_licence(row))


def _licence(row: Row) -> Licence | None:
    name, evidence, commercial = row[9:12]
    if name is None:
        return None
    return Licence(str(name), str(evidence or ""), None if commercial is None else bool(commercial))


def _take_results(
    writer: Writer, other: Dataset, ledger: Ledger, spec: OperatorSpec, wanted: Collection[str] | None
) -> int:
    sql = f"SELECT {STATE}, video FROM status JOIN operators ON operator = id WHERE name = ? AND key = ?"
    states = {str(row[-1]): State.of(row) for row in ledger.ask(sql, (spec.name, spec.key))}
    by_shard: dict[int, list[str]] = {}
    for video, state in sorted(states.items()):
        known = state.state in ("done", "failed", "quarantined") and video not in writer.withheld
        if known and (wanted is None or video in wanted):
            by_shard.setdefault(shard_of(video, other.manifest.shards), []).append(video)
    for mine in by_shard.values():
        rows = _by_video(other.rows(spec, mine).drop_columns(["input"]).cast(spec.schema))
        with writer.together():
            for video in mine:
                state = states[video]
                if state.state == "done":
                    outcome: Result | Failure = Result(spec, state.input, rows.get(video, spec.schema.empty_table()))
                else:
                    outcome = Failure(spec, state.input, state.kind, state.message, state.state == "quarantined")
                writer.commit(video, [outcome])
    return sum(map(len, by_shard.values()))


def _by_video(rows: pa.Table) -> dict[str, pa.Table]:
    """Video -> its rows; `rows` are sorted by key, so those of one video stand together."""
    if not rows.num_rows:
        return {}
    runs = pc.run_end_encode(rows["video"].combine_chunks())
    ends, names = runs.run_ends.to_pylist(), runs.values.to_pylist()
    return {name: rows.slice(start, end - start) for name, start, end in zip(names, [0, *ends[:-1]], ends, strict=True)}


def part_folder(dataset: Path, index: int, count: int) -> Path:
    """Where part `index` of `count` (from 1) of a dataset is computed: a dataset of its own."""
    return dataset / PARTS / f"{index}-of-{count}"


def parts_of(dataset: Path) -> list[Path]:
    """The parts that lie in a dataset's folder, sorted by name."""
    return sorted(path for path in (dataset / PARTS).glob("*-of-*") if Dataset.exists(path))
