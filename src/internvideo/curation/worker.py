"""What a worker process does with one video: open it, run what is due in one decode pass, answer with rows.

It writes nothing. Everything that it may have to know of earlier runs travels in the task, everything it found out in
the outcome; the driver commits. A video that was changed or removed while it was read gives no rows at all.
"""

import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from internvideo.curation.measures import DensePass, concatenate, series_from_bytes, series_to_bytes
from internvideo.curation.operator import Operator, Series, Subject
from internvideo.curation.planner import LATER, reads_later, spec_of
from internvideo.curation.threshold_pass import Bounds, common_threshold, threshold_pass
from internvideo.errors import ChangedVideo, MissingVideo, NoFrames, UnreadableVideo, VideoError, pick
from internvideo.ops.packets import packet_digest
from internvideo.store.values import CLIP_KEY, OperatorSpec
from internvideo.video.clips import clips_for_each
from internvideo.video.decode import StreamDecoder
from internvideo.video.limits import DEFAULT_LIMITS
from internvideo.video.opening import display_name, missing_bytes
from internvideo.video.reader import Video, open_video
from internvideo.video.sampling import FRAME_POLICIES

PIECE_SECONDS = 600.0  # a video over twice this is measured in pieces of about this length
PICTURE_BYTES = 64 << 20  # pictures of clips that are held at once
Stat = tuple[int, int, int]  # size in bytes, mtime in ns, inode


def digest_of_packets(path: str, stream: int) -> str:
    """`ops.packets.packet_digest` of a stream of a file. Raises a VideoError."""
    decoder = StreamDecoder(path, stream, DEFAULT_LIMITS, threads=1)
    try:
        context = decoder.context
        packets = (bytes(packet) for packet in decoder.packets())
        return packet_digest(packets, context.codec.canonical_name, context.extradata or b"")
    finally:
        decoder.close()


@dataclass(frozen=True)
class Known:
    """Rows that an earlier run committed, with the input they were computed from."""

    input: str
    rows: bytes


@dataclass(frozen=True)
class Identify:
    """Read the file once and tell its SHA-256."""

    path: bytes
    stat: Stat


@dataclass(frozen=True)
class Task:
    """One video, or one piece of a long one.

    due: names of operators that may have to run. known: what the others gave. side: sidecar files by suffix.
    piece: measure the ticks of [first, last] only (both ends: neighbours share a frame), and answer with the series.
    pieces: series of all pieces, measured before.
    """

    video: str
    path: bytes
    stat: Stat
    due: tuple[str, ...]
    known: Mapping[str, Known] = field(default_factory=dict)
    side: Mapping[str, bytes] = field(default_factory=dict)
    piece: tuple[int, int] | None = None
    pieces: tuple[bytes, ...] = ()


@dataclass
class Outcome:
    """What came of a task: rows and failures, or `split` (measure these pieces first), or the `series` of a piece."""

    rows: list[tuple[str, str, bytes]] = field(default_factory=list)  # operator, input, Arrow stream
    failures: list[tuple[str, str, str, str]] = field(default_factory=list)  # operator, input, kind, message
    split: list[tuple[int, int]] = field(default_factory=list)
    series: bytes = b""
    frames: int = 0  # decoded
    pixels: int = 0  # of those frames
    cpu_seconds: float = 0.0


def identify(task: Identify, beat: Callable[[int], None]) -> str:
    """SHA-256 of the file in hex. Raises a VideoError if it is gone, unreadable or changes meanwhile."""
    path = os.fsdecode(task.path)
    check_unchanged(path, task.stat)
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(4 << 20):
                digest.update(block)
                beat(0)
    except OSError as error:
        raise UnreadableVideo(f"cannot read the file: {error.strerror}") from error
    check_unchanged(path, task.stat)
    return digest.hexdigest()


def check_unchanged(path: str, stat: Stat) -> None:
    """Raises MissingVideo or ChangedVideo unless size, time and inode are what they were."""
    try:
        now = os.stat(path)
    except FileNotFoundError as error:
        raise MissingVideo("the file disappeared while the run was under way", "put it back and run again") from error
    except OSError as error:
        raise UnreadableVideo(f"cannot look at the file: {error.strerror}") from error
    if (now.st_size, now.st_mtime_ns, now.st_ino) != stat:
        raise ChangedVideo("the file changed while the run was under way", "run again when nobody writes to it")


