"""Small JPEG pictures of clips: read once from the videos, kept under the dataset's cache.

A file that is gone or does not decode gives no picture but a reason; it never stops the report.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from PIL import Image

from internvideo.errors import InternVideoError, UsageError
from internvideo.store import durable
from internvideo.video.reader import Video, open_video

BOX = (208, 156)  # width and height that a picture is fitted into, in pixels
QUALITY = 72
SUFFIX = f"@{BOX[0]}x{BOX[1]}q{QUALITY}.jpg"
FOLDER = Path("cache", "thumbnails")  # in a dataset


@dataclass(frozen=True, slots=True)
class Request:
    """A picture that is wanted: the frame on screen at `tick` of stream `stream`. path: None if no place is known."""

    clip: str  # its name: names the picture in the cache
    path: str | None
    stream: int
    tick: int


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A JPEG with its size in pixels, or `problem` in a few words."""

    jpeg: bytes = b""
    width: int = BOX[0]
    height: int = BOX[1]
    problem: str = ""


def thumbnails(requests: Sequence[Request], cache: Path | None = None) -> dict[str, Thumbnail]:
    """A picture, or the reason why there is none, for every request, by clip name.

    cache: a folder of pictures from earlier reports, made if need be; one that cannot be written is done without.
    Videos are opened once each, in order of path.
    """
    found: dict[str, Thumbnail] = {}
    for request in requests:
        if request.clip not in found and (kept := _from_cache(cache, request.clip)) is not None:
            found[request.clip] = kept
    missing: dict[tuple[str, int], dict[str, int]] = {}
    for request in requests:
        if request.clip in found:
            continue
        if request.path is None:
            found[request.clip] = Thumbnail(problem="no file is known")
        else:
            missing.setdefault((request.path, request.stream), {})[request.clip] = request.tick
    for (path, stream), ticks in sorted(missing.items()):
        made = _from_video(path, stream, ticks)
        for clip, picture in made.items():
            if cache is not None and picture.jpeg:
                durable.write_disposable(_place(cache, clip), picture.jpeg)
        found |= made
    return found


def _from_video(path: str, stream: int, ticks: dict[str, int]) -> dict[str, Thumbnail]:
    try:
        with open_video(path, stream=stream) as video:
            shape = fitted(video.facts.width, video.facts.height, _aspect(video))
            try:
                frames = video.at_ticks(list(ticks.values()), size=shape)
            except InternVideoError:  # one frame of them; the others are had one by one
                return {clip: _picture(video, tick, shape) for clip, tick in ticks.items()}
            return {clip: _thumbnail(frame) for clip, frame in zip(ticks, frames, strict=True)}
    except UsageError:  # the file at this place has no such stream any more
        problem = "the file has changed"
    except InternVideoError as error:
        problem = {"missing": "the file is gone"}.get(error.kind, f"the file does not open: {error.kind}")
    except OSError as error:
        problem = f"the file does not open: {error.strerror}"
    return {clip: Thumbnail(problem=problem) for clip in ticks}


def _picture(video: Video, tick: int, shape: tuple[int, int]) -> Thumbnail:
    try:
        return _thumbnail(video.at_ticks([tick], size=shape)[0])
    except InternVideoError as error:
        return Thumbnail(problem=f"the frame does not decode: {error.kind}")


def _thumbnail(frame: np.ndarray) -> Thumbnail:
    return Thumbnail(encode(frame), frame.shape[1], frame.shape[0])


def encode(frame: np.ndarray) -> bytes:
    """A JPEG of (H, W, 3) uint8 RGB; the same picture gives the same bytes."""
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=QUALITY, optimize=True, subsampling="4:2:0")
    return out.getvalue()


def fitted(width: int, height: int, aspect: float = 1.0) -> tuple[int, int]:
    """(height, width) of a picture with samples `aspect` times as wide as tall, shrunk to fit into `BOX`.

    >>> fitted(1920, 1080), fitted(720, 576, 16 / 15), fitted(100, 50)
    ((117, 208), (156, 208), (50, 100))
    """
    shown = width * aspect
    scale = min(1.0, BOX[0] / shown, BOX[1] / height)
    return max(1, round(height * scale)), max(1, round(shown * scale))


def _aspect(video: Video) -> float:
    aspect = video.facts.sample_aspect_ratio
    if not aspect:
        return 1.0
    return float(1 / aspect if video.facts.rotation in (90, 270) else aspect)


def _place(cache: Path, clip: str) -> Path:
    """Where a picture is kept. Names of clips without a file may hold anything, so they are quoted."""
    return cache / (quote(clip, safe="", errors="surrogateescape")[:180] + SUFFIX)


def _from_cache(cache: Path | None, clip: str) -> Thumbnail | None:
    if cache is None:
        return None
    try:
        jpeg = _place(cache, clip).read_bytes()
        with Image.open(io.BytesIO(jpeg)) as picture:
            picture.load()
            return Thumbnail(jpeg, *picture.size)
    except (OSError, ValueError, SyntaxError):  # not there, or damaged: made again
        return None
