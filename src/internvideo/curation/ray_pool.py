"""The same supervised pool on a Ray cluster: Ray says where work runs, `pool` says what became of it.

Every actor keeps one worker process of its own, so a video that kills its worker is known as exactly as on one
machine. An actor that is lost (its node went away, it was killed) is replaced and its task handed out again: that is
no video's fault. Files are opened by path: all nodes must see the same file system.

Operators declare what they take of a machine (`operator.Resources`). A task goes to an actor that has enough for all
that is due of it; actors of one kind are a pool that grows with its queue as far as the cluster reaches, and gives back
what it does not use when another pool waits.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from internvideo.curation.operator import Resources
from internvideo.curation.pool import BEAT_SECONDS, Event, Handler, Pool
from internvideo.errors import InternVideoError, UsageError

LOST = 5  # actors that may be lost, per worker, without one task done
LONGEST_WAIT = 30  # seconds until another is started where Ray has killed one for want of memory


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


def room_for(kind: Resources, nodes: Iterable[Mapping[str, float]]) -> int:
    """How many actors of a kind fit on a cluster at once. nodes: `CPU`, `GPU` and `memory` of each.

    >>> room_for(Resources(gpus=0.5), [{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0}])
    2
    """
    wanted = {"CPU": kind.cpus, "GPU": kind.gpus, "memory": float(kind.memory)}
    return sum(min(int(node.get(name, 0.0) / count) for name, count in wanted.items() if count) for node in nodes)


def refuse_what_cannot_be_had(demands: Mapping[str, Resources], nodes: Iterable[Mapping[str, float]]) -> None:
    """Raises UsageError that names the first operator for which no node of the cluster is large enough."""
    there = list(nodes)
    for name, kind in demands.items():
        if not room_for(kind, there):
            asked = f"{kind.cpus:g} CPUs, {kind.gpus:g} GPUs" + (f", {kind.memory:,} bytes" if kind.memory else "")
            most = [f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs" for node in there]
            raise UsageError(
                f"operator `{name}` asks for {asked}, and no node of this Ray cluster has them ({'; '.join(most)})",
                "start a node that has, leave the operator out, or let it run on processors (device=cpu)",
            )


@dataclass
class _Held:
    """A task that an actor has: its stream of events."""

    actor: Any
    task: Any
    since: float
    kind: Resources


@dataclass
class _Group:
    """Actors of one kind, and the tasks that wait for one of them."""

    most: int
    queue: deque[Any] = field(default_factory=deque)
    idle: list[Any] = field(default_factory=list)
    size: int = 0


class RayPool:
    """At most `workers` actors of every kind. Joins the cluster that RAY_ADDRESS names, else starts one here.

    demands: of the operators that tasks name as `due`; tasks without any take one processor. Raises UsageError on
    entering if the cluster cannot meet one of them.
    """

    def __init__(
        self, factory: Callable[[], Handler], workers: int, demands: Mapping[str, Resources] | None = None
    ) -> None:
        self._factory, self._size, self._demands = factory, workers, demands or {}
        self._groups: dict[Resources, _Group] = {}
        self._nodes: list[Mapping[str, float]] = []
        self._held: dict[Any, _Held] = {}  # stream of events -> who gives it
        self._lost = 0  # actors since a task was last done
        self._own = False

    def __enter__(self) -> "RayPool":
        ray = _ray()
        if not ray.is_initialized():
            here = "RAY_ADDRESS" not in os.environ
            options = {"num_cpus": self._size, "include_dashboard": False} if here else {}
            if here:  # Ray lets its workers give way to all else (niceness 15); those of the local runner do not
                os.environ.setdefault("RAY_worker_niceness", "0")
            ray.init(logging_level="ERROR", log_to_driver=False, configure_logging=False, **options)
            self._own = True
        self._nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        try:
            refuse_what_cannot_be_had(self._demands, self._nodes)
        except UsageError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        ray = _ray()
        idle = [actor for group in self._groups.values() for actor in group.idle]
        for actor in [*idle, *(held.actor for held in self._held.values())]:
            ray.kill(actor)
        if self._own:
            ray.shutdown()

    def submit(self, task: Any, *, first: bool = False) -> None:
        """Queue a task; `first` puts it before all others of its kind."""
        queue = self._group(self._kind_of(task)).queue
        (queue.appendleft if first else queue.append)(task)

    @property
    def running(self) -> list[Any]:
        return [held.task for held in self._held.values()]

    def events(self) -> Iterator[Event]:
        """What happens, until nothing is queued or running. Tasks may be submitted between two events."""
        ray = _ray()
        while self._held or any(group.queue for group in self._groups.values()):
            self._hand_out()
            ready, _ = ray.wait(list(self._held), timeout=BEAT_SECONDS, fetch_local=False)
            for stream in ready:
                yield from self._hear(stream)

    def _kind_of(self, task: Any) -> Resources:
        asked = (self._demands[name] for name in getattr(task, "due", ()) if name in self._demands)
        return reduce(Resources.together, asked, Resources())

    def _group(self, kind: Resources) -> _Group:
        if kind not in self._groups:
            self._groups[kind] = _Group(max(1, min(self._size, room_for(kind, self._nodes))))
        return self._groups[kind]

    def _hand_out(self) -> None:
        """Give waiting tasks to actors; pools with nothing to do make room for those that wait."""
        if any(group.queue for group in self._groups.values()):
            for group in self._groups.values():
                while group.idle and not group.queue and len(self._groups) > 1:
                    _ray().kill(group.idle.pop())
                    group.size -= 1
        for kind, group in self._groups.items():
            while group.queue and (group.idle or group.size < group.most):
                actor, task = group.idle.pop() if group.idle else self._started(kind, group), group.queue.popleft()
                stream = actor.execute.options(num_returns="streaming").remote(task)
                self._held[stream] = _Held(actor, task, time.monotonic(), kind)

    def _started(self, kind: Resources, group: _Group) -> Any:
        group.size += 1
        options = {"num_gpus": kind.gpus} if kind.gpus else {}
        options |= {"memory": kind.memory} if kind.memory else {}
        return _ray().remote(num_cpus=kind.cpus, max_restarts=0, **options)(Executor).remote(self._factory)

    def _hear(self, stream: Any) -> Iterator[Event]:
        ray, held = _ray(), self._held[stream]
        lost = ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError
        try:
            what, value, seconds, outside = ray.get(next(stream))
        except StopIteration:
            del self._held[stream]
            self._groups[held.kind].idle.append(held.actor)
        except lost as error:  # with OutOfMemoryError Ray has killed it for the sake of the machine
            yield from self._replace(stream, error)
        else:
            self._lost = self._lost if what == "progress" else 0
            yield Event(what, held.task, value, seconds, outside)

    def _replace(self, stream: Any, error: Exception) -> Iterator[Event]:
        held = self._held.pop(stream)
        self._lost += 1
        if self._lost > LOST * self._size:
            raise InternVideoError(f"Ray loses every actor that it starts: {_told(error)}", "`ray status` says more")
        if isinstance(error, _ray().exceptions.OutOfMemoryError):
            time.sleep(min(LONGEST_WAIT, 2**self._lost))
        self._groups[held.kind].size -= 1
        yield Event("died", held.task, "its actor was lost", time.monotonic() - held.since, outside=True)


def _told(error: Exception) -> str:
    """The first line of what Ray says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
