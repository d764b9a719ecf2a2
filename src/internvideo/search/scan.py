"""The best rows for a query vector: exact over mapped float16, or bytes first and exact for the best of them.

Both give the true score of every row that they give. `Exact` gives the true best; `Bytes` (extra `ann`) reads half as
much and may miss one in a hundred; `Graph` (extra `ann`) reads a few thousand rows, however many there are.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from internvideo.errors import MissingExtra
from internvideo.search.arrays import Coder, Part

REFINE = 10  # rows of which the exact score is looked up, per row wanted
GRAPH_LINKS, GRAPH_BUILD, GRAPH_REFINE = 32, 120, 3
GRAPH_LOOKS = (32, 48, 64, 96, 128, 192, 256, 384, 512)  # rows kept in sight while links are followed
GRAPH_RECALL, GRAPH_TRIED, TOP = 0.995, 128, 10  # of the best ten: what is enough, and on how many queries it is tried
GRAPH_PAYS = 300_000  # vectors from which on a graph is worth its memory and its time to build
Best = tuple[np.ndarray, np.ndarray]  # (n,) int64 rows and (n,) float32 scores, best first


class Scan(Protocol):
    """rows are counted through all parts."""

    def best(self, query: np.ndarray, count: int, allowed: np.ndarray | None = None) -> Best:
        """query: (D,) float32, unit length. allowed: (N,) bool; None for all."""
        ...


class Exact:
    """Every vector, in blocks, by the half-precision product of torch; near the border the product is done again.

    The error of that product is measured here on the vectors themselves, so the answer is exact on every machine.
    """

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        import torch

        self._torch = torch
        self._parts = [part for part in parts if len(part)]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self._error = self._measured_error()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def best(self, query: np.ndarray, count: int, allowed: np.ndarray | None = None) -> Best:
        scores = self.scores(query)
        if allowed is not None:
            scores[~allowed] = -np.inf
        border = _border(scores, count) - 2 * self._error
        rows = np.flatnonzero(scores >= max(border, -2.0))
        return _first(rows, self.exact(query, rows), count)

    def scores(self, query: np.ndarray) -> np.ndarray:
        """(N,) float32, all rows, right to three digits."""
        torch = self._torch
        half = torch.from_numpy(query.astype(np.float16))
        found = [torch.mv(torch.from_numpy(part), half).float().numpy() for part in self._parts]
        return np.concatenate([np.empty(0, np.float32), *found])

    def exact(self, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) float32: the scores of some rows."""
        found = np.empty(len(rows), np.float32)
        owner = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(owner):
            mine = owner == number
            vectors = self._parts[number][rows[mine] - self._starts[number]]
            found[mine] = vectors.astype(np.float32) @ query
        return found

    def vector(self, row: int) -> np.ndarray:
        """(D,) float32."""
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return np.asarray(self._parts[number][row - self._starts[number]], np.float32)

    def _measured_error(self) -> float:
        error = 0.0
        for part in self._parts[:1]:
            few = np.ascontiguousarray(part[:512])
            query = few[0].astype(np.float32)
            half = self._torch.mv(self._torch.from_numpy(few), self._torch.from_numpy(few[0])).float().numpy()
            error = float(np.abs(half - few.astype(np.float32) @ query).max())
        return 4 * error + 2**-10


class Bytes:
    """One byte per number, scanned by faiss; the exact score decides among the best."""

    def __init__(self, exact: Exact, parts: Sequence[np.ndarray], coder: Coder) -> None:
        faiss = faiss_module()
        self._exact, self._coder = exact, coder
        quantizer = faiss.ScalarQuantizer.QT_8bit_direct_signed
        self._index = faiss.IndexScalarQuantizer(len(coder.step), quantizer, faiss.METRIC_INNER_PRODUCT)
        for part in parts:
            if len(part):
                self._index.add_sa_codes(np.ascontiguousarray(part))

    def best(self, query: np.ndarray, count: int, allowed: np.ndarray | None = None) -> Best:
        rows = _ask(self._index, query * self._coder.step, count * REFINE, allowed)
        return _first(rows, self._exact.exact(query, rows), count)


