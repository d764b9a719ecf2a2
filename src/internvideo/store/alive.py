"""Whether the files that a dataset knows are still there. Asks the file system; opens no file."""

import os
from pathlib import Path

from internvideo.store.faults import shown
from internvideo.store.places import FileRecord
from internvideo.store.writer import Writer


def look_again(writer: Writer) -> dict[str, list[str]]:
    """Look at every known place, and note what was found: printable paths that are `gone`, `changed` or `there_again`.

    A file of another size or time is another video until it is read again.
    """
    found: dict[str, list[str]] = {"gone": [], "changed": [], "there_again": []}
    rows = writer.ledger.ask(
        "SELECT root, path, video, present, size, mtime_ns FROM places"
        " WHERE root != x'' AND video != '' ORDER BY root, path, video"
    )
    for root, path, video, present, size, mtime in rows:
        assert isinstance(root, bytes) and isinstance(path, bytes)
        place = Path(os.fsdecode(root)) / os.fsdecode(path)
        try:
            record = FileRecord.of(Path(os.fsdecode(root)), Path(os.fsdecode(path)))
        except OSError:
            state = "gone"
        else:
            same = record.size == size and mtime in (None, record.mtime_ns)
            state = "there_again" if same else "changed"
        if bool(present) == (state == "there_again"):
            continue  # as it was known
        if state == "there_again":
            writer.remember(record, str(video))
        else:
            writer.lose(root, path, str(video))
        found[state].append(shown(place))
    return found
