"""Views of a video become one answer; the right class comes first or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, top_k_accuracy_score

from internvideo.metrics.classification import View, confusion, mean_per_class, merge_views, softmax, top_k


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6), st.floats(-1e3, 1e3))
def test_softmax_sums_to_one_and_ignores_a_common_shift(logits, shift):
    row = np.array(logits)
    assert softmax(row).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(softmax(row + shift), softmax(row), atol=1e-9)


def test_probabilities_are_averaged_not_logits_unless_asked():
    views = [View("a", 0, 0, 0, np.array([10.0, 0.0])), View("a", 0, 1, 0, np.array([0.0, 4.0]))]
    assert merge_views(views)[0][0].argmax() == 0
    np.testing.assert_allclose(merge_views(views, "score")[0], [[5.0, 2.0]])
    both = (softmax(views[0].logits) + softmax(views[1].logits)) / 2
    np.testing.assert_allclose(merge_views(views)[0][0], both)


def test_the_order_of_views_does_not_matter_and_videos_keep_theirs():
    draw = np.random.default_rng(0)
    views = [View(v, i, c, s, draw.normal(size=4)) for i, v in enumerate("ab") for c in range(3) for s in range(2)]
    scores, labels = merge_views(views)
    again, _ = merge_views(sorted(views, key=lambda view: (view.video, -view.chunk)))
    np.testing.assert_allclose(scores, again)
    assert labels.tolist() == [0, 1]


def test_a_view_seen_twice_counts_once():
    one = View("a", 0, 1, 2, np.array([1.0, 0.0]))
    twice = [one, View("a", 0, 1, 2, np.array([0.0, 9.0]))]
    np.testing.assert_allclose(merge_views(twice)[0], merge_views([one])[0])


def test_the_published_rule_confuses_chunk_1_split_11_with_chunk_11_split_1():
    views = [View("a", 0, 1, 11, np.array([1.0, 0.0])), View("a", 0, 11, 1, np.array([0.0, 9.0]))]
    published = merge_views(views, "score", same_view="joined-digits")[0]
    np.testing.assert_allclose(published, [[1.0, 0.0]])
    np.testing.assert_allclose(merge_views(views, "score")[0], [[0.5, 4.5]])


def test_top_k_counts_ties_against_the_label():
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.1]])
    assert top_k(scores, np.array([1, 0]), (1, 2, 3)) == {1: 0.0, 2: 50.0, 3: 100.0}


@given(st.integers(0, 2**32 - 1), st.integers(2, 9))
def test_top_k_equals_scikit_learn_where_nothing_is_tied(seed, classes):
    random = np.random.default_rng(seed)
    scores = random.permutation(20 * classes).reshape(20, classes).astype(float)
    labels = random.integers(0, classes, 20)
    for k in range(1, classes):
        expected = top_k_accuracy_score(labels, scores, k=k, labels=range(classes)) if classes > 2 else None
        if expected is not None:
            assert top_k(scores, labels, (k,))[k] == pytest.approx(100 * expected)


@given(st.integers(0, 2**32 - 1))
def test_confusion_equals_scikit_learn_and_keeps_what_was_not_answered(seed):
    answers, labels = np.random.default_rng(seed).integers(0, 4, (2, 30))
    counts = confusion(answers, labels, 4)
    assert np.array_equal(counts[:, :4], confusion_matrix(labels, answers, labels=range(4))) and not counts[:, 4].any()
    answers[::3] = -1
    counts = confusion(answers, labels, 4)
    assert counts[:, 4].sum() == 10 and counts.sum() == 30
    shares = [np.mean(answers[labels == name] == name) for name in range(4) if (labels == name).any()]
    assert mean_per_class(counts) == pytest.approx(100 * np.mean(shares))
