"""The local runner: hands videos to workers, commits what comes back, survives what goes wrong.

Only this process writes. A unit of work is one video (or one piece of a long one); its rows and its status are
committed in one transaction when it comes back, so that a kill at any instant loses at most the units in flight.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from internvideo.curation.beside import SideFiles
from internvideo.curation.operator import Operator
from internvideo.curation.planner import in_order, reads_later, spec_of, to_tell, waits_for, with_readers
from internvideo.curation.pool import Event, Pool, Supervised
from internvideo.curation.scan import Found
from internvideo.curation.worker import (
    CuratorFactory,
    Identify,
    Known,
    Outcome,
    Task,
    chained_input,
    input_digest,
    side_digest,
    table_from_bytes,
    table_to_bytes,
)
from internvideo.errors import InternVideoError
from internvideo.store.places import PLACES, FileRecord
from internvideo.store.results import TRANSIENT, Failure, Result, State
from internvideo.store.values import OperatorSpec
from internvideo.store.writer import Writer

CRASHES_TO_QUARANTINE = 2  # a video that alone killed its worker this often in one run is set aside
OUTSIDE_KILLS = 5  # kills from outside that one video may meet in one run before it is left for the next run
CHANGES = 2  # how often a file that changes is tried again in one run
FLUSH_SECONDS = 30.0
FLUSH_BYTES = 64 << 20
_OF_FILE = ("changed", "missing")  # troubles of a place: what was there is no longer, and no fault of that video
_PLACE = ("video", "root", "path", "present")


@dataclass
class Progress:
    """Where a run stands; the listener decides what to show of it."""

    phase: str = "looking"
    files: int = 0
    identified: int = 0
    due: int = 0  # videos with work
    done: int = 0
    failed: int = 0
    failed_due: int = 0  # those of `failed` that were among the due ones
    frames: int = 0  # decoded in this run
    cpu_seconds: float = 0.0  # of the workers
    pixels: int = 0  # decoded in this run
    last: str = ""  # name of the file that was finished last


Listener = Callable[[Progress], None]


class Run:
    """One run over some folders: a context, in which `go` is called once. Whatever happens, what came back is kept."""

    def __init__(
        self,
        writer: Writer,
        operators: Sequence[Operator],
        *,
        workers: int,
        tell: Listener,
        runner: Literal["local", "ray"] = "local",
        later: Mapping[str, OperatorSpec] = MappingProxyType({}),
    ) -> None:
        """later: what a later stage has made so far, of the names in `planner.LATER`."""
        self._writer, self._tell, self._workers, self._runner = writer, tell, workers, runner
        self._operators = in_order(operators)
        self._specs = {operator.name: spec_of(operator) for operator in self._operators}
        writer.register(*later.values(), *self._specs.values())
        self._later = later
        self._states = {name: writer.states(spec) for name, spec in {**later, **self._specs}.items()}
        self._side = SideFiles()
        self._places: dict[str, Found] = {}  # video -> the first place of it that this run looked at
        self._paths: dict[str, list[bytes]] = {}  # video -> all places
        self._unread: dict[bytes, Found] = {}  # path -> a file that is being identified
        self._computing = False
        self._pool: Supervised | None = None
        self._stack = ExitStack()
        self._waiting: dict[str, dict[tuple[int, int], bytes | None]] = {}  # pieces of long videos
        self._troubles: Counter[tuple[str, str]] = Counter()
        self._flushed = time.monotonic()
        self._frames, self._beats = 0, Counter[int]()  # frames of finished tasks, and of running ones
        self.progress = Progress()

    def __enter__(self) -> "Run":
        self._stack.callback(self._flush)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def go(self, found: Sequence[Found], roots: Sequence[bytes] = ()) -> Progress:
        """Bring every video up to date. On Ctrl-C what has come back is kept, then KeyboardInterrupt goes on.

        roots: folders that `found` lists completely; places below them that it lacks are noted as gone.
        """
        for root in roots:
            self._writer.vanish(root, {place.relative for place in found if place.root == root})
        unknown = self._take_in(found)
        self._say(phase="reading", due=len(unknown))
        self._work(unknown)
        self._say(phase="curating", due=0, done=0, failed_due=0)
        self._computing = True
        self._paths = self._paths_of_videos()
        tasks = [task for task in map(self._task_for, list(self._places)) if task is not None]
        self._say(due=len(tasks))
        self._work(tasks)
        return self.progress

    def _work(self, units: Sequence[Task | Identify]) -> None:
        """Have all of them done."""
        if not units:
            return
        pool = self._started()
        for unit in units:
            pool.submit(unit)
        for event in pool.events():
            self._hear(event, pool)

    def _started(self) -> Supervised:
        """The pool: started when there is first something to do, and kept."""
        if self._pool is None:
            factory = CuratorFactory(self._operators)
            if self._runner == "ray":
                from internvideo.curation.ray_pool import RayPool

                demands = {op.name: op.resources for op in self._operators if hasattr(op, "resources")}
                self._pool = self._stack.enter_context(RayPool(factory, self._workers, demands))
            else:
                self._pool = self._stack.enter_context(Pool(factory, self._workers))
        return self._pool

    def unread(self, found: Sequence[Found]) -> list[Found]:
        """Those of the files that no earlier run has read as they are now. Workers begin to start if any are needed."""
        videos = {place.path: self._writer.place(_record(place)) for place in found if place.problem is None}
        known = {video for video in videos.values() if video is not None}.difference(self._writer.withheld)
        if None in videos.values() or any(map(self._is_half_done, known)):
            self._started()
        return [place for place in found if place.problem is None and videos[place.path] is None]

    def _is_half_done(self, video: str) -> bool:
        """Whether an operator has still to look at a video of which nothing has failed."""
        states = [self._states[name].get(video) for name in self._specs]
        return None in states and all(state is None or state.state == "done" for state in states)

    def _take_in(self, found: Iterable[Found]) -> list[Identify]:
        """Note known files, record those that cannot be read, and give the ones that have to be identified."""
        unknown = []
        for place in found:
            self.progress.files += 1
            if place.problem is not None:
                self._writer.remember(_record(place), place.problem)
                self._say(failed=self.progress.failed + 1)
                continue
            video = self._writer.place(_record(place))
            if video is None:
                unknown.append(Identify(place.path, place.stat))
                self._unread[place.path] = place
            else:
                self._places.setdefault(video, place)
        return unknown

    def _paths_of_videos(self) -> dict[str, list[bytes]]:
        """Where each video lies, by all that is known: its sidecar files may be beside any copy."""
        paths: dict[str, list[bytes]] = {}
        rows = self._writer.rows(PLACES)
        for video, root, path, present in zip(*(rows[n].to_pylist() for n in _PLACE), strict=True):
            if present:
                paths.setdefault(video, []).append(root + b"/" + path)
        return paths

    def _task_for(self, video: str) -> Task | None:
        """What has to be done for a video, or None. Each video is done once, whatever the number of its copies."""
        if video in self._writer.withheld:
            return None
        place = self._places[video]
        side = self._side.of(self._paths.get(video, [place.path]))
        due = self._due(video, side)
        if not due:
            return None
        names = with_readers(due, self._operators)
        known = {}
        for name in {*to_tell(names, self._operators), *names}:
            state = self._state(video, name)
            if state is not None and state.state == "done":
                rows = self._writer.rows(self._specs[name], [video]).drop_columns(["input"])
                known[name] = Known(state.input, table_to_bytes(rows))
        for name, spec in self._later.items():
            if source := self._input_of(video, name):
                rows = self._writer.rows(spec, [video]).drop_columns(["input"])
                known[name] = Known(source, table_to_bytes(rows))
        return Task(video, place.path, place.stat, names, known, side)

    def _due(self, video: str, side: Mapping[str, bytes]) -> list[str]:
        """Operators without a valid row. One whose upstream failed is not due: nothing could come of it."""
        due: list[str] = []
        blocked: set[str] = set()
        for operator in self._operators:
            state = self._state(video, operator.name)
            if any(need in blocked for need in waits_for(operator, self._operators)):
                blocked.add(operator.name)
            elif state is None or state.state == "due" or (state.state == "failed" and state.kind in TRANSIENT):
                due.append(operator.name)
            elif state.state != "done":
                blocked.add(operator.name)
            elif operator.needs == ("side",) and state.input != input_digest({"side": side_digest(side)}):
                due += [other.name for other in self._operators if "side" in other.needs and other.name not in due]
            elif reads_later(operator) and state.input != self._chained(operator, video):
                due.append(operator.name)
        return due

    def _chained(self, operator: Operator, video: str) -> str:
        return chained_input(operator, lambda need: self._input_of(video, need), self._specs)

    def _input_of(self, video: str, name: str) -> str:
        """What its rows were computed from, "" if there are none. Of later rows also which version they are."""
        state = self._states[name].get(video) if name in self._states else None
        if state is None or state.state != "done":
            return ""
        return f"{self._later[name].key} {state.input}" if name in self._later else state.input

    def _state(self, video: str, name: str) -> State | None:
        return self._states[name].get(video)

    def _hear(self, event: Event, pool: Supervised) -> None:
        if event.what == "progress":
            self._beats[id(event.task)] += event.value
            self._say(frames=self._frames + self._beats.total())
        elif isinstance(event.task, Identify):
            self._identified(event, pool)
        elif event.what == "done":
            self._arrived(event.task, event.value, pool)
        elif event.what == "failed":
            kind, message = event.value
            self._failed(event.task, kind, message, pool)
        else:
            self._died(event, pool)
        if self._writer.pending_bytes > FLUSH_BYTES or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self._flush()

    # ---- what comes back

    def _identified(self, event: Event, pool: Supervised) -> None:
        task: Identify = event.task
        place = self._unread.pop(task.path)
        if event.what == "done":
            if event.value not in self._writer.withheld:  # nothing but the hash is kept of those
                self._writer.remember(_record(place), event.value)
            self._places.setdefault(event.value, place)
            self._say(identified=self.progress.identified + 1, done=self.progress.done + (not self._computing))
            if self._computing and (follow := self._task_for(event.value)) is not None:  # it changed during the run
                pool.submit(follow)
            return
        kind, message = event.value if event.what == "failed" else ("killed", f"reading it ended by {event.value}")
        again = self._again(kind, place)
        if again is not None and again.problem is None:
            self._unread[again.path] = again
            pool.submit(Identify(again.path, again.stat))
            return
        self._writer.remember(_record(place), _Problem(kind, message))
        self._say(failed=self.progress.failed + 1, failed_due=self.progress.failed_due + 1, last=place.name)

    def _arrived(self, task: Task, outcome: Outcome, pool: Supervised) -> None:
        self._frames += outcome.frames
        self._beats.pop(id(task), None)
        self._say(
            frames=self._frames + self._beats.total(),
            cpu_seconds=self.progress.cpu_seconds + outcome.cpu_seconds,
            pixels=self.progress.pixels + outcome.pixels,
        )
        if outcome.split:
            self._split(task, outcome.split, pool)
        elif task.piece is not None:
            self._piece(task, outcome.series, pool)
        else:
            results = [Result(self._specs[name], source, table_from_bytes(rows)) for name, source, rows in outcome.rows]
            failures = [
                Failure(self._specs[name], source, kind, message) for name, source, kind, message in outcome.failures
            ]
            self._writer.commit(task.video, [*results, *failures])
            self._finished(task, failed=bool(failures))

    def _split(self, task: Task, bounds: Sequence[tuple[int, int]], pool: Supervised) -> None:
        """A long video: measure its pieces first; pieces that an interrupted run left are taken over."""
        kept = self._writer.pieces(task.video)
        pieces = {bound: kept.get(_piece_name(self._specs, task, bound)) for bound in bounds}
        self._waiting[task.video] = pieces
        for bound, payload in pieces.items():
            if payload is None:
                pool.submit(replace(task, piece=bound), first=True)
        self._join(task, pool)

    def _piece(self, task: Task, series: bytes, pool: Supervised) -> None:
        assert task.piece is not None
        self._writer.keep_piece(task.video, _piece_name(self._specs, task, task.piece), series)
        self._waiting[task.video][task.piece] = series
        self._join(task, pool)

    def _join(self, task: Task, pool: Supervised) -> None:
        pieces = self._waiting[task.video]
        if all(payload is not None for payload in pieces.values()):
            del self._waiting[task.video]
            joined = tuple(payload for _, payload in sorted(pieces.items()) if payload is not None)
            pool.submit(replace(task, piece=None, pieces=joined), first=True)

    def _failed(self, task: Task, kind: str, message: str, pool: Supervised) -> None:
        """The whole task failed: the file changed or is gone, or our own bug."""
        again = self._again(kind, self._places[task.video])
        if again is not None and again.problem is None:
            self._unread[again.path] = again
            del self._places[task.video]
            pool.submit(Identify(again.path, again.stat))  # it may be another video by now
            return
        if kind in _OF_FILE:
            self._writer.remember(_record(self._places[task.video]), _Problem(kind, message))
            self._finished(task, failed=True)
            return
        self._give_up(task, kind, message)

    def _died(self, event: Event, pool: Supervised) -> None:
        """The worker died under this task. Twice by its own doing: quarantine; an outside kill is no fault."""
        task: Task = event.task
        cause = "outside" if event.outside else "crash"
        self._beats.pop(id(task), None)
        self._troubles[task.video, cause] += 1
        allowed = OUTSIDE_KILLS if event.outside else CRASHES_TO_QUARANTINE
        if self._troubles[task.video, cause] < allowed:
            pool.submit(task, first=True)
        elif event.outside:
            self._give_up(
                task, "killed", f"the worker was killed from outside {allowed} times while it read this video"
            )
        else:
            kind = "timeout" if "silent" in event.value else "crashed"
            self._give_up(
                task,
                kind,
                f"reading it killed the worker {allowed} times ({event.value})",
                quarantine=kind == "crashed",
            )

    def _give_up(self, task: Task, kind: str, message: str, *, quarantine: bool = False) -> None:
        spec = self._specs[task.due[0]]
        self._writer.commit(task.video, [Failure(spec, "", kind, message, quarantine)])
        self._waiting.pop(task.video, None)
        self._finished(task, failed=True)

    def _again(self, kind: str, place: Found) -> Found | None:
        """The same place with its present size and time, if its file changed and has not changed too often."""
        key = place.path.hex()  # not the video: that is another one after each change
        self._troubles[key, kind] += 1
        if kind == "changed" and self._troubles[key, kind] <= CHANGES:
            return place.now()
        if kind == "killed" and self._troubles[key, kind] < OUTSIDE_KILLS:
            return place
        return None

    def _finished(self, task: Task, *, failed: bool) -> None:
        self._say(
            done=self.progress.done + (not failed),
            failed=self.progress.failed + failed,
            failed_due=self.progress.failed_due + failed,
            last=self._places[task.video].name,
        )

    def _flush(self) -> None:
        self._writer.flush()
        self._flushed = time.monotonic()

    def _say(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        self._tell(self.progress)


def _record(place: Found) -> FileRecord:
    size, mtime_ns, inode = place.stat
    return FileRecord(place.root, place.relative, size, mtime_ns, inode, place.device)


class _Problem(InternVideoError):
    """A failure that comes from a worker as two words."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _piece_name(specs: Mapping[str, OperatorSpec], task: Task, bound: tuple[int, int]) -> str:
    """Names a piece by what was measured and where, so that pieces of another recipe are never taken for it."""
    return f"{bound[0]}-{bound[1]}-{input_digest({name: specs[name].key for name in task.due})}"
