"""Long work that a server does beside answering: one task at a time, with progress that others can follow."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from internvideo.errors import InternVideoError, MissingVideo
from internvideo.jobs.talk import note

KEPT = 50  # finished tasks that are remembered
TOLD_SECONDS = 0.5


class Cancelled(InternVideoError):
    """Somebody stopped the task; what was finished is kept."""

    kind = "cancelled"


@dataclass
class Task:
    """state: waiting, running, done, failed or cancelled. done of due: units of work; said: what it is at."""

    id: int
    title: str
    state: str = "waiting"
    done: int = 0
    due: int = 0
    said: str = ""
    problem: str = ""
    seconds: float = 0.0
    cancel: threading.Event = field(default_factory=threading.Event, repr=False)
    version: int = 0  # grows with every change

    @property
    def ended(self) -> bool:
        return self.state not in ("waiting", "running")

    def as_row(self) -> dict[str, Any]:
        """For JSON."""
        names = ("id", "title", "state", "done", "due", "said", "problem", "seconds")
        return {name: getattr(self, name) for name in names}


Work = Callable[[Callable[[int, int, str], None]], str]  # (tell progress) -> what came of it


class Tasks:
    """Runs tasks one after the other in a thread of its own."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}
        self._turn, self._changing = threading.Lock(), threading.Lock()

    def start(self, title: str, work: Work) -> Task:
        """Queue it. `work` gets a function to tell (done, due, what it is at), which raises Cancelled when stopped."""
        with self._changing:
            task = Task(max(self._tasks, default=0) + 1, title)
            self._tasks[task.id] = task
            ended = [one for one in self._tasks.values() if one.ended]
            for old in ended[:-KEPT]:
                del self._tasks[old.id]
        threading.Thread(target=self._run, args=(task, work), daemon=True, name=f"task {task.id}").start()
        return task

    def all(self) -> list[Task]:
        """Newest first."""
        return sorted(self._tasks.values(), key=lambda task: -task.id)

    def get(self, number: int) -> Task:
        """Raises MissingVideo, which a server answers with 404."""
        if number not in self._tasks:
            raise MissingVideo(f"no job {number}", "the list of jobs has the numbers")
        return self._tasks[number]

    def _run(self, task: Task, work: Work) -> None:
        with self._turn:
            began = told = time.monotonic()

            def tell(done: int, due: int, said: str) -> None:
                nonlocal told
                if task.cancel.is_set():
                    raise Cancelled("stopped by hand", "start it again to go on")
                if time.monotonic() - told > TOLD_SECONDS:
                    told = time.monotonic()
                    self._change(task, done=done, due=due, said=said, seconds=round(told - began, 1))

            self._change(task, state="running")
            try:
                tell(0, 0, "")
                self._change(task, state="done", said=work(tell), seconds=round(time.monotonic() - began, 1))
            except Cancelled:
                self._change(task, state="cancelled")
            except InternVideoError as error:
                self._change(task, state="failed", problem=f"{error.problem} {error.hint}".strip())
            except Exception as error:
                note(f"job {task.id} failed: {type(error).__name__}: {error}")
                self._change(task, state="failed", problem=f"{type(error).__name__}: {error}")

    def _change(self, task: Task, **values: object) -> None:
        with self._changing:
            for name, value in values.items():
                setattr(task, name, value)
            task.version += 1
