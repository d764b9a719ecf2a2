"""The same supervised pool on a Ray cluster: Ray says where work runs, `pool` says what became of it.

Every actor keeps one worker process of its own, so a video that kills its worker is known as exactly as on one
machine. An actor that is lost (its node went away, it was killed) is replaced and its task handed out again: that is
no video's fault. Files are opened by path: all nodes must see the same file system.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from internvideo.curation.pool import BEAT_SECONDS, Event, Handler, Pool
from internvideo.errors import InternVideoError, UsageError

LOST = 5  # actors that may be lost, per worker, without one task done


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            "the runner `ray` needs Ray", "pip install 'internvideo[ray]', or take --runner local"
        ) from error
    return ray


class Executor:
    """What an actor is: it hands tasks to its own worker process and tells what happens, the last event at the end."""

    def __init__(self, factory: Callable[[], Handler]) -> None:
        self._pool = Pool(factory, 1).__enter__()

    def execute(self, task: Any) -> Iterator[tuple[str, Any, float, bool]]:
        """Events of this task: what, value, seconds, outside."""
        self._pool.submit(task)
        for event in self._pool.events():
            yield event.what, event.value, event.seconds, event.outside

    def close(self) -> None:
        """End the worker process."""
        self._pool.__exit__()


@dataclass
class _Held:
    """A task that an actor has: its stream of events."""

    actor: Any
    task: Any
    since: float


class RayPool:
    """`workers` actors with one processor each. Joins the cluster that RAY_ADDRESS names, else starts one here."""

    def __init__(self, factory: Callable[[], Handler], workers: int) -> None:
        self._factory, self._size = factory, workers
        self._queue: deque[Any] = deque()
        self._idle: list[Any] = []
        self._held: dict[Any, _Held] = {}  # stream of events -> who gives it
        self._lost = 0  # actors since a task was last done
        self._own = False

    def __enter__(self) -> "RayPool":
        ray = _ray()
        if not ray.is_initialized():
            here = "RAY_ADDRESS" not in os.environ
            options = {"num_cpus": self._size, "include_dashboard": False} if here else {}
            ray.init(logging_level="ERROR", log_to_driver=False, configure_logging=False, **options)
            self._own = True
        self._actor = ray.remote(num_cpus=1, max_restarts=0)(Executor)
        self._idle = [self._actor.remote(self._factory) for _ in range(self._size)]
        return self

    def __exit__(self, *_: object) -> None:
        ray = _ray()
        for actor in [*self._idle, *(held.actor for held in self._held.values())]:
            ray.kill(actor)
        if self._own:
            ray.shutdown()

    def submit(self, task: Any, *, first: bool = False) -> None:
        """Queue a task; `first` puts it before all others."""
        (self._queue.appendleft if first else self._queue.append)(task)

    @property
    def running(self) -> list[Any]:
        return [held.task for held in self._held.values()]

    def events(self) -> Iterator[Event]:
        """What happens, until nothing is queued or running. Tasks may be submitted between two events."""
        ray = _ray()
        while self._queue or self._held:
            while self._idle and self._queue:
                actor, task = self._idle.pop(), self._queue.popleft()
                stream = actor.execute.options(num_returns="streaming").remote(task)
                self._held[stream] = _Held(actor, task, time.monotonic())
            ready, _ = ray.wait(list(self._held), timeout=BEAT_SECONDS, fetch_local=False)
            for stream in ready:
                yield from self._hear(stream)

    def _hear(self, stream: Any) -> Iterator[Event]:
        ray, held = _ray(), self._held[stream]
        try:
            what, value, seconds, outside = ray.get(next(stream))
        except StopIteration:
            del self._held[stream]
            self._idle.append(held.actor)
        except ray.exceptions.RayActorError:
            yield from self._replace(stream)
        else:
            self._lost = self._lost if what == "progress" else 0
            yield Event(what, held.task, value, seconds, outside)

    def _replace(self, stream: Any) -> Iterator[Event]:
        held = self._held.pop(stream)
        self._lost += 1
        if self._lost > LOST * self._size:
            raise InternVideoError("Ray loses every actor that it starts", "`ray status` and its logs say why")
        self._idle.append(self._actor.remote(self._factory))
        yield Event("died", held.task, "its actor was lost", time.monotonic() - held.since, outside=True)
