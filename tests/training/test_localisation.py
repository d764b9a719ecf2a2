"""Crops of sequences, batches with targets, and the objective of segments."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.models.temporal_head import TEMPORAL_DEBUG, TemporalHead
from internvideo.training.localisation import Localise, Sequence1D, cropped, sequence_batch


def video(steps=60, seed=0, segments=((5, 20), (30, 33), (40, 58))):
    rows = np.random.default_rng(seed).normal(size=(steps, 6)).astype(np.float32)
    return Sequence1D(rows, np.array(segments, np.float64).reshape(-1, 2), np.arange(len(segments)) % 4)


@given(st.integers(0, 10**6), st.integers(10, 80))
def test_a_crop_keeps_what_is_mostly_inside_and_moves_it_along(seed, longest):
    whole = video()
    part = cropped(whole, longest, np.random.default_rng(seed))
    assert len(part.features) <= longest and len(part.labels) == len(part.segments)
    start = int(np.flatnonzero((whole.features == part.features[0]).all(1))[0])
    assert (part.segments >= 0).all() and (part.segments <= len(part.features)).all()
    for (first, last), label in zip(part.segments + start, part.labels, strict=True):
        own = whole.segments[label]
        assert own[0] <= first and last <= own[1] and last - first >= 0.5 * (own[1] - own[0])
    assert len(part.segments)


def test_a_short_sequence_is_whole_if_asked_and_one_without_segments_is_cropped_too():
    whole = video()
    assert cropped(whole, 80, np.random.default_rng(0), None) is whole
    assert len(cropped(video(segments=()), 20, np.random.default_rng(0)).features) == 20


def test_a_batch_has_targets_for_every_point_and_none_for_padding():
    network = TemporalHead(replace(TEMPORAL_DEBUG, channels=6))
    batch = sequence_batch([video(60), video(17, segments=())], network)
    assert batch["video"].shape == (2, 6, 64) and batch["kinds"].shape == (2, 64 + 32 + 16 + 8, 4)
    assert batch["mask"].sum(1).tolist() == [60, 17]
    assert batch["kinds"][0].sum() > 0 and batch["kinds"][1].sum() == 0


def test_the_running_mean_moves_in_training_only_and_divides_both_losses():
    torch.manual_seed(0)
    network = TemporalHead(replace(TEMPORAL_DEBUG, channels=6))
    objective = Localise(usual=100.0)
    objective.prepare(network)
    batch = sequence_batch([video()], network)
    positives = int((batch["kinds"].sum(-1) > 0).sum())
    network.eval()
    first, _ = objective(network, batch, np.random.default_rng(0))
    assert network.usual_positives.item() == 100
    network.train()
    objective(network, batch, np.random.default_rng(0))
    assert network.usual_positives.item() == pytest.approx(90 + 0.1 * positives)
    assert "usual_positives" in network.state_dict()
    network.eval()
    second, _ = objective(network, batch, np.random.default_rng(0))
    assert second.item() * network.usual_positives.item() == pytest.approx(first.item() * 100, rel=1e-5)
