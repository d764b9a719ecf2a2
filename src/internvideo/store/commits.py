"""Rows and status of results, as they go into the ledger together. Needs an open transaction; knows no policy."""

from collections.abc import Iterable, Mapping

from internvideo.store import places, results
from internvideo.store.faults import printable
from internvideo.store.ledger import Ledger
from internvideo.store.places import PLACES
from internvideo.store.results import Failure, Result
from internvideo.store.values import shard_of


def done(ledger: Ledger, operator: int, video: str, result: Result, data: Mapping[int, bytes | None]) -> None:
    """Mark as done, with packed rows by shard (`results.pack`)."""
    adopt(ledger, operator, video, result.input, result.rows.num_rows)
    ledger.write_many(
        "INSERT OR REPLACE INTO fragments VALUES (?, ?, ?, ?, ?)",
        [(operator, shard, video, result.input, packed) for shard, packed in data.items()],
    )


def failed(ledger: Ledger, operator: int, video: str, failure: Failure, shards: Iterable[int]) -> None:
    """Mark as failed and count it; rows of an earlier success leave the shards, for they had another input."""
    before = ledger.ask("SELECT state FROM status WHERE operator = ? AND video = ?", (operator, video))
    if before and before[0][0] == "done":
        drop_rows(ledger, operator, video, shards)
    state = "quarantined" if failure.quarantined else "failed"
    ledger.write(
        "INSERT INTO status VALUES (?, ?, ?, ?, 0, ?, ?, 1) ON CONFLICT (operator, video) DO UPDATE SET"
        " state = excluded.state, input = excluded.input, rows = 0, kind = excluded.kind,"
        " message = excluded.message, attempts = attempts + 1",
        (operator, video, state, failure.input, printable(failure.kind), printable(failure.message)),
    )


def drop_rows(ledger: Ledger, operator: int, video: str, shards: Iterable[int]) -> None:
    """Let the video's rows leave these shards at the next flush."""
    ledger.write_many(
        "INSERT OR REPLACE INTO fragments VALUES (?, ?, ?, '', NULL)", [(operator, shard, video) for shard in shards]
    )


def mark_due(ledger: Ledger, operator: int, video: str, why: str) -> None:
    """Forget a success: it has to be done again."""
    ledger.write(
        "UPDATE status SET state = 'due', rows = 0, kind = 'damaged-dataset', message = ?"
        " WHERE operator = ? AND video = ?",
        (why, operator, video),
    )


def refresh_places(ledger: Ledger, operator: int, videos: Iterable[str], count: int) -> None:
    """Bring the values of `places` (number `operator`) up to what the ledger knows of these videos."""
    for video in videos:
        result = Result(PLACES, "", places.rows_of(ledger, video))
        done(ledger, operator, video, result, {shard_of(video, count): results.pack(result, video)})


def adopt(ledger: Ledger, operator: int, video: str, input: str, rows: int) -> None:
    """Mark as done, leaving the rows as they are."""
    if video:  # not for a result over all videos
        ledger.write("INSERT OR IGNORE INTO videos VALUES (?)", (video,))
    ledger.write(
        "INSERT INTO status VALUES (?, ?, 'done', ?, ?, '', '', 0) ON CONFLICT (operator, video) DO UPDATE SET"
        " state = 'done', input = excluded.input, rows = excluded.rows, kind = '', message = '', attempts = 0",
        (operator, video, input, rows),
    )
