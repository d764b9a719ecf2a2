"""Talk for people, on stderr: a progress bar on a terminal, plain lines elsewhere; tables of results as text."""

import sys
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from internvideo.curation.run import Progress

LINE_SECONDS = 10.0  # between two plain lines


def note(text: str) -> None:
    """One line of talk."""
    print(text, file=sys.stderr, flush=True)


class ProgressTalk:
    """Shows where a run stands: videos done of due, frames per second, time left.

    Use as a context manager; call it with every new `Progress`.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream, self._quiet = stream or sys.stderr, quiet
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._began = self._said = time.monotonic()
        self._latest: Progress | None = None

    def __enter__(self) -> "ProgressTalk":
        if self._stream.isatty() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = [
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[last]}", style="dim"),
            ]
            self._bar = Progress(*columns, console=Console(file=self._stream), transient=True)
            self._bar.start()
            self._task = self._bar.add_task("looking", total=None, rate="", last="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._latest is not None and self._latest.due and not self._quiet:
            self._line(self._latest)

    def __call__(self, progress: "Progress") -> None:
        self._latest = progress
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=progress.phase,
                total=progress.due or None,
                completed=progress.done + progress.failed_due,
                rate=self._rate(progress),
                last=progress.last[-40:],
            )
        elif not self._quiet and time.monotonic() - self._said > LINE_SECONDS:
            self._line(progress)

    def phase(self, text: str) -> None:
        """What is done now, when there is nothing to count."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=text)

    def _rate(self, progress: "Progress") -> str:
        seconds = time.monotonic() - self._began
        return f"{progress.frames / seconds:,.0f} frames/s" if progress.frames and seconds > 0.5 else ""

    def _line(self, progress: "Progress") -> None:
        self._said = time.monotonic()
        parts = [f"{progress.phase}: {progress.done + progress.failed_due}/{progress.due} videos"]
        parts += [f"{progress.failed} failed"] if progress.failed else []
        parts += [self._rate(progress)] if progress.frames else []
        finished = progress.done + progress.failed_due
        if 0 < finished < progress.due:
            left = (time.monotonic() - self._began) * (progress.due - finished) / finished
            parts.append(f"about {duration(left)} left")
        note(", ".join(parts))


class CountTalk:
    """Counts up to a known number: a bar on a terminal, plain lines elsewhere. Call it with (done, total, said)."""

    def __init__(self, title: str, unit: str, stream: TextIO | None = None) -> None:
        self._title, self._unit, self._stream = title, unit, stream or sys.stderr
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> "CountTalk":
        if self._stream.isatty():
            from rich.console import Console
            from rich.progress import Progress, TextColumn

            columns = (*Progress.get_default_columns(), TextColumn("{task.fields[said]}"))
            self._bar = Progress(*columns, console=Console(file=self._stream), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=None, said="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, said: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, said=said)
        elif time.monotonic() - self._said > LINE_SECONDS:
            self._said = time.monotonic()
            left = (self._said - self._began) * (total - done) / max(done, 1)
            behind = f"; {said}" if said else ""
            note(f"{self._title}: {done:,}/{total:,} {self._unit}, about {duration(left)} left{behind}")


def duration(seconds: float) -> str:
    """
    >>> [duration(s) for s in (0.4, 9, 75, 4000, 200_000)]
    ['0.4 s', '9 s', '1 min 15 s', '1 h 6 min', '2 d 7 h']
    """
    if seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def size(count: float) -> str:
    """
    >>> [size(n) for n in (900, 2_400_000, 5e9)]
    ['900 B', '2.4 MB', '5.0 GB']
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def columns(rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Rows as aligned text; the columns numbered in `right` are set flush right.

    >>> print(columns([("shots", 12), ("kept", 7)], right=[1]))
    shots  12
    kept    7
    """
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)] if texts else []
    lines = []
    for row in texts:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
