"""Do the shards of one operator hold what the ledger says? Compares, and mends without making anything up."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from internvideo.errors import DamagedDataset
from internvideo.store import commits, durable, places, shards
from internvideo.store.faults import shown, told
from internvideo.store.findings import Finding, Problem
from internvideo.store.ledger import Ledger
from internvideo.store.places import PLACES
from internvideo.store.values import WHOLE, OperatorSpec, shard_name, shard_of

DAMAGED = Path("runs") / "damaged"  # where `repair` puts what it takes away
SHARD_FILE = re.compile(r"(?:shard|empty)-([0-9]{4})\.parquet")
IGNORED = {".DS_Store", "Thumbs.db", "desktop.ini"}  # file managers leave these anywhere

Counts = dict[str, tuple[int, str | None]]  # video -> number of rows, their input; None: not one for all


class Unusable(Exception):
    """A shard file that cannot be trusted as a whole."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.message = kind, message


class ValuesCheck:
    """One operator version against its part of the ledger.

    number: of the operator in the ledger, -1 if it is not there. count: shards of the dataset.
    """

    def __init__(self, dataset: Path, ledger: Ledger, number: int, spec: OperatorSpec, count: int) -> None:
        self.dataset, self.ledger, self.number, self.spec, self.count = dataset, ledger, number, spec, count
        self.folder = dataset / "values" / spec.name / spec.key
        self.files = {
            str(name): str(digest)
            for name, digest in ledger.ask("SELECT name, sha256 FROM files WHERE operator = ?", (number,))
        }
        self.pending: dict[int, set[str]] = {}
        for shard, video in ledger.ask("SELECT shard, video FROM fragments WHERE operator = ?", (number,)):
            self.pending.setdefault(int(shard or 0), set()).add(str(video))
        self.states: dict[str, str] = {}
        self.done: dict[int, Counts] = {}
        sql = "SELECT video, state, rows, input FROM status WHERE operator = ?"
        for video, state, rows, text in ledger.ask(sql, (number,)):
            self.states[str(video)] = str(state)
            if state == "done":
                self.done.setdefault(self._shard_of(str(video)), {})[str(video)] = (int(rows or 0), str(text))

    def findings(self) -> Iterator[Finding]:
        """Everything that is wrong with this operator's files."""
        names = sorted(path.name for path in self.folder.iterdir())
        for name in names:
            match = SHARD_FILE.fullmatch(name)
            known = name == "operator.toml" or name in IGNORED or name.endswith(durable.TEMPORARY)
            if not known and not (match and int(match[1]) < self.count):
                problem = self._problem("foreign-file", name, "does not belong here")
                yield Finding(problem, partial(self._move_away, [name]))
        found: dict[int, Counts] = {}
        for shard in range(self.count):
            found[shard] = {}
            for name in (shard_name(shard), shard_name(shard, "empty")):
                try:
                    found[shard] = self._joined(found[shard], self._counts(shard, name))
                except Unusable as bad:
                    yield self._unusable(shard, name, bad)
                    found.pop(shard)
                    break
        if self.spec.grain == "dataset":
            yield from self._compare_whole(found)
            return
        for shard, counts in found.items():
            yield from self._compare(shard, counts)

    def _counts(self, shard: int, name: str) -> Counts:
        """What a shard file holds, by video. Raises Unusable."""
        path = self.folder / name
        recorded = self.files.get(name) if shard not in self.pending else None
        if not path.is_file():
            if recorded:
                raise Unusable("missing-shard", "is missing")
            return {}
        with told("read", path):
            intact = hashlib.sha256(path.read_bytes()).hexdigest() == recorded
        rows_file = name == shard_name(shard)
        schema, keys = (self.spec.file_schema, self.spec.keys) if rows_file else (shards.EMPTY_SCHEMA, ["video"])
        try:
            table = shards.read(path, schema, [*keys, "input"] if intact else None)
        except shards.WrongSchema as error:
            raise Unusable(error.kind, "has other columns than its operator") from error
        except DamagedDataset as error:
            raise Unusable("damaged-shard", error.problem.rpartition("` ")[2]) from error
        if not shards.is_sorted(table, keys):
            twice = shards.is_sorted(table.group_by(keys).aggregate([]), keys)
            raise Unusable(*(("duplicate-key", "has a key twice") if twice else ("unsorted", "is not sorted by key")))
        counts = _by_video(table, rows_file)
        strange = [video for video in counts if not self._belongs(video, shard)]
        if strange:
            raise Unusable("outside-shard", f"holds rows of {strange[0][:24]}, which belong elsewhere")
        if recorded and not intact:
            raise Unusable("changed-shard", "is not the file that was written")
        return counts

    def _belongs(self, video: str, shard: int) -> bool:
        try:
            return self._shard_of(video) == shard
        except ValueError:
            return False

    def _shard_of(self, video: str) -> int:
        return 0 if video == WHOLE and self.spec.grain == "dataset" else shard_of(video, self.count)

    @staticmethod
    def _joined(rows: Counts, empty: Counts) -> Counts:
        if rows.keys() & empty.keys():
            raise Unusable("duplicate-key", "says that a video has no rows which has some")
        return {**rows, **empty}

    def _compare(self, shard: int, actual: Counts) -> Iterator[Finding]:
        """Rows against status, for the videos that have nothing pending."""
        pending = self.pending.get(shard, set())
        known = {video: count for video, count in self.done.get(shard, {}).items() if video not in pending}
        actual = {video: count for video, count in actual.items() if video not in pending}
        name = shard_name(shard)
        lost = sorted(known.keys() - actual.keys())
        if lost:
            yield Finding(
                self._problem("done-without-rows", name, _some(lost, "done but not there")),
                lambda: self._redo(shard, lost, drop=False),
            )
        extra = {video: actual[video] for video in sorted(actual.keys() - known.keys())}
        if extra:
            yield Finding(
                self._problem("rows-without-status", name, _some(list(extra), "there but not marked as done")),
                lambda: self._adopt(shard, extra),
            )
        differ = [video for video in sorted(actual.keys() & known.keys()) if actual[video] != known[video]]
        if differ:
            yield Finding(
                self._problem("row-count", name, _some(differ, "with other rows or inputs than noted")),
                lambda: self._redo(shard, differ, drop=True),
            )

    def _compare_whole(self, found: Mapping[int, Counts]) -> Iterator[Finding]:
        """The same for an operator whose results belong to all videos at once."""
        if self.pending or len(found) < self.count:
            return
        counts = [count for shard in found.values() for count in shard.values()]
        inputs = {text for _, text in counts}
        actual = (sum(rows for rows, _ in counts), inputs.pop() if len(inputs) == 1 else None) if counts else None
        known = self.done.get(0, {}).get(WHOLE)
        if actual == known:
            return
        if actual is None:
            problem = self._problem("done-without-rows", "", "marked as done, but there are no files")
            yield Finding(problem, lambda: self._redo_whole([]))
        elif known is None and actual[1] is not None and WHOLE not in self.states:
            problem = self._problem("rows-without-status", "", "there but not marked as done")
            yield Finding(problem, lambda: self._adopt(0, {WHOLE: actual}))
        else:
            problem = self._problem("row-count", "", "has other rows or inputs than noted")
            yield Finding(problem, lambda: self._redo_whole([]))

    def _unusable(self, shard: int, name: str, bad: Unusable) -> Finding:
        problem = self._problem(bad.kind, name, bad.message)
        if self.spec.grain == "dataset":
            return Finding(problem, lambda: self._redo_whole([name]))
        pending, rows_file = self.pending.get(shard, set()), name == shard_name(shard)
        videos = [
            video
            for video, (rows, _) in sorted(self.done.get(shard, {}).items())
            if video not in pending and (rows > 0) == rows_file
        ]
        return Finding(problem, lambda: f"{self._redo(shard, videos, drop=False)}, {self._move_away([name])}")

    # Mending. Each is one transaction, and what it leaves when killed before the next step is found again.

    def _redo(self, shard: int, videos: Sequence[str], *, drop: bool) -> str:
        with self.ledger.transaction():
            for video in videos:
                commits.mark_due(self.ledger, self.number, video, "its rows were lost; found by verify")
                if drop:
                    commits.drop_rows(self.ledger, self.number, video, [shard])
            if self.spec == PLACES:  # nobody computes places again: the ledger knows them
                commits.refresh_places(self.ledger, self.number, videos, self.count)
        return f"{len(videos)} videos are due again" if self.spec != PLACES else "written again from the ledger"

    def _redo_whole(self, names: Sequence[str]) -> str:
        with self.ledger.transaction():
            commits.mark_due(self.ledger, self.number, WHOLE, "its rows were lost; found by verify")
            commits.drop_rows(self.ledger, self.number, WHOLE, range(self.count))
        return f"due again{', ' + self._move_away(names) if names else ''}"

    def _adopt(self, shard: int, extra: Counts) -> str:
        """Mark as done what is there; rows of videos with another status are dropped instead."""
        known = {video: count for video, count in extra.items() if video not in self.states and count[1] is not None}
        dropped = sorted(extra.keys() - known.keys())
        with self.ledger.transaction():
            for video, (rows, text) in known.items():
                commits.adopt(self.ledger, self.number, video, text or "", rows)
            for video in dropped:
                commits.drop_rows(self.ledger, self.number, video, [shard])
            if self.spec == PLACES:
                rows = shards.read(self.folder / shard_name(shard), PLACES.file_schema)
                places.restore(self.ledger, rows.filter(pa.compute.is_in(rows["video"], pa.array(known, pa.string()))))
            self._note_files(range(self.count) if WHOLE in extra else [shard])
        return f"{len(known)} marked as done" + (f", rows of {len(dropped)} dropped" if dropped else "")

    def _note_files(self, those: Sequence[int]) -> None:
        for name in [name for shard in those for name in (shard_name(shard), shard_name(shard, "empty"))]:
            path = self.folder / name
            if path.is_file():
                data = path.read_bytes()
                note = (self.number, name, len(data), hashlib.sha256(data).hexdigest())
                self.ledger.write("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", note)

    def _move_away(self, names: Sequence[str]) -> str:
        away = self.dataset / DAMAGED / self.spec.name / self.spec.key
        for name in names:
            with self.ledger.transaction():
                self.ledger.write("DELETE FROM files WHERE operator = ? AND name = ?", (self.number, name))
            if (self.folder / name).exists():
                durable.move(self.folder / name, away / name)
        return f"moved to {shown(away.relative_to(self.dataset))}"

    def _problem(self, kind: str, name: str, message: str) -> Problem:
        return Problem(kind, "/".join(["values", self.spec.path, *filter(None, [shown(name)])]), message)


def _by_video(table: pa.Table, rows_file: bool) -> Counts:
    groups = table.group_by("video", use_threads=False).aggregate(
        [("input", "min"), ("input", "max"), ("video", "count")]
    )
    counts: Counts = {}
    for row in groups.to_pylist():
        same = row["input_min"] == row["input_max"]
        counts[str(row["video"])] = (row["video_count"] if rows_file else 0, row["input_min"] if same else None)
    return counts


def _some(videos: Sequence[str], what: str) -> str:
    return f"{len(videos)} videos {what}, such as {videos[0][:24]}"
