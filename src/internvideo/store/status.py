"""How a dataset stands: counts per operator and what failed, out of the ledger alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from internvideo.store import views
from internvideo.store.faults import shown
from internvideo.store.ledger import Ledger
from internvideo.store.places import PLACES
from internvideo.store.values import WHOLE, OperatorSpec


@dataclass(frozen=True)
class OperatorStatus:
    """One operator in its current version. Counts are videos; a dataset operator is one unit."""

    name: str
    key: str
    grain: str
    segmenter: bool
    due: int
    done: int
    failed: int
    quarantined: int
    rows: int
    failures: dict[str, int]  # kind -> how many, failed and quarantined ones, sorted by kind


@dataclass(frozen=True)
class Status:
    """Counts of a dataset. `internvideo dataset status` prints it."""

    path: str
    videos: int  # known ones, withheld and gone ones too
    gone: int  # at none of their places any more
    withheld: int
    files: int  # places where a video is now
    unidentified: dict[str, int]  # files that could not be read, by kind
    pending_bytes: int  # committed, but not yet where readers look
    operators: list[OperatorStatus]  # current versions, without `places`
    clip_sets: dict[str, int]  # name -> clips
    views: dict[str, int]  # name -> clips


@dataclass(frozen=True)
class FailedItem:
    """One thing that failed: an operator on a video, or a file that could not be identified (operator and video "")."""

    operator: str
    video: str
    place: str  # printable; "" for a record without a file
    state: str  # failed or quarantined
    kind: str
    message: str
    attempts: int


def status(folder: Path, ledger: Ledger, specs: Mapping[str, OperatorSpec], withheld: Collection[str]) -> Status:
    """Count. Status rows are summed by the ledger itself; only places and gone videos are looked through."""
    gone = {str(row[0]) for row in ledger.ask("SELECT DISTINCT video FROM places WHERE present = 0")}
    unfinished = sorted(gone | {*withheld})
    operators = [_operator(ledger, spec, unfinished) for name, spec in sorted(specs.items()) if name != PLACES.name]
    unidentified = ledger.ask("SELECT kind, count(*) FROM places WHERE video = '' GROUP BY kind ORDER BY kind")
    return Status(
        path=shown(folder),
        videos=ledger.number("SELECT count(*) FROM videos"),
        gone=len(gone),
        withheld=len(withheld),
        files=ledger.number("SELECT count(*) FROM places WHERE present = 1 AND root != x'' AND video != ''"),
        unidentified={str(kind): int(number or 0) for kind, number in unidentified},
        pending_bytes=ledger.number("SELECT sum(length(rows)) FROM fragments"),
        operators=operators,
        clip_sets={operator.name: operator.rows for operator in operators if operator.segmenter},
        views={name: views.size(folder, name) for name in views.names(folder)},
    )


def _operator(ledger: Ledger, spec: OperatorSpec, unfinished: Collection[str]) -> OperatorStatus:
    number = ledger.operator_id(spec.name, spec.key)
    number = -1 if number is None else number
    counts = {"done": 0, "failed": 0, "quarantined": 0, "due": 0}
    rows, failures = 0, dict[str, int]()
    sql = "SELECT state, kind, videos, rows FROM totals WHERE operator = ? AND videos > 0 ORDER BY kind, state"
    for state, kind, videos, some_rows in ledger.ask(sql, (number,)):
        counts[str(state)] += int(videos or 0)
        rows += int(some_rows or 0)
        if state in ("failed", "quarantined"):
            failures[str(kind)] = failures.get(str(kind), 0) + int(videos or 0)
    finished = counts["done"] + counts["failed"] + counts["quarantined"]
    if spec.grain == "dataset":
        due = 1 - finished
    else:
        # Those that are gone or withheld are not due, unless they were finished before.
        sql = "SELECT 1 FROM status WHERE operator = ? AND video = ? AND state != 'due'"
        out = sum(1 for video in unfinished if not ledger.ask(sql, (number, video)))
        due = max(0, ledger.number("SELECT count(*) FROM videos") - finished - out)
    return OperatorStatus(
        name=spec.name,
        key=spec.key,
        grain=spec.grain,
        segmenter=spec.segmenter,
        due=due,
        done=counts["done"],
        failed=counts["failed"],
        quarantined=counts["quarantined"],
        rows=rows,
        failures=failures,
    )


def failures(ledger: Ledger, specs: Mapping[str, OperatorSpec]) -> list[FailedItem]:
    """Everything that failed, of the current operators: files first, then by operator and video."""
    found = [
        FailedItem("", "", _place(root, path), "failed", str(kind), str(message), 1)
        for root, path, kind, message in ledger.ask(
            "SELECT root, path, kind, message FROM places WHERE video = '' ORDER BY root, path"
        )
    ]
    for name, spec in sorted(specs.items()):
        rows = ledger.ask(
            "SELECT status.video, state, status.kind, status.message, attempts,"
            " (SELECT root FROM places WHERE places.video = status.video ORDER BY root, path LIMIT 1),"
            " (SELECT path FROM places WHERE places.video = status.video ORDER BY root, path LIMIT 1)"
            " FROM status JOIN operators ON operators.id = status.operator"
            " WHERE state IN ('failed', 'quarantined') AND operators.name = ? AND key = ? ORDER BY status.video",
            (name, spec.key),
        )
        found += [
            FailedItem(
                name, str(video or WHOLE), _place(root, path), str(state), str(kind), str(message), int(attempts or 0)
            )
            for video, state, kind, message, attempts, root, path in rows
        ]
    return found


def _place(root: object, path: object) -> str:
    return shown(root + b"/" + path) if isinstance(root, bytes) and isinstance(path, bytes) and root else ""
