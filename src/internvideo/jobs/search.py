"""Search in a dataset: words, a picture, a clip or a moment in; moments out, or the honest word that there are none."""

import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from internvideo.errors import InternVideoError, UsageError, pick
from internvideo.jobs.embedder import LABORATORY, Asker, load, read_picture
from internvideo.jobs.index import how_to_get_vectors, laboratory_notice
from internvideo.jobs.talk import columns, note
from internvideo.records import Hit, Space, Span
from internvideo.search.arrays import Arrays, space_of
from internvideo.search.calibration import CUT_OFF
from internvideo.search.cutlist import CUT_LISTS
from internvideo.search.engine import Answer, Engine, Question, spaces_of
from internvideo.search.filters import Filters
from internvideo.store.dataset import Dataset

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
WORLD = ".moving-shapes.json"  # lies in folders of the small world that the laboratory model was trained for
Folder = str | os.PathLike[str]
Example = str | os.PathLike[str] | np.ndarray


class Searcher:
    """A dataset that is asked again and again. The network is loaded when a question first needs it.

    model: which of several indexes; by default the one made last. translate: makes English of a query.
    Raises StoreError where there is no dataset, UsageError where it is not indexed with `model`.
    """

    def __init__(
        self,
        dataset: Folder,
        *,
        model: str | None = None,
        weights: str | None = None,
        device: str | None = None,
        translate: Callable[[str], str] | None = None,
    ) -> None:
        self.dataset = Dataset(dataset)
        self._weights, self._device, self._translate = weights, device, translate
        specs = spaces_of(self.dataset)
        if model is not None:
            specs = [pick({space_of(spec).model: spec for spec in reversed(specs)}, model, "index")]
        self.spec = specs[0] if specs else None
        self.notes: list[str] = []  # what a person should know of the answers
        self._prepare()
        self.engine = Engine(self.dataset, self.spec)

    def _prepare(self) -> None:
        """Search arrays can be gone (`dataset forget` removes them): making them needs the network once."""
        if self.spec is not None and not (arrays := Arrays(self.dataset, self.spec)).knows_usual:
            with contextlib.suppress(InternVideoError):
                arrays.update(self.asker.unrelated)

    @property
    def space(self) -> Space | None:
        return space_of(self.spec) if self.spec is not None else None

    @cached_property
    def asker(self) -> Asker:
        """Raises InternVideoError where there is no index or its network is not here."""
        if self.space is None:
            raise InternVideoError(
                "this dataset has no vectors, so examples cannot be looked for",
                "`internvideo index FOLDER --out DATASET --model M` makes them",
            )
        return Asker(load(self.space, self._weights, self._device), self._translate)

    @cached_property
    def understands_text(self) -> bool:
        """Whether vectors of texts mean something here; if not, `notes` say why."""
        if self.space is None:
            self.notes.append(f"found by words alone: the dataset has no vectors; {how_to_get_vectors()}")
            return False
        if self.space.model == LABORATORY and not self._is_world():
            self.notes.append(laboratory_notice())
            return False
        try:
            return bool(self.asker)
        except InternVideoError as error:
            self.notes.append(f"found by words alone: {error.problem}; {error.hint}")
            return False

    def question(
        self,
        text: str = "",
        *,
        example: Example | None = None,
        like: str | tuple[str, Span] | None = None,
        filters: Filters | None = None,
        top: int = 20,
        cut_off: float = CUT_OFF,
    ) -> Question:
        """example: a picture (path or (H, W, 3) uint8) or a video. like: PATH@SECONDS, or a video and a stretch of it.

        Raises UsageError for what is not understood, InternVideoError where a network is needed and not here.
        """
        vector, avoid = None, None
        if like is not None:
            vector, avoid = self._like(like)
        elif example is not None:
            vector = self._example(example)
        elif text.strip() and self.understands_text:
            vector = self.asker.text(text)
        return Question(
            text=text,
            vector=vector,
            example=like is not None or example is not None,
            filters=filters or Filters(),
            top=top,
            cut_off=cut_off,
            avoid=avoid,
        )

    def _like(self, like: str | tuple[str, Span]) -> tuple[np.ndarray, tuple[str, Span]]:
        """Stored vectors need no network; a stretch that is no moment is embedded if the network is here."""
        if self.space is None:
            return self.asker.picture(np.zeros((1, 1, 3))), ("", Span(0, 1))  # says what is missing
        if isinstance(like, str):
            meant = self.dataset.find(like)
            if meant.clip is None and meant.seconds is None:
                raise UsageError(f"`{like}` names no moment", "write VIDEO@SECONDS, such as film.mp4@12.5, or a clip")
            seconds = meant.seconds or 0.0
            base = next((one.time_base for one in self.engine.moments.videos if one.video == meant.video), None)
            exact = meant.clip.span(base) if meant.clip is not None and base is not None else None
            video, span = meant.video, exact or Span(seconds - 1e-3, seconds + 1e-3)
        else:
            video, span = like
            exact = span
        row = self.engine.moment_at(video, span)
        near = self.engine.moments.span(row)
        facts = self.engine.moments.facts(row)
        shared = near.overlap(span) / (near.seconds + span.seconds - near.overlap(span))
        if exact is None or shared > 0.5 or facts.path is None:
            return self.engine.vector_of(row), (video, near)
        try:
            return self.asker.stretch(facts.path, span), (video, span)
        except InternVideoError:
            return self.engine.vector_of(row), (video, near)

    def _example(self, example: Example) -> np.ndarray:
        if isinstance(example, np.ndarray):
            return self.asker.picture(example)
        path = Path(example)
        if path.suffix.lower() in PICTURES:
            try:
                return self.asker.picture(read_picture(path.read_bytes()))
            except OSError as error:
                raise UsageError(f"`{path}` cannot be read ({error.strerror})", "check the path") from error
        return self.asker.stretch(path)

    def search(self, ask: Question) -> Answer:
        return self.engine.search(ask)

    def _is_world(self) -> bool:
        roots = {one.root for one in self.engine.moments.videos}
        return bool(roots) and all((root / WORLD).is_file() for root in roots)

    def rates(self, video: str) -> float:
        """Frames per second of a video."""
        return next((one.fps for one in self.engine.moments.videos if one.video == video), 25.0)


