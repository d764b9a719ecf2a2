"""Cut the clips of an export, several at a time, handed out in order. A clip that cannot be cut gives a reason.

Decoding and encoding run outside Python's lock, so threads are enough; each encoder has one thread, so their number
changes no byte.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from internvideo.curation.export.data import ClipRow, ExportData
from internvideo.errors import UsageError, VideoError
from internvideo.video.cut import CutResult, Mode, cut

AHEAD = 2  # finished cuts per worker that may wait for their turn


@dataclass(frozen=True, kw_only=True)
class CutOptions:
    """How clips are cut: see `video.cut.cut`. height: of the pictures at most, in pixels."""

    mode: Mode = "exact"
    height: int | None = None
    codec: str = "libx264"
    quality: int = 20
    audio: bool = True

    def as_row(self) -> dict[str, object]:
        return asdict(self)


def cut_in_order(
    data: ExportData, rows: Sequence[int], folder: Path, options: CutOptions, workers: int | None = None
) -> Iterator[tuple[int, Path, CutResult | str]]:
    """(row, file, what the cut holds, or the reason why there is none) for every row, in order.

    The files are written to `folder`, named by the clip's key; the caller takes them away. workers: threads; None: one
    per core. Raises CannotWrite and UsageError, which no other clip would escape.
    """
    threads = workers or os.cpu_count() or 1
    waiting: deque[tuple[int, Path, Future[CutResult | str]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="cut") as pool:
        try:
            for row in rows:
                path = folder / f"{data.rows[row].key}.mp4"
                waiting.append((row, path, pool.submit(_cut, data, data.rows[row], path, options)))
                if len(waiting) >= AHEAD * threads:
                    first, place, future = waiting.popleft()
                    yield first, place, future.result()
            while waiting:
                first, place, future = waiting.popleft()
                yield first, place, future.result()
        finally:
            for _, _, future in waiting:
                future.cancel()


def _cut(data: ExportData, clip: ClipRow, out: Path, options: CutOptions) -> CutResult | str:
    if clip.video not in data.files:
        return "no file of this video is known"
    path, size = data.files[clip.video]
    if clip.time_base is None:
        return "the time base of this video is not known"
    try:
        if path.stat().st_size != size:
            return "the file has changed since the dataset was made"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    start, end = clip.start * clip.time_base, clip.end * clip.time_base
    try:
        result = cut(path, start, end, out, stream=clip.stream, **asdict(options))
    except VideoError as error:
        return f"{error.kind}: {error.problem}"
    except UsageError as error:
        return f"the file has changed: {error.problem}" if "stream" in error.problem else _raise(error)
    if options.mode == "exact" and clip.frames is not None and result.frames != clip.frames:
        out.unlink(missing_ok=True)
        return f"it has {result.frames} frames now, {clip.frames} when the dataset was made"
    return result


def _raise(error: Exception) -> str:
    raise error
