"""Cross-model attention: closed gates are the ensemble, open ones let each model read the other."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from internvideo.models.cross_model import CROSS_MODEL_B, CROSS_MODEL_DEBUG, CROSS_MODEL_H, CrossModel


def model(seed=0):
    torch.manual_seed(seed)
    made = CrossModel(CROSS_MODEL_DEBUG).eval()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "gate" not in name and name != "mix":
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made


VIDEO = torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(1))
OTHER = torch.randn(2, 3, 6, 96, 96, generator=torch.Generator().manual_seed(2))


@torch.no_grad()
def test_at_the_start_it_is_the_mean_of_both_models_probabilities():
    made = model()
    masked, frames = made.both(VIDEO, OTHER)
    assert torch.equal(masked, made.masked(VIDEO))
    assert torch.equal(frames, made.frames(OTHER))
    expected = (made.masked(VIDEO).softmax(-1) + made.frames(OTHER).softmax(-1)) / 2
    torch.testing.assert_close(made(VIDEO, OTHER).exp(), expected)


@torch.no_grad()
def test_answers_are_log_probabilities_for_any_mix():
    made = model()
    for mix in (-3.0, 0.0, 40.0):
        made.mix.fill_(mix)
        torch.testing.assert_close(made(VIDEO).exp().sum(-1), torch.ones(2))
    torch.testing.assert_close(made(VIDEO), made.masked(VIDEO).log_softmax(-1))  # the last mix takes one model only


@torch.no_grad()
def test_open_bridges_carry_the_other_model_in_each_direction():
    made = model()
    masked, frames = made.both(VIDEO, VIDEO)
    for bridge in made.bridges:
        bridge.gate_attention.fill_(1.0)
    assert not torch.allclose(made.both(VIDEO, OTHER)[0], masked)
    torch.testing.assert_close(made.both(VIDEO, VIDEO)[1], frames)
    made.bridge_back.gate_attention.fill_(1.0)
    assert not torch.allclose(made.both(VIDEO, VIDEO)[1], frames)


@torch.no_grad()
def test_one_clip_reaches_the_frame_model_in_its_own_colours_and_size():
    made = model()
    pixels = (VIDEO.sigmoid() * 255).round() / 255

    def normalised(mean, std):
        return (pixels - torch.tensor(mean)[:, None, None, None]) / torch.tensor(std)[:, None, None, None]

    own = normalised(made.config.video_mean, made.config.video_std)
    theirs = normalised((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
    torch.testing.assert_close(made.frame_view(own), theirs, rtol=0, atol=1e-5)
    torch.testing.assert_close(made(own), made(own, theirs), rtol=1e-4, atol=1e-4)
    larger = torch.nn.functional.interpolate(own, (4, 80, 80))
    assert made.frame_view(larger).shape == (2, 3, 4, 64, 64)


def test_gates_learn_from_the_first_step():
    made = model()
    F.cross_entropy(made(VIDEO, OTHER), torch.tensor([0, 3])).backward()
    for bridge in (*made.bridges, made.bridge_back):
        assert bridge.gate_attention.grad.abs() > 0
        assert bridge.gate_mlp.grad.abs() > 0
    assert made.mix.grad.abs() > 0


def test_only_what_the_paper_trains_is_open_after_freezing():
    made = model()
    made.freeze_backbones()
    opened = {name for name, parameter in made.named_parameters() if parameter.requires_grad}
    closed = {name for name, parameter in made.named_parameters() if not parameter.requires_grad}
    assert {"mix", "frames.frames.clip_token", "masked.head.weight", "frames.head.bias"} <= opened
    assert not [name for name in opened if ".blocks." in name or "patches" in name]
    assert {"masked.encoder.patches.weight", "frames.frames.balance"} <= closed


def test_one_bridge_per_global_block_at_the_same_share_of_the_depth():
    assert CROSS_MODEL_B.pairs == {8: 8, 9: 9, 10: 10, 11: 11}
    assert CROSS_MODEL_H.pairs == {27: 20, 28: 21, 30: 22, 31: 23}
    with torch.device("meta"):
        made = CrossModel(CROSS_MODEL_H)
    assert len(made.bridges) == 4
    assert sum(parameter.numel() for parameter in made.parameters()) == 1_075_766_315


def test_models_of_different_classes_are_not_joined():
    with pytest.raises(ValueError, match="same classes"):
        replace(CROSS_MODEL_B, masked=replace(CROSS_MODEL_B.masked, classes=174))
