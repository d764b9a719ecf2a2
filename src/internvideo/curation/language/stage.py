"""Captions for the clips of a view: after the filters, because they cost a hundred times all the rest.

Frames are read in threads ahead of the questions; questions run side by side; the rows of a video are committed when
all its clips are answered. Answers are kept one by one (`answers`), so that a kill loses only the questions under way.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from internvideo.curation.language.captioner import (
    CaptionRecipe,
    Frames,
    describe,
    frame_times,
    merge,
    spec_of,
)
from internvideo.curation.language.protocol import (
    AnswerError,
    BudgetSpent,
    EndpointDown,
    EndpointRefuses,
    LanguageModel,
)
from internvideo.curation.worker import short_side
from internvideo.errors import InternVideoError
from internvideo.store.results import TRANSIENT, Failure, Result
from internvideo.store.values import SPAN_KEY, OperatorSpec
from internvideo.store.writer import Writer
from internvideo.video.reader import Video, open_video

DECODERS = 2  # threads that read frames
DOWN = 5  # videos in a row without any answer after which no more are asked about
AHEAD = 2  # clips with frames in memory, per question that may run


@dataclass(frozen=True)
class Work:
    """A video whose clips are to be described. clips: (n, 2) ticks of its stream, ascending."""

    video: str
    path: Path
    stream: int
    clips: np.ndarray
    input: str


@dataclass
class Made:
    """What came of it."""

    videos: int = 0
    clips: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # video -> why
    stopped: str = ""  # why the rest was not asked
    down: int = 0  # videos in a row for which nobody answered

    def fail(self, writer: Writer, spec: OperatorSpec, video: str, source: str, problem: InternVideoError) -> None:
        """Note why there is nothing about a video; a spent budget and an endpoint that stays down end the whole run."""
        self.down = self.down + 1 if isinstance(problem, EndpointDown) else 0
        if isinstance(problem, BudgetSpent) or self.down >= DOWN:
            self.stopped = str(problem.problem)
        self.failed[video] = problem.problem
        writer.commit(video, [Failure(spec, source, problem.kind, problem.problem)])


def due_work(writer: Writer, spec: OperatorSpec, clips: pa.Table, files: Mapping[str, Path]) -> list[Work]:
    """Videos with clips that are not described yet; one that lost or won a clip is due again. clips: keys, sorted."""
    found = []
    for video, rows in _by_video(clips):
        digest = hashlib.sha256(rows.tobytes()).hexdigest()[:16]
        if video in files and is_due(writer, spec, video, digest):
            found.append(Work(video, files[video], int(rows[0, 0]), rows[:, 1:], digest))
    return found


_AGAIN = TRANSIENT | {"network", "budget"}


def is_due(writer: Writer, spec: OperatorSpec, video: str, source: str) -> bool:
    """Whether a model is to be asked about a video: not yet, about other things, or what failed may pass."""
    state = writer.state(video, spec)
    settled = state is not None and state.state in ("failed", "quarantined") and state.kind not in _AGAIN
    return state is None or state.input != source or not (state.state == "done" or settled)


def _by_video(clips: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """(video, (n, 3) int64 of stream, start, end) in order."""
    columns = [clips[name].to_pylist() for name in SPAN_KEY.names]
    rows: dict[str, list[tuple[int, int, int]]] = {}
    for video, *key in zip(*columns, strict=True):
        rows.setdefault(video, []).append((key[0], key[1], key[2]))
    for video, keys in sorted(rows.items()):
        yield video, np.array(keys, np.int64)


def caption(
    writer: Writer,
    model: LanguageModel,
    recipe: CaptionRecipe,
    work: Sequence[Work],
    tell: Callable[[int, int, str], None] = lambda *_: None,
) -> Made:
    """Describe all clips of `work`, and commit video by video. tell(clips done, of, name of the video).

    Raises EndpointRefuses if the endpoint answers nothing at all; what was answered before is kept.
    """
    return asyncio.run(_Stage(writer, model, recipe, work, tell).go())


async def describe_file(model: LanguageModel, recipe: CaptionRecipe, path: Path) -> list[dict[str, Any]]:
    """All texts about a whole video, as values of `captioner.COLUMNS`. Raises a VideoError."""
    with open_video(path) as video:
        span = np.array([[int(video.ticks[0]), int(video.ticks[-1]) + 1]], np.int64)
        work = Work("", path, video.facts.stream, span, "")
    reader = _Reader(work, recipe)
    try:
        return await describe(model, recipe, await asyncio.to_thread(reader.frames_of, 0))
    finally:
        reader.close()


class _Stage:
    def __init__(
        self,
        writer: Writer,
        model: LanguageModel,
        recipe: CaptionRecipe,
        work: Sequence[Work],
        tell: Callable[[int, int, str], None],
    ) -> None:
        self._writer, self._model, self._recipe, self._work, self._tell = writer, model, recipe, work, tell
        self._spec = spec_of(recipe, model.identity)
        self._total = sum(len(one.clips) for one in work)
        self._room = asyncio.Semaphore(AHEAD * recipe.at_once)
        self._made = Made()
        self._done = 0

    async def go(self) -> Made:
        self._writer.register(self._spec)
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()
        with ThreadPoolExecutor(DECODERS) as threads:
            try:
                for one in self._work:
                    if self._made.stopped:
                        break
                    reader = _Reader(one, self._recipe)
                    answers: list[asyncio.Task[list[dict[str, Any]]]] = []
                    problem: InternVideoError | None = None
                    for index in range(len(one.clips)):
                        await self._room.acquire()
                        try:
                            frames = await loop.run_in_executor(threads, reader.frames_of, index)
                        except InternVideoError as error:
                            self._room.release()
                            problem = error
                            break
                        answers.append(asyncio.create_task(self._described(frames)))
                    task = asyncio.create_task(self._finish(one, reader, answers, problem))
                    running.add(task)
                    for finished in [each for each in running if each.done()]:
                        running.discard(finished)
                        finished.result()
                await asyncio.gather(*running)
            finally:
                for task in running:
                    task.cancel()
                await self._model.close()
        return self._made

    async def _described(self, frames: Frames) -> list[dict[str, Any]]:
        try:
            return await describe(self._model, self._recipe, frames)
        finally:
            self._room.release()

    async def _finish(
        self,
        one: Work,
        reader: "_Reader",
        answers: Sequence[asyncio.Task[list[dict[str, Any]]]],
        problem: InternVideoError | None,
    ) -> None:
        """Commit the rows of one video, or why there are none."""
        found = await asyncio.gather(*answers, return_exceptions=True)
        reader.close()
        errors = [error for error in found if isinstance(error, BaseException)]
        for error in errors:
            if not isinstance(error, InternVideoError) or isinstance(error, EndpointRefuses):
                raise error
        problem = problem or next((e for e in errors if isinstance(e, InternVideoError)), None)
        if problem is None:
            try:
                rows = await self._rows(one, reader, [rows for rows in found if isinstance(rows, list)])
            except AnswerError as error:
                problem = error
        if problem is not None:
            self._made.fail(self._writer, self._spec, one.video, one.input, problem)
            return
        self._writer.commit(one.video, [Result(self._spec, one.input, rows)])
        self._made.down = 0
        self._made.videos += 1
        self._made.clips += len(one.clips)
        self._done += len(one.clips)
        self._tell(self._done, self._total, one.path.name)

    async def _rows(self, one: Work, reader: "_Reader", found: Sequence[list[dict[str, Any]]]) -> pa.Table:
        rows: list[dict[str, Any]] = []
        whole = await self._whole(one, reader, found) if "video" in self._recipe.scales else None
        for (start, end), texts in zip(one.clips.tolist(), found, strict=True):
            for item, text in enumerate([*texts, *([whole] if whole else [])]):
                key = {"video": one.video, "stream": one.stream, "start": start, "end": end, "item": item}
                rows.append({**key, **text})
        return pa.Table.from_pylist(rows, schema=self._spec.schema)

    async def _whole(
        self, one: Work, reader: "_Reader", found: Sequence[list[dict[str, Any]]]
    ) -> dict[str, Any] | None:
        """The caption of the whole video, from the first text of every clip; the tokens are counted once."""
        said = []
        for (start, _), texts in zip(reader.seconds, found, strict=True):
            text = next((row["text"] for row in texts if row["text"]), None)
            if text:
                said.append((start, text))
        return await merge(self._model, self._recipe, self._recipe.prompts.video, "video", said, one.video)


class _Reader:
    """Frames of the clips of one video, opened when the first one is asked for."""

    def __init__(self, work: Work, recipe: CaptionRecipe) -> None:
        self._work, self._recipe = work, recipe
        self._video: Video | None = None
        self.seconds: list[tuple[float, float]] = []

    def frames_of(self, index: int) -> Frames:
        """Raises a VideoError. Called by one thread at a time."""
        if self._video is None:
            self._video = open_video(self._work.path)
            base = self._video.time_base
            self.seconds = [(float(a * base), float(b * base)) for a, b in self._work.clips.tolist()]
        video, (start, end) = self._video, self.seconds[index]
        times = frame_times(start, end, self._recipe.fps, self._recipe.most_frames)
        low, high = (int(np.searchsorted(video.ticks, bound)) for bound in self._work.clips[index])
        tick = float(video.time_base)
        near = np.searchsorted(video.ticks, np.array([*times, (start + end) / 2]) / tick)
        wanted = [int(number) for number in np.clip(near, low, high - 1)]
        shape = short_side(video.facts.height, video.facts.width, self._recipe.size)
        pictures = video.frames(wanted, size=shape)
        seconds = [float(video.ticks[number]) * tick for number in wanted]
        return Frames(pictures[-1], seconds[-1], tuple(pictures[:-1]), tuple(seconds[:-1]), self._work.video)

    def close(self) -> None:
        if self._video is not None:
            self._video.close()
