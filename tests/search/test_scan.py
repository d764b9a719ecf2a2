"""Scans: the exact one is exact, the quick ones nearly, all of them tell the true score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.search.arrays import Coder
from internvideo.search.scan import GRAPH_LOOKS, GRAPH_RECALL, Bytes, Exact, Graph, moved_queries, recall

faiss = pytest.importorskip("faiss")


def vectors(seed, count, width, clusters=0):
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(count, width))
    if clusters:
        made = rng.normal(size=(clusters, width))[rng.integers(clusters, size=count)] + 0.5 * made
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


@given(st.integers(0, 99), st.integers(1, 90), st.sampled_from([1, 3, 32, 100]), st.integers(1, 12), st.booleans())
def test_exact_search_is_a_sort(seed, rows, width, count, filtered):
    held = vectors(seed, rows, width)
    query = vectors(seed + 1, 1, width)[0].astype(np.float32)
    allowed = np.random.default_rng(seed).random(rows) < 0.5 if filtered else None
    exact = Exact([held[: rows // 3], held[rows // 3 :]])
    found, scores = exact.best(query, count, allowed)
    true = held.astype(np.float32) @ query
    candidates = np.arange(rows) if allowed is None else np.flatnonzero(allowed)
    expected = sorted(true[candidates], reverse=True)[:count]
    assert scores == pytest.approx(expected, abs=1e-6) and true[found] == pytest.approx(scores, abs=1e-6)
    assert len(set(found.tolist())) == len(found) and set(found.tolist()) <= set(candidates.tolist())
    assert exact.vector(int(found[0])).tolist() == held[found[0]].tolist() if len(found) else True


@pytest.mark.parametrize("clusters", [0, 40])
def test_bytes_and_graph_miss_at_most_one_in_a_hundred_and_tell_true_scores(clusters, tmp_path):
    held, queries = vectors(0, 4000, 64, clusters), vectors(1, 40, 64, 0).astype(np.float32)
    if clusters:
        queries = (held[:40].astype(np.float32) + vectors(2, 40, 64).astype(np.float32) * 0.3).astype(np.float32)
    coder = Coder.fitted(held)
    exact = Exact([held])
    codes = coder.encode(held)
    graph = Graph.build(exact, [held], coder, tmp_path / "graph")
    for scan in (Bytes(exact, [codes], coder), graph):
        assert recall(scan, exact, list(queries))[0] >= 0.99
        rows, scores = scan.best(queries[0], 10)
        assert scores == pytest.approx(held[rows].astype(np.float32) @ queries[0], abs=1e-6)
        allowed = np.arange(4000) % 2 == 0
        assert (scan.best(queries[0], 10, allowed)[0] % 2 == 0).all()
        few = np.isin(np.arange(4000), [5, 9])
        assert set(scan.best(queries[0], 10, few)[0].tolist()) == {5, 9}


def test_a_graph_looks_no_farther_than_it_must_and_remembers(tmp_path):
    looks = {}
    for name, held in (("easy", vectors(0, 3000, 64, 60)), ("hard", vectors(0, 3000, 96, 0))):
        exact, coder = Exact([held]), Coder.fitted(held)
        graph = Graph.build(exact, [held], coder, tmp_path / name)
        kept = Graph(exact, faiss.read_index(str(tmp_path / name)), coder)
        queries = moved_queries(exact, 60, seed=9)
        assert [kept.best(q, 10)[0].tolist() for q in queries] == [graph.best(q, 10)[0].tolist() for q in queries]
        looks[name] = kept._index.hnsw.efSearch
        assert looks[name] in GRAPH_LOOKS and recall(kept, exact, queries)[0] >= GRAPH_RECALL - 0.015
    assert looks["easy"] < looks["hard"]


@given(st.integers(0, 99), st.sampled_from([2, 17]), st.floats(0.01, 30))
def test_codes_are_within_half_a_step(seed, width, stretch):
    held = vectors(seed, 50, width)
    held[:, 0] *= np.float16(stretch)
    coder = Coder.fitted(held)
    back = coder.middle + coder.step * (coder.encode(held).astype(np.float32) - 128)
    assert (np.abs(back - held.astype(np.float32)) <= 0.501 * coder.step + 1e-6).all()
