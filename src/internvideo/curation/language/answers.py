"""Answers that were paid for, kept by request: on disk before they are used, and never asked for again."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from internvideo.curation.language.protocol import Answer, Budget, LanguageModel, Request
from internvideo.store.faults import told

_COLUMNS = "text, finish, prompt_tokens, answer_tokens, told"


class AnswerStore:
    """A file of answers. A context manager; used by one process at a time (that of the dataset's writer)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with told("open", path):
            self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, model TEXT NOT NULL, text TEXT,"
            " finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL, told TEXT NOT NULL,"
            " about TEXT NOT NULL)"
        )

    def __enter__(self) -> "AnswerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def find(self, key: str) -> Answer | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM answers WHERE key = ?", (key,)).fetchone()
        return Answer(*row) if row else None

    def keep(self, key: str, model: str, answer: Answer, about: str = "") -> None:
        """On disk when this returns. about: the video that was asked about, if it was one."""
        row = (answer.text, answer.finish, answer.prompt_tokens, answer.answer_tokens, answer.model, about)
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (key, model, *row))

    def forget(self, videos: Sequence[str]) -> None:
        """Take out all that was said about these videos."""
        self._db.executemany("DELETE FROM answers WHERE about = ?", [(video,) for video in videos])
        self._db.execute("VACUUM")

    def of_model(self, model: str) -> Iterator[Answer]:
        """All answers of one model: what has been spent on it."""
        for row in self._db.execute(f"SELECT {_COLUMNS} FROM answers WHERE model = ?", (model,)):
            yield Answer(*row)

    def charge(self, budget: Budget, model: str) -> None:
        """Count what earlier runs spent on a model."""
        for answer in self.of_model(model):
            budget.spend(answer)


class Remembering:
    """A model whose answers are kept: equal requests are asked once, also of two that run at the same time."""

    def __init__(self, model: LanguageModel, store: AnswerStore) -> None:
        self._model, self._store = model, store
        self._asking: dict[str, list[asyncio.Event]] = {}
        self.asked = self.found = 0

    @property
    def identity(self) -> str:
        return self._model.identity

    async def ask(self, request: Request) -> Answer:
        key = request.key(self.identity)
        while key in self._asking:
            event = asyncio.Event()
            self._asking[key].append(event)
            await event.wait()
        if (known := self._store.find(key)) is not None:
            self.found += 1
            return known
        with self._only(key):
            answer = await self._model.ask(request)
            self._store.keep(key, self.identity, answer, request.about)
        self.asked += 1
        return answer

    async def close(self) -> None:
        await self._model.close()

    @contextmanager
    def _only(self, key: str) -> Iterator[None]:
        waiting: list[asyncio.Event] = []
        self._asking[key] = waiting
        try:
            yield
        finally:
            del self._asking[key]
            for event in waiting:
                event.set()