def search(
    dataset: Folder,
    query: str | os.PathLike[str] | np.ndarray = "",
    *,
    like: str | None = None,
    filters: Filters | None = None,
    top: int = 20,
    cut_off: float = CUT_OFF,
    model: str | None = None,
    translate: Callable[[str], str] | None = None,
) -> list[Hit]:
    """Moments of a dataset that show what is asked for, best first; an empty list if nothing is relevant.

    query: words; or a picture, an array (H, W, 3) uint8, or a video file. like: a moment, PATH@SECONDS. For many
    questions, `jobs.search.Searcher` keeps the index and the network.

    >>> search("my-dataset", "a dog catches a frisbee")  # doctest: +SKIP
    [Hit(clip=..., span=Span(start=12.0, end=16.0), score=0.93, ...)]
    """
    searcher = Searcher(dataset, model=model, translate=translate)
    text, example = split_query(query)
    ask = searcher.question(text, example=example, like=like, filters=filters, top=top, cut_off=cut_off)
    return list(searcher.search(ask).hits)


def split_query(query: str | os.PathLike[str] | np.ndarray) -> tuple[str, Example | None]:
    """(text, "") or ("", example): a string that names a file is that file."""
    if not isinstance(query, str):
        return "", query
    try:
        is_file = len(query) < 1024 and Path(query).is_file()
    except (OSError, ValueError):
        is_file = False
    return ("", query) if is_file else (query, None)


def run_search(
    dataset: str,
    query: str,
    *,
    like: str | None,
    filters: Filters,
    top: int,
    cut_off: float,
    model: str | None,
    weights: str | None,
    device: str | None,
    translate: str | None,
    export: str | None,
    nearest: bool,
    as_json: bool,
) -> int:
    """`internvideo search`. Returns the exit code: 0 also where nothing is relevant."""
    hook = None if translate is None else command_hook(translate)
    searcher = Searcher(dataset, model=model, weights=weights, device=device, translate=hook)
    text, example = split_query(query)
    ask = searcher.question(text, example=example, like=like, filters=filters, top=top, cut_off=cut_off)
    answer = searcher.search(ask)
    for line in searcher.notes:
        note(line)
    hits = [*answer.hits, *(answer.nearest if nearest else ())]
    if export is not None:
        print(pick(CUT_LISTS, export, "cut list")[1](hits, searcher.rates), end="")
    elif as_json:
        print(json.dumps(answer_row(answer, nearest=nearest), ensure_ascii=False))
    else:
        print(say_answer(answer, nearest=nearest))
    return 0


def answer_row(answer: Answer, *, nearest: bool = False) -> dict[str, object]:
    """For JSON."""
    found: dict[str, object] = {
        "relevant": bool(answer.hits),
        "hits": [hit.as_row() for hit in answer.hits],
        "by": list(answer.by),
        "calibrated": answer.calibrated,
        "moments": answer.moments,
        "seconds": round(answer.seconds, 6),
    }
    return {**found, "nearest": [hit.as_row() for hit in answer.nearest]} if nearest else found


def say_answer(answer: Answer, *, nearest: bool = False) -> str:
    """For people: a line per hit."""
    lines = [_table(answer.hits)] if answer.hits else [f"nothing relevant among {answer.moments:,} moments"]
    if answer.nearest and (nearest or not answer.hits):
        shown = answer.nearest if nearest else answer.nearest[:3]
        lines += ["", "nearest, below the cut-off:", _table(shown)]
    return "\n".join(lines)


def _table(hits: Sequence[Hit]) -> str:
    rows = [
        (f"{hit.score:.0%}", clock(hit.span.start), "-", clock(hit.span.end), hit.name, _because(hit)) for hit in hits
    ]
    return columns(rows, right=(0, 1, 3))


def _because(hit: Hit) -> str:
    parts = [f"cosine {hit.why['cosine']:.2f}"] if "cosine" in hit.why else []
    parts += [f"words {', '.join(hit.why['words'])}"] if hit.why.get("words") else []
    text = str(hit.why.get("text", ""))
    parts += [f"“{text[:60]}{'…' if len(text) > 60 else ''}”"] if text else []
    return "; ".join(parts)


def clock(seconds: float) -> str:
    """
    >>> clock(3725.24), clock(9.0)
    ('1:02:05.2', '0:09.0')
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(abs(tenths), 600)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if tenths < 0 else ""
    return f"{sign}{hours}:{minutes:02d}:{rest / 10:04.1f}" if hours else f"{sign}{minutes}:{rest / 10:04.1f}"


def command_hook(command: str) -> Callable[[str], str]:
    """A program that reads a query from its standard input and writes it in English."""

    def translate(query: str) -> str:
        try:
            done = subprocess.run(
                shlex.split(command), input=query, capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise UsageError(f"the translation command failed: {error}", "it reads stdin and writes English") from error
        return done.stdout.strip() or query

    return translate
