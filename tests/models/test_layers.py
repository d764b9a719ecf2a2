"""The shared parts, each against a slow plain twin or a law."""

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.models.layers import (
    CrossAttention,
    DropPath,
    FeedForward,
    SelfAttention,
    TubePatches,
    attend,
    drop_rates,
    resize_grid,
    resize_line,
    resize_picture_positions,
    take,
)


def plain_attention(q, k, v, heads, causal=False):
    """One head and one batch row at a time."""
    out = torch.empty_like(q)
    size = q.shape[-1] // heads
    for row in range(len(q)):
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = q[row, :, part] @ k[row, :, part].T / math.sqrt(size)
            if causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), float("-inf"))
            out[row, :, part] = scores.softmax(-1) @ v[row, :, part]
    return out


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 4), st.booleans())
def test_attention_equals_the_textbook(batch, length, heads, causal):
    q, k, v = torch.randn(3, batch, length, heads * 4).double()
    torch.testing.assert_close(attend(q, k, v, heads=heads, causal=causal), plain_attention(q, k, v, heads, causal))


def test_attention_treats_further_leading_axes_as_batch():
    q, k, v = torch.randn(3, 2, 5, 7, 8)
    folded = attend(*(part.flatten(0, 1) for part in (q, k, v)), heads=2)
    torch.testing.assert_close(attend(q, k, v, heads=2), folded.unflatten(0, (2, 5)))


def test_self_and_cross_attention_are_pytorchs_multi_head_attention():
    width, heads = 24, 3
    reference = torch.nn.MultiheadAttention(width, heads, batch_first=True).eval()
    names = {"in_proj_weight": "qkv.weight", "in_proj_bias": "qkv.bias", "out_proj.weight": "out.weight"}
    torch.nn.init.normal_(reference.in_proj_bias)
    state = {names.get(key, "out.bias"): value for key, value in reference.state_dict().items()}
    own, cross = SelfAttention(width, heads), CrossAttention(width, heads)
    own.load_state_dict(state)
    cross.load_state_dict(state)
    x, memory = torch.randn(2, 6, width), torch.randn(2, 9, width)
    torch.testing.assert_close(own(x), reference(x, x, x)[0])
    torch.testing.assert_close(cross(x, memory), reference(x, memory, memory)[0])


@pytest.mark.parametrize("bias", [False, True])
def test_patches_are_a_convolution_whose_stride_is_its_kernel(bias):
    patches = TubePatches(10, 2, 4, bias=bias)
    video = torch.randn(2, 3, 6, 8, 12)
    expected = F.conv3d(video, patches.weight, patches.bias, stride=(2, 4, 4)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(patches(video), expected)
    assert patches.grid(video) == (3, 2, 3)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 17), min_size=1, max_size=18, unique=True))
def test_kept_patches_are_those_of_the_whole(kept):
    patches = TubePatches(6, 2, 4)
    video, numbers = torch.randn(2, 3, 6, 8, 12), torch.tensor([kept, kept[::-1]])
    torch.testing.assert_close(patches(video, numbers), take(patches(video), numbers))


@pytest.mark.parametrize("shape", [(2, 3, 5, 8, 8), (2, 3, 4, 9, 8), (2, 3, 4, 8, 9)])
def test_a_video_that_does_not_cut_into_cubes_is_refused(shape):
    with pytest.raises(ValueError, match="does not cut into cubes of 2 x 4 x 4"):
        TubePatches(6, 2, 4)(torch.zeros(shape))


def test_drop_path_does_nothing_in_evaluation_and_keeps_the_mean_in_training():
    branch = torch.ones(4000, 3, 2)
    drop = DropPath(0.25)
    assert drop.eval()(branch) is branch
    dropped = drop.train()(branch)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.75])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)


def test_drop_path_per_clip_drops_whole_clips_and_per_token_whole_positions():
    branch = torch.ones(64, 5, 32, 2)
    by_clip, by_token = DropPath(0.5).train()(branch), DropPath(0.5, "token").train()(branch)
    assert (by_clip == by_clip[:, :1, :1, :1]).all()
    assert 0 < by_clip[:, 0, 0, 0].count_nonzero() < 64
    assert (by_token == by_token[:1, :1, :, :1]).all()
    assert 0 < by_token[0, 0, :, 0].count_nonzero() < 32


def test_drop_rates_rise_from_nothing():
    assert drop_rates(0.2, 3) == pytest.approx([0.0, 0.1, 0.2])
    assert drop_rates(0.2, 1) == [0.0]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_resizing_keeps_constants_and_other_axes(rows, columns, new_rows, new_columns):
    table = torch.full((2, rows * columns, 3), 0.7)
    resized = resize_grid(table, (rows, columns), (new_rows, new_columns))
    assert resized.shape == (2, new_rows * new_columns, 3)
    torch.testing.assert_close(resized, torch.full_like(resized, 0.7))
    line = resize_line(table, new_rows)
    torch.testing.assert_close(line, torch.full_like(line, 0.7))


def test_a_line_is_resized_to_half_step_centres():
    table = torch.arange(4.0)[:, None]
    assert resize_line(table, 8)[:, 0].tolist() == [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]
    assert resize_line(table, 2)[:, 0].tolist() == [0.5, 2.5]


def test_rows_and_columns_are_not_exchanged():
    rows = torch.arange(3.0)[:, None].expand(3, 5).reshape(15, 1)  # number of the row
    wider = resize_grid(rows, (3, 5), (3, 10)).reshape(3, 10)
    torch.testing.assert_close(wider, torch.arange(3.0)[:, None].expand(3, 10))


def test_the_class_row_of_a_picture_table_stays():
    table = torch.randn(1 + 9, 4)
    resized = resize_picture_positions(table, (5, 2))
    assert resized.shape == (11, 4)
    assert (resized[0] == table[0]).all()
    assert resize_picture_positions(table, (3, 3)) is table


def test_the_quick_way_through_the_feed_forward_gives_the_same_numbers():
    torch.manual_seed(0)
    layer, tokens = FeedForward(64, 256, "quick-gelu").eval(), 3 * torch.randn(2, 5, 64)
    with torch.no_grad():
        quick = layer(tokens)
    assert quick.shape == tokens.shape and not quick.requires_grad
    torch.testing.assert_close(quick, layer(tokens).detach(), rtol=1e-5, atol=1e-6)
    assert layer(tokens).requires_grad
