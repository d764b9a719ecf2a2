"""A small supervised pool of worker processes: it survives what kills a worker.

The ready-made pools do not: one hangs, the other loses the whole run when a process dies. Here every worker has its
own pipe and holds one task at a time, so the task that was running when a worker died is known exactly: there is no
batch whose culprit would have to be searched for. A dead worker is replaced and its task reported; what to do about
it is the caller's business. A worker whose parent dies finds its pipe closed and ends.
"""

import multiprocessing
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, Protocol

from internvideo.errors import InternVideoError
from internvideo.processes import single_threaded_maths

Handler = Callable[[Any, Callable[[int], None]], Any]  # (task, progress) -> result
BEAT_SECONDS = 0.5


@dataclass(frozen=True)
class Event:
    """Something that happened to a task.

    done: `value` is the result. failed: `value` is an exception that could travel, else its text. died: `value` says
    how (`signal 9`, `exit code 1`, `silent for 300 s`). progress: `value` counts work since the last one.
    """

    what: Literal["done", "failed", "died", "progress"]
    task: Any
    value: Any
    seconds: float = 0.0  # since the task was handed out
    outside: bool = False  # died by a signal that a crash does not raise, while small: nobody's fault


class Supervised(Protocol):
    """Who executes tasks, whatever happens to those that do. A context manager."""

    def __enter__(self) -> "Supervised": ...

    def __exit__(self, *_: object) -> None: ...

    def submit(self, task: Any, *, first: bool = False) -> None:
        """Queue a task; `first` puts it before all others."""

    def events(self) -> Iterator[Event]:
        """What happens, until nothing is queued or running. Tasks may be submitted between two events."""
        ...


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    ready: bool = False
    task: Any = None
    since: float = 0.0
    heard: float = 0.0
    peak_bytes: int = 0

    @property
    def idle(self) -> bool:
        return self.ready and self.task is None


class Pool:
    """`workers` spawned processes that each call `factory()` once and then handle one task after the other.

    factory: picklable, gives the handler. silence: seconds without a sign of life after which a worker is killed.
    memory: bytes of resident memory above which an outside kill counts as the task's own doing (out of memory).
    """

    def __init__(
        self, factory: Callable[[], Handler], workers: int, *, silence: float = 300.0, memory: int = 2 << 30
    ) -> None:
        self._factory, self._silence, self._memory = factory, silence, memory
        self._context = multiprocessing.get_context("spawn")
        self._queue: deque[Any] = deque()
        self._workers: list[_Worker] = []
        self._size, self._failed_starts = workers, 0

    def __enter__(self) -> "Pool":
        self._workers = [self._start() for _ in range(self._size)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.process.kill()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join()

    def submit(self, task: Any, *, first: bool = False) -> None:
        """Queue a task; `first` puts it before all others."""
        (self._queue.appendleft if first else self._queue.append)(task)

    def stop(self) -> None:
        """Hand out nothing more; what runs is finished."""
        self._queue.clear()

    @property
    def running(self) -> list[Any]:
        return [worker.task for worker in self._workers if worker.task is not None]

    @property
    def process_ids(self) -> list[int]:
        return [worker.process.pid for worker in self._workers]

    def events(self) -> Iterator[Event]:
        """What happens, until nothing is queued or running. Tasks may be submitted between two events."""
        while self._queue or self.running:
            for place, worker in enumerate(self._workers):
                if worker.idle and self._queue:
                    self._hand_out(place, self._queue.popleft())
            listening = [worker for worker in self._workers if not worker.idle]
            ready = wait([worker.pipe for worker in listening], timeout=BEAT_SECONDS)
            for worker in listening:
                if worker.pipe in ready:
                    yield from self._hear(worker)
                else:
                    yield from self._watch(worker)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        with single_threaded_maths():
            process = self._context.Process(target=_serve, args=(theirs, self._factory), daemon=True)
            process.start()
        theirs.close()
        return _Worker(process, ours, heard=time.monotonic())

    def _hand_out(self, place: int, task: Any) -> None:
        worker = self._workers[place]
        try:
            worker.pipe.send(task)
        except OSError:  # died while idle: the task is innocent
            self._queue.appendleft(task)
            self._replace(worker)
            return
        worker.task, worker.peak_bytes = task, 0
        worker.since = worker.heard = time.monotonic()

    def _hear(self, worker: _Worker) -> Iterator[Event]:
        try:
            what, value = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, "")
            return
        worker.heard = time.monotonic()
        if what == "ready":
            worker.ready, self._failed_starts = True, 0
            return
        task = worker.task
        if what != "progress":
            worker.task = None
        yield Event(what, task, value, worker.heard - worker.since)

    def _watch(self, worker: _Worker) -> Iterator[Event]:
        worker.peak_bytes = max(worker.peak_bytes, _resident_bytes(worker.process.pid))
        if time.monotonic() - worker.heard > self._silence:
            worker.process.kill()
            yield from self._bury(worker, f"silent for {self._silence:.0f} s")

    def _bury(self, worker: _Worker, how: str) -> Iterator[Event]:
        worker.process.join()
        code = worker.process.exitcode
        outside = not how and code in _OUTSIDE and worker.peak_bytes < self._memory
        how = how or (f"signal {-code}" if code is not None and code < 0 else f"exit code {code}")
        task, seconds, was_ready = worker.task, time.monotonic() - worker.since, worker.ready
        self._replace(worker)
        if was_ready:
            yield Event("died", task, how, seconds, outside)
            return
        self._failed_starts += 1
        if self._failed_starts > 2 * self._size + 2:
            raise InternVideoError(
                f"worker processes do not start ({how})",
                "the lines above say why; `internvideo doctor` checks the parts",
            )

    def _replace(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self._workers[self._workers.index(worker)] = self._start()


_OUTSIDE = {-signal.SIGTERM, -getattr(signal, "SIGKILL", signal.SIGTERM), -signal.SIGINT}


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process where the system says so, else 0."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0


def _serve(pipe: Connection, factory: Callable[[], Handler]) -> None:
    """The worker process: one task after the other until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    handle = factory()
    beat = _Beat(pipe)
    pipe.send(("ready", None))
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", handle(task, beat))
        except (BrokenPipeError, ConnectionError):
            return
        except Exception as error:
            answer = ("failed", (getattr(error, "kind", "internal"), _words(error)))
        try:
            pipe.send(answer)
        except OSError:
            return


class _Beat:
    """Counts work and tells the parent about it, at most twice a second. Fails when the parent is gone."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._count, self._told = pipe, 0, time.monotonic()

    def __call__(self, amount: int) -> None:
        self._count += amount
        now = time.monotonic()
        if now - self._told >= BEAT_SECONDS:
            self._pipe.send(("progress", self._count))
            self._count, self._told = 0, now


def _words(error: Exception) -> str:
    """What a person should read: the problem of one of our errors, else type, text and where it happened."""
    problem = getattr(error, "problem", None)
    if problem is not None:
        return str(problem)
    if isinstance(error, MemoryError):
        return "out of memory"
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" ({Path(last[0].filename).name}:{last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {error}{where}"
