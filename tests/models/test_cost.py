"""Costs agree with the arithmetic of transformers, and with PyTorch's own counting."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from internvideo.models import MODELS
from internvideo.models.cost import cost_of, count_parameters, measure


def blocks(tokens: int, width: int, depth: int) -> int:
    """Linear layers 24 N D^2 and attention 4 N^2 D of each block."""
    return depth * (24 * tokens * width**2 + 4 * tokens**2 * width)


@pytest.mark.parametrize(
    ("name", "frames", "size", "tokens", "width", "depth", "gflop"),
    [
        ("viclip-b-16", 8, 224, 1569, 768, 12, 359),
        ("viclip-l-14", 8, 224, 2049, 1024, 24, 1653),
        ("videomae-b-16", 16, 224, 1568, 768, 12, 361),
        ("videomae-l-16", 16, 224, 1568, 1024, 24, 1194),
        ("videomae-h-16", 16, 224, 1568, 1280, 32, 2382),
        ("viclip-b-16", 4, 112, 197, 768, 12, None),
    ],
)
def test_encoders_cost_what_their_blocks_and_patches_cost(name, frames, size, tokens, width, depth, gflop):
    cost = cost_of(MODELS[name], frames=frames, size=size)
    pixels = 3 * frames * size * size  # each is multiplied once with every channel of its patch
    head = 2 * width * {768: 512, 1024: 768}[width] if name.startswith("viclip") else 2 * width * 400
    assert cost.flops == blocks(tokens, width, depth) + 2 * pixels * width + head
    if gflop is not None:
        assert round(cost.flops / 1e9) == gflop, "the published figure"


def test_masked_pretraining_embeds_what_is_visible_and_predicts_what_is_hidden():
    cost = cost_of(MODELS["videomae-b-16-pretrain"], frames=16, size=224)
    visible, hidden, cube = 160, 1408, 2 * 16 * 16 * 3
    ends = 2 * visible * cube * 768 + 2 * visible * 768 * 384 + 2 * hidden * 384 * cube
    assert cost.flops == blocks(visible, 768, 12) + blocks(visible + hidden, 384, 4) + ends


@pytest.mark.parametrize(
    ("name", "context", "gflop"),
    [("viclip-b-16", 32, 2.4), ("viclip-l-14", 32, 5.5), ("internvideo-mm-b-16", 77, 6.0), ("clip-l-14", 77, 13.3)],
)
def test_texts_cost_the_published_figures(name, context, gflop):
    assert round(cost_of(MODELS[name], frames=1, size=224, context=context).text_flops / 1e9, 1) == gflop


@pytest.mark.parametrize("name", ["viclip-b-16-debug", "uniformerv2-b-16-debug", "videomae-b-16-debug"])
def test_pytorch_counts_the_same_where_it_sees_every_product(name):
    with torch.device("meta"):
        model = MODELS[name]().to("meta").eval().requires_grad_(False)
        clip = torch.empty(1, 3, 4, 64, 64)
        with FlopCounterMode(display=False) as counter:
            model.encode_video(clip) if name.startswith("viclip") else model(clip)
    assert cost_of(MODELS[name], frames=4, size=64).flops == counter.get_total_flops()


@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith("-debug")])
def test_every_network_can_be_measured(name):
    patch = 32 if "-32" in name else 14 if "-14" in name else 16
    cost = cost_of(MODELS[name], frames=4, size=4 * patch)
    assert cost.flops > 0 and cost.activations > 0
    assert cost.parameters == count_parameters(MODELS[name])
    assert cost.memory >= 4 * cost.parameters


def test_memory_is_what_lives_at_the_fullest_moment():
    """(16, 1024) floats in: 64 kB at each of three stages, of which two live at a time; then 8 kB."""
    layers = nn.Sequential(nn.Linear(1024, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 128)).requires_grad_(False)
    given = torch.zeros(16, 1024)
    assert measure(lambda: layers(given)) == (2 * 16 * 1024 * (1024 + 1024 + 128), 2 * 16 * 1024 * 4)
    held = measure(lambda: [given + 1 for _ in range(5)])[1]
    assert held == 5 * given.nbytes


def test_shapes_alone_need_as_much_as_numbers_do():
    model = MODELS["viclip-b-16-debug"]().eval().requires_grad_(False)
    clip = torch.zeros(1, 3, 4, 64, 64)
    real = measure(lambda: model.encode_video(clip))[1] + clip.nbytes
    assert cost_of(MODELS["viclip-b-16-debug"], frames=4, size=64).activations == real


def test_twice_the_frames_cost_more_than_twice():
    short, long = (cost_of(MODELS["viclip-b-16-debug"], frames=n, size=64) for n in (2, 4))
    assert long.flops > 2 * short.flops and long.parameters == short.parameters
