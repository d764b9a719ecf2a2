"""A small made-up dataset whose right content is known: what every operator gives for every video."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from internvideo.store import CLIP_KEY, VIDEO_KEY, Failure, FileRecord, OperatorSpec, Result, durable

CATEGORY = pa.dictionary(pa.int32(), pa.string())
SHARDS = 3

SHOTS = OperatorSpec(
    "shots", 1, "clip", {"threshold": 27.0}, pa.schema([*CLIP_KEY, ("frames", pa.int32())]), segmenter=True
)
SCORES = OperatorSpec(
    "scores",
    2,
    "clip",
    {"model": None, "size": [224, 224]},
    pa.schema([*CLIP_KEY, ("motion", pa.float32()), ("label", CATEGORY), ("vector", pa.list_(pa.float16(), 3))]),
)
WORDS = OperatorSpec(
    "words", 1, "video", {}, pa.schema([*VIDEO_KEY, ("text", pa.string()), ("spans", pa.list_(pa.int64()))])
)
GROUPS = OperatorSpec("groups", 1, "dataset", {"radius": 31}, pa.schema([*VIDEO_KEY, ("group", pa.int32())]))
OPERATORS = (SHOTS, SCORES, WORDS)
ALL = (*OPERATORS, GROUPS)


def video_id(number: int) -> str:
    return hashlib.sha256(b"video %d" % number).hexdigest()


def shots(number: int, shift: int = 0) -> pa.Table:
    """`number % 4` clips: every fourth video gives none."""
    rows = [
        {"video": video_id(number), "stream": 0, "start": 10 * i - 5, "end": 10 * i + 5, "item": 0, "frames": i + shift}
        for i in range(number % 4)
    ]
    return pa.Table.from_pylist(rows, schema=SHOTS.schema)


def scores(number: int, shift: int = 0) -> pa.Table:
    rows = [
        {
            **{key: row[key] for key in CLIP_KEY.names},
            "motion": None if i == 2 else i / 3 + shift,
            "label": ["still", "busy", None][(number + i) % 3],
            "vector": [i, number, shift],
        }
        for i, row in enumerate(shots(number).to_pylist())
    ]
    return pa.Table.from_pylist(rows, schema=SCORES.schema)


def words(number: int, shift: int = 0) -> pa.Table:
    rows = [
        {"video": video_id(number), "item": i, "text": f"word {i} é {shift}", "spans": list(range(i)) if i else None}
        for i in range(number % 3)
    ]
    return pa.Table.from_pylist(rows, schema=WORDS.schema)


def groups(numbers: range) -> pa.Table:
    rows = [{"video": video_id(number), "item": 0, "group": number // 2} for number in numbers]
    return pa.Table.from_pylist(rows, schema=GROUPS.schema)


MAKERS = {SHOTS: shots, SCORES: scores, WORDS: words}


def final(number: int, spec: OperatorSpec) -> Result | Failure:
    """What the last run says of a video: rows, or (words of every fifth video) a failure."""
    if spec is WORDS and number % 5 == 4:
        return Failure(spec, f"input {number}", "no-speech-model", "nothing to listen with")
    return Result(spec, f"input {number}", MAKERS[spec](number))


def earlier(number: int, spec: OperatorSpec) -> Result:
    """What an earlier run made from another input: other rows, and more of them."""
    return Result(spec, "an earlier input", MAKERS[spec](number, shift=7))


def file_record(number: int, root: bytes = b"/films", name: bytes | None = None) -> FileRecord:
    relative = b"a\xff/%d.mp4" % number if name is None else name
    return FileRecord(root, relative, 1000 + number, 10**18 + number, number, 7)


def bytes_under(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


class Crash(BaseException):
    """The process ends here: no handler for ordinary errors may see it."""


class Steps:
    """Counts the durable steps and stops the world at one of them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.stop_at: int | None = None

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if self.stop_at is not None and len(self.names) > self.stop_at:
            raise Crash(name)


@contextmanager
def steps(stop_at: int | None = None) -> Iterator[Steps]:
    """Replace `durable.step` for a while."""
    counter, usual = Steps(), durable.step
    counter.stop_at = stop_at
    durable.step = counter
    try:
        yield counter
    finally:
        durable.step = usual
