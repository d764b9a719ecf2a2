"""Other precisions give nearly the same answers, row by row, and refuse what the machine cannot do."""

import argparse

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from internvideo.app.verb import precision_option
from internvideo.errors import UsageError
from internvideo.jobs import choice
from internvideo.models import load_model
from internvideo.models.layers import Block
from internvideo.models.precision import Int8Linear, advised, convert
from tests.models.test_layouts import trained

NAMES = ["viclip-b-16-debug", "videomae-b-16-debug", "internvideo-mm-b-16-debug", "uniformerv2-b-16-debug"]
VIDEO = torch.randn(3, 3, 4, 64, 64, generator=torch.Generator().manual_seed(1))
IDS = torch.tensor([[49406, 320, 1929, 49407, 0, 0], [49406, 1929, 49407, 0, 0, 0]])
HAS_INT8 = torch.backends.quantized.engine in ("x86", "fbgemm")
CPU = [pytest.param("bf16"), pytest.param("int8", marks=pytest.mark.skipif(not HAS_INT8, reason="needs an x86 CPU"))]
needs_int8 = CPU[1].marks[0]


@pytest.mark.parametrize("precision", CPU)
@pytest.mark.parametrize("name", NAMES)
def test_answers_stay_near_those_of_fp32(name, precision):
    model = trained(name)
    with torch.inference_mode():
        exact = model.encode_video(VIDEO)
        texts = model.encode_text(IDS) if hasattr(model, "encode_text") else None
        assert convert(model, precision) is model
        near = model.encode_video(VIDEO)
        assert not torch.equal(near, exact)
        assert F.cosine_similarity(near, exact).min() >= 0.999
        if texts is not None:
            assert torch.equal(model.encode_text(IDS), texts)  # stays as it is


@pytest.mark.parametrize("precision", CPU)
def test_a_clip_does_not_see_its_batch(precision):
    model = convert(trained("viclip-b-16-debug"), precision)
    loud = torch.cat([VIDEO[:1], 1000 * VIDEO[1:]])
    with torch.inference_mode():
        torch.testing.assert_close(model.encode_video(loud)[:1], model.encode_video(VIDEO[:1]), rtol=0, atol=2e-3)


@needs_int8
def test_int8_is_the_sum_over_whole_numbers():
    torch.manual_seed(0)
    layer, x = nn.Linear(40, 24), torch.randn(5, 7, 40) * torch.logspace(-3, 3, 7)[:, None]
    quick = Int8Linear(layer)
    with torch.inference_mode():
        scales = layer.weight.abs().amax(1) / 127
        weight = (layer.weight / scales[:, None]).round()
        own = x.abs().amax(-1, keepdim=True) / quick.levels
        expected = ((x / own).round() @ weight.T) * own * scales + layer.bias
        torch.testing.assert_close(quick(x), expected, rtol=1e-4, atol=1e-4)
        zero = torch.zeros(2, 40)
        torch.testing.assert_close(quick(zero), layer(zero))


@needs_int8
def test_a_scale_per_row_is_what_keeps_int8_near():
    """One loud token must not silence the others, as one scale for all would."""
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 64), torch.randn(50, 64)
    x[0] *= 1000
    with torch.inference_mode():
        near, exact = Int8Linear(layer)(x), layer(x)
        scale = x.abs().max() / 127
        one_scale = layer((x / scale).round() * scale)
    assert F.cosine_similarity(near, exact).min() > 0.999 > F.cosine_similarity(one_scale, exact).min()


def test_best_is_what_the_machine_advises():
    parser = argparse.ArgumentParser()
    precision_option(parser)
    assert parser.parse_args(["--precision", "best"]).precision == advised()
    assert parser.parse_args([]).precision == "fp32"


@pytest.mark.parametrize("activation", ["quick-gelu", "gelu"])
def test_the_activation_is_folded_into_the_products(activation):
    torch.manual_seed(0)
    block = Block(64, 2, activation=activation).eval()
    tokens = torch.randn(2, 9, 64)
    with torch.inference_mode():
        exact = block.mlp(tokens)
        near = convert(block, "bf16").mlp(tokens).float()
    assert isinstance(block.mlp.activation, nn.Identity)
    assert (near - exact).norm() < 0.01 * exact.norm()


def test_load_model_converts_and_keeps_the_card():
    model = load_model("viclip-b-16-debug", precision="bf16")
    assert model.card.name == "viclip-b-16-debug"
    assert model.video.blocks[0].mlp.up.weight.dtype == torch.bfloat16


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="unknown precision `bf61`") as caught:
        load_model("viclip-b-16-debug", precision="bf61")
    assert "bf16" in caught.value.hint
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="fp16 is for GPUs"):
        convert(nn.Linear(2, 2), "fp16")
    assert advised() in ("fp32", "bf16", "int8")


@pytest.mark.parametrize(("words", "problem"), [
    ({"device": "cuda"}, "sees no GPU"),
    ({"device": "cuda", "precision": "fp16"}, "sees no GPU"),
    ({"device": "cpu", "precision": "fp16"}, "fp16 is for GPUs"),
    ({"device": "meta", "precision": "int8"}, "int8 computes on CPUs only"),
])  # fmt: skip
def test_a_device_that_is_not_there_or_cannot_do_it_is_told_before_anything_loads(words, problem, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(choice, "load_model", None)
    with pytest.raises(UsageError, match=problem):
        choice.choose_model("viclip-b-16-debug", **words)
