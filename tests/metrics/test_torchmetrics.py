"""Marks equal those of torchmetrics where both define the same thing."""

import numpy as np
import pytest
import torch
import torchmetrics.functional as theirs
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import retrieval_hit_rate

from internvideo.metrics.calibration import expected_calibration_error
from internvideo.metrics.classification import confusion, mean_per_class, softmax, top_k
from internvideo.metrics.open_set import auroc
from internvideo.metrics.ranking import ranks_of, recall_at

seeds = st.integers(0, 2**32 - 1)


def answers(seed, rows=60, classes=7):
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, classes)), random.integers(0, classes, rows)


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 7))
def test_top_k(seed, k):
    scores, labels = answers(seed)
    peer = theirs.classification.multiclass_accuracy(
        torch.tensor(scores), torch.tensor(labels), num_classes=7, average="micro", top_k=k
    )
    assert top_k(scores, labels, (k,))[k] == pytest.approx(100 * peer.item(), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_mean_over_classes(seed):
    scores, labels = answers(seed)
    peer = theirs.classification.multiclass_accuracy(
        torch.tensor(scores), torch.tensor(labels), num_classes=7, average="macro"
    )
    counts = confusion(scores.argmax(axis=1), labels, 7)
    assert mean_per_class(counts) == pytest.approx(100 * peer.item(), abs=1e-4)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_calibration_error(seed):
    scores, labels = answers(seed)
    shares = softmax(3 * scores)
    peer = theirs.classification.multiclass_calibration_error(
        torch.tensor(shares), torch.tensor(labels), num_classes=7, n_bins=15, norm="l1"
    )
    assert expected_calibration_error(shares, labels) == pytest.approx(peer.item(), abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_the_curve_of_unknown_against_known(seed):
    random = np.random.default_rng(seed)
    known, unknown = random.normal(size=30), random.normal(0.5, 1, 20)
    target = torch.tensor([0] * 30 + [1] * 20)
    peer = theirs.classification.binary_auroc(torch.tensor(np.r_[known, unknown]).sigmoid(), target)
    assert auroc(known, unknown) == pytest.approx(peer.item(), abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seeds, st.sampled_from((1, 5, 10)))
def test_recall(seed, k):
    similarity = np.random.default_rng(seed).normal(size=(25, 25))
    own = torch.eye(25, dtype=torch.bool)
    peer = [retrieval_hit_rate(torch.tensor(row), hit, top_k=k) for row, hit in zip(similarity, own, strict=True)]
    found = recall_at(ranks_of(similarity, np.arange(25)), k)
    assert found == pytest.approx(100 * float(np.mean([hit.item() for hit in peer])), abs=1e-4)
