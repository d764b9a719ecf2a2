"""Parameter groups and schedules."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.models.viclip import VICLIP_DEBUG, ViCLIP
from internvideo.models.videomae import CLASSIFIER_B, CLASSIFIER_DEBUG, VideoMAEClassifier
from internvideo.training.optim import (
    VICLIP_UNDECAYED,
    decays,
    layer_of,
    layer_scales,
    viclip_groups,
    viclip_schedule,
    videomae_groups,
    videomae_schedule,
)


def parameters(network):
    return [(name, value.ndim) for name, value in network.named_parameters()]


def test_every_parameter_is_in_one_group():
    for network, groups in (
        (ViCLIP(VICLIP_DEBUG), lambda named: viclip_groups(named, rate=1e-4, weight_decay=0.2)),
        (
            VideoMAEClassifier(CLASSIFIER_DEBUG),
            lambda named: videomae_groups(named, depth=2, weight_decay=0.05, layer_decay=0.75),
        ),
    ):
        named = parameters(network)
        made = groups(named)
        assert sorted(name for group in made for name in group.names) == sorted(name for name, _ in named)


def test_vectors_biases_tables_and_the_temperature_do_not_shrink():
    groups = viclip_groups(parameters(ViCLIP(VICLIP_DEBUG)), rate=1e-4, weight_decay=0.2)
    still, shrinking = (next(set(g.names) for g in groups if g.weight_decay == decay) for decay in (0.0, 0.2))
    assert still >= VICLIP_UNDECAYED
    assert {"video.norm_in.weight", "text.blocks.0.mlp.up.bias"} <= still
    assert {"video.projection", "text.projection", "text.embedding.weight", "video.patches.weight"} <= shrinking
    assert not decays("x.bias", 2)


def test_other_rates_make_groups_of_their_own():
    groups = viclip_groups([("a.x", 2), ("b.x", 2), ("b.y", 1)], rate=1.0, weight_decay=0.1, other_rates={"^b": 5.0})
    assert [(g.names, g.rate, g.weight_decay) for g in groups] == [
        (("a.x",), 1.0, 0.1),
        (("b.x",), 5.0, 0.1),
        (("b.y",), 5.0, 0.0),
    ]


def test_layer_decay_of_the_base_classifier():
    """Patches 0.75^13, block 0 0.75^12, last block 0.75, head 1."""
    with torch.device("meta"):
        named = parameters(VideoMAEClassifier(replace(CLASSIFIER_B, learned_positions=True)))
    groups = videomae_groups(named, depth=12, weight_decay=0.05, layer_decay=0.75)
    rate = {name: group.rate for group in groups for name in group.names}
    assert rate["encoder.patches.weight"] == pytest.approx(0.75**13)
    assert rate["positions.table"] == pytest.approx(0.75**13)
    assert rate["encoder.blocks.0.mlp.up.weight"] == pytest.approx(0.75**12)
    assert rate["encoder.blocks.11.norm1.bias"] == pytest.approx(0.75)
    assert rate["head.weight"] == rate["mean_norm.weight"] == 1.0
    assert {group.rate for group in videomae_groups(named, depth=12, weight_decay=0.05)} == {1.0}


@given(st.integers(0, 40), st.floats(0.1, 1.0))
def test_scales_rise_to_one(depth, decay):
    scales = layer_scales(depth, decay)
    assert len(scales) == depth + 2
    assert scales[-1] == 1.0
    assert scales == sorted(scales)
    assert layer_of("head.bias", depth) == depth + 1


@given(st.integers(0, 1000), st.floats(0.5, 100), st.floats(101, 1000))
def test_viclips_schedule_stays_between_its_floor_and_one(step, warmup, total):
    assert 0.01 <= viclip_schedule(step, warmup=warmup, total=total) <= 1.0


def test_viclips_schedule_begins_at_the_floor_peaks_after_warm_up_and_halves_in_the_middle():
    assert viclip_schedule(0, warmup=5, total=50) == 0.01
    assert viclip_schedule(5, warmup=5, total=50) == 1.0
    assert viclip_schedule(50, warmup=10, total=90) == pytest.approx(0.5)


def test_videomaes_schedule_has_a_value_for_every_step():
    values = videomae_schedule(1.0, 0.1, epochs=5, steps_per_epoch=7, warmup_epochs=2)
    assert values.shape == (35,)
    assert values[0] == 0.0
    assert values[13] == values[14] == values.max() == 1.0
    assert 0.1 < values[-1] < 0.12
    np.testing.assert_allclose(values[14 + 21 // 3], 0.1 + 0.45 * (1 + math.cos(math.pi / 3)))


@given(st.integers(1, 5), st.integers(1, 9), st.floats(0, 1))
def test_a_schedule_between_equal_values_is_constant(epochs, steps, value):
    assert np.allclose(videomae_schedule(value, value, epochs=epochs, steps_per_epoch=steps), value)
