"""What a server does: one dataset in memory, kept fresh, its pictures, uploads and background work. Knows no HTTP."""

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from internvideo import __version__
from internvideo.curation.run import Progress
from internvideo.curation.scan import SUFFIXES
from internvideo.errors import InternVideoError, UsageError
from internvideo.jobs.browse import Browser
from internvideo.jobs.embedder import LABORATORY, read_picture
from internvideo.jobs.media import Media, facts_of
from internvideo.jobs.search import PICTURES, Searcher
from internvideo.jobs.tasks import Task, Tasks
from internvideo.records import Span
from internvideo.search.engine import Question
from internvideo.search.filters import Filters
from internvideo.search.moments import VideoFacts
from internvideo.store.dataset import Dataset

UPLOADS = "uploads"  # folder beside the dataset that receives files
FRESH_SECONDS = 1.0  # between two looks at whether the dataset has changed
MOST_LABELS = 100
SAFE_NAME = re.compile(r"[^\w .()\[\]-]+")


class Service:
    """May be called from several threads. model, weights, device: as in `Searcher`."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        model: str | None = None,
        weights: str | None = None,
        device: str | None = None,
        upload_bytes: int = 2 << 30,
    ) -> None:
        self.dataset = Dataset(folder)
        self.upload_bytes = upload_bytes
        self._how: dict[str, Any] = {"model": model, "weights": weights, "device": device}
        self.media = Media(self.dataset.path / "cache")
        self.tasks = Tasks()
        self._lock, self._encoding = threading.RLock(), threading.Lock()
        self._looked, self._state = 0.0, self._now()
        self._searcher = Searcher(self.dataset.path, **self._how)
        self._browsers: dict[str | None, Browser] = {}
        self._vector_of_text = lru_cache(1024)(self._text_vector)

    # What is in memory follows the dataset

    @property
    def searcher(self) -> Searcher:
        """The index as it is now. It is read again beside the old one, which answers until then."""
        if time.monotonic() - self._looked > FRESH_SECONDS and self._lock.acquire(blocking=False):
            try:
                self._looked = time.monotonic()
                self._searcher.engine.moments.withhold(self.dataset.withheld())
                if (state := self._now()) != self._state:
                    self._state = state
                    threading.Thread(target=self._read_again, daemon=True).start()
            finally:
                self._lock.release()
        return self._searcher

    def _read_again(self) -> None:
        with contextlib.suppress(InternVideoError):  # half-written: the next look sees it whole
            fresh = Searcher(self.dataset.path, **self._how)
            if fresh.space == self._searcher.space and "asker" in vars(self._searcher):
                fresh.asker = self._searcher.asker  # the network stays loaded
            self._vector_of_text.cache_clear()
            self._searcher = fresh
            self._browsers = {}

    def _now(self) -> list[tuple[str, int]]:
        """What changes when a run has ended, a view was made or a video was withheld."""
        root = self.dataset.path
        places = [root / "dataset.toml", root / "runs", root / "views", *root.glob("index/*/index.toml")]
        return [(str(place), place.stat().st_mtime_ns) for place in places if place.exists()]

    def browser(self, view: str | None = None) -> Browser:
        """The dataset as the page browses it."""
        _ = self.searcher
        with self._lock:
            if view not in self._browsers:
                self._browsers[view] = Browser(self.dataset, view)
            return self._browsers[view]

    # Questions

    def status(self) -> dict[str, Any]:
        """What there is, for the head of the page."""
        searcher = self.searcher
        space = searcher.space
        return {
            "name": self.dataset.path.resolve().name,
            "version": __version__,
            "videos": len(self._playable()),
            "moments": len(searcher.engine.moments),
            "model": space.model if space else None,
            "weights": space.weights if space else None,
            "fingerprint": searcher.spec.fingerprint if searcher.spec else None,
            "dimension": space.dimension if space else None,
            "laboratory": bool(space and space.model == LABORATORY),
            "understands_text": searcher.understands_text,
            "notes": searcher.notes,
        }

    def question(
        self,
        text: str = "",
        *,
        like: tuple[str, Span] | str | None = None,
        picture: bytes | None = None,
        clip: Path | None = None,
        filters: Filters | None = None,
        top: int = 24,
        cut_off: float = 0.5,
    ) -> Question:
        """Raises UsageError or InternVideoError, see `Searcher.question`."""
        searcher = self.searcher
        if like is not None or picture is not None or clip is not None:
            example = read_picture(picture) if picture is not None else clip
            with self._encoding:
                return searcher.question(text, like=like, example=example, filters=filters, top=top, cut_off=cut_off)
        vector = self._vector_of_text(searcher, text) if text.strip() and searcher.understands_text else None
        return Question(text=text, vector=vector, filters=filters or Filters(), top=top, cut_off=cut_off)

    def _text_vector(self, searcher: Searcher, text: str) -> np.ndarray:
        with self._encoding:  # networks share the cores: one after the other is as fast as side by side
            return searcher.asker.text(text)

    def features(self, text: str = "", video: str = "", span: Span | None = None) -> dict[str, Any]:
        """The vector of words or of a stretch of a video, with the name of its space."""
        searcher = self.searcher
        if video:
            facts = facts_of(searcher.engine.moments, video)
            with self._encoding:
                vector = searcher.asker.stretch(self.media.file_of(facts), span)
        elif text.strip():
            vector = self._text_vector(searcher, text)
        else:
            raise UsageError("nothing to embed", "give `text`, or `video` with `start` and `end`")
        space = searcher.space
        assert space is not None and searcher.spec is not None  # the asker has said so
        return {"model": space.model, "fingerprint": searcher.spec.fingerprint, "vector": vector.tolist()}

    def classify(self, video: str, labels: Sequence[str], seconds: float | None) -> dict[str, Any]:
        """What a video shows among labels of one's own, as a whole and for each stretch of `seconds`."""
        from internvideo.curation.scan import scan
        from internvideo.jobs.classify import Question as Labels
        from internvideo.jobs.classify import each_answer

        if not 2 <= len(labels) <= MOST_LABELS:
            raise UsageError(f"{len(labels)} labels", f"give 2 to {MOST_LABELS}")
        searcher = self.searcher
        path = self.media.file_of(facts_of(searcher.engine.moments, video))
        with self._encoding:
            (answer,) = each_answer(list(scan([path])), Labels(searcher.asker.model, list(labels)), seconds)
        if answer.problem is not None:
            raise answer.problem
        return {"labels": list(answer.labels), **answer.as_row(len(answer.labels))}

    def videos(self) -> list[dict[str, Any]]:
        """All videos that are there, in order of their names."""
        names = ("video", "name", "seconds", "width", "height", "title", "licence", "language")
        found = [{**{name: getattr(one, name) for name in names}, "moments": count} for one, count in self._playable()]
        return sorted(found, key=lambda row: str(row["name"]))

    def _playable(self) -> list[tuple[VideoFacts, int]]:
        """Videos with a file in which moments were found, and how many."""
        moments = self.searcher.engine.moments
        counts = np.bincount(moments.video[moments.video >= 0], minlength=len(moments.videos)).tolist()
        both = zip(moments.videos, counts, strict=True)
        return [(one, count) for one, count in both if one.path is not None and count]

    def models(self) -> dict[str, Any]:
        """Networks and licences, and which one answers here."""
        space = self.searcher.space
        return {**_networks(), "answering": space.model if space else None}

    # Work in the background

    def roots(self) -> list[Path]:
        """The folders that the dataset was made from, with the one for uploads."""
        roots = {one.root for one in self.searcher.engine.moments.videos if one.path is not None}
        uploads = self.uploads
        return sorted({*roots, *([uploads] if uploads.is_dir() else [])})

    @property
    def uploads(self) -> Path:
        return self.dataset.path.parent / f"{self.dataset.path.name}-{UPLOADS}"

    def index_again(self) -> Task:
        """Look through the dataset's folders for what is new, changed or gone."""
        from internvideo.jobs.index import index

        roots = [root for root in self.roots() if root.is_dir()]

        def work(tell: Any) -> str:
            def listen(progress: Progress) -> None:
                tell(progress.done + progress.failed_due, progress.due, progress.last or progress.phase)

            found = index(roots, self.dataset.path, listen=listen, quiet=True, **_only(self._how, "weights", "device"))
            return f"{found.summary.done_now} units of work, {found.summary.videos} videos, {found.vectors} moments"

        return self.tasks.start(f"index {', '.join(root.name for root in roots)}", work)

    @contextlib.contextmanager
    def receiving(self, name: str) -> Iterator[tuple[BinaryIO, Path]]:
        """A file to write an upload to, and where it will lie when the block ends without an error.

        Raises UsageError for a name that is not a video's.
        """
        said = Path(SAFE_NAME.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(". "))
        stem, suffix = said.stem, said.suffix
        if suffix.lower().encode() not in SUFFIXES or not stem:
            raise UsageError(f"`{name[:80]}` has not the name of a video", "such as film.mp4")
        folder = self.uploads
        folder.mkdir(exist_ok=True)
        place = folder / f"{stem[:100]}{suffix.lower()}"
        for number in range(2, 1000):
            if not place.exists():
                break
            place = folder / f"{stem[:100]} ({number}){suffix.lower()}"
        part = folder / f".{place.name}.{threading.get_ident()}.part"
        try:
            with part.open("xb") as file:
                yield file, place
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)


@cache
def _networks() -> dict[str, Any]:
    """All of them are built without weights to count their parameters: done once."""
    from internvideo.jobs.models import list_models

    return list_models()


def is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in PICTURES


def _only(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: values[name] for name in names}
