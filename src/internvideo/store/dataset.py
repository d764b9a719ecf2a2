"""A dataset folder as readers see it: the last committed state, without a lock."""

import os
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.errors import StoreError, nearest
from internvideo.records import Clip
from internvideo.store import durable, journal_lines, manifest, places, shards, status, values, views
from internvideo.store.columns import Columns
from internvideo.store.faults import shown, told
from internvideo.store.findings import Problem
from internvideo.store.garbage import Garbage, garbage, sweep
from internvideo.store.joined import Join
from internvideo.store.ledger import LEDGER, Ledger
from internvideo.store.lock import LOCK, NOTE, WriterLock
from internvideo.store.lookup import Meant, find
from internvideo.store.manifest import Journal, Manifest
from internvideo.store.places import PLACES
from internvideo.store.reading import ShardCache, read_rows
from internvideo.store.status import FailedItem, Status
from internvideo.store.values import SPAN_KEY, OperatorSpec
from internvideo.store.verify import verify
from internvideo.store.why import Asker, Why
from internvideo.store.writer import Writer

PARTS = "parts"  # shares of the work that run apart, until they are merged: each a dataset of its own
SHARDS = 16  # of a new dataset: good for some hundred thousand clips


class Dataset:
    """A folder of videos' values. `Dataset(path)` opens an existing one; reading never waits for a writer."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._cache = ShardCache()
        manifest.read(self.path)  # a folder that is no dataset is refused here

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Dataset":
        """The dataset in a folder. Raises StoreError if there is none or its format is older or newer."""
        return cls(path)

    @classmethod
    def exists(cls, path: str | os.PathLike[str]) -> bool:
        """Whether a folder holds a dataset of any format."""
        return (Path(path) / manifest.MANIFEST).is_file()

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], *, shards: int = SHARDS, recipe: str = "", journal: Journal = "auto"
    ) -> "Dataset":
        """Make an empty dataset in a new or empty folder (or one where an earlier `create` was killed).

        shards: fixed for ever, 1 to 10,000; 4 to 16 thousand clips per shard are comfortable.
        journal: of the ledger; "rollback" on a network file system that is not recognised as one.
        Raises StoreError if the folder holds anything else.
        """
        folder, new = Path(path), Manifest(shards, journal, recipe)
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"`{shown(folder)}` is a file", "name a folder for the dataset")
        if cls.exists(folder):
            raise StoreError(f"`{shown(folder)}` is a dataset already", "Dataset.open() reads it, .writer() adds to it")
        durable.make_folder(folder)
        with told("list", folder):
            foreign = sorted(
                path.name for path in folder.iterdir() if not path.name.startswith((LEDGER, LOCK, NOTE, PARTS))
            )
        if foreign and foreign != [manifest.MANIFEST + durable.TEMPORARY]:
            raise StoreError(
                f"`{shown(folder)}` is not empty: it holds `{shown(foreign[0])}`", "name a new folder for the dataset"
            )
        with WriterLock(folder):
            Ledger.create(folder / LEDGER).close()
            manifest.write(folder, new)  # last: from here on it is a dataset
        return cls(folder)

    @property
    def manifest(self) -> Manifest:
        """What `dataset.toml` says now."""
        return manifest.read(self.path)

    def writer(self) -> Writer:
        """The one writer, a context manager. Raises DatasetBusy, naming the holder, while another process writes."""
        return Writer(self.path)

    def __repr__(self) -> str:
        facts = self.manifest
        held = ", ".join(name for name in sorted(facts.current) if name != PLACES.name) or "no values yet"
        return f"<Dataset {shown(self.path)}: {held}>"

    # Operators and rows

    def operators(self) -> dict[str, OperatorSpec]:
        """The current version of each operator, by name."""
        current = self.manifest.current
        return {name: values.read_operator(self.path / "values" / name / key) for name, key in sorted(current.items())}

    def operator(self, name: str) -> OperatorSpec:
        """An operator by name (its current version) or as `name/key`. Raises StoreError with the nearest known name."""
        current = self.manifest.current
        name, _, key = name.partition("/")
        folder = self.path / "values" / name / (key or current.get(name, ""))
        if (not key and name not in current) or folder not in values.operator_folders(self.path / "values"):
            known = [f"{f.parent.name}/{f.name}" for f in values.operator_folders(self.path / "values")]
            asked = f"{name}/{key}" if key else name
            raise StoreError(
                f"no operator `{asked}` in `{shown(self.path)}`", nearest(asked, known if key else current)
            )
        return values.read_operator(folder)

    def rows(self, operator: str | OperatorSpec, videos: Collection[str] | None = None) -> pa.Table:
        """Committed rows of an operator, sorted by key, with `input`; withheld videos are left out.

        operator: a name (its current version), `name/key`, or a spec. videos: only these.
        """
        spec = self.operator(operator) if isinstance(operator, str) else operator
        folder = self.path / "values" / spec.name / spec.key
        return read_rows(folder, spec, self.manifest.shards, videos, self.withheld(), cache=self._cache)

    value = rows

    def clips(self, clip_set: str = "shots") -> pa.Table:
        """The clips that one segmenter made: its rows, sorted. Raises StoreError with the nearest known clip set."""
        return self.rows(self._clip_set(clip_set, self.operators()))

    def table(self, clip_set: str = "shots", *, view: str | None = None) -> pa.Table:
        """One row per clip with everything comparable that is known of it, sorted by key.

        Columns: `clip` (its name), video, stream, start, end; `<operator>_<column>` of every current operator (a `-`
        in its name becomes `_`; of several rows the first, item 0; text, numbers and booleans only), where those of
        `probe` are `video_<column>`; path (printable), source (the video itself, if none was named), licence, evidence.
        view: only the clips of this view.
        """
        table = self.columns(clip_set).to_table()
        if view is None:
            return table
        keys = SPAN_KEY.names
        return shards.sort_by(table.join(self.view(view).select(keys), keys, join_type="left semi"), keys)

    def columns(self, clip_set: str = "shots") -> Columns:
        """`table`, of which a column is read when it is asked for."""
        specs = self.operators()
        self._clip_set(clip_set, specs)
        return Join(self.path, specs, clip_set, self.manifest.shards, self.withheld()).columns()

    # Views, judgements, removals

    def views(self) -> list[str]:
        """Names of the views, sorted."""
        return views.names(self.path)

    def view(self, name: str) -> pa.Table:
        """Keys (video, stream, start, end) of the clips in a view, sorted; withheld videos are left out."""
        ids, _ = views.load(self.path, name)
        hidden = pa.array(sorted(self.withheld()), pa.string())
        return ids.filter(pc.invert(pc.is_in(ids["video"], value_set=hidden)))

    def view_description(self, name: str) -> dict[str, object]:
        """How a view was chosen, as it was saved."""
        return views.load(self.path, name)[1]

    def withheld(self) -> dict[str, str]:
        """Videos that are not to be seen any more -> the reason."""
        return journal_lines.withheld(self.path)

    def verdicts(self) -> list[dict[str, object]]:
        """People's judgements, in the order in which they were made."""
        return journal_lines.read(self.path / journal_lines.VERDICTS)[0]

    def judge(self, verdict: Mapping[str, object]) -> None:
        """Add a judgement (a JSON object) to `verdicts.jsonl`. Needs no writer: it may come while one is at work."""
        journal_lines.append(self.path / journal_lines.VERDICTS, verdict)

    # Questions

    def places(self) -> dict[tuple[bytes, bytes], tuple[int, int, int]]:
        """(root, relative path) of every known file, raw bytes -> (size, mtime_ns, inode) when it was read."""
        with self._ledger() as ledger:
            return places.present(ledger)

    def locate(self, video: str) -> Path | None:
        """A path where the bytes of a video lay at the last scan; None if there is none."""
        rows = self.rows(PLACES, [video]).to_pylist()
        there = [row for row in rows if row["present"]]
        return Path(os.fsdecode(there[0]["root"])) / os.fsdecode(there[0]["path"]) if there else None

    def status(self) -> Status:
        """Counts: what is due, done and failed, clips per clip set and view."""
        with self._ledger() as ledger:
            return status.status(self.path, ledger, self.operators(), self.withheld())

    def failures(self) -> list[FailedItem]:
        """Everything that failed: files that could not be identified, then operators on videos."""
        with self._ledger() as ledger:
            return status.failures(ledger, self.operators())

    def find(self, what: str | Clip) -> Meant:
        """What a clip's name, a video's hash (or its start), a path or PATH@SECONDS means."""
        with self._ledger() as ledger:
            return find(ledger, what)

    def why(self, what: str | Clip) -> Why:
        """Everything that is known of a clip or video (see `find`). Raises StoreError with the nearest name."""
        with self._ledger() as ledger:
            asker = Asker(self.path, ledger, self.operators(), self.manifest.shards, self._cache)
            return asker.why(find(ledger, what), self.withheld())

    # Upkeep. These take the writer lock.

    def retry(self, kind: str | None = None, video: str | None = None) -> int:
        """Mark failed and quarantined results as due: all, of one kind, or of one video (its id). How many."""
        with self.writer() as writer:
            return writer.retry(kind, video)

    def verify(self, repair: bool = False) -> list[Problem]:
        """Everything that is wrong with the folder; with `repair`, mended. DatasetBusy while there is a writer."""
        return verify(self.path, repair)

    def gc(self, delete: bool = False) -> list[Garbage]:
        """Operator versions that no recipe, view or index names, and stale cache; with `delete`, removed."""
        facts = self.manifest
        found = garbage(self.path, facts.current, self._fresh())
        if delete and found:
            with self.writer() as writer:
                sweep(self.path, writer.ledger, facts.current, list(found))
        return list(found.values())

    # Inside

    def _ledger(self) -> AbstractContextManager[Ledger]:
        return closing(Ledger.read(self.path / LEDGER))

    def _clip_set(self, name: str, specs: Mapping[str, OperatorSpec]) -> OperatorSpec:
        if name not in specs or not specs[name].segmenter:
            known = [other for other, spec in specs.items() if spec.segmenter]
            raise StoreError(f"no clip set `{name}` in `{shown(self.path)}`", nearest(name, known))
        return specs[name]

    def _fresh(self) -> list[Path]:
        specs, count, withheld = self.operators(), self.manifest.shards, self.withheld()
        return [
            Join(self.path, specs, name, count, withheld).cache_path() for name, spec in specs.items() if spec.segmenter
        ]
