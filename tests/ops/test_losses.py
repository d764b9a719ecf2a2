"""Losses at points where their value is known."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.ops.losses import contrastive_loss, denormalise, pixel_loss, pixel_targets, shared_targets, similarity


@given(st.integers(1, 32))
def test_knowing_nothing_costs_log_batch(batch):
    assert contrastive_loss(torch.zeros(batch, batch)).item() == pytest.approx(math.log(batch), abs=1e-6)


def test_knowing_everything_costs_nothing():
    assert contrastive_loss(100.0 * torch.eye(6)).item() == pytest.approx(0.0, abs=1e-6)


@settings(deadline=None)
@given(st.integers(1, 8))
def test_both_directions_count_alike_and_unique_ids_are_the_plain_loss(batch):
    logits = torch.randn(batch, batch)
    torch.testing.assert_close(contrastive_loss(logits), contrastive_loss(logits.T))
    torch.testing.assert_close(contrastive_loss(logits, shared_targets(torch.arange(batch))), contrastive_loss(logits))


def test_two_rows_of_the_same_sample_share_the_target():
    targets = shared_targets(torch.tensor([7, 3, 7]))
    assert targets.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]


def test_similarity_is_the_cosine_whatever_the_length():
    video, text = torch.randn(4, 8), torch.randn(5, 8)
    expected = F.cosine_similarity(video[:, None], text[None], dim=-1)
    torch.testing.assert_close(similarity(3 * video, text / 7), expected)


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_several_vectors_on_one_side_are_pooled(pool):
    video, text = torch.randn(4, 3, 8), torch.randn(5, 8)
    each = torch.stack([similarity(video[:, i], text) for i in range(3)])
    expected = each.mean(0) if pool == "mean" else each.max(0).values
    torch.testing.assert_close(similarity(video, text, pool), expected)
    torch.testing.assert_close(similarity(text, video, pool), expected.T)
    with pytest.raises(ValueError, match="not both"):
        similarity(video, video, pool)


def test_normalised_targets_have_mean_zero_and_spread_one_per_cube_and_channel():
    targets = pixel_targets(torch.rand(2, 3, 4, 16, 8), tubelet=2, patch=8).reshape(2, 4, 128, 3)
    torch.testing.assert_close(targets.mean(2), torch.zeros(2, 4, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(targets.std(2), torch.ones(2, 4, 3), atol=1e-4, rtol=0)


def test_targets_run_over_time_row_column_and_channel_last():
    pixels = torch.rand(1, 3, 4, 8, 12)
    targets = pixel_targets(pixels, tubelet=2, patch=4, normalise=False)
    assert targets.shape == (1, 2 * 2 * 3, 2 * 4 * 4 * 3)
    time, row, column, u, p, q, channel = 1, 1, 2, 1, 3, 0, 2
    number, place = (time * 2 + row) * 3 + column, ((u * 4 + p) * 4 + q) * 3 + channel
    assert targets[0, number, place] == pixels[0, channel, 2 * time + u, 4 * row + p, 4 * column + q]


def test_still_cubes_do_not_divide_by_zero():
    assert (pixel_targets(torch.full((1, 3, 2, 4, 4), 0.3), 2, 4).abs() < 1e-1).all()


def test_denormalising_gives_the_pixels_back():
    pixels = torch.rand(2, 3, 2, 4, 4)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    shape = (3, 1, 1, 1)
    normalised = (pixels - torch.tensor(mean).reshape(shape)) / torch.tensor(std).reshape(shape)
    torch.testing.assert_close(denormalise(normalised, mean, std), pixels)


def test_the_pixel_loss_is_the_mean_square():
    assert pixel_loss(torch.full((2, 3, 4), 3.0), torch.ones(2, 3, 4)).item() == 4.0
