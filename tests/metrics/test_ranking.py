"""Ranks, recall and dual softmax."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.ranking import (
    best_of_groups,
    best_ranks,
    dual_softmax,
    rank_summary,
    ranks_of,
    recall_at,
    viclip_retrieval,
)


def plain_rank(scores, own):
    """Sort with the other items first among equals."""
    order = sorted(range(len(scores)), key=lambda item: (-scores[item], item in own))
    return next(place for place, item in enumerate(order) if item in own)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.data())
def test_ranks_equal_the_plain_sort(scores, data):
    own = data.draw(st.sets(st.integers(0, len(scores) - 1), min_size=1))
    assert best_ranks(np.array([scores], float), [sorted(own)])[0] == plain_rank(scores, own)


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_both_tie_rules_agree_where_nothing_is_tied(size, seed):
    similarity = np.random.default_rng(seed).permutation(size * size).reshape(size, size).astype(float)
    own = [[i] for i in range(size)]
    assert (best_ranks(similarity, own) == best_ranks(similarity, own, "reversed-argsort")).all()


def test_a_constant_matrix_finds_nothing():
    ranks = best_ranks(np.zeros((5, 5)), [[i] for i in range(5)])
    assert (ranks == 4).all()
    assert recall_at(ranks, 4) == 0.0
    assert recall_at(ranks, 5) == 100.0


def test_a_query_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="query 1 has no own item"):
        best_ranks(np.zeros((2, 3)), [[0], []])
    with pytest.raises(ValueError, match="2 queries but own items of 1"):
        best_ranks(np.zeros((2, 3)), [[0]])


def test_dual_softmax_prefers_items_that_no_other_query_wants():
    similarity = np.array([[0.9, 0.8], [0.95, 0.1]])
    ranked = dual_softmax(similarity, temperature=0.01)
    assert ranked[0].argmax() == 1
    assert ranked[1].argmax() == 0
    np.testing.assert_allclose(ranked, similarity * _softmax_columns(similarity / 0.01))


def _softmax_columns(logits):
    return np.stack([np.exp(column) / np.exp(column).sum() for column in logits.T]).T


def test_large_logits_do_not_overflow():
    assert np.isfinite(dual_softmax(np.array([[1e4, -1e4], [0.0, 1.0]]), 0.01)).all()


def test_several_texts_of_a_video_count_by_their_best():
    similarity = np.array([[0.1, 0.9, 0.5, 0.4], [0.2, 0.3, 0.1, 0.8]])
    found = viclip_retrieval(similarity, similarity.T, [[0, 1], [2, 3]], [0, 0, 1, 1])
    assert (found["txt_r1"], found["img_r1"], found["img_r5"]) == (100.0, 50.0, 100.0)
    assert found["img_r_mean"] == pytest.approx(83.33)
    assert found["r_mean"] == pytest.approx(91.67)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_four_tie_rules_against_a_sort(queries, items, seed):
    random = np.random.default_rng(seed)
    similarity = random.integers(0, 4, (queries, items)).astype(float)
    own = random.integers(0, items, queries)
    every = iter(ranks_of(similarity, own, "every"))
    for query in range(queries):
        descending = sorted(similarity[query], reverse=True)
        places = [place for place, score in enumerate(descending) if score == similarity[query, own[query]]]
        assert ranks_of(similarity, own)[query] == places[-1]
        assert ranks_of(similarity, own, "for")[query] == places[0]
        assert ranks_of(similarity, own, "middle")[query] == np.mean(places)
        assert [next(every) for _ in places] == places


def test_closed_forms_of_retrieval():
    similarity = np.array([[0.9, 0.1], [0.8, 0.7]])
    assert rank_summary(ranks_of(similarity)) == {"R@1": 50, "R@5": 100, "R@10": 100, "MedR": 1.5, "MeanR": 1.5}
    ranked = dual_softmax(similarity)
    np.testing.assert_allclose(ranked, [[0.4725, 0.0354], [0.3800, 0.4520]], atol=5e-5)
    assert rank_summary(ranks_of(ranked))["R@1"] == 100
    np.testing.assert_allclose(dual_softmax(similarity.T), [[0.6210, 0.4200], [0.0310, 0.3325]], atol=5e-5)
    tied = np.array([[0.5, 0.5, 0.1], [0.2, 0.5, 0.1], [0.1, 0.2, 0.3]])
    found = {rule: rank_summary(ranks_of(tied, ties=rule))["R@1"] for rule in ("every", "for", "against")}
    assert found["every"] == 75 and found["for"] == 100 and found["against"] == pytest.approx(200 / 3)
    assert len(ranks_of(tied, ties="every")) == 4


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 99))
def test_best_of_groups_against_a_loop(group, seed):
    scores = np.random.default_rng(seed).normal(size=(len(group), 3))
    found = best_of_groups(scores, np.array(group), 6)
    for number in range(6):
        rows = [row for row, one in zip(scores, group, strict=True) if one == number]
        expected = np.max(rows, axis=0) if rows else np.full(3, -np.inf)
        assert np.array_equal(found[number], expected)


def test_msvd_texts_equal_the_reference_evaluator(shared):
    folder = shared / "data/evaluators/retrieval_msvd_text"
    similarity = np.load(folder / "predictions/similarity.npy")
    expected = json.loads((folder / "expected/expected.json").read_text())
    for name, matrix in (("rows_to_columns", similarity), ("columns_to_rows", similarity.T)):
        found = rank_summary(ranks_of(matrix))
        ours = {"R1": found["R@1"], "R5": found["R@5"], "R10": found["R@10"], "MeanR": found["MeanR"]}
        ours |= {"MR": found["MedR"], "MedianR": found["MedR"]}
        assert ours == pytest.approx(expected[name], abs=1e-4)
