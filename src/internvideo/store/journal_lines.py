"""Files that only grow, one JSON object per line: `verdicts.jsonl` (people's judgements), `withheld.jsonl` (removals).

They are truth: nothing ever rewrites them.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from internvideo.store import durable
from internvideo.store.faults import told

VERDICTS = "verdicts.jsonl"
WITHHELD = "withheld.jsonl"


def append(path: Path, record: Mapping[str, object]) -> None:
    """Add one object; it is on disk when this returns."""
    durable.append_line(path, json.dumps(record, sort_keys=True).encode("ascii"), lambda line: _parse(line) is not None)


def read(path: Path) -> tuple[list[dict[str, object]], list[int]]:
    """The objects in order, and the numbers (from 1) of lines that do not read.

    A last line without its line end that does not read was torn by a kill: it was never there.
    """
    if not path.is_file():
        return [], []
    with told("read", path):
        lines = path.read_bytes().split(b"\n")
    records, bad = [], []
    for number, line in enumerate(lines, 1):
        record = _parse(line)
        if record is not None:
            records.append(record)
        elif line.strip() and number < len(lines):
            bad.append(number)
    return records, bad


def _parse(line: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def withheld(folder: Path) -> dict[str, str]:
    """Videos that must not be seen again -> the reason. Lines name them by `video`."""
    records, _ = read(folder / WITHHELD)
    return {str(record["video"]): str(record.get("reason", "")) for record in records if "video" in record}
