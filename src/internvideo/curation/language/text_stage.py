"""Questions about texts that a dataset has already: asked side by side, committed video by video. Opens no video."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

from internvideo.curation.language.protocol import AnswerError, EndpointRefuses, LanguageModel
from internvideo.curation.language.stage import Made
from internvideo.store.results import Result
from internvideo.store.values import OperatorSpec
from internvideo.store.writer import Writer

T = TypeVar("T")
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class TextWork(Generic[T]):
    """A video that is to be asked about: `units` one by one. input: the hash of what they are made from."""

    video: str
    input: str
    units: Sequence[T]


def ask_about(
    writer: Writer,
    spec: OperatorSpec,
    model: LanguageModel,
    work: Sequence[TextWork[T]],
    answer: Callable[[TextWork[T], T], Awaitable[Rows]],
    *,
    at_once: int,
    tell: Callable[[int, int, str], None] = lambda *_: None,
) -> Made:
    """Have `answer` make the rows of every unit, values of `spec.schema`. tell(units done, of, video).

    at_once: units that wait for answers. Raises EndpointRefuses if nothing at all is answered; what was, is kept.
    """
    return asyncio.run(_all(writer, spec, model, work, answer, at_once, tell))


async def _all(
    writer: Writer,
    spec: OperatorSpec,
    model: LanguageModel,
    work: Sequence[TextWork[T]],
    answer: Callable[[TextWork[T], T], Awaitable[Rows]],
    at_once: int,
    tell: Callable[[int, int, str], None],
) -> Made:
    made, room = Made(), asyncio.Semaphore(at_once)
    total, done = sum(len(one.units) for one in work), 0

    async def about(one: TextWork[T], unit: T) -> Rows:
        async with room:
            return [] if made.stopped else await answer(one, unit)

    async def video(one: TextWork[T]) -> None:
        nonlocal done
        found = await asyncio.gather(*(about(one, unit) for unit in one.units), return_exceptions=True)
        errors = [error for error in found if isinstance(error, BaseException)]
        for error in errors:
            if not isinstance(error, AnswerError) or isinstance(error, EndpointRefuses):
                raise error
            made.fail(writer, spec, one.video, one.input, error)
        if errors or made.stopped:
            return
        rows = [row for rows in found if isinstance(rows, list) for row in rows]
        table = pa.Table.from_pylist(rows, schema=spec.schema)
        writer.commit(one.video, [Result(spec, one.input, table)])
        made.down = 0
        made.videos, made.clips, done = made.videos + 1, made.clips + len(one.units), done + len(one.units)
        tell(done, total, one.video[:12])

    tasks = [asyncio.create_task(video(one)) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await model.close()
    return made
