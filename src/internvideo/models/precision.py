"""In which numbers the linear layers of the blocks compute: fp32, bf16, fp16 or int8.

The stream between blocks, norms, patches, heads and projections stay in fp32, and so does the text tower: a text is
short, and its one vector is compared with every clip. What is faster depends on the machine:
bf16 where the CPU multiplies it itself (AVX-512 BF16, AMX) and on every GPU, int8 where the CPU has VNNI; elsewhere on
CPUs both may be slower than fp32. `advised` says which; `benchmarks/embed.py` measures it. For inference only.
"""

import warnings

import torch
from torch import Tensor, nn

from internvideo.errors import UsageError, nearest
from internvideo.models.layers import QUICK, FeedForward, QuickGELU, SelfAttention
from internvideo.models.meta import shapes_only
from internvideo.models.text_tower import TextTower
from internvideo.models.videomae import KeylessBiasAttention
from internvideo.ops.products import Activation, fast_halves, linear

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", *HALVES, "int8")


def convert(model: nn.Module, precision: str) -> nn.Module:
    """The same network, changed in place, with its blocks in another precision.

    Raises UsageError for an unknown precision, or one that this machine has no kernels for.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision `{precision}`", nearest(precision, PRECISIONS))
    if precision == "fp16" and not torch.cuda.is_available():
        raise UsageError("fp16 is for GPUs, and torch sees none", "take bf16, int8 or fp32")
    if precision == "int8" and torch.backends.quantized.engine not in ("x86", "fbgemm"):
        raise UsageError("int8 needs an x86 processor", "take bf16 or fp32")
    if precision == "fp32":
        return model
    for name, block in list(model.named_modules()):
        if isinstance(block, KeylessBiasAttention):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, _with_whole_bias(block))
    texts = {part for tower in model.modules() if isinstance(tower, TextTower) for part in tower.modules()}
    for block in [part for part in model.modules() if part not in texts]:
        if isinstance(block, SelfAttention | FeedForward):
            for name, layer in _converted(block, precision).items():
                setattr(block, name, layer)
    return model


def check_device(precision: str, device: torch.device) -> None:
    """Raises UsageError where a precision has no kernels for that kind of device."""
    if precision == "fp16" and device.type == "cpu":
        raise UsageError("fp16 is for GPUs", "take bf16, int8 or fp32")
    if precision == "int8" and device.type != "cpu":
        raise UsageError("int8 computes on CPUs only", "take bf16 or fp16, or --device cpu")


def advised() -> str:
    """The precision that is likely the fastest here, at a cosine to fp32 of at least 0.999."""
    cpu = torch.cpu
    if torch.cuda.is_available() or cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported():
        return "bf16"
    return "int8" if cpu._is_vnni_supported() else "fp32"


def _converted(block: SelfAttention | FeedForward, precision: str) -> dict[str, nn.Module]:
    """The parts of a block that change."""
    if precision == "int8":
        names = ("qkv", "out") if isinstance(block, SelfAttention) else ("up", "down")
        return {name: Int8Linear(getattr(block, name)) for name in names}
    dtype = HALVES[precision]
    if isinstance(block, SelfAttention):  # attention itself is faster in fp32 where halves are slow
        return {"qkv": HalfLinear(block.qkv, dtype, fp32_on_cpu=not fast_halves()), "out": HalfLinear(block.out, dtype)}
    quick = isinstance(block.activation, QuickGELU)
    factor = QUICK if quick else 1.0  # see `FeedForward`
    up = HalfLinear(block.up, dtype, "swish" if quick else "gelu", factors=(factor, factor))
    return {"up": up, "activation": nn.Identity(), "down": HalfLinear(block.down, dtype, factors=(1 / factor, 1.0))}


class HalfLinear(nn.Module):
    """A linear layer in half precision, with the activation behind it; takes any precision.

    factors: of weight and bias.
    """

    def __init__(
        self,
        layer: nn.Linear,
        dtype: torch.dtype,
        activation: Activation = "none",
        *,
        factors: tuple[float, float] = (1.0, 1.0),
        fp32_on_cpu: bool = False,
    ) -> None:
        super().__init__()
        parts = (layer.weight, layer.bias)
        self.weight, self.bias = (
            None if part is None else nn.Parameter((part.detach() * factor).to(dtype), requires_grad=False)
            for part, factor in zip(parts, factors, strict=True)
        )
        self.activation: Activation = activation
        self.fp32_on_cpu = fp32_on_cpu

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N) in half precision, or in fp32 if asked for."""
        out = linear(x.to(self.weight.dtype), self.weight, self.bias, self.activation)
        return out.float() if self.fp32_on_cpu and out.is_cpu else out


class Int8Linear(nn.Module):
    """A linear layer whose weights have one scale per output, and whose input gets one per row (token).

    One scale per batch, the usual dynamic quantisation, is not near enough: few channels of few tokens are large.
    Without VNNI the kernels add pairs of products in 16 bits, so inputs keep to 7 bits there.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float().cpu()
        scales = (weight.abs().amax(1) / 127).clamp(min=1e-12)
        zeros = torch.zeros(len(scales), dtype=torch.int64)
        with warnings.catch_warnings():  # PyTorch announces another form, which has no kernels without VNNI yet
            warnings.simplefilter("ignore", UserWarning)
            whole = torch.quantize_per_channel(weight, scales.double(), zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(whole, None)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
        self.levels = 127 if torch.cpu._is_vnni_supported() else 63

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) float32 -> (..., N) float32. Raises UsageError on a GPU."""
        check_device("int8", x.device)
        rows = x.reshape(-1, x.shape[-1])
        scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12) / self.levels
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        out: Tensor = product(rows / scale, 1.0, self.levels + 1, self.packed).mul_(scale)
        out = out if self.bias is None else out.add_(self.bias)
        return out.reshape(*x.shape[:-1], -1)


def _with_whole_bias(attention: KeylessBiasAttention) -> SelfAttention:
    """The same attention with one bias for queries, keys (zero) and values."""
    width = attention.out.in_features
    with shapes_only():
        whole = SelfAttention(width, attention.heads)
    query, value = attention.query_bias, attention.value_bias
    some = torch.zeros(width) if query is None else query.detach()
    bias = torch.cat([some, torch.zeros_like(some), torch.zeros(width) if value is None else value.detach()])
    whole.qkv.weight, whole.qkv.bias = attention.qkv.weight, nn.Parameter(bias)
    whole.out = attention.out
    return whole