class Curator:
    """Handles the tasks of one worker process. `operators` in an order in which each comes after those it needs."""

    def __init__(self, operators: Sequence[Operator]) -> None:
        self._operators = tuple(operators)

    def __call__(self, task: Task | Identify, beat: Callable[[int], None]) -> Any:
        if isinstance(task, Identify):
            return identify(task, beat)
        path = os.fsdecode(task.path)
        check_unchanged(path, task.stat)
        began = time.process_time()
        work = _Work(self._operators, task, beat)
        try:
            with open_video(path) as video:
                outcome = work.measure_piece(video) if task.piece else work.run(video)
        except VideoError as error:
            check_unchanged(path, task.stat)  # a file that changed under the decoder is not a bad video
            outcome = work.gave_up(error)
        check_unchanged(path, task.stat)
        outcome.cpu_seconds = time.process_time() - began
        return outcome


@dataclass(frozen=True)
class CuratorFactory:
    """Makes the handler inside a worker process."""

    operators: tuple[Operator, ...]

    def __call__(self) -> Curator:
        return Curator(self.operators)


class _Work:
    """The state of one task."""

    def __init__(self, operators: Sequence[Operator], task: Task, beat: Callable[[int], None]) -> None:
        self._task, self._beat = task, beat
        self._outcome = Outcome()
        self._operators = [
            operator for operator in operators if operator.name in task.due or operator.name in task.known
        ]
        requests = [o.frames for o in self._operators if o.name in task.due]
        self._measures = sorted({measure for request in requests for measure in request.measures})
        self._threshold = common_threshold(requests)
        later = {name: known for name, known in task.known.items() if name in LATER}
        self._inputs = {name: known.input for name, known in later.items()}
        self._tables = {name: table_from_bytes(known.rows) for name, known in later.items()}
        self._broken: set[str] = set()
        self._seen: dict[str, pa.Table | Exception] = {}  # what networks made that looked together with an earlier one
        self._running = self._operators[0].name if self._operators else ""

    def gave_up(self, error: VideoError) -> Outcome:
        """The video cannot be used: the operator that was at work carries the reason; rows found before it are kept."""
        words = str(error.problem).replace(f"`{display_name(os.fsdecode(self._task.path))}`", "the file")
        self._outcome.failures.append((self._running, self._inputs.get(self._running, ""), error.kind, words))
        return self._outcome

    def measure_piece(self, video: Video) -> Outcome:
        first, last = self._task.piece or (0, 0)
        series = self._look(video, (first, last + 1), continues=first > int(video.ticks[0]))
        self._outcome.series = series_to_bytes(series)
        return self._outcome

    def run(self, video: Video) -> Outcome:
        facts: dict[str, Any] = dict(video.facts.as_row())
        subject = Subject(
            self._task.video, video.facts.stream, video.time_base, facts, rows=self._tables, side=self._task.side
        )
        measured = False
        for operator in self._operators:
            self._running = operator.name
            needs_frames = bool(operator.frames.measures) and operator.name in self._task.due
            if needs_frames and not measured:
                if bounds := self._pieces_of(video):
                    return Outcome(split=bounds)
                subject = replace(subject, series=self._measure(video, facts))
                measured = True
            if getattr(operator, "packets", False) and operator.name in self._task.due:
                facts["packet_digest"] = digest_of_packets(os.fsdecode(self._task.path), video.facts.stream)
            self._step(operator, subject, video)
        return self._outcome

    def _step(self, operator: Operator, subject: Subject, video: Video) -> None:
        """Run one operator unless its rows are there and come from the same input."""
        if any(need in self._broken for need in operator.needs):
            self._broken.add(operator.name)
            return
        known, due = self._task.known.get(operator.name), operator.name in self._task.due
        source = self._input_of(operator) if due or known is None else known.input
        self._inputs[operator.name] = source
        if known is not None and known.input == source:
            self._keep(operator, table_from_bytes(known.rows))
            return
        try:
            table = self._process(operator, subject, video)
        except VideoError:
            raise
        except Exception as error:
            self._broken.add(operator.name)
            self._outcome.failures.append((operator.name, source, "internal", f"{type(error).__name__}: {error}"))
            return
        self._keep(operator, table)
        self._outcome.rows.append((operator.name, source, table_to_bytes(table)))

    def _keep(self, operator: Operator, table: pa.Table) -> None:
        self._tables[operator.name] = table
        if getattr(operator, "segmenter", False):
            spans = [t.select(CLIP_KEY.names[:4]) for name, t in self._tables.items() if name in self._segmenters]
            distinct = pa.concat_tables(spans).group_by(CLIP_KEY.names[:4]).aggregate([])
            self._tables["clips"] = distinct.sort_by([(name, "ascending") for name in CLIP_KEY.names[:4]])

    @property
    def _segmenters(self) -> set[str]:
        return {operator.name for operator in self._operators if getattr(operator, "segmenter", False)}

    def _input_of(self, operator: Operator) -> str:
        """A digest of all that the rows of `operator` will be computed from, beside the video itself."""
        if reads_later(operator):
            specs = {other.name: spec_of(other) for other in self._operators}
            return chained_input(operator, lambda need: self._inputs.get(need, ""), specs)
        parts: dict[str, str] = {}
        for need in operator.needs:
            parts[need] = side_digest(self._task.side) if need == "side" else table_digest(self._tables[need])
        return input_digest(parts)

    def _process(self, operator: Operator, subject: Subject, video: Video) -> pa.Table:
        if not operator.frames.of_clips:
            return operator.process(subject)
        if operator.frames.network is not None:
            if operator.name not in self._seen:
                self._look_with_networks(operator, subject, video)
            seen = self._seen.pop(operator.name)
            if isinstance(seen, Exception):
                raise seen
            return seen
        tables = [operator.process(part) for part in self._with_pictures(operator, subject, video)]
        return pa.concat_tables(tables) if tables else operator.process(replace(subject, pictures=np.empty((0,) * 5)))

    def _with_pictures(self, operator: Operator, subject: Subject, video: Video) -> Iterator[Subject]:
        """The subject with some clips at a time and their pictures: `per_clip` middle frames of equal segments."""
        clips, count, size = self._tables["clips"], operator.frames.per_clip, operator.frames.size
        shape = short_side(video.facts.height, video.facts.width, size)
        step = max(1, PICTURE_BYTES // (count * shape[0] * shape[1] * 3))
        for begin in range(0, clips.num_rows, step):
            part = clips.slice(begin, step)
            wanted = []
            for start, end in zip(part["start"].to_pylist(), part["end"].to_pylist(), strict=True):
                low, high = np.searchsorted(video.ticks, [start, end])
                wanted += [low + (2 * i + 1) * (high - low) // (2 * count) for i in range(count)]
            frames = video.frames(wanted, size=shape)
            self._beat(len(wanted))
            pictures = frames.reshape(part.num_rows, count, *frames.shape[1:])
            yield replace(subject, rows={**self._tables, "clips": part}, pictures=pictures)

    def _look_with_networks(self, first: Operator, subject: Subject, video: Video) -> None:
        """One pass over the frames for this network and for all others that have to look at the clips too."""
        together = [first, *(one for one in self._operators if one is not first and self._looks_too(one))]
        clips = self._tables["clips"]
        eyes = [_Eye(operator, replace(subject, rows=self._tables), clips, video) for operator in together]
        for pictures in clips_for_each(video, [eye.windows for eye in eyes], [eye.how for eye in eyes]):
            self._beat(0)
            for eye, picture in zip(eyes, pictures, strict=True):
                eye.see(picture)
        self._seen |= {eye.operator.name: eye.close() for eye in eyes}

    def _looks_too(self, operator: Operator) -> bool:
        """Whether a network is due for these clips, and waits for nothing else."""
        if operator.frames.network is None or operator.needs != ("clips",) or operator.name not in self._task.due:
            return False
        known = self._task.known.get(operator.name)
        return known is None or known.input != self._input_of(operator)

    def _measure(self, video: Video, facts: dict[str, Any]) -> Mapping[str, Series]:
        """The one dense pass, or its pieces joined. Notes in `facts` how many frames were promised and came."""
        if self._task.pieces:
            series: Mapping[str, Series] = concatenate([series_from_bytes(piece) for piece in self._task.pieces])
        else:
            series = self._look(video, (None, None))
        if "clock" in series and not len(series["clock"].ticks):
            raise NoFrames("not one frame of the picture stream decodes")
        lacking = missing_bytes(os.fsdecode(self._task.path))
        facts["frames_promised"] = max(len(video), (video.facts.header_frames or 0) if lacking else 0)
        facts["decoder_message"] = f"the file lacks its last {lacking:,} bytes" if lacking else video.damage.message
        return series

    def _look(self, video: Video, bounds: Bounds, *, continues: bool = False) -> Mapping[str, Series]:
        if self._threshold is not None:
            series = threshold_pass(video, self._threshold, bounds, continues=continues, seen=self._saw_frame)
        else:
            dense = DensePass(self._measures, continues=continues)
            for picture in video.pictures(*bounds):
                dense.feed(picture)
                self._saw_frame()
            series = dense.result()
        self._outcome.pixels = self._outcome.frames * video.facts.width * video.facts.height
        return series

    def _saw_frame(self) -> None:
        self._outcome.frames += 1
        self._beat(1)

    def _pieces_of(self, video: Video) -> list[tuple[int, int]]:
        """Bounds of pieces for a long video, cut at key frames; empty for others and when all pieces are there."""
        if self._task.pieces or (video.facts.seconds or 0.0) <= 2 * PIECE_SECONDS:
            return []
        ticks, step = video.ticks, PIECE_SECONDS / float(video.time_base)
        cuts = [int(ticks[0])]
        for key in video.key_frames[1:]:
            if ticks[key] - cuts[-1] >= step:
                cuts.append(int(ticks[key]))
        bounds = [*cuts, int(ticks[-1])]
        return list(itertools.pairwise(bounds)) if len(cuts) > 1 else []


class _Eye:
    """One network at work on the clips of a video. An error of its own is kept, others go on."""

    def __init__(self, operator: Operator, subject: Subject, clips: pa.Table, video: Video) -> None:
        assert operator.frames.network is not None
        self.operator, self.how = operator, operator.frames.network
        self._subject, self._clips = subject, clips
        policy = pick(FRAME_POLICIES, self.how.frames, "frame policy")
        self.windows: list[list[int]] = []
        for start, end in zip(clips["start"].to_pylist(), clips["end"].to_pylist(), strict=True):
            low, high = (int(number) for number in np.searchsorted(video.ticks, [start, end]))
            self.windows.append([low + number for number in policy(high - low, self.how.frame_count)])
        self._step = max(1, PICTURE_BYTES // (12 * self.how.frame_count * self.how.size**2))
        self._waiting: list[np.ndarray] = []
        self._tables: list[pa.Table] = []
        self._done = 0
        self._error: Exception | None = None

    def see(self, picture: np.ndarray) -> None:
        """The next clip. As many as fit are given to the network at once."""
        if self._error is None:
            self._waiting.append(picture)
            if len(self._waiting) == self._step:
                self._process()

    def _process(self) -> None:
        part = self._clips.slice(self._done, len(self._waiting))
        pictures = np.stack(self._waiting) if self._waiting else np.empty((0,) * 5)
        self._done, self._waiting = self._done + len(self._waiting), []
        try:
            rows = {**self._subject.rows, "clips": part}
            self._tables.append(self.operator.process(replace(self._subject, rows=rows, pictures=pictures)))
        except VideoError:
            raise
        except Exception as error:
            self._error = error

    def close(self) -> pa.Table | Exception:
        """All rows, or why there are none."""
        if self._error is None and (self._waiting or not self._tables):
            self._process()
        return self._error or pa.concat_tables(self._tables)


def short_side(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) scaled so that the shorter side is `size`; the longer one is rounded down.

    >>> short_side(720, 1280, 224)
    (224, 398)
    """
    return (size, width * size // height) if height <= width else (height * size // width, size)


def input_digest(parts: Mapping[str, str]) -> str:
    """One short digest of several, "" for none."""
    return hashlib.sha256(json.dumps(dict(parts), sort_keys=True).encode()).hexdigest()[:16] if parts else ""


def chained_input(operator: Operator, input_of: Callable[[str], str], specs: Mapping[str, OperatorSpec]) -> str:
    """`input` of an operator that reads later rows: from the inputs of what it reads; the ledger has those.

    specs: of the operators of the pass; inputs of later rows name their version themselves.
    """
    keys = {need: specs[need].key if need in specs else "" for need in operator.needs}
    return input_digest({need: f"{keys[need]} {input_of(need)}" for need in operator.needs})


def table_digest(table: pa.Table) -> str:
    """A digest of the values of a table: equal for equal rows in equal order, whatever their chunks and buffers."""
    text = json.dumps(table.to_pydict(), default=lambda value: value.hex(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def side_digest(side: Mapping[str, bytes]) -> str:
    """A digest of the sidecar files of a video: names and contents."""
    parts = [f"{name}:{hashlib.sha256(content).hexdigest()}" for name, content in sorted(side.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def table_to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def table_from_bytes(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
