"""Answers to questions about one dataset, held in memory: vectors and words fused, neighbours merged, or nothing.

Networks are not known here: a question brings its vector. One engine may be asked from several threads.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from internvideo.errors import UsageError
from internvideo.records import EMBEDDING, Hit, Span
from internvideo.search.arrays import Arrays
from internvideo.search.calibration import ALIKE, CUT_OFF, curve_of
from internvideo.search.filters import Filters
from internvideo.search.moments import Moments
from internvideo.search.scan import GRAPH_PAYS, Bytes, Exact, Graph, Scan, codes_of, faiss_module, has_faiss
from internvideo.search.words import PHRASE, Words
from internvideo.store.dataset import Dataset
from internvideo.store.values import SPAN_KEY, OperatorSpec

POOL = 1_000  # moments that are looked at closely
ORDERED = 60  # of which the order of words is compared
COVERED = 0.5  # share of the shorter of two moments from which on they are one hit
NEIGHBOUR_SCORE = 0.8  # of a hit's score from which on a window that touches it is joined
SHORT_MERGE = 0.05  # seconds between windows that touch
GRAPH_FILE = "graph.faiss"


@dataclass(frozen=True, kw_only=True)
class Question:
    """text: words to look for. vector: (D,) float32, of the text or of an example. avoid: where the example comes from.

    cut_off: probability below which a moment is not shown. top: how many to show at most.
    """

    text: str = ""
    vector: np.ndarray | None = None
    example: bool = False
    filters: Filters = field(default_factory=Filters)
    top: int = 20
    cut_off: float = CUT_OFF
    avoid: tuple[str, Span] | None = None

    def __post_init__(self) -> None:
        if not self.text.strip() and self.vector is None:
            raise UsageError("nothing to search for", "give words, a picture, a clip, or --like VIDEO@SECONDS")
        if self.top < 1 or not 0 <= self.cut_off <= 1:
            raise UsageError(f"top {self.top} or cut-off {self.cut_off} makes no sense", "--top 20 --cut-off 0.5")


@dataclass(frozen=True)
class Answer:
    """hits: best first; none means that nothing in the dataset is relevant. nearest: what was below the cut-off.

    by: "vectors", "words" or both. calibrated: whether scores were measured for this network.
    """

    hits: tuple[Hit, ...]
    nearest: tuple[Hit, ...]
    by: tuple[str, ...]
    calibrated: bool
    moments: int
    seconds: float


class Engine:
    """spec: the embedding operator to search with; None for words alone. fast: take the extra `ann` if it is there."""

    def __init__(self, dataset: Dataset, spec: OperatorSpec | None = None, *, fast: bool = True) -> None:
        self.moments = Moments(dataset)
        self.words = Words(self.moments.texts(), len(self.moments))
        self.space = None
        if spec is None:
            return
        arrays = Arrays(dataset, spec)
        arrays.update()
        self.space = arrays.space
        parts = list(arrays.parts())
        self.exact = Exact([part.vectors for part in parts])
        keys = pa.concat_tables([SPAN_KEY.empty_table(), *(part.rows.select(SPAN_KEY.names) for part in parts)])
        self._place = self.moments.rows_of(keys)  # moment of each vector
        self._row = np.full(len(self.moments), -1, np.int64)  # vector of each moment
        known = self._place >= 0
        self._row[self._place[known]] = np.flatnonzero(known)
        usual, spread = ([part.rows[name].to_numpy() for part in parts] for name in ("usual", "spread"))
        self._usual = np.concatenate([np.empty(0, np.float32), *usual])
        self._spread = np.concatenate([np.empty(0, np.float32), *spread])
        self.scan: Scan = self.exact
        if fast and has_faiss() and len(self._place):
            graph = arrays.folder / GRAPH_FILE
            if len(self._place) >= GRAPH_PAYS and graph.is_file() and graph_is_fresh(arrays):
                self.scan = Graph(self.exact, faiss_module().read_index(str(graph)), arrays.coder)
            else:
                self.scan = Bytes(self.exact, codes_of(parts), arrays.coder)

    def search(self, ask: Question) -> Answer:
        """Raises UsageError for filters that the dataset does not know."""
        began = time.perf_counter()
        allowed = self._allowed(ask)
        rows, by_vector, by_words, cosine = self._candidates(ask, allowed)
        score = 1 - (1 - by_vector) * (1 - by_words)
        order = np.lexsort((self.moments.start[rows], ~self.moments.is_shot[rows], -np.round(score, 3)))
        found = self._merged(rows[order], score[order], ask.top)
        hits = [self._hit(ask, rows, cosine, row, span, value) for row, span, value in found]
        relevant = tuple(hit for hit in hits if hit.score >= ask.cut_off)
        by = [name for name, used in (("vectors", ask.vector is not None), ("words", bool(ask.text))) if used]
        calibrated = ask.vector is None or (not ask.example and curve_of(self._model).measured)
        return Answer(
            relevant,
            tuple(hit for hit in hits if hit.score < ask.cut_off),
            tuple(by),
            calibrated,
            len(self.moments) if allowed is None else int(allowed.sum()),
            time.perf_counter() - began,
        )

    def timeline(self, ask: Question, video: str) -> list[tuple[Span, float]]:
        """Every moment of one video with its score, in order of time."""
        rows = self.moments.of_video(video)
        by_vector, by_words = np.zeros(len(rows)), np.zeros(len(rows))
        if ask.vector is not None:
            vectors = self._row[rows]
            known = vectors >= 0
            cosine = self.exact.exact(ask.vector, vectors[known])
            by_vector[known] = self._probability(ask, vectors[known], cosine)
        if ask.text:
            found = self.words.ask(ask.text)
            by_words = np.isin(rows, found.rows) * np.interp(rows, found.rows, found.scores**2, 0, 0)
        score = 1 - (1 - by_vector) * (1 - by_words)
        return [(self.moments.span(row), float(value)) for row, value in zip(rows, score, strict=True)]

    def moment_at(self, video: str, span: Span) -> int:
        """The moment that is most like a stretch of a video, among those with a vector. Raises UsageError for none."""
        rows = [int(row) for row in self.moments.of_video(video) if self.space is None or self.has_vector(row)]
        if not rows:
            raise UsageError(f"no moment of `{video[:12]}` is indexed", "`internvideo index` brings it up to date")

        def share(row: int) -> float:
            own = self.moments.span(row)
            shared = own.overlap(span)
            return shared / (own.seconds + span.seconds - shared)

        return max(rows, key=share)

    def has_vector(self, row: int) -> bool:
        return self.space is not None and bool(self._row[row] >= 0)

    def vector_of(self, row: int) -> np.ndarray:
        """(D,) float32 of a moment that has one."""
        return self.exact.vector(int(self._row[row]))

    # Inside

    @property
    def _model(self) -> str:
        return self.space.model if self.space is not None else ""

    def _allowed(self, ask: Question) -> np.ndarray | None:
        """(N,) bool moments, None for all."""
        allowed = ask.filters.allowed(self.moments)
        if self.moments.hidden.any():
            allowed = ~self.moments.hidden if allowed is None else allowed & ~self.moments.hidden
        if ask.avoid is not None:
            video, span = ask.avoid
            allowed = np.ones(len(self.moments), bool) if allowed is None else allowed
            for row in self.moments.of_video(video):
                own = self.moments.span(row)
                allowed[row] &= own.overlap(span) < COVERED * min(own.seconds, span.seconds)
        return allowed

    def _candidates(
        self, ask: Question, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(n,) moments; how likely each is by its vector and by its words; its cosine, NaN where it is not known."""
        pool = max(POOL, 20 * ask.top)
        vectors, cosine = np.empty(0, np.int64), np.empty(0, np.float32)
        if ask.vector is not None and len(self._place):
            known = self._place >= 0
            may = known if allowed is None else known & allowed[self._place]
            vectors, cosine = self.scan.best(ask.vector, min(pool, len(known)), None if may.all() else may)
        of_vectors = self._place[vectors] if len(vectors) else vectors
        worded, scores = np.empty(0, np.int64), np.empty(0)
        if ask.text:
            worded, scores = self._worded(ask.text, allowed, pool)
        rows = np.union1d(of_vectors, worded)
        by_vector, by_words = np.zeros(len(rows)), np.zeros(len(rows))
        cosines = np.full(len(rows), np.nan)
        at = np.searchsorted(rows, of_vectors)
        cosines[at] = cosine
        by_vector[at] = self._probability(ask, vectors, cosine) if len(vectors) else 0.0
        by_words[np.searchsorted(rows, worded)] = scores
        return rows, by_vector, by_words, cosines

    def _worded(self, text: str, allowed: np.ndarray | None, pool: int) -> tuple[np.ndarray, np.ndarray]:
        """Moments with words of the query, the best `pool`, and how likely each is."""
        found = self.words.ask(text)
        rows, scores = found.rows, found.scores**2
        if allowed is not None:
            rows, scores = rows[allowed[rows]], scores[allowed[rows]]
        best = np.argsort(-scores, kind="stable")[:pool]
        rows, scores = rows[best], scores[best]
        for place, row in enumerate(rows[:ORDERED]):
            scores[place] *= 1 - PHRASE + PHRASE * self.words.order(text, int(row))
        scores[ORDERED:] *= 1 - PHRASE
        return rows, scores

    def _probability(self, ask: Question, vectors: np.ndarray, cosine: np.ndarray) -> np.ndarray:
        if ask.example:
            usual = np.full(len(cosine), self._alike)
            return ALIKE.probability(cosine, usual, 1 - usual)
        spread = self._spread[vectors]
        likely = curve_of(self._model).probability(cosine, self._usual[vectors], spread)
        return np.where(spread > 0, likely, 0.0)  # without knowing what is usual, a cosine tells nothing

    @cached_property
    def _alike(self) -> float:
        """Mean cosine of two moments of this dataset, drawn by chance."""
        rng = np.random.default_rng(0)
        chosen = rng.choice(len(self._place), min(512, len(self._place)), replace=False)
        vectors = np.array([self.exact.vector(int(row)) for row in chosen])
        pairs = (vectors @ vectors.T)[np.triu_indices(len(chosen), 1)]
        return min(0.9, float(pairs.mean())) if len(pairs) else 0.5

    def _merged(self, rows: np.ndarray, scores: np.ndarray, top: int) -> list[tuple[int, Span, float]]:
        """Of moments, best first: those that others cover are left out, windows that touch a like one are joined."""
        found: list[tuple[int, Span, float]] = []
        of_video: dict[int, list[int]] = {}
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
            if score <= 0:
                break
            mine = of_video.get(video := int(self.moments.video[row]), [])
            if not mine and len(found) >= top:
                continue
            span = self.moments.span(row)
            if any(found[at][1].overlap(span) >= COVERED * min(found[at][1].seconds, span.seconds) for at in mine):
                continue
            joined = next((at for at in mine if self._touches(found[at], row, span, score)), None)
            if joined is not None:
                best, wide, value = found[joined]
                found[joined] = best, Span(min(wide.start, span.start), max(wide.end, span.end)), value
            elif len(found) < top:
                of_video.setdefault(video, []).append(len(found))
                found.append((row, span, score))
        return sorted(found, key=lambda hit: -hit[2])

    def _touches(self, hit: tuple[int, Span, float], row: int, span: Span, score: float) -> bool:
        """Windows within a shot go together; a cut parts them."""
        row_of_hit, wide, value = hit
        if self.moments.is_shot[row] or self.moments.is_shot[row_of_hit] or score < NEIGHBOUR_SCORE * value:
            return False
        return span.start <= wide.end + SHORT_MERGE and wide.start <= span.end + SHORT_MERGE

    def _hit(self, ask: Question, rows: np.ndarray, cosine: np.ndarray, row: int, span: Span, score: float) -> Hit:
        facts = self.moments.facts(row)
        why: dict[str, object] = {}
        value = cosine[np.searchsorted(rows, row)]
        if not np.isnan(value):
            why["cosine"] = round(float(value), 4)
        text, words = self.words.best(ask.text, row)
        why |= {"words": words, "text": text}
        return Hit(self.moments.clip(row), span, float(score), facts.name, facts.path, why)


def build_graph(engine: Engine, dataset: Dataset, spec: OperatorSpec) -> Graph:
    """The approximate index, kept beside the arrays. Raises MissingExtra without the extra `ann`."""
    arrays = Arrays(dataset, spec)
    parts = [part.vectors for part in arrays.parts()]
    graph = Graph.build(engine.exact, parts, arrays.coder, arrays.folder / GRAPH_FILE)
    engine.scan = graph
    return graph


def graph_is_fresh(arrays: Arrays) -> bool:
    """Whether no part is newer than the graph."""
    made = (arrays.folder / GRAPH_FILE).stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= made for path in arrays.folder.glob("*.rows.parquet"))


def spaces_of(dataset: Dataset) -> Sequence[OperatorSpec]:
    """The embedding operators of a dataset, the one added last first."""
    specs = [spec for name, spec in dataset.operators().items() if name.startswith(EMBEDDING)]

    def made(spec: OperatorSpec) -> tuple[int, str]:
        return (dataset.path / "values" / spec.name / spec.key / "operator.toml").stat().st_mtime_ns, spec.name

    return sorted(specs, key=made, reverse=True)
