"""Products of matrices on CPUs, by the faster of the two libraries that PyTorch carries.

PyTorch leaves float32 products to MKL. On processors of other makers than Intel, MKL keeps to AVX2 where there is
AVX-512; oneDNN does not, and is twice as fast there. Attention over many tokens is made of such products, a few hundred
queries at a time (Dao et al. 2022): backward, scores are computed again, beyond a bounded part that is kept.

Which library computes depends on the machine and on sizes alone: equal machines give equal bits, with any number of
threads. Everything else (GPUs, other CPUs, compiled and exported networks) takes PyTorch's own way.
"""

import math
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
KEPT = 128 << 20  # bytes of attention's weights that one call keeps for its backward pass; the rest is computed again


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
    if q.is_cpu and q.dtype == k.dtype == v.dtype == torch.bfloat16 and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):  # they are what it would make of them
            return attention(q, k, v, causal=causal)
    if q.is_cpu and q.dtype == torch.bfloat16 and k.shape[-2] < LONG and _wants_gradient(q, k, v):
        return _in_three_steps(q, k, v, causal)
    if causal or min(q.shape[-2], k.shape[-2]) < LONG or not _by_onednn(q, k):
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    out: Tensor = _Attention.apply(q, k, v)  # type: ignore[no-untyped-call]
    return out


def _in_three_steps(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """For training in bfloat16: the backward pass of PyTorch's own is several times slower on CPUs."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1), -torch.inf)
    mixed: Tensor = scores.softmax(-1) @ v
    return mixed


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


class _Attention(torch.autograd.Function):
    """Per head and some queries: scores S = Q K^T, weights P = softmax(S), O = P V. In training scores are float32."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        training = any(ctx.needs_input_grad)
        out, scores = _joinable(q), torch.float32 if training else q.dtype
        room, kept = KEPT * training, []
        for place in np.ndindex(q.shape[:2]):
            queries, keys = _scaled(q[place]).to(scores), k[place].to(scores).contiguous()
            values = v[place].T.contiguous()
            room -= len(queries) * len(keys) * v.element_size()
            for part in _parts(queries):
                weights = _weights(queries[part], keys, v.dtype)
                out[place][part] = _onednn(weights, values)
                if room >= 0:
                    kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        q, k, v, *kept = ctx.saved_tensors
        grads, known = tuple(_joinable(x) for x in (q, k, v)), iter(kept)
        for place in np.ndindex(q.shape[:2]):
            queries, keys, pulls = _scaled(q[place]), k[place].float().contiguous(), grad[place].contiguous()
            keys_t, values = k[place].T.contiguous(), v[place].contiguous()
            grad_keys, grad_values = torch.zeros_like(keys_t, dtype=torch.float32), keys.new_zeros(v[place].T.shape)
            for part in _parts(queries):
                weights = next(known, None)
                weights = _weights(queries[part], keys, v.dtype) if weights is None else weights
                grad_values += _onednn(pulls[part].T, weights.T)
                slopes = torch.ops.aten._softmax_backward_data(_onednn(pulls[part], values), weights, -1, v.dtype)
                grads[0][place][part] = _onednn(slopes, keys_t) / math.sqrt(q.shape[-1])
                grad_keys += _onednn(queries[part].to(q.dtype).T, slopes.T)
            grads[1][place], grads[2][place] = grad_keys.T, grad_values.T
        return grads


def _weights(queries: Tensor, keys: Tensor, dtype: torch.dtype) -> Tensor:
    return _onednn(queries, keys).softmax(-1).to(dtype)


def _joinable(x: Tensor) -> Tensor:
    """Room for (B, H, N, d) whose heads lie side by side, as those who join them want it."""
    batch, heads, count, width = x.shape
    room: Tensor = x.new_empty(batch, count, heads, width)
    return room.transpose(1, 2)


def _scaled(queries: Tensor) -> Tensor:
    return queries.float() / math.sqrt(queries.shape[-1])


def _parts(queries: Tensor) -> list[slice]:
    return [slice(start, start + QUERIES) for start in range(0, len(queries), QUERIES)]
