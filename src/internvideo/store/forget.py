"""Takes videos out of a dataset for ever: unseen at once, then no row, vector, picture or name of them is left.

What stays is a line of `withheld.jsonl` (hash, date, reason), so that a later scan does not bring the video back, and
the judgements of people, which name clips by hash. A kill at any point leaves the video withheld; forgetting it again
finishes the rest.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.records import Clip
from internvideo.store import commits, durable, journal_lines, values, views
from internvideo.store.dataset import Dataset
from internvideo.store.joined import CACHE
from internvideo.store.merge import parts_of
from internvideo.store.values import shard_of
from internvideo.store.writer import Writer

DERIVED = (CACHE, "index")  # folders that are made again from the values
REMOVALS = "removals.jsonl"  # what those who have a copy of the dataset must remove too: clips by name


@dataclass(frozen=True)
class Forgotten:
    """What was done. rows: taken out of values; clips: names of the clips that are no more; removed: derived files."""

    videos: tuple[str, ...]
    rows: int
    clips: int
    removed: tuple[str, ...]


def forget(dataset: Dataset, videos: Sequence[str], *, date: str, reason: str) -> Forgotten:
    """Withhold these videos and take out all that is known of them, in the parts of the dataset too.

    videos: ids. Raises DatasetBusy while somebody writes the dataset or a part of it.
    """
    for part in parts_of(dataset.path):
        forget(Dataset(part), videos, date=date, reason=reason)
    with dataset.writer() as writer:
        writer.register(*dataset.operators().values())
        names = _clip_names(dataset, writer, videos)
        places = _places_of(writer, videos)
        for video in videos:
            if video not in writer.withheld:
                writer.withhold(video, date=date, reason=reason)
            if names[video]:
                line = {"video": video, "date": date, "reason": reason, "clips": names[video]}
                journal_lines.append(dataset.path / REMOVALS, line)
        rows = _purge(writer, videos)
        writer.flush()
        _leave_views(writer, videos)
        writer.ledger.rebuild()
    removed = _remove_derived(dataset.path, [*videos, *(video[:12] for video in videos), *places])
    return Forgotten(tuple(videos), rows, sum(map(len, names.values())), removed)


def _clip_names(dataset: Dataset, writer: Writer, videos: Sequence[str]) -> dict[str, list[str]]:
    """Video -> names of its clips in all clip sets, also those of a run that was killed in the middle of forgetting."""
    names: dict[str, set[str]] = {video: set() for video in videos}
    for spec in dataset.operators().values():
        if spec.segmenter:
            rows = writer.rows(spec, [video for video in videos if video not in writer.withheld])
            for row in rows.select(values.SPAN_KEY.names).to_pylist():
                names[row["video"]].add(Clip(**row).name)
    return {video: sorted(found) for video, found in names.items()}


def _places_of(writer: Writer, videos: Sequence[str]) -> list[str]:
    """Printable names of the files."""
    found = []
    for video in videos:
        for (path,) in writer.ledger.ask("SELECT path FROM places WHERE video = ? AND root != x''", (video,)):
            assert isinstance(path, bytes)
            found.append(path.decode("utf-8", "backslashreplace"))
    return found


def _purge(writer: Writer, videos: Sequence[str]) -> int:
    """Strike them from the ledger, and let their rows leave all shards at the next flush. How many rows those were."""
    rows, count = 0, writer.manifest.shards
    with writer.ledger.transaction():
        for video in videos:
            rows += writer.ledger.number("SELECT sum(rows) FROM status WHERE video = ?", (video,))
            for number, _, _ in writer.ledger.operators():
                commits.drop_rows(writer.ledger, number, video, [shard_of(video, count)])
            for table in ("status", "places", "pieces", "videos"):
                writer.ledger.write(f"DELETE FROM {table} WHERE video = ?", (video,))
    return rows


def _leave_views(writer: Writer, videos: Sequence[str]) -> None:
    for name in views.names(writer.folder):
        ids, description = views.load(writer.folder, name)
        kept = ids.filter(pc.invert(pc.is_in(ids["video"], value_set=pa.array(videos, pa.string()))))
        if kept.num_rows < ids.num_rows:
            writer.save_view(name, kept, description)


def _remove_derived(folder: Path, words: Collection[str]) -> tuple[str, ...]:
    """Remove caches, indexes and the report, and logs in which one of `words` stands. Their names."""
    gone = [folder / name for name in DERIVED if (folder / name).exists()]
    gone += [path for path in (folder / "report.html",) if path.exists()]
    needles = [word.encode("utf-8") for word in words] + [json.dumps(word)[1:-1].encode("ascii") for word in words]
    for path in sorted((folder / "runs").rglob("*")):
        if path.is_file() and any(needle in path.read_bytes() for needle in needles):
            gone.append(path)
    for path in gone:
        durable.remove(path)
    return tuple(str(path.relative_to(folder)) for path in gone)
