"""Cut the clips of an export, several at a time, handed out in order. A clip that cannot be cut gives a reason.

Decoding and encoding run outside Python's lock, so threads are enough; each encoder has one thread, so their number
changes no byte.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from internvideo.curation.export.data import ClipRow, ExportData
from internvideo.errors import MissingVideo, UnreadableVideo, UsageError, VideoError
from internvideo.video.cut import CutResult, Mode, cut
from internvideo.video.opening import display_name
from internvideo.video.reader import Video, open_video

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
    cutter = _Cutter(data, options)
    with closing(cutter), ThreadPoolExecutor(threads, thread_name_prefix="cut") as pool:
        try:
            for row in rows:
                path = folder / f"{data.rows[row].key}.mp4"
                waiting.append((row, path, pool.submit(cutter, data.rows[row], path)))
                if len(waiting) >= AHEAD * threads:
                    first, place, future = waiting.popleft()
                    yield first, place, future.result()
            while waiting:
                first, place, future = waiting.popleft()
                yield first, place, future.result()
        finally:
            for _, _, future in waiting:
                future.cancel()


class _Cutter:
    """Cuts in one thread. The film of the last clip stays open: clips come in order of their films."""

    def __init__(self, data: ExportData, options: CutOptions) -> None:
        self._data, self._options = data, options
        self._local = threading.local()
        self._videos: list[Video] = []

    def __call__(self, clip: ClipRow, out: Path) -> CutResult | str:
        """What the cut holds, or why there is none."""
        if clip.video not in self._data.files:
            return "no file of this video is known"
        if clip.time_base is None:
            return "the time base of this video is not known"
        try:
            video = self._video(clip)
            if video is None:
                return "the file has changed since the dataset was made"
            result = cut(video, clip.start * clip.time_base, clip.end * clip.time_base, out, **asdict(self._options))
        except VideoError as error:
            return f"{error.kind}: {error.problem}"
        if self._options.mode == "exact" and clip.frames is not None and result.frames != clip.frames:
            out.unlink(missing_ok=True)
            return f"it has {result.frames} frames now, {clip.frames} when the dataset was made"
        return result

    def _video(self, clip: ClipRow) -> Video | None:
        """The open film; None if the file is not the one that the dataset knows."""
        name, video = getattr(self._local, "open", (None, None))
        if name != (clip.video, clip.stream):
            if video is not None:
                video.close()
            self._local.open = (None, None)
            path, size = self._data.files[clip.video]
            try:
                if path.stat().st_size != size:
                    return None
                video = open_video(path, stream=clip.stream)
            except FileNotFoundError as error:
                raise MissingVideo(f"there is no file `{display_name(path)}` any more") from error
            except OSError as error:
                raise UnreadableVideo(f"cannot read `{display_name(path)}`: {error.strerror}") from error
            except UsageError:  # it has no such stream
                return None
            self._local.open = ((clip.video, clip.stream), video)
            self._videos.append(video)
        return video

    def close(self) -> None:
        """Give back all films. Call when no thread cuts any more."""
        for video in self._videos:
            video.close()
