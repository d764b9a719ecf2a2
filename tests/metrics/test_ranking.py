"""Ranks, recall and dual softmax."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.metrics.ranking import best_ranks, dual_softmax, recall_at, viclip_retrieval


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
