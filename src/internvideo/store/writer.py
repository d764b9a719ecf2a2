"""The one writer of a dataset: says what is due, takes results, folds them into shards.

It computes nothing and opens no video. Every method either happened or did not, whenever the process is killed.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from internvideo.errors import InternVideoError, StoreError
from internvideo.records import Licence
from internvideo.store import commits, durable, folding, journal_lines, manifest, places, results, values, views
from internvideo.store.faults import shown
from internvideo.store.garbage import forget_removed
from internvideo.store.ledger import LEDGER, Ledger
from internvideo.store.lock import WriterLock
from internvideo.store.places import PLACES, FileRecord
from internvideo.store.reading import ShardCache, read_rows
from internvideo.store.results import TRANSIENT, Failure, Result, State
from internvideo.store.values import WHOLE, OperatorSpec, shard_of

STATE = "state, input, rows, kind, message, attempts"  # columns of the ledger, in the order of State


class Writer:
    """Made by `Dataset.writer()`; a context manager that holds the writer lock.

    Leaving it without an error flushes; with an error it only lets go: what was committed is kept as fragments.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = manifest.read(folder)
        self._lock = WriterLock(folder)
        self._closed = False
        try:
            self.manifest = manifest.read(folder)
            self.ledger = Ledger.open(folder / LEDGER, manifest.journal_mode(folder, self.manifest.journal))
            self._cache = ShardCache()
            self._pending = self.ledger.number("SELECT sum(length(rows)) FROM fragments")
            self._operators: dict[OperatorSpec, int] = {}
            self._specs: dict[int, OperatorSpec] = {}
            self._tried: set[tuple[int, str]] = set()  # failed in this run
            self._withheld = journal_lines.withheld(folder)
            self._sweep()
            self.register(PLACES)
            self._complete_places()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None and not self._closed:
                self.flush()
                self.ledger.shrink()
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"<Writer of {shown(self.folder)}, {self.pending_bytes:,} bytes not yet in shards>"

    def close(self) -> None:
        """Let the next writer in. Nothing is lost: fragments wait in the ledger. Twice is once."""
        self._closed = True
        if hasattr(self, "ledger"):
            self.ledger.close()
        self._lock.release()

    def together(self) -> AbstractContextManager[None]:
        """Several calls as one transaction: faster for many small ones, and all or nothing."""
        return self.ledger.transaction()

    # Operators

    def register(self, *specs: OperatorSpec) -> None:
        """Make these operators known and the current version of their name. Known ones cost nothing.

        Raises StoreError if another operator has the same folder.
        """
        if self.ledger.in_transaction:
            raise RuntimeError("register() writes files: call it before together()")
        for spec in specs:
            if spec in self._operators:
                continue
            values.write_operator(self._folder_of(spec), spec)
            number = self.ledger.operator_id(spec.name, spec.key)
            if number is None:
                with self.ledger.transaction():
                    self.ledger.write("INSERT INTO operators (name, key) VALUES (?, ?)", (spec.name, spec.key))
                number = self.ledger.operator_id(spec.name, spec.key)
            assert number is not None
            self._operators[spec], self._specs[number] = number, spec
        current = {**self.manifest.current, **{spec.name: spec.key for spec in specs}}
        self._write_manifest(recipe=self.manifest.recipe, current=current)

    def retire(self, *names: str) -> None:
        """These operators have no current version any more; their values stay until `Dataset.gc`."""
        current = {name: key for name, key in self.manifest.current.items() if name not in names}
        self._write_manifest(recipe=self.manifest.recipe, current=current)

    def set_recipe(self, text: str) -> None:
        """Keep the full text of the recipe in `dataset.toml`."""
        self._write_manifest(recipe=text, current=self.manifest.current)

    # Places

    def place(self, file: FileRecord) -> str | None:
        """The video at this place, if the file is as it was when it was read; None: it has to be read.

        A file that an earlier scan missed is there again from now on.
        """
        found = places.known(self.ledger, file)
        if found is None:
            return None
        video, present = found
        if not present:
            self.remember(file, video)
        return video

    def remember(
        self,
        file: FileRecord,
        video: str | InternVideoError,
        *,
        source: str | None = None,
        licence: Licence | None = None,
    ) -> None:
        """Note which video (SHA-256 of the bytes) lies at a place, or why the file could not be identified.

        source, licence: of this place; None keeps what was known.
        """
        if isinstance(video, str):
            shard_of(video, self.manifest.shards)
        with self.ledger.transaction():
            self._refresh_places(places.remember(self.ledger, file, video, source, licence))

    def begin(self, video: str, *, source: str | None = None, licence: Licence | None = None) -> None:
        """Note that a video exists, also one without a file (`ext:<catalogue>:<id>`). Known facts are not replaced."""
        shard_of(video, self.manifest.shards)
        with self.ledger.transaction():
            self._refresh_places(places.begin(self.ledger, video, source, licence))

    @property
    def withheld(self) -> Mapping[str, str]:
        """Videos that are not to be seen any more -> the reason."""
        return self._withheld

    def lose(self, root: bytes, path: bytes, video: str) -> None:
        """Note that a video is no longer at this place; its last place stays known."""
        with self.ledger.transaction():
            self._refresh_places(places.lose(self.ledger, (root, path), video))

    def vanish(self, root: bytes, seen: Collection[bytes]) -> list[str]:
        """After a whole scan of `root`: forget places that are not in `seen` (relative paths, raw bytes).

        Returns the videos that have no place left; their values stay.
        """
        with self.ledger.transaction():
            changed = places.vanish(self.ledger, root, seen)
            self._refresh_places(changed)
        return [video for video in changed if places.gone(self.ledger, video)]

    # Status

    def state(self, video: str, spec: OperatorSpec) -> State | None:
        """What is known of (video, operator); None: nothing yet. `WHOLE` asks for a dataset operator."""
        if video in self._withheld:
            return State("withheld", message=self._withheld[video])
        rows = self.ledger.ask(f"SELECT {STATE} FROM status WHERE operator = ? AND video = ?", (self._id(spec), video))
        state = State.of(rows[0]) if rows else None
        if (state is None or state.state != "done") and places.gone(self.ledger, video):
            return State("gone", *(() if state is None else (state.input, 0, state.kind, state.message)))
        return state

    def states(self, spec: OperatorSpec) -> dict[str, State]:
        """The rows of the ledger for one operator, by video; quicker than `state` for all of them.

        Knows nothing of gone files; withheld videos are left out.
        """
        rows = self.ledger.ask(f"SELECT {STATE}, video FROM status WHERE operator = ?", (self._id(spec),))
        return {str(row[-1]): State.of(row) for row in rows if row[-1] not in self._withheld}

    def due(self, video: str, spec: OperatorSpec, input: str) -> bool:
        """Whether the operator is to run: never done, known with another input, or failed for a passing reason.

        A passing failure (`TRANSIENT`) of this run is left for the next run.
        """
        state = self.state(video, spec)
        if state is None:
            return True
        if state.state in ("gone", "withheld"):
            return False
        if state.state == "due" or state.input != input:
            return True
        passing = state.state == "failed" and state.kind in TRANSIENT
        return passing and (self._id(spec), video) not in self._tried

    def retry(self, kind: str | None = None, video: str | None = None) -> int:
        """Mark failed and quarantined results as due: all, of one kind, or of one video. How many."""
        sql = "UPDATE status SET state = 'due' WHERE state IN ('failed', 'quarantined')"
        sql += " AND kind = ?" if kind is not None else ""
        sql += " AND video = ?" if video is not None else ""
        with self.ledger.transaction():
            return self.ledger.write(sql, [value for value in (kind, video) if value is not None])

    # Results

    def commit(self, video: str, outcomes: Sequence[Result | Failure], *, keep_pieces: bool = False) -> None:
        """Keep what operators gave for one video: rows and status in one transaction. Doing it again changes nothing.

        The video's pieces are dropped unless `keep_pieces`. Rows are sorted here. Raises ValueError for rows with
        another schema, another video, an empty or a doubled key; StoreError if the video is withheld.
        """
        if video in self._withheld:
            raise StoreError(f"video {video[:12]} is withheld: {self._withheld[video]}", "leave it out of the run")
        shard = shard_of(video, self.manifest.shards)
        packed = [results.pack(o, video) if isinstance(o, Result) else None for o in outcomes]
        with self.ledger.transaction():
            self.ledger.write("INSERT OR IGNORE INTO videos VALUES (?)", (video,))
            for outcome, data in zip(outcomes, packed, strict=True):
                if isinstance(outcome, Failure):
                    self._fail(outcome, video, [shard])
                else:
                    commits.done(self.ledger, self._id(outcome.spec), video, outcome, {shard: data})
            if not keep_pieces:
                self.drop_pieces(video)
        self._pending += sum(len(data) for data in packed if data)
        self._lock.beat()

    def replace_all(self, spec: OperatorSpec, rows: pa.Table, input: str) -> None:
        """Keep what a dataset operator gave: all its shards are replaced at the next flush, in one transaction here."""
        result = Result(spec, input, rows)
        packed = results.pack_all(result, self.manifest.shards)
        with self.ledger.transaction():
            commits.done(self.ledger, self._id(spec), WHOLE, result, packed)
        self._pending += sum(len(data) for data in packed.values() if data)
        self._lock.beat()

    def fail_all(self, failure: Failure) -> None:
        """Note that a dataset operator failed; rows of an earlier success are dropped at the next flush."""
        with self.ledger.transaction():
            self._fail(failure, WHOLE, range(self.manifest.shards))

    # Pieces of long videos

    def keep_piece(self, video: str, piece: str, payload: bytes) -> None:
        """Keep partial work. Name in `piece` all that it depends on: the unit, and the operators' fingerprints."""
        with self.ledger.transaction():
            self.ledger.write("INSERT OR REPLACE INTO pieces VALUES (?, ?, ?)", (video, piece, payload))
        self._lock.beat()

    def pieces(self, video: str) -> dict[str, bytes]:
        """Partial work of a video by name, sorted by name."""
        rows = self.ledger.ask("SELECT piece, payload FROM pieces WHERE video = ? ORDER BY piece", (video,))
        return {str(piece): payload for piece, payload in rows if isinstance(payload, bytes)}

    def drop_pieces(self, video: str) -> None:
        """Forget partial work."""
        with self.ledger.transaction():
            self.ledger.write("DELETE FROM pieces WHERE video = ?", (video,))

    # Shards and views

    @property
    def pending_bytes(self) -> int:
        """Size of the rows that wait for `flush`; rows that were replaced before it count twice."""
        return self._pending

    def flush(self) -> int:
        """Fold everything committed into the shards, where readers see it; how many files changed.

        Raises DamagedDataset if an old shard does not read; nothing is lost then.
        """
        pending = self.ledger.ask("SELECT DISTINCT operator FROM fragments ORDER BY operator")
        if not pending:
            return 0
        self.ledger.settle()
        changed = 0
        for (number,) in pending:
            spec = self._spec(int(number or 0))
            changed += folding.fold_operator(self.ledger, self._folder_of(spec), int(number or 0), spec)
            self._lock.beat()
        self._pending = 0
        return changed

    def rows(self, spec: OperatorSpec, videos: Collection[str] | None = None) -> pa.Table:
        """Rows as they are now, with what is not yet flushed; sorted by key, with `input`, without withheld videos."""
        number = self._id(spec)

        def pending(old: pa.Table, shard: int, videos: Sequence[str]) -> pa.Table:
            new = folding.fragments(self.ledger, number, shard, spec, videos)
            return folding.overlay(old, new, spec) if new else old

        folder, count = self._folder_of(spec), self.manifest.shards
        return read_rows(folder, spec, count, videos, self._withheld, pending, self._cache)

    def save_view(self, name: str, ids: pa.Table, description: Mapping[str, object]) -> None:
        """Keep a named subset: clip keys (video, stream, start, end) and how they were chosen. Flush before.

        A description with `clip_set` is completed by `made_from`: the clip set's version and a hash of its shards.
        """
        key = self.manifest.current.get(str(description.get("clip_set")))
        made_from: Mapping[str, str] = {}
        if key is not None:
            spec = values.read_operator(self.folder / "values" / str(description["clip_set"]) / key)
            made_from = views.state_of(self.ledger, spec)
        views.save(self.folder, name, ids, description, made_from)

    def withhold(self, video: str, *, date: str, reason: str) -> None:
        """Make a video unseen everywhere and for ever (`withheld.jsonl`); its values are not yet removed."""
        shard_of(video, self.manifest.shards)
        record = {"video": video, "date": date, "reason": reason}
        journal_lines.append(self.folder / journal_lines.WITHHELD, record)
        self._withheld[video] = reason

    # Inside

    def _id(self, spec: OperatorSpec) -> int:
        if spec not in self._operators:
            raise ValueError(f"operator {spec.path} is not registered with this writer: call register() first")
        return self._operators[spec]

    def _spec(self, number: int) -> OperatorSpec:
        if number not in self._specs:
            name, key = self.ledger.ask("SELECT name, key FROM operators WHERE id = ?", (number,))[0]
            self._specs[number] = values.read_operator(self.folder / "values" / str(name) / str(key))
        return self._specs[number]

    def _folder_of(self, spec: OperatorSpec) -> Path:
        return self.folder / "values" / spec.name / spec.key

    def _write_manifest(self, recipe: str, current: Mapping[str, str]) -> None:
        new = manifest.Manifest(self.manifest.shards, self.manifest.journal, recipe, current)
        manifest.write(self.folder, new)
        self.manifest = new

    def _refresh_places(self, videos: Sequence[str]) -> None:
        commits.refresh_places(self.ledger, self._id(PLACES), videos, self.manifest.shards)

    def _fail(self, failure: Failure, video: str, shards: Sequence[int]) -> None:
        number = self._id(failure.spec)
        self._tried.add((number, video))
        commits.failed(self.ledger, number, video, failure, shards)

    def _complete_places(self) -> None:
        """Write values for places that only the ledger knows (after a repair)."""
        sql = "SELECT DISTINCT video FROM places WHERE video != '' AND video NOT IN"
        sql += " (SELECT video FROM status WHERE operator = ? AND state = 'done') ORDER BY video"
        missing = [str(video) for (video,) in self.ledger.ask(sql, (self._id(PLACES),))]
        if missing:
            with self.ledger.transaction():
                self._refresh_places(missing)

    def _sweep(self) -> None:
        """Finish what a killed writer left: temporary files, half a view, half a removal."""
        for below in ("values", "views"):
            for path in durable.leftovers(self.folder / below):
                durable.remove(path)
        durable.remove(self.folder / (manifest.MANIFEST + durable.TEMPORARY))
        views.mend_texts(self.folder)
        forget_removed(self.folder, self.ledger, self.manifest.current)
