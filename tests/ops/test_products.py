"""Products by either library are the same numbers, forward and backward, whatever the shapes and threads."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from internvideo.ops import products
from internvideo.ops.products import attention, linear

ACTIVATIONS = {"none": lambda x: x, "swish": F.silu, "gelu": F.gelu}


@pytest.fixture(params=[True, False], ids=["onednn", "plain"], autouse=True)
def library(request, monkeypatch):
    """Both ways, on every machine that has them: the choice by processor is about speed only."""
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("PyTorch was built without oneDNN")
    monkeypatch.setattr(products, "_fast_floats", lambda: request.param)
    monkeypatch.setattr(products, "LEAST", 1)
    monkeypatch.setattr(products, "LONG", 1)
    monkeypatch.setattr(products, "QUERIES", 7)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5), (0, 5)])
@pytest.mark.parametrize("biased", [True, False])
def test_a_linear_layer_with_its_gradients(shape, activation, biased):
    torch.manual_seed(0)
    parts = [torch.randn(shape), torch.randn(4, 5), *([torch.randn(4)] if biased else [])]
    ours, exact = ([x.to(kind).requires_grad_() for x in parts] for kind in (torch.float32, torch.float64))
    expected = ACTIVATIONS[activation](F.linear(*exact))
    found = linear(*ours, activation=activation)
    torch.testing.assert_close(found, expected.float())
    with torch.no_grad():
        torch.testing.assert_close(linear(*ours, activation=activation), expected.float())
    pull = torch.randn(expected.shape)
    torch.testing.assert_close(
        torch.autograd.grad(found, ours, pull),
        tuple(grad.float() for grad in torch.autograd.grad(expected, exact, pull.double())),
    )


def test_only_wanted_gradients_are_made():
    x, weight, bias = torch.randn(3, 5), torch.randn(4, 5, requires_grad=True), torch.randn(4)
    linear(x, weight, bias).sum().backward()
    torch.testing.assert_close(weight.grad, x.sum(0).expand(4, 5))
    assert x.grad is None and bias.grad is None


def test_under_autocast_it_is_the_layer_of_pytorch():
    x, weight = torch.randn(3, 8), torch.randn(4, 8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = linear(x, weight)
        assert found.dtype == torch.bfloat16 and torch.equal(found, F.linear(x, weight))


@pytest.mark.parametrize(("queries", "keys"), [(7, 7), (20, 9), (1, 30)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("dtype", "autocast"), [(torch.float32, False), (torch.bfloat16, False), (torch.bfloat16, True)]
)
def test_attention_with_its_gradients(queries, keys, causal, dtype, autocast):
    torch.manual_seed(0)
    parts = [torch.randn(2, count, 3, 8).transpose(1, 2).to(dtype) for count in (queries, keys, keys)]
    parts[0] = parts[0] * 8  # scores far from zero
    ours, exact = ([x.to(kind).requires_grad_() for x in parts] for kind in (dtype, torch.float64))
    expected = F.scaled_dot_product_attention(*exact, is_causal=causal)
    with torch.autocast("cpu", torch.bfloat16, autocast):
        found = attention(*ours, causal=causal)
    assert found.dtype == dtype
    pull = torch.randn(expected.shape).to(dtype)
    truth = torch.autograd.grad(expected, exact, pull.double())
    for mine, theirs in zip((found, *torch.autograd.grad(found, ours, pull)), (expected, *truth), strict=True):
        assert (mine - theirs).norm() < (1e-5 if dtype == torch.float32 else 1e-2) * (theirs.norm() + 1)


def test_equal_bits_with_any_number_of_threads_and_rows(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(products, "QUERIES", 512)
    x, weight = torch.randn(300, 96), torch.randn(80, 96)
    q, k, v = torch.randn(3, 1, 2, 500, 16)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append((linear(x, weight), attention(q, k, v)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert torch.equal(linear(x[:100], weight), found[0][0][:100])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_kept_for_the_backward_pass_changes_no_bit(dtype, monkeypatch):
    torch.manual_seed(0)
    parts = [torch.randn(2, 3, 40, 8).to(dtype).requires_grad_() for _ in range(3)]
    pull, found = torch.randn(2, 3, 40, 8).to(dtype), []
    one_head = 40 * 40 * parts[0].element_size()
    for kept in (0, 4 * one_head, 1 << 30):  # nothing, four heads of six, everything
        monkeypatch.setattr(products, "KEPT", kept)
        found.append(torch.autograd.grad(attention(*parts), parts, pull))
    for others in found[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found[0], others, strict=True))


@pytest.mark.parametrize("causal", [True, False])
def test_attention_that_is_trained_in_bfloat16(causal, monkeypatch):
    monkeypatch.setattr(products, "LONG", 400)
    torch.manual_seed(0)
    exact = [torch.randn(2, 3, 9, 8, requires_grad=True) for _ in range(3)]
    ours = [x.detach().bfloat16().requires_grad_() for x in exact]
    expected = F.scaled_dot_product_attention(*exact, is_causal=causal)
    with torch.autocast("cpu", torch.bfloat16):
        found = attention(*ours, causal=causal)
    assert found.dtype == torch.bfloat16
    pull = torch.randn(expected.shape)
    wanted = torch.autograd.grad(expected, exact, pull)
    given = torch.autograd.grad(found, ours, pull.bfloat16())
    for one, other in zip((found, *given), (expected, *wanted), strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.02, atol=0.05)
