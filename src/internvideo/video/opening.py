"""Whether a path is a video that can be opened, and if not, which error says why.

Only regular files are opened (a FIFO would hang), only from the local disk (a playlist must not fetch anything), and
only with demuxers that read one file. No exception of PyAV leaves this module. Decodes nothing.
"""

import codecs
import errno
import os
import stat
from pathlib import Path

import av
import av.error
import av.logging
from av.container import InputContainer
from av.video.stream import VideoStream

from internvideo.errors import (
    MissingVideo,
    NoFrames,
    NotAVideo,
    TruncatedVideo,
    UnreadableVideo,
    UnsupportedCodec,
    UsageError,
    VideoError,
)
from internvideo.video.isobmff import top_boxes

# Demuxers that open further files or addresses, generate pictures, capture devices, or take any text for a picture.
_REFUSED = frozenset(
    """alias_pix alsa bin adf brender_pix concat dash data derf fbdev ffmetadata hls idf image2 image2pipe imf kmsgrab
    lavfi oss rawvideo rtp rtsp sap sdp tedcaptions tty video4linux2,v4l2 vobsub webm_dash_manifest x11grab
    xbin""".split()  # noqa: SIM905
)
_MAGIC = (  # first bytes of files whose header may be incomplete: (offset, bytes, name)
    (0, b"\x1a\x45\xdf\xa3", "Matroska"),
    (8, b"AVI ", "AVI"),
    (0, b"FLV\x01", "FLV"),
    (0, b"OggS", "Ogg"),
    (0, b"GIF8", "GIF"),
    (0, bytes.fromhex("3026b2758e66cf11"), "ASF"),
)
Failure = (av.error.FFmpegError, OSError, ValueError, RuntimeError)  # what PyAV raises for bad input

PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def display_name(path: PathLike) -> str:
    """The name for messages: printable whatever bytes it holds, shortened in the middle when very long."""
    name = os.fsdecode(path).encode("utf-8", "backslashreplace").decode()
    return name if len(name) <= 200 else f"{name[:90]}...{name[-90:]}"


def open_container(path: PathLike) -> InputContainer:
    """The demuxer for a file. Raises a `VideoError` that says what the file is instead."""
    name = os.fsdecode(path)
    check_file(name)
    if av.logging.get_level() is None:
        # Nothing is printed at this level, but the last error stays available for hints.
        av.logging.set_level(av.logging.PANIC)
    try:
        container = av.open(
            "file:" + os.fspath(Path(name).absolute()),
            options={"protocol_whitelist": "file", "format_whitelist": _accepted()},
            metadata_errors="backslashreplace",
        )
    except Failure as failure:
        raise _why_not(name, failure) from None
    return container


def check_file(name: str) -> None:
    """Raise unless `name` is a regular file (links are followed) that is not empty."""
    shown = display_name(name)
    try:
        status = os.stat(name)  # noqa: PTH116  (a Path would make the folder `.` of an empty name)
    except ValueError:
        raise MissingVideo(f"`{shown}` is not a file name") from None
    except OSError as failure:
        if failure.errno in (errno.ENOENT, errno.ENOTDIR):
            raise MissingVideo(
                f"there is no file `{shown}`", "check the path; moved files can be found by `curate`"
            ) from None
        raise UnreadableVideo(f"cannot read `{shown}`: {failure.strerror}", "check permissions and links") from None
    if stat.S_ISDIR(status.st_mode):
        raise NotAVideo(f"`{shown}` is a folder", "give the video files in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableVideo(f"`{shown}` is a pipe or a device, not a file", "copy its content to a file first")
    if status.st_size == 0:
        raise NotAVideo(f"`{shown}` is empty (0 bytes)", "fetch it again")


def choose_stream(container: InputContainer, wanted: int | None, path: str) -> VideoStream:
    """The stream number `wanted` of the file, else the first picture stream that is not a cover image."""
    name, streams = display_name(path), list(container.streams.video)
    films = [s for s in streams if not s.disposition & av.stream.Disposition.attached_pic]
    if wanted is not None:
        chosen = [s for s in streams if s.index == wanted]
        if not chosen:
            numbers = ", ".join(str(s.index) for s in streams) or "none"
            raise UsageError(f"stream {wanted} of `{name}` is not a video stream", f"video streams: {numbers}")
    elif films:
        chosen = films
    elif not container.streams.audio and not streams:
        if missing_bytes(path):
            raise TruncatedVideo(f"`{name}` ends before its header says what is in it", "fetch it again")
        raise NotAVideo(f"`{name}` holds neither pictures nor sound ({container.format.name})", "fetch it again")
    else:
        what = "only a cover image" if streams else "only sound"
        raise NoFrames(f"`{name}` has no video stream, {what}", "leave it out, or give the file that has the pictures")
    stream = chosen[0]
    if stream.codec_context is None:
        raise UnsupportedCodec(
            f"no decoder for video stream {stream.index} of `{name}`", "`internvideo doctor` lists the decoders"
        )
    return stream


def missing_bytes(path: str) -> int:
    """How many bytes a file lacks of what its outermost structure promises; 0 if complete or if it promises nothing.

    Knows the boxes of ISO base media (MP4, MOV) and RIFF (AVI).
    """
    size = Path(path).stat().st_size
    if boxes := top_boxes(path):
        return max(0, max(end for _, _, end in boxes) - size)
    with Path(path).open("rb") as file:
        head = file.read(8)
    return max(0, int.from_bytes(head[4:8], "little") + 8 - size) if head[:4] == b"RIFF" else 0


def _accepted() -> str:
    return ",".join(sorted(name for name in av.formats_available if name not in _REFUSED))


def _why_not(name: str, failure: Exception) -> VideoError:
    """The error for a file that no demuxer opened, by the evidence of its bytes."""
    shown = display_name(name)
    if isinstance(failure, FileNotFoundError):
        return MissingVideo(f"`{shown}` vanished while it was opened")
    if isinstance(failure, PermissionError) or (isinstance(failure, OSError) and failure.errno == errno.EIO):
        return UnreadableVideo(f"cannot read `{shown}`: {failure.strerror}", "check permissions and the disk")
    try:
        with Path(name).open("rb") as file:
            head = file.read(4096)
        kinds = [kind for kind, _, _ in top_boxes(name)]
    except OSError as trouble:
        return UnreadableVideo(f"cannot read `{shown}`: {trouble.strerror}", "check permissions and the disk")
    if kinds and (b"moov" not in kinds or missing_bytes(name)):
        return TruncatedVideo(
            f"`{shown}` is an MP4 or MOV file without its index (`moov`): it was not written or copied to the end",
            "fetch it again; if it was recorded, repair it with a tool that rebuilds the index",
        )
    for offset, magic, kind in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return TruncatedVideo(
                f"`{shown}` begins as {kind} but its header is incomplete or damaged", "fetch it again"
            )
    return NotAVideo(f"`{shown}` is not a video: {_looks_like(head)}", "fetch it again, or leave it out")


def _looks_like(head: bytes) -> str:
    start = head.lstrip()[:256].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is a web page"
    if not head.strip(b"\0"):
        return "it holds only zeros"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut in two
    except UnicodeDecodeError:
        return "no known format fits its bytes"
    printable = all(c.isprintable() or c.isspace() for c in text)
    return "it is text" if printable else "no known format fits its bytes"
