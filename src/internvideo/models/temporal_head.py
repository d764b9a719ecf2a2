"""ActionFormer: finds when actions begin and end in a sequence of features.

A pyramid of one-dimensional transformer (or convolution) blocks halves the sequence level by level; at every step of
every level shared heads name classes and the distances to both ends of a segment. Source: Zhang et al. 2022
(ActionFormer), as InternVideo uses it. Knows features (B, C, T) and which of their steps are real; no seconds or files.

Inside, channels come last, (B, T, D), where layer norms and products of matrices are fast: a convolution over time is
one product with each step's neighbours side by side.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import DropPath
from internvideo.models.renaming import Renames, Shapes, count, prefixed
from internvideo.models.videomae import sine_table
from internvideo.ops.products import linear

FARTHEST = 10000.0  # upper end of the last level's range of offsets
INVALID = -1e4  # added to the attention to steps that are padding


@dataclass(frozen=True, kw_only=True)
class TemporalHeadConfig:
    channels: int = 1280  # of the features that come in
    classes: int = 20
    width: int = 512
    heads: int = 4
    steps: int = 2304  # shorter sequences are padded to it
    embed_layers: int = 2
    stem_blocks: int = 2
    windows: tuple[int, ...] = (19,) * 6  # steps that attention sees at each level; at most 1: all of them
    backbone: Literal["attention", "convolution"] = "attention"
    neck: Literal["norm", "pyramid"] = "norm"
    positions: bool = False  # add a sine table to the embedded features
    window_bias: bool = False  # learn what each place of a window counts
    head_layers: int = 3
    drop_path: float = 0.1  # above 0, every branch also has a learned scale per channel
    first_range: float = 4.0  # the longest offset of the first level, in steps of the sequence; doubles per level
    prior: float = 0.01  # what a class is thought likely before training

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"a width of {self.width} does not divide into {self.heads} heads")
        if any(window > 1 and window % 2 == 0 for window in self.windows):
            raise ValueError(f"windows must be odd to have a middle, got {self.windows}")
        if self.steps % self.divisor:
            nearest = -(-self.steps // self.divisor) * self.divisor
            raise ValueError(
                f"{self.steps} steps do not divide by {self.divisor} (stride times window - 1): try {nearest}"
            )

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(2**level for level in range(len(self.windows)))

    @property
    def divisor(self) -> int:
        """Sequences are padded to a multiple of it."""
        return max(s * (w // 2 * 2 if w > 1 else 1) for s, w in zip(self.strides, self.windows, strict=True))

    @property
    def ranges(self) -> tuple[tuple[float, float], ...]:
        """Of each level: between what the larger of both offsets lies that it answers for, in steps of the sequence."""
        ends = [self.first_range * stride for stride in self.strides]
        return tuple(zip([0.0, *ends[:-1]], [*ends[:-1], FARTHEST], strict=True))

    def padded(self, length: int) -> int:
        """How long a sequence of so many steps becomes."""
        return max(self.steps, -(-length // self.divisor) * self.divisor)


class Found(NamedTuple):
    """What the heads say at level l: logits (B, K, T_l), offsets (B, 2, T_l) in strides, masks (B, 1, T_l) bool."""

    logits: list[Tensor]
    offsets: list[Tensor]
    masks: list[Tensor]

    def flat(self) -> tuple[Tensor, Tensor, Tensor]:
        """All levels in a row: (B, N, K), (B, N, 2), (B, N) bool."""
        logits, offsets = (torch.cat(each, -1).transpose(1, 2) for each in (self.logits, self.offsets))
        return logits, offsets, torch.cat(self.masks, -1)[:, 0]


class TemporalHead(nn.Module):
    """Embedding, pyramid, neck, and one head for classes and one for offsets that all levels share."""

    def __init__(self, config: TemporalHeadConfig) -> None:
        super().__init__()
        self.config = config
        width, levels = config.width, len(config.windows)
        inputs = [config.channels] + [width] * (config.embed_layers - 1)
        self.embed = nn.ModuleList(MaskedConv(channels, width, bias=False) for channels in inputs)
        self.embed_norms = nn.ModuleList(ChannelNorm(width) for _ in inputs)
        self.stem = nn.ModuleList(_block(config, config.windows[0], 1) for _ in range(config.stem_blocks))
        self.branch = nn.ModuleList(_block(config, window, 2) for window in config.windows[1:])
        if config.neck == "pyramid":
            self.lateral = nn.ModuleList(MaskedConv(width, width, size=1, bias=False) for _ in range(levels))
            self.smooth = nn.ModuleList(MaskedConv(width, width, groups=width, bias=False) for _ in range(levels))
        self.norms = nn.ModuleList(ChannelNorm(width) for _ in range(levels))
        self.classify = ConvHead(width, config.classes, config.head_layers)
        self.regress = ConvHead(width, 2, config.head_layers)
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(())) for _ in range(levels))
        nn.init.constant_(self.classify.last.bias, -math.log((1 - config.prior) / config.prior))  # type: ignore[arg-type]

    def forward(self, features: Tensor, mask: Tensor) -> Found:
        """features: (B, C, T); mask: (B, T) bool, true where a step is real; T as `TemporalHeadConfig.padded` gives."""
        if features.shape[-1] % self.config.divisor:
            raise ValueError(f"{features.shape[-1]} steps do not divide by {self.config.divisor}: pad them (`pad`)")
        levels, masks = self.pyramid(features, mask)
        return self.answer(self.join(levels, masks), masks)

    def pyramid(self, features: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(B, C, T), (B, T) bool -> of each level (B, T_l, D) and (B, T_l, 1)."""
        x, mask = features.transpose(1, 2), mask[..., None]
        for conv, norm in zip(self.embed, self.embed_norms, strict=True):
            x = F.relu(norm(conv(x, mask)))
        if self.config.positions:
            x = x + self._positions(x) * mask
        for block in self.stem:
            x = block(x, mask)
        levels, masks = [x], [mask]
        for block in self.branch:
            x = block(x, mask)
            mask = mask[:, ::2]
            levels.append(x)
            masks.append(mask)
        return levels, masks

    def join(self, levels: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        """The neck: each level normed, after it has heard from those above if the neck is a pyramid."""
        joined = list(levels)
        if self.config.neck == "pyramid":
            joined = [conv(x, mask) for conv, x, mask in zip(self.lateral, levels, masks, strict=True)]
            for level in range(len(joined) - 1, 0, -1):
                joined[level - 1] = joined[level - 1] + joined[level].repeat_interleave(2, 1)
            joined = [conv(x, mask) for conv, x, mask in zip(self.smooth, joined, masks, strict=True)]
        return [norm(x) for norm, x in zip(self.norms, joined, strict=True)]

    def answer(self, levels: Sequence[Tensor], masks: Sequence[Tensor]) -> Found:
        """Both heads at every level."""
        logits = [self.classify(x, mask) for x, mask in zip(levels, masks, strict=True)]
        raw = [self.regress(x, mask) for x, mask in zip(levels, masks, strict=True)]
        offsets = [F.relu(scale * each) for scale, each in zip(self.scales, raw, strict=True)]
        return Found(*([each.transpose(1, 2) for each in column] for column in (logits, offsets, masks)))

    def points(self, length: int) -> list[Tensor]:
        """Of each level (T_l, 4): place in steps of the sequence, range of offsets (low, high), stride."""
        rows = []
        for stride, (low, high) in zip(self.config.strides, self.config.ranges, strict=True):
            places = torch.arange(0, length, stride, dtype=torch.float32)
            rest = torch.tensor([low, high, float(stride)]).expand(len(places), 3)
            rows.append(torch.cat([places[:, None], rest], 1).to(self.scales[0].device))
        return rows

    def _positions(self, x: Tensor) -> Tensor:
        """The sine table (1, T, D), stretched where a sequence is longer than the table."""
        length, config = x.shape[1], self.config
        table: Tensor = sine_table(config.steps, config.width).to(x) / config.width**0.5
        if length > config.steps:
            table = F.interpolate(table.transpose(1, 2), length, mode="linear", align_corners=False).transpose(1, 2)
        return table[:, :length]


def pad(features: Sequence[Tensor], config: TemporalHeadConfig) -> tuple[Tensor, Tensor]:
    """Sequences (C, T) of any lengths -> (B, C, T') with zeros behind them, and (B, T') bool: what is real."""
    lengths = [each.shape[-1] for each in features]
    length = config.padded(max(lengths))
    batch = torch.stack([F.pad(each, (0, length - each.shape[-1])) for each in features])
    return batch, torch.arange(length) < torch.tensor(lengths)[:, None]


class MaskedConv(nn.Conv1d):
    """Convolution over time whose results are zero where there is padding. The stride thins out the mask too."""

    def __init__(
        self, channels: int, width: int, *, size: int = 3, stride: int = 1, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(channels, width, size, stride, size // 2, groups=groups, bias=bias)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """x: (B, T, C), mask: (B, T, 1) bool -> (B, T / stride, D)."""
        (size,), (stride,) = self.kernel_size, self.stride
        weight = self.weight.movedim(-1, 0)  # (size, D, C / groups)
        padded = F.pad(x, (0, 0, size // 2, size // 2))
        near = [padded[:, place : place + x.shape[1] : stride] for place in range(size)]
        if self.groups > 1:  # every channel by itself
            out = sum((each * own[:, 0] for each, own in zip(near, weight, strict=True)), start=self._start())
        else:
            out = linear(torch.cat(near, -1), weight.permute(1, 0, 2).flatten(1), self.bias)
        return out * mask[:, ::stride]

    def _start(self) -> Tensor:
        return self.weight.new_zeros(()) if self.bias is None else self.bias


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each step: (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, width, 1))
        self.bias = nn.Parameter(torch.zeros(1, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weight[0, :, 0], self.bias[0, :, 0], 1e-5)


class ConvHead(nn.Module):
    """Convolutions with norms, then one to what is asked: (B, T, D) -> (B, T, outputs)."""

    def __init__(self, width: int, outputs: int, layers: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(MaskedConv(width, width, bias=False) for _ in range(layers - 1))
        self.norms = nn.ModuleList(ChannelNorm(width) for _ in range(layers - 1))
        self.last = MaskedConv(width, outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x, mask)))
        out: Tensor = self.last(x, mask)
        return out


class ScaledPath(nn.Module):
    """A residual branch times a learned scale per channel, left out at random in training."""

    def __init__(self, width: int, rate: float, initial: float = 1e-4) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1, width, 1), initial))
        self.drop = DropPath(rate)

    def forward(self, branch: Tensor) -> Tensor:
        out: Tensor = self.drop(self.scale[..., 0] * branch)
        return out


class AttentionBlock(nn.Module):
    """Attention over time and a feed-forward, each added to what came in. Stride 2 halves the sequence."""

    def __init__(self, config: TemporalHeadConfig, window: int, stride: int) -> None:
        super().__init__()
        width, rate = config.width, config.drop_path
        self.stride = stride
        self.norm1, self.norm2 = ChannelNorm(width), ChannelNorm(width)
        self.attention = TemporalAttention(width, config.heads, window, stride, bias=config.window_bias)
        self.up, self.down = nn.Conv1d(width, 4 * width, 1), nn.Conv1d(4 * width, width, 1)
        self.path1, self.path2 = (ScaledPath(width, rate) if rate > 0 else nn.Identity() for _ in range(2))
        for conv in (self.up, self.down):
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), (B, T, 1) bool -> (B, T / stride, D)."""
        skip = x if self.stride == 1 else F.max_pool1d(x.transpose(1, 2), 3, self.stride, 1).transpose(1, 2)
        left = mask[:, :: self.stride]
        x = skip * left + self.path1(self.attention(self.norm1(x), mask))
        wide = linear(self.norm2(x), self.up.weight[..., 0], self.up.bias, "gelu")
        out: Tensor = x + self.path2(_by_step(self.down, wide) * left)
        return out


class ConvBlock(nn.Module):
    """Two convolutions, twice as wide between, added to what came in. Stride 2 halves the sequence."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.up = MaskedConv(width, 2 * width, stride=stride)
        self.down = MaskedConv(2 * width, width)
        self.skip = MaskedConv(width, width, size=1, stride=stride) if stride > 1 else None
        self.stride = stride

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), (B, T, 1) bool -> (B, T / stride, D)."""
        branch = self.down(F.relu(self.up(x, mask)), mask[:, :: self.stride])
        return F.relu(branch + (x if self.skip is None else self.skip(x, mask)))


def _block(config: TemporalHeadConfig, window: int, stride: int) -> nn.Module:
    if config.backbone == "convolution":
        return ConvBlock(config.width, stride)
    return AttentionBlock(config, window, stride)


class TemporalAttention(nn.Module):
    """Attention of steps to all others, or to those at most half a window away.

    Queries, keys and values first pass a convolution of their own, which also halves the sequence if the stride is 2.
    """

    def __init__(self, width: int, heads: int, window: int, stride: int, *, bias: bool) -> None:
        super().__init__()
        self.heads, self.reach, self.stride = heads, window // 2 if window > 1 else 0, stride
        if bias and self.reach:
            self.window_bias = nn.Parameter(
                nn.init.trunc_normal_(torch.empty(1, 1, heads, window), std=(2 / width) ** 0.5)
            )
        for part in ("query", "key", "value"):
            setattr(self, f"{part}_conv", MaskedConv(width, width, stride=stride, groups=width, bias=False))
            setattr(self, f"{part}_norm", ChannelNorm(width))
        self.key, self.query, self.value, self.out = (nn.Conv1d(width, width, 1) for _ in range(4))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D), (B, T, 1) bool -> (B, T / stride, D), zero where there is padding."""
        q, k, v = (
            self._split(
                _by_step(getattr(self, part), getattr(self, f"{part}_norm")(getattr(self, f"{part}_conv")(x, mask)))
            )
            for part in ("query", "key", "value")
        )
        left = mask[:, :: self.stride]
        real = left.transpose(1, 2)
        if self.reach:
            mixed = self._near(q, k, v, real)
        else:
            seen = torch.zeros(real.shape, dtype=q.dtype, device=q.device).masked_fill(~real, INVALID)
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=seen[:, None])
        return _by_step(self.out, mixed.transpose(1, 2).flatten(2)) * left

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def _near(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        """Attention inside the window, in chunks of queries that see the keys of their chunk and `reach` around it."""
        batch, heads, length, depth = q.shape
        reach, chunk = self.reach, max(2 * self.reach, 32)
        chunks = -(-length // chunk)
        spare = chunks * chunk - length
        span = chunk + 2 * reach

        def around(x: Tensor) -> Tensor:  # (B, h, T, d) -> (B, h, chunks, span, d)
            return F.pad(x, (0, 0, reach, reach + spare)).unfold(2, span, chunk).transpose(-1, -2)

        offset = torch.arange(span, device=q.device) - torch.arange(chunk, device=q.device)[:, None]  # 0 ... 2 reach
        seen = torch.zeros(chunk, span, dtype=q.dtype, device=q.device).masked_fill(
            (offset < 0) | (offset > 2 * reach), -torch.inf
        )
        bias = seen.expand(1, heads, 1, chunk, span)
        if hasattr(self, "window_bias"):
            bias = bias + self.window_bias[0, 0][:, offset.clamp(0, 2 * reach)][None, :, None]
        real = torch.zeros(mask.shape, dtype=q.dtype, device=q.device).masked_fill(~mask, INVALID)
        real = F.pad(real, (reach, reach + spare), value=INVALID).unfold(2, span, chunk)  # (B, 1, chunks, span)
        bias = bias + real[..., None, :]
        queries = F.pad(q, (0, 0, 0, spare)).reshape(batch, heads, chunks, chunk, depth)
        mixed = F.scaled_dot_product_attention(queries, around(k), around(v), attn_mask=bias)
        return mixed.flatten(2, 3)[:, :, :length]


def _by_step(conv: nn.Module, x: Tensor) -> Tensor:
    """A convolution of one step: (B, T, C) -> (B, T, D)."""
    assert isinstance(conv, nn.Conv1d)
    return linear(x, conv.weight[..., 0], conv.bias)


def infer_config(shapes: Shapes, base: TemporalHeadConfig | None = None) -> TemporalHeadConfig:
    """What the shapes of weights tell; the rest is as in `base`. shapes: under our names."""
    base = base or TemporalHeadConfig()
    width, channels, _ = shapes["embed.0.weight"]
    levels = count(shapes, "norms.")
    windows = (base.windows + base.windows[-1:] * levels)[:levels]
    return replace(
        base,
        channels=channels,
        classes=shapes["classify.last.weight"][0],
        width=width,
        embed_layers=count(shapes, "embed."),
        stem_blocks=count(shapes, "stem."),
        windows=windows,
        backbone="attention" if any(".attention." in name for name in shapes) else "convolution",
        neck="pyramid" if "lateral.0.weight" in shapes else "norm",
        window_bias=any(name.endswith(".window_bias") for name in shapes),
        head_layers=count(shapes, "classify.convs.") + 1,
        drop_path=(base.drop_path or 0.1) if any(".path1." in name for name in shapes) else 0.0,
    )


TEMPORAL_THUMOS = TemporalHeadConfig(channels=1408)
TEMPORAL_ACTIVITYNET = TemporalHeadConfig(
    classes=1, width=256, steps=768, windows=(25, 25, 25, 25, 25, -1), positions=True
)
TEMPORAL_HACS = replace(TEMPORAL_ACTIVITYNET, steps=2304)
TEMPORAL_FINEACTION = replace(TEMPORAL_ACTIVITYNET, steps=192, windows=(7, 7, 7, 7, 7, -1))
TEMPORAL_MOMENTS = replace(TEMPORAL_THUMOS, channels=1024, classes=110)  # of VideoMAE-L, which read verbs
TEMPORAL_DEBUG = TemporalHeadConfig(channels=64, classes=4, width=32, steps=64, windows=(5, 5, 5, -1))

_ATTENTION: Renames = (
    ("rel_pe", "window_bias"),
    *(
        line
        for part in ("query", "key", "value")
        for line in ((f"{part}_conv.conv.", f"{part}_conv."), (f"{part}_norm.", f"{part}_norm."))
    ),
    *((f"{part}.", f"{part}.") for part in ("key", "query", "value")),
    ("proj.", "out."),
)
_BLOCK: Renames = (
    ("ln1.", "norm1."),
    ("ln2.", "norm2."),
    *prefixed(_ATTENTION, "attn.", "attention."),
    ("mlp.0.", "up."),
    ("mlp.3.", "down."),
    ("drop_path_attn.", "path1."),
    ("drop_path_mlp.", "path2."),
    ("conv1.conv.", "up."),
    ("conv2.conv.", "down."),
    ("downsample.conv.", "skip."),
)
RENAMES: Renames = (
    ("backbone.embd.{n}.conv.", "embed.{n}."),
    ("backbone.embd_norm.{n}.", "embed_norms.{n}."),
    *prefixed(_BLOCK, "backbone.stem.{n}.", "stem.{n}."),
    *prefixed(_BLOCK, "backbone.branch.{n}.", "branch.{n}."),
    ("neck.lateral_convs.{n}.conv.", "lateral.{n}."),
    ("neck.fpn_convs.{n}.conv.", "smooth.{n}."),
    ("neck.fpn_norms.{n}.", "norms.{n}."),
    ("cls_head.head.{n}.conv.", "classify.convs.{n}."),
    ("cls_head.norm.{n}.", "classify.norms.{n}."),
    ("cls_head.cls_head.conv.", "classify.last."),
    ("reg_head.head.{n}.conv.", "regress.convs.{n}."),
    ("reg_head.norm.{n}.", "regress.norms.{n}."),
    ("reg_head.scale.{n}.scale", "scales.{n}"),
    ("reg_head.offset_head.conv.", "regress.last."),
)
LAYOUTS = {"official": RENAMES}
