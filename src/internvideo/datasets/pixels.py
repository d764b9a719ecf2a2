"""The frames of one sample, wherever they lie: a video, an image, a folder of images, a part of a tar shard, or nowhere
yet: a scene of `moving_shapes`.

Which frames is said by a function of how many there are. Every way in which this fails is a `VideoError`.
"""

import io
import os
import re
import tarfile
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from internvideo.datasets.image_lists import SUFFIXES
from internvideo.datasets.moving_shapes.listed import drawn
from internvideo.datasets.sample import DRAWN, Member, Sample, member_of
from internvideo.errors import MissingVideo, NoFrames, TruncatedVideo, UnreadableVideo, UsageError, VideoError
from internvideo.records import Span
from internvideo.video.opening import display_name
from internvideo.video.reader import Video, open_video

Choose = Callable[[int], Sequence[int]]  # how many frames there are -> numbers of those wanted
FRAMES = "frames"  # suffix of a member that is several pictures
_DIGITS = re.compile(r"(\d+)")


class DamagedPicture(VideoError):
    """An image does not decode."""

    kind = "damaged-picture"


def frames_of(sample: Sample, choose: Choose) -> np.ndarray:
    """(T, H, W, 3) uint8 RGB, in the order chosen; of an image always itself, T = 1. Raises a `VideoError`."""
    if sample.path.startswith(DRAWN):
        return drawn(sample.path, choose)
    member = member_of(sample.path)
    if member is None:
        return _from_path(sample, choose)
    data = _bytes_of(member)
    if member.suffix == FRAMES:
        return _stacked(pictures_in(data, member.path), choose, member.path)
    if sample.media == "image":
        return picture(data, member.path)[None]
    return _from_temporary(data, member.suffix, sample.span, choose)


class Kept:
    """All frames of short videos, kept in memory up to `limit` bytes: small sets are decoded once, not every epoch."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._held: dict[tuple[str, Span | None], np.ndarray | None] = {}  # None: not kept

    def frames_of(self, sample: Sample, choose: Choose) -> np.ndarray:
        """As the function of this name."""
        key = (sample.path, sample.span)
        if key not in self._held:
            self._held[key] = self._all(sample)
        held = self._held[key]
        return frames_of(sample, choose) if held is None else held[list(choose(len(held)))]

    def _all(self, sample: Sample) -> np.ndarray | None:
        counts: list[int] = []

        def first(count: int) -> Sequence[int]:
            counts.append(count)
            return [0]

        try:
            one = frames_of(sample, first)
            if not counts or counts[0] * one.nbytes > self._left:  # an image, or too large
                return None
            everything = frames_of(sample, range)
        except VideoError:  # what can still be had of it is for each draw to say
            return None
        self._left -= everything.nbytes
        return everything


def _from_path(sample: Sample, choose: Choose) -> np.ndarray:
    if not sample.path:
        raise MissingVideo("no file of this video is known", "was it moved? scan its folder again")
    path = Path(sample.path)
    if sample.media == "image":
        return picture(_read(path), sample.path)[None]
    if path.is_dir():
        files = sorted((file for file in path.iterdir() if file.suffix.lower() in SUFFIXES), key=_numbered)
        return _stacked([lambda file=file: _read(file) for file in files], choose, sample.path)  # type: ignore[misc]
    with open_video(path) as video:
        return _of_video(video, sample.span, choose)


def _of_video(video: Video, span: Span | None, choose: Choose) -> np.ndarray:
    try:
        inside = video.frames_in(span)
    except UsageError as error:  # the list is wrong about this video: one sample's trouble
        raise NoFrames(error.problem, f"{error.hint}; is it another version?") from error
    return video.frames([inside[number] for number in choose(len(inside))])


def picture(data: bytes, name: str) -> np.ndarray:
    """(H, W, 3) uint8 RGB of an encoded image, turned as its EXIF says. Raises DamagedPicture."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # of odd metadata
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, IndexError, Image.DecompressionBombError) as error:
        raise DamagedPicture(f"`{display_name(name)}` does not decode: {error}", "replace the file") from error


def pictures_in(data: bytes, name: str) -> list[Callable[[], bytes]]:
    """What gives each picture of a stretch of a tar file, in the order in which they lie there."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            places = [(member.offset_data, member.size) for member in tar if member.name.endswith(SUFFIXES)]
    except tarfile.TarError as error:
        raise DamagedPicture(
            f"`{display_name(name)}` is no part of a tar file ({error})", "is the list older?"
        ) from error
    return [lambda place=place: data[place[0] : sum(place)] for place in places]  # type: ignore[misc]


def _stacked(pictures: Sequence[Callable[[], bytes]], choose: Choose, name: str) -> np.ndarray:
    """The chosen ones, each decoded once. Sizes must agree."""
    if not pictures:
        raise NoFrames(f"`{display_name(name)}` holds no pictures", "expected images named by their number")
    numbers = list(choose(len(pictures)))
    decoded = {number: picture(pictures[number](), name) for number in dict.fromkeys(numbers)}
    sizes = {frame.shape for frame in decoded.values()}
    if len(sizes) > 1:
        raise DamagedPicture(f"pictures of `{display_name(name)}` differ in size: {sorted(sizes)[:2]}")
    return np.stack([decoded[number] for number in numbers])


def _from_temporary(data: bytes, suffix: str, span: Span | None, choose: Choose) -> np.ndarray:
    """Videos are only read from files: demuxers seek, and some look at the name."""
    handle, name = tempfile.mkstemp(f".{suffix}", "internvideo-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        with open_video(name) as video:
            return _of_video(video, span, choose)
    finally:
        Path(name).unlink(missing_ok=True)


def _bytes_of(member: Member) -> bytes:
    try:
        with Path(member.tar).open("rb") as file:
            file.seek(member.offset)
            data = file.read(member.size)
    except OSError as error:
        raise _unreadable(member.tar, error) from error
    if len(data) < member.size:
        raise TruncatedVideo(f"`{display_name(member.tar)}` ends before {member.path}", "copy the shard again")
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(os.fspath(path), error) from error


def _unreadable(path: str, error: OSError | ValueError) -> VideoError:
    if isinstance(error, FileNotFoundError):
        return MissingVideo(f"there is no file `{display_name(path)}`", "check the root of the list")
    return UnreadableVideo(f"cannot read `{display_name(path)}`: {error}", "check its permissions")


def _numbered(path: Path) -> list[tuple[int, str]]:
    """Numbers in names count as numbers: 9 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(path.name)]
