"""The temporal head: windows, padding and lengths; its numbers are those of the published code in tests/parity."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from internvideo.models.renaming import to_ours, to_theirs
from internvideo.models.temporal_head import (
    RENAMES,
    TEMPORAL_ACTIVITYNET,
    TEMPORAL_DEBUG,
    TEMPORAL_FINEACTION,
    TEMPORAL_HACS,
    TEMPORAL_THUMOS,
    MaskedConv,
    TemporalAttention,
    TemporalHead,
    TemporalHeadConfig,
    infer_config,
    pad,
)


def network(**changes):
    torch.manual_seed(0)
    model = TemporalHead(replace(TEMPORAL_DEBUG, channels=6, **changes)).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.randn_like(value) * 0.3 + ("norm" in name and name.endswith("weight")))
    return model


def banded(attention, x, mask):
    """The same attention by PyTorch's convolutions, with one full table of who sees whom: x (B, D, T), mask (B, T)."""
    width, heads = x.shape[1], attention.heads

    def part(name):
        conv, norm, by_step = (getattr(attention, f"{name}{which}") for which in ("_conv", "_norm", ""))
        mixed = F.conv1d(x, conv.weight, conv.bias, conv.stride, conv.padding, groups=width) * mask[:, None]
        centred = mixed - mixed.mean(1, keepdim=True)
        normed = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * norm.weight + norm.bias
        out = F.conv1d(normed, by_step.weight, by_step.bias)
        return out.reshape(len(x), heads, width // heads, -1).transpose(-1, -2)

    q, k, v = (part(name) for name in ("query", "key", "value"))
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    step = torch.arange(x.shape[-1])
    offset = step[None] - step[:, None]
    near = offset.abs() <= attention.reach
    if hasattr(attention, "window_bias"):
        scores = scores + attention.window_bias[0, 0][:, (offset + attention.reach).clamp(0, 2 * attention.reach)]
    scores = scores.masked_fill(~(near & mask[:, None, None]), -1e9)
    mixed = (scores.softmax(-1) @ v).transpose(-1, -2).flatten(1, 2)
    return F.conv1d(mixed, attention.out.weight, attention.out.bias) * mask[:, None]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("window", "length"), [(3, 8), (5, 96), (19, 100), (25, 31)])
def test_attention_in_chunks_equals_a_full_table(window, length, bias):
    torch.manual_seed(1)
    attention = TemporalAttention(12, 3, window, 1, bias=bias)
    x = torch.randn(2, 12, length)
    mask = torch.arange(length) < torch.tensor([length, length // 2])[:, None]
    found = attention(x.transpose(1, 2), mask[..., None]).transpose(1, 2)
    torch.testing.assert_close(found, banded(attention, x, mask), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("stride", "groups", "bias"), [(1, 1, True), (2, 1, False), (2, 12, False), (1, 12, True)])
def test_convolutions_are_those_of_pytorch(stride, groups, bias):
    torch.manual_seed(2)
    conv = MaskedConv(12, 24 if groups == 1 else 12, stride=stride, groups=groups, bias=bias)
    x, mask = torch.randn(2, 11, 12), torch.rand(2, 11, 1) > 0.3
    plain = F.conv1d(x.transpose(1, 2), conv.weight, conv.bias, stride, 1, groups=groups).transpose(1, 2)
    torch.testing.assert_close(conv(x, mask), plain * mask[:, ::stride])


@pytest.mark.parametrize("neck", ["norm", "pyramid"])
@pytest.mark.parametrize("backbone", ["attention", "convolution"])
def test_what_is_behind_the_end_does_not_matter(backbone, neck):
    model = network(backbone=backbone, neck=neck)
    features = torch.randn(6, 37)
    batch, mask = pad([features], model.config)
    with torch.no_grad():
        found = model(batch, mask)
        dirty = batch + torch.randn(batch.shape) * ~mask[:, None]
        # the first convolution of the published network looks at its input as it is, also one step behind the end
        dirty[..., 37] = 0
        other = model(dirty, mask)
    logits, offsets, real = found.flat()
    torch.testing.assert_close(logits[real], other.flat()[0][real])
    torch.testing.assert_close(offsets[real], other.flat()[1][real])
    assert real.sum() == 37 + 19 + 10 + 5
    assert (offsets >= 0).all()


def test_videos_of_a_batch_do_not_see_each_other():
    model = network()
    first, second = torch.randn(6, 64), torch.randn(6, 20)
    with torch.no_grad():
        both = model(*pad([first, second], model.config)).flat()
        alone = model(*pad([second], model.config)).flat()
    for one, other in zip(both, alone, strict=True):
        torch.testing.assert_close(one[1:], other, atol=1e-5, rtol=1e-5)


def test_long_sequences_are_padded_to_what_the_windows_need_and_positions_stretch():
    model = network(positions=True)
    batch, mask = pad([torch.randn(6, 130)], model.config)
    assert batch.shape[-1] == 144 == model.config.padded(130)
    with torch.no_grad():
        logits, _, real = model(batch, mask).flat()
    assert logits.isfinite().all()
    assert [len(level) for level in model.points(144)] == [144, 72, 36, 18]
    assert real[:, :144].sum() == 130


def test_a_length_that_does_not_fit_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match="50 steps do not divide by 16"):
        network()(torch.zeros(1, 6, 50), torch.ones(1, 50, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"2300 steps do not divide by 576 .* try 2304"):
        replace(TEMPORAL_THUMOS, steps=2300)
    with pytest.raises(ValueError, match="windows must be odd"):
        TemporalHeadConfig(windows=(4, 4))


def test_published_sizes_fit_their_windows():
    for config in (TEMPORAL_THUMOS, TEMPORAL_ACTIVITYNET, TEMPORAL_HACS, TEMPORAL_FINEACTION):
        assert config.padded(1) == config.steps
        assert config.ranges == ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10000))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"backbone": "convolution", "drop_path": 0.0},
        {"neck": "pyramid", "drop_path": 0.0},
        {"window_bias": True, "embed_layers": 1},
    ],
)
def test_weights_go_to_the_published_names_and_back_and_tell_the_sizes(changes):
    model = network(**changes)
    weights = model.state_dict()
    theirs = to_theirs(weights, RENAMES)
    assert all(name.startswith(("backbone.", "neck.", "cls_head.", "reg_head.")) for name in theirs)
    ours = to_ours(theirs, RENAMES)
    assert ours.keys() == weights.keys()
    told = infer_config({name: tuple(value.shape) for name, value in ours.items()}, model.config)
    assert told == model.config


def test_before_training_every_class_is_thought_rare():
    torch.manual_seed(0)
    model = TemporalHead(TEMPORAL_DEBUG)
    logits = model(*pad([torch.randn(64, 64)], model.config)).flat()[0]
    assert logits.sigmoid().mean().item() == pytest.approx(0.01, rel=0.5)
