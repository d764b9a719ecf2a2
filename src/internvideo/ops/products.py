"""Products of matrices on CPUs, by the faster of the two libraries that PyTorch carries.

PyTorch leaves float32 products to MKL. On processors of other makers than Intel, MKL keeps to AVX2 where there is
AVX-512; oneDNN does not, and is twice as fast there. Attention over many tokens is made of such products, a few hundred
queries at a time, so that scores stay in the cache; where gradients are wanted, PyTorch's own is as fast.

Which library computes depends on the machine and on sizes alone: equal machines give equal bits, with any number of
threads. Everything else (GPUs, other CPUs, compiled and exported networks) takes PyTorch's own way.
"""

import platform
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

Activation = Literal["none", "swish", "gelu"]  # swish: x sigmoid(x); gelu: the exact one

LEAST = 1 << 20  # multiply-adds from which on a product is worth the call of oneDNN
QUERIES = 512  # of attention at once: their scores stay in the cache
LONG = 400  # tokens from which on attention is computed here


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> Tensor:
    """x: (..., K), weight: (N, K), bias: (N,) -> (..., N): the activation of x weight^T + bias."""
    if not _by_onednn(x, weight) or x.numel() * len(weight) < LEAST:
        return _activate(F.linear(x, weight, bias), activation)
    if _wants_gradient(x, weight, bias):
        out: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return _activate(out, activation)
    return _onednn(x, weight, bias, activation)


def attention(q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
    """Attention scaled by 1/sqrt(d), per head: q (B, H, N, d), k and v (B, H, M, d) -> (B, H, N, d).

    causal: a query sees keys up to its own position.
    """
    own = causal or min(q.shape[-2], k.shape[-2]) < LONG or not _by_onednn(q, k) or _wants_gradient(q, k, v)
    if own:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    batch, heads, count, width = q.shape
    out = q.new_empty(batch, count, heads, width).transpose(1, 2)  # as those who join the heads want it
    for place in np.ndindex(batch, heads):
        queries, keys, values = q[place] * width**-0.5, k[place].contiguous(), v[place].T.contiguous()
        for start in range(0, count, QUERIES):
            scores = _onednn(queries[start : start + QUERIES], keys)
            out[place][start : start + QUERIES] = _onednn(scores.softmax(-1), values)
    return out


@cache
def fast_halves() -> bool:
    """Whether this CPU multiplies bfloat16 itself."""
    return bool(torch.backends.mkldnn.enabled) and torch.cpu._is_avx512_bf16_supported()


@cache
def _fast_floats() -> bool:
    """Whether oneDNN multiplies float32 faster than MKL does on this CPU."""
    if not torch.backends.mkldnn.enabled or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    try:
        maker = Path("/proc/cpuinfo").read_text()
    except OSError:
        maker = platform.processor()
    return "AuthenticAMD" in maker


def _by_onednn(x: Tensor, other: Tensor) -> bool:
    if not x.is_cpu or x.dtype != other.dtype or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    return (x.dtype == torch.float32 and _fast_floats()) or (x.dtype == torch.bfloat16 and fast_halves())


def _wants_gradient(*parts: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in parts)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None, activation: Activation = "none") -> Tensor:
    how = "none" if activation == "gelu" else ""
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], how)
    return out


def _activate(x: Tensor, activation: Activation) -> Tensor:
    if activation == "none":
        return x
    return F.gelu(x) if activation == "gelu" else F.silu(x, inplace=not torch.is_grad_enabled())


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wants = ctx.needs_input_grad
        flat = grad.reshape(-1, grad.shape[-1])
        return (
            _onednn(grad, weight.T) if wants[0] else None,
            _onednn(flat.T, x.reshape(-1, x.shape[-1]).T) if wants[1] else None,
            flat.sum(0) if wants[2] else None,
        )