class Graph:
    """Faiss' HNSW graph over bytes; the exact score decides among the best.

    Few allowed rows are hard to find by links: then everything is scanned.
    """

    def __init__(self, exact: Exact, index: Any, coder: Coder) -> None:
        self._exact, self._index, self._coder = exact, index, coder

    @classmethod
    def build(cls, exact: Exact, parts: Sequence[np.ndarray], coder: Coder, path: Path) -> "Graph":
        """Make it (minutes for a million vectors) and keep it at `path`."""
        faiss = faiss_module()
        quantizer = faiss.ScalarQuantizer.QT_8bit_direct_signed
        index = faiss.IndexHNSWSQ(len(coder.step), quantizer, GRAPH_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = GRAPH_BUILD
        index.is_trained = True
        for part in parts:
            for start in range(0, len(part), 16_384):
                index.add((part[start : start + 16_384].astype(np.float32) - coder.middle) / coder.step)
        graph = cls(exact, index, coder)
        graph._look_as_far_as_needed()
        faiss.write_index(index, str(path))
        return graph

    def _look_as_far_as_needed(self) -> None:
        """Keeps as many rows in sight as it takes to find enough of the true best; the file of the index says so."""
        queries = moved_queries(self._exact, GRAPH_TRIED)
        truths = [set(self._exact.best(query, TOP)[0].tolist()) for query in queries]
        for looks in GRAPH_LOOKS:
            self._index.hnsw.efSearch = looks
            found = [self.best(query, TOP)[0].tolist() for query in queries]
            hits = sum(len(truth.intersection(rows)) for truth, rows in zip(truths, found, strict=True))
            if hits >= GRAPH_RECALL * sum(map(len, truths)):
                return

    def best(self, query: np.ndarray, count: int, allowed: np.ndarray | None = None) -> Best:
        if allowed is not None and 5 * int(allowed.sum()) < len(allowed):
            return self._exact.best(query, count, allowed)
        rows = _ask(self._index, query * self._coder.step, GRAPH_REFINE * count, allowed)
        return _first(rows, self._exact.exact(query, rows), count)


def moved_queries(exact: Exact, count: int, seed: int = 0) -> list[np.ndarray]:
    """Unit vectors (D,) float32 in the neighbourhood of rows: every second one near (cosine 0.9), the others as far
    (0.55) as sentences are from what they describe."""
    rng = np.random.default_rng(seed)
    queries = []
    for number, row in enumerate(rng.choice(len(exact), min(count, len(exact)), replace=False)):
        vector = exact.vector(int(row))
        moved = vector + rng.normal(0, (0.5, 1.5)[number % 2] / len(vector) ** 0.5, len(vector))
        queries.append((moved / np.linalg.norm(moved)).astype(np.float32))
    return queries


def recall(scan: Scan, exact: Exact, queries: Sequence[np.ndarray], count: int = 10) -> tuple[float, float]:
    """(share of the true best that `scan` finds, its seconds per query)."""
    hits, seconds = 0, 0.0
    for query in queries:
        wanted = set(exact.best(query, count)[0].tolist())
        began = time.perf_counter()
        hits += len(wanted & set(scan.best(query, count)[0].tolist()))
        seconds += time.perf_counter() - began
    return hits / (count * len(queries)), seconds / len(queries)


def faiss_module() -> Any:
    """Faiss, or an error that names the extra."""
    try:
        import faiss
    except ImportError:
        raise MissingExtra("faiss-cpu", "ann") from None
    return faiss


def has_faiss() -> bool:
    """Whether the extra `ann` is installed."""
    from importlib.util import find_spec

    return find_spec("faiss") is not None


def codes_of(parts: Sequence[Part]) -> list[np.ndarray]:
    return [part.codes for part in parts]


def _ask(index: Any, query: np.ndarray, count: int, allowed: np.ndarray | None) -> np.ndarray:
    """Faiss compares bytes with a query of whole numbers, so it is stretched to their range: the order is the same."""
    faiss = faiss_module()
    query = query * (127 / max(float(np.abs(query).max()), 1e-12))
    selector = None if allowed is None else faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
    if hasattr(index, "hnsw"):
        parameters = faiss.SearchParametersHNSW(sel=selector)
        parameters.efSearch = max(index.hnsw.efSearch, count)
    else:
        parameters = faiss.SearchParameters(sel=selector)
    _, rows = index.search(query.astype(np.float32)[None], min(count, max(index.ntotal, 1)), params=parameters)
    return np.asarray(rows[0][rows[0] >= 0])


def _border(scores: np.ndarray, count: int) -> float:
    """The count-th greatest."""
    if count >= len(scores):
        return -np.inf
    return float(np.partition(scores, len(scores) - count)[len(scores) - count])


def _first(rows: np.ndarray, scores: np.ndarray, count: int) -> Best:
    """The best `count`; of equal ones the first rows."""
    order = np.lexsort((rows, -scores))[:count]
    return rows[order], scores[order]
