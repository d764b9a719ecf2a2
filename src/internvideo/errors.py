"""What can go wrong, said so that a person can mend it.

Every error names what was given, what was expected and what to type next. `kind` is the word that the ledger, the
reports and `dataset retry --class` use. The command line prints these without a traceback; anything else that reaches
it is our bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


class InternVideoError(Exception):
    """What went wrong, then how to mend it."""

    kind = "error"
    exit_code = 3  # nothing could be done

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem, self.hint = problem, hint

    def __str__(self) -> str:
        return f"{self.problem}\n\nhint: {self.hint}" if self.hint else self.problem


class UsageError(InternVideoError):
    """The command, a name or an option was not understood."""

    kind = "usage"
    exit_code = 2


class MissingExtra(InternVideoError):
    """A feature needs a package that is not installed."""

    kind = "missing-extra"

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package `{package}`", f'pip install "internvideo[{extra}]"')


class VideoError(InternVideoError):
    """One video cannot be used; the others can."""

    kind = "video"


class MissingVideo(VideoError):
    """There is no file at that place (any more)."""

    kind = "missing"


class UnreadableVideo(VideoError):
    """The file is there but the system does not let it be read (permissions, link loops, device errors)."""

    kind = "unreadable"


class NotAVideo(VideoError):
    """Empty, a folder, text, a web page, or bytes that no demuxer knows."""

    kind = "not-a-video"


class TruncatedVideo(VideoError):
    """The container promises more than the file holds, or its index is missing."""

    kind = "truncated"


class DamagedVideo(VideoError):
    """A frame that was asked for does not decode."""

    kind = "damaged"


class UnsupportedCodec(VideoError):
    """No decoder for this stream in the installed PyAV."""

    kind = "unsupported-codec"


class NoFrames(VideoError):
    """There is no picture stream, or not one frame of it decodes."""

    kind = "no-frames"


class OverLimits(VideoError):
    """More pixels, frames or seconds than the limits allow (see `internvideo.video.limits`)."""

    kind = "over-limits"


class ChangedVideo(VideoError):
    """The file changed while it was read."""

    kind = "changed"


class StoreError(InternVideoError):
    """A dataset folder cannot be used as asked."""

    kind = "dataset"


class DatasetBusy(StoreError):
    """Another process writes this dataset."""

    kind = "busy"


class DamagedDataset(StoreError):
    """Files of the dataset folder are missing or do not say what they should."""

    kind = "damaged-dataset"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known name, else all of them, of more than a dozen those that are most like it."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    if len(names) > 12:
        names = [*sorted(names, key=lambda one: -difflib.SequenceMatcher(None, one, name).ratio())[:12], "..."]
    shown = ", ".join(names)
    return f"known: {shown}" if names else "there are none"


def pick(table: Mapping[str, T], name: str, what: str) -> T:
    """`table[name]`, or a `UsageError` that names the nearest valid key.

    >>> pick({"shots": 1}, "shots", "clip set")
    1
    """
    if name in table:
        return table[name]
    raise UsageError(f"unknown {what} `{name}`", nearest(name, table))
