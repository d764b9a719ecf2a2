"""Marking of retrieval: laws, closed forms, a slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from internvideo.tasks.predictions import BadPredictions, Embedding
from internvideo.tasks.retrieval import Ranking, Retrieval, rank_both
from tests.tasks.marking import example


def predictions(videos, texts, counts):
    ids = [f"v{i}" for i in range(len(counts))]
    names = [f"{id}#{n}" for id, count in zip(ids, counts, strict=True) for n in range(count)]
    records = [Embedding(id, row) for id, row in zip(ids + names, [*videos, *texts], strict=True)]
    return {one.id: one for one in records}


def task(counts, **how):
    examples = [example(f"v{i}", texts=["t"] * count) for i, count in enumerate(counts)]
    return Retrieval(examples=examples, protocol=Ranking(**how))


def test_a_perfect_model_finds_everything_and_a_constant_one_nothing():
    perfect = task([1] * 12).score(predictions(np.eye(12), np.eye(12), [1] * 12)).metrics
    assert perfect["t2v"] == perfect["v2t"] == {"R@1": 100, "R@5": 100, "R@10": 100, "MedR": 1, "MeanR": 1}
    same = task([1] * 12).score(predictions(np.ones((12, 4)), np.ones((12, 4)), [1] * 12))
    assert same.metrics["t2v"] == same.metrics["v2t"] == {"R@1": 0, "R@5": 0, "R@10": 0, "MedR": 12, "MeanR": 12}
    assert "12 texts and 12 videos have an equal candidate" in same.notes[0]


def test_a_missing_video_or_text_is_never_found_and_takes_nobodys_place():
    counts = [1, 2, 1]
    found = predictions(np.eye(3), np.eye(3)[[0, 1, 1, 2]], counts)
    del found["v1"]
    metrics = task(counts).score(found).metrics
    assert metrics["t2v"]["R@1"] == 50 and metrics["t2v"]["MeanR"] == (1 + 3 + 3 + 1) / 4
    assert metrics["v2t"]["R@1"] == pytest.approx(200 / 3)
    for ties in ("for", "middle", "every"):
        assert task(counts, ties=ties).score(found).metrics["t2v"]["MeanR"] == 2
    del found["v2#0"]
    assert task(counts).score(found).metrics["v2t"]["R@1"] == pytest.approx(100 / 3)


def test_vectors_of_different_models_are_refused():
    found = predictions(np.eye(2), np.eye(2), [1, 1])
    found["v0"] = Embedding("v0", np.ones(3))
    with pytest.raises(BadPredictions, match=r"embeddings of \[2, 3\] numbers"):
        task([1, 1]).score(found)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.data())
def test_several_texts_per_video_against_a_slow_twin(counts, data):
    owner = np.repeat(np.arange(len(counts)), counts)
    values = st.integers(-4, 4).map(float)
    similarity = data.draw(arrays(np.float64, (len(owner), len(counts)), elements=values))
    (there, own), (back, mine) = rank_both(similarity, owner, Ranking())
    assert np.array_equal(there, similarity) and np.array_equal(own, owner)
    for video in range(len(counts)):
        scores = [max(similarity[text, video] for text in range(len(owner)) if owner[text] == other)
                  for other in range(len(counts))]  # fmt: skip
        assert back[video].tolist() == scores and mine[video] == video


def test_dual_softmax_is_over_the_queries_of_each_direction():
    similarity = np.array([[0.9, 0.1], [0.8, 0.7]])
    (there, _), (back, _) = rank_both(similarity, np.arange(2), Ranking(dual_softmax=True, scale=1.0))
    np.testing.assert_allclose(there, [[0.4725, 0.0354], [0.3800, 0.4520]], atol=1e-4)
    np.testing.assert_allclose(back, [[0.6210, 0.4200], [0.0310, 0.3325]], atol=1e-4)
