"""Pictures and stretches of videos for a page: made from the source files, kept under the dataset's `cache/`.

Nothing is read that is not a file inside a folder the dataset was made from, wherever links lead.
"""

import io
import os
import threading
from pathlib import Path

import numpy as np
from PIL import Image

from internvideo.curation.report.thumbnails import encode, fitted
from internvideo.errors import MissingVideo, UsageError
from internvideo.records import Span
from internvideo.search.moments import Moments, VideoFacts
from internvideo.store import durable
from internvideo.video.cut import cut
from internvideo.video.reader import Video, open_video

PREVIEW_FRAMES, PREVIEW_MILLISECONDS = 10, 160
PLAY_SECONDS, PLAY_HEIGHT = 60.0, 480  # of a stretch that is encoded for browsers that cannot play the file


class Media:
    """Of one dataset. At most two videos are decoded at a time, however many pictures are asked for."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._turn = threading.BoundedSemaphore(2)

    def file_of(self, facts: VideoFacts) -> Path:
        """The file of a video. Raises MissingVideo if it is gone or leads outside the folder it was found in."""
        if facts.path is None:
            raise MissingVideo(f"`{facts.name}` is gone", "put it back and index again")
        path = Path(os.path.realpath(facts.path))
        if not path.is_relative_to(os.path.realpath(facts.root)) or not path.is_file():
            raise MissingVideo(f"`{facts.name}` is not a file in its folder any more", "index again")
        return path

    def frame(self, facts: VideoFacts, seconds: float) -> bytes:
        """A small JPEG of the frame on screen at a second of the file."""
        place = self._cache / "thumbnails" / f"{facts.video[:16]}@{seconds:.2f}.jpg"
        if place.is_file():
            return place.read_bytes()
        with self._turn, open_video(self.file_of(facts)) as video:
            made = encode(video.at_seconds([_inside(video, seconds)], size=fitted(facts.width, facts.height))[0])
        durable.write_disposable(place, made)
        return made

    def preview(self, facts: VideoFacts, span: Span) -> bytes:
        """A small moving picture (WebP) of a moment."""
        place = self._cache / "previews" / f"{facts.video[:16]}@{span.start:.2f}-{span.end:.2f}.webp"
        if place.is_file():
            return place.read_bytes()
        step = min(span.seconds, PLAY_SECONDS) / PREVIEW_FRAMES
        with self._turn, open_video(self.file_of(facts)) as video:
            times = [_inside(video, span.start + (place + 0.5) * step) for place in range(PREVIEW_FRAMES)]
            frames = video.at_seconds(times, size=fitted(facts.width, facts.height))
        made = moving_picture(frames)
        durable.write_disposable(place, made)
        return made

    def playable(self, facts: VideoFacts, span: Span) -> Path:
        """A stretch as H.264, for browsers that cannot play the source. Raises UsageError if it is too long."""
        if span.seconds > PLAY_SECONDS:
            raise UsageError(f"{span.seconds:.0f} seconds are too long", f"at most {PLAY_SECONDS:.0f} at a time")
        place = self._cache / "plays" / f"{facts.video[:16]}@{span.start:.2f}-{span.end:.2f}.mp4"
        if not place.is_file():
            durable.make_folder(place.parent)
            part = place.with_name(f"{place.stem}.{threading.get_ident()}.part.mp4")
            with self._turn, open_video(self.file_of(facts)) as video:
                try:
                    start, end = (round(second / float(video.time_base)) for second in (span.start, span.end))
                    cut(video, start * video.time_base, end * video.time_base, part, height=PLAY_HEIGHT)
                    part.replace(place)
                finally:
                    part.unlink(missing_ok=True)
        return place


def facts_of(moments: Moments, video: str) -> VideoFacts:
    """Of a video by its id. Raises MissingVideo for an unknown one."""
    for one in moments.videos:
        if one.video == video:
            return one
    raise MissingVideo(f"no video `{video[:16]}` in this dataset", "ids stand in the answers")


def moving_picture(frames: np.ndarray) -> bytes:
    """(n, H, W, 3) uint8 as an endless WebP."""
    pictures = [Image.fromarray(frame) for frame in frames]
    out = io.BytesIO()
    more = {"append_images": pictures[1:], "duration": PREVIEW_MILLISECONDS, "loop": 0}
    pictures[0].save(out, "WEBP", save_all=True, quality=60, method=2, **more)
    return out.getvalue()


def _inside(video: Video, seconds: float) -> float:
    """The same second, or the nearest that the video has."""
    return min(max(seconds, video.seconds(0)), video.seconds(len(video) - 1))
