"""Losses at points where their value is known."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.ops.losses import (
    caption_loss,
    caption_targets,
    contrastive_loss,
    denormalise,
    pixel_loss,
    pixel_targets,
    shared_targets,
    sigmoid_loss,
    similarity,
    soft_cross_entropy,
    soft_targets,
    tiled_contrastive_loss,
)


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


def pairs(batch, width=16, nearness=1.0, dtype=torch.float64):
    """Unit vectors that belong together the more, the larger `nearness`, and a scale."""
    video, noise = torch.randn(batch, width, dtype=dtype), torch.randn(batch, width, dtype=dtype)
    text = F.normalize(nearness * video + noise, dim=-1)
    return [x.requires_grad_() for x in (F.normalize(video, dim=-1).detach(), text, torch.tensor(20.0, dtype=dtype))]


def whole(video, text, scale, ids=None, sources=None):
    """The slow plain twin: all similarities, dense targets."""
    logits = scale * video @ text.T
    ids = torch.arange(len(video)) if ids is None else ids
    if sources is not None:
        apart = (sources[:, None] == sources) & (sources[:, None] >= 0) & (ids[:, None] != ids)
        logits = logits.masked_fill(apart, -1e6)
    same = (ids[:, None] == ids).to(logits.dtype)
    return contrastive_loss(logits, same / same.sum(1, keepdim=True))


def relative_error(found, expected):
    return float((found - expected).norm() / expected.norm())


@given(st.integers(1, 40), st.integers(1, 16), st.booleans(), st.booleans(), st.integers(0, 2**31))
def test_tiles_are_the_whole_matrix_in_value_and_gradient(batch, tile, same_ids, same_sources, seed):
    torch.manual_seed(seed)
    values = pairs(batch)
    ids = torch.randint(batch // 2 + 1, (batch,)) + 10**15 if same_ids else None
    sources = torch.randint(-1, batch // 3 + 1, (batch,)) if same_sources else None
    tiled = tiled_contrastive_loss(*values, ids, sources, tile=tile)
    expected = whole(*values, ids, sources)
    torch.testing.assert_close(tiled, expected, rtol=1e-12, atol=1e-12)
    for found, right in zip(torch.autograd.grad(tiled, values), torch.autograd.grad(expected, values), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("nearness", [0.0, 0.3, 5.0])
def test_tiled_gradients_in_float32_are_as_good_as_those_of_the_whole_matrix(nearness):
    torch.manual_seed(0)
    exact = pairs(300, 64, nearness)
    single = [x.detach().float().requires_grad_() for x in exact]
    right = torch.autograd.grad(whole(*exact), exact)
    found = torch.autograd.grad(tiled_contrastive_loss(*single, tile=128), single)
    plain = torch.autograd.grad(whole(*single), single)
    for tiled, other, truth in zip(found, plain, right, strict=True):
        assert relative_error(tiled, truth) <= max(1e-5, 2 * relative_error(other, truth))


def test_far_apart_logits_neither_overflow_nor_vanish():
    video = F.normalize(torch.tensor([[1.0, 0.0], [-1.0, 0.01], [0.0, 1.0]]), dim=-1)
    text = F.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), dim=-1)
    loss = tiled_contrastive_loss(video, text, 1000.0, tile=2)
    torch.testing.assert_close(loss, whole(video, text, torch.tensor(1000.0)))


def test_the_tiled_loss_stays_in_float32_under_autocast_and_for_bfloat16():
    torch.manual_seed(0)
    video, text, scale = pairs(20, dtype=torch.float32)
    expected = tiled_contrastive_loss(video, text, scale)
    with torch.autocast("cpu", torch.bfloat16):
        assert tiled_contrastive_loss(video, text, scale) == expected
    halves = tiled_contrastive_loss(video.bfloat16(), text.bfloat16(), scale)
    torch.testing.assert_close(halves, whole(video.bfloat16().float(), text.bfloat16().float(), scale))


def test_frozen_texts_get_no_gradient():
    video, text, scale = pairs(6)
    tiled_contrastive_loss(video, text.detach(), scale).backward()
    assert text.grad is None
    assert video.grad.norm() > 0


def test_samples_of_one_source_do_not_push_each_other_away():
    video, text, scale = pairs(4)
    torch.testing.assert_close(
        tiled_contrastive_loss(video, text, scale, sources=torch.zeros(4, dtype=torch.int64)), torch.zeros(()).double()
    )


@given(st.integers(1, 12))
def test_the_sigmoid_loss_of_undecided_pairs_is_log_two_each(batch):
    assert sigmoid_loss(torch.zeros(batch, batch)).item() == pytest.approx(batch * math.log(2), rel=1e-6)
    ids = torch.zeros(batch, dtype=torch.int64)
    assert sigmoid_loss(torch.full((batch, batch), 40.0), ids).item() == pytest.approx(0.0, abs=1e-6)
    far = sigmoid_loss(torch.full((batch, batch), 40.0), sources=ids)
    assert far.item() == pytest.approx(0.0, abs=1e-6)  # only own pairs are left


def test_the_end_is_predicted_and_padding_is_not_though_zero_is_a_word():
    ids = torch.tensor([[49406, 0, 7, 49407, 0, 0], [49406, 5, 6, 7, 8, 49407]])
    assert caption_targets(ids).tolist() == [[0, 7, 49407, -100, -100], [5, 6, 7, 8, 49407]]
    logits = torch.randn(2, 5, 49408)
    chosen = logits.log_softmax(-1).gather(2, caption_targets(ids).clamp(min=0)[..., None])[..., 0]
    expected = -(chosen[0, :3].sum() + chosen[1].sum()) / 8
    torch.testing.assert_close(caption_loss(logits, ids), expected)


@given(st.integers(1, 9), st.integers(2, 12), st.floats(0, 1))
def test_smoothed_targets_are_pytorchs_label_smoothing(batch, classes, smoothing):
    logits, labels = torch.randn(batch, classes), torch.randint(classes, (batch,))
    targets = soft_targets(labels, classes, smoothing)
    torch.testing.assert_close(targets.sum(1), torch.ones(batch))
    seen = F.one_hot(labels).float()  # the highest classes may not come
    torch.testing.assert_close(soft_targets(seen, classes, smoothing), targets)
    shares = torch.rand(batch, classes).softmax(1)
    told = F.cross_entropy(logits, shares, label_smoothing=smoothing)
    torch.testing.assert_close(soft_cross_entropy(logits, soft_targets(shares, classes, smoothing)), told)
    expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(soft_cross_entropy(logits, targets), expected)
