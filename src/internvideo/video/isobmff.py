"""The boxes of MP4 and MOV files: is the file whole, and when is each sample of a track shown.

FFmpeg's own index gives decoding ticks; the composition offsets that are missing there are read here, so that a long
file need not be read to number its frames. Field layouts from ISO/IEC 14496-12 and the QuickTime file format. Knows no
edit lists beyond one plain segment, and no fragments: for those it answers None.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

TOP_LEVEL = frozenset(b"ftyp moov mdat moof free skip wide styp sidx pdin uuid meta pnot".split())
_MOOV_LIMIT = 256 * 2**20  # bytes; a header of a billion samples is no header


@dataclass(frozen=True, slots=True)
class Samples:
    """Ticks, one entry per sample, in the order of the file: lengths, and offsets from decoding to presentation."""

    steps: np.ndarray
    offsets: np.ndarray

    @property
    def dts(self) -> np.ndarray:
        """Decoding ticks, from 0 on."""
        starts: np.ndarray = np.cumsum(self.steps) - self.steps
        return starts


def top_boxes(path: str | os.PathLike[str]) -> list[tuple[bytes, int, int]]:
    """(type, start, end) of the outermost boxes, ends as promised. Empty if it is no such file."""
    size = Path(path).stat().st_size
    found: list[tuple[bytes, int, int]] = []
    with Path(path).open("rb") as file:
        start = 0
        while start + 8 <= size and len(found) < 100_000:
            file.seek(start)
            kind, _, length = _header(file.read(16), size - start)
            if length < 8 or (not found and kind not in TOP_LEVEL):
                break
            found.append((kind, start, start + length))
            start += length
    return found


def samples(path: str, track: int, count: int) -> Samples | None:
    """The times of the `count` samples of the track with this id. None where the `moov` box alone does not tell."""
    try:
        moov = _moov(path)
        return None if moov is None else _samples(moov, track, count)
    except (OSError, ValueError, IndexError):  # a damaged header: FFmpeg shall make of it what it can
        return None


def shown_seconds(path: str, track: int) -> float | None:
    """How long the edit list of a track says that it is shown, without empty stretches. None without an edit list."""
    try:
        moov = _moov(path)
        head = None if moov is None else _find(moov, b"mvhd")
        trak = None if moov is None else _track(moov, track)
        edits = None if trak is None else _find(trak, b"edts", b"elst")
        if head is None or edits is None:
            return None
        layout = np.dtype([("length", ">u8"), ("from", ">i8"), ("rate", ">i4")])
        if edits[0] == 0:
            layout = np.dtype([("length", ">u4"), ("from", ">i4"), ("rate", ">i4")])
        table = np.frombuffer(edits, layout, count=_number(edits, 4), offset=8)
        units = int(table["length"][table["from"] >= 0].sum())
        return units / _number(head, 20 if head[0] == 1 else 12) or None
    except (OSError, ValueError, IndexError, ZeroDivisionError):
        return None


def _moov(path: str) -> memoryview | None:
    spans = [(start, end) for kind, start, end in top_boxes(path) if kind == b"moov"]
    if len(spans) != 1 or spans[0][1] - spans[0][0] > _MOOV_LIMIT:
        return None
    with Path(path).open("rb") as file:
        return _read(file, *spans[0])


def _track(moov: memoryview, track: int) -> memoryview | None:
    return next((trak for kind, trak in _inside(moov) if kind == b"trak" and _track_id(trak) == track), None)


def _samples(moov: memoryview, track: int, count: int) -> Samples | None:
    if any(kind == b"mvex" for kind, _ in _inside(moov)):  # fragments
        return None
    trak = _track(moov, track)
    edits = None if trak is None else _find(trak, b"edts", b"elst")
    if trak is None or (edits is not None and _number(edits, 4) > 1):
        return None
    table = _find(trak, b"mdia", b"minf", b"stbl")
    times = None if table is None else _find(table, b"stts")
    if table is None or times is None:
        return None
    steps = _runs(times, count)
    shifts = _find(table, b"ctts")
    offsets = np.zeros(count, np.int64) if shifts is None else _runs(shifts, count)
    return Samples(steps, offsets) if (steps >= 0).all() else None


def _header(head: bytes, rest: int) -> tuple[bytes, int, int]:
    """(type, bytes of the header, bytes of the box) of the box that begins with `head`."""
    length, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:
        return kind, 16, int.from_bytes(head[8:16], "big")
    return kind, 8, length or rest  # 0: up to the end


def _read(file: BinaryIO, start: int, end: int) -> memoryview:
    """The content of a box."""
    file.seek(start)
    data = memoryview(file.read(end - start))
    return data[_header(bytes(data[:16]), len(data))[1] :]


def _inside(box: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """(type, content) of the boxes in a box."""
    start = 0
    while start + 8 <= len(box):
        kind, skip, length = _header(bytes(box[start : start + 16]), len(box) - start)
        if length < skip:
            return
        yield kind, box[start + skip : start + length]
        start += length


def _find(box: memoryview, *path: bytes) -> memoryview | None:
    """The content of the first box at this path of types."""
    for name in path:
        for kind, content in _inside(box):
            if kind == name:
                box = content
                break
        else:
            return None
    return box


def _number(box: memoryview, place: int) -> int:
    return int.from_bytes(box[place : place + 4], "big")


def _track_id(trak: memoryview) -> int | None:
    header = _find(trak, b"tkhd")
    return None if header is None else _number(header, 20 if header[0] == 1 else 12)


def _runs(box: memoryview, count: int) -> np.ndarray:
    """The `count` values of a run-length table (`stts`, `ctts`): version and flags, size, (repeats, value) pairs."""
    pairs = np.frombuffer(box, ">i4", count=2 * _number(box, 4), offset=8).reshape(-1, 2).astype(np.int64)
    if (pairs[:, 0] < 0).any() or pairs[:, 0].sum() != count:
        raise ValueError("the table is for another number of samples")
    return np.repeat(pairs[:, 1], pairs[:, 0])
