"""The parts that several networks truly share: attention, feed-forward, stochastic depth, patches, position tables.

Tokens are batch first, (..., N, D). Knows no configuration, no files and no published names of weights.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.ops.products import attention, linear

DropPathPer = Literal["clip", "token"]
Activation = Literal["quick-gelu", "gelu"]


def attend(q: Tensor, k: Tensor, v: Tensor, *, heads: int, causal: bool = False) -> Tensor:
    """Multi-head attention of projected queries, keys and values, scaled by 1/sqrt(D/heads).

    q: (..., Nq, D), k and v: (..., Nk, D) -> (..., Nq, D). causal: a query sees keys up to its own position.
    """

    def split(tokens: Tensor) -> Tensor:
        return tokens.reshape(-1, tokens.shape[-2], heads, tokens.shape[-1] // heads).transpose(1, 2)

    mixed = attention(split(q), split(k), split(v), causal=causal)
    return mixed.transpose(1, 2).reshape(q.shape)


class Linear(nn.Linear):
    """The same layer and numbers as PyTorch's, by the faster library: `ops.products`."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        return linear(x, self.weight, self.bias)


class SelfAttention(nn.Module):
    """Attention of tokens among themselves. One fused projection gives queries, keys, values, in this order."""

    def __init__(self, width: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (..., N, D) -> (..., N, D)."""
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        out: Tensor = self.out(attend(q, k, v, heads=self.heads, causal=self.causal))
        return out


class CrossAttention(nn.Module):
    """Attention of queries to other tokens of the same width, with the fused weights of `SelfAttention`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        """queries: (..., Nq, D), memory: (..., Nk, D) -> (..., Nq, D)."""
        width = queries.shape[-1]
        q = linear(queries, self.qkv.weight[:width], self.qkv.bias[:width])
        k, v = linear(memory, self.qkv.weight[width:], self.qkv.bias[width:]).chunk(2, dim=-1)
        out: Tensor = self.out(attend(q, k, v, heads=self.heads))
        return out


QUICK = 1.702


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x): the activation that OpenAI's CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(QUICK * x)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {"quick-gelu": QuickGELU, "gelu": nn.GELU}


class FeedForward(nn.Module):
    """Two linear layers with an activation, and in training a dropout, between them."""

    def __init__(self, width: int, hidden: int, activation: Activation, dropout: float = 0.0) -> None:
        super().__init__()
        self.up = Linear(width, hidden)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)
        self.down = Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (..., D) -> (..., D)."""
        plain = type(self.up) is type(self.down) is Linear
        if plain and isinstance(self.activation, QuickGELU):
            # a x sigmoid(a x) / a, with a and 1 / a at the narrow ends: one pass over the wide tokens, and one is kept
            wide = linear(QUICK * tokens, self.up.weight, QUICK * self.up.bias, "swish")
            return linear(self.dropout(wide), self.down.weight, QUICK * self.down.bias) / QUICK
        wide = linear(tokens, self.up.weight, self.up.bias, "gelu") if plain else self.activation(self.up(tokens))
        out: Tensor = self.down(self.dropout(wide))
        return out


class DropPath(nn.Module):
    """Stochastic depth: in training a residual branch is left out with probability `rate`, else scaled by 1/(1-rate).

    per="clip" draws once for each clip. per="token" draws once for each token position, shared by the whole batch: what
    the published CLIP-type towers did, because their activations were sequence first.
    """

    def __init__(self, rate: float, per: DropPathPer = "clip") -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"a drop rate lies in [0, 1), got {rate}")
        self.rate, self.per = rate, per

    def forward(self, branch: Tensor) -> Tensor:
        """branch: (B, ..., N, D) -> the same shape."""
        if not self.training or self.rate == 0:
            return branch
        shape = [1] * branch.ndim
        axis = 0 if self.per == "clip" else branch.ndim - 2
        shape[axis] = branch.shape[axis]
        kept = branch.new_empty(shape).bernoulli_(1 - self.rate)
        return branch * (kept / (1 - self.rate))


class Block(nn.Module):
    """The pre-norm residual block of CLIP: attention, then a feed-forward four times as wide."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        activation: Activation = "quick-gelu",
        causal: bool = False,
        drop_path: float = 0.0,
        drop_path_per: DropPathPer = "clip",
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, causal=causal)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = FeedForward(width, 4 * width, activation)
        self.drop_path = DropPath(drop_path, drop_path_per)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (..., N, D) -> (..., N, D)."""
        tokens = tokens + self.drop_path(self.attention(self.norm1(tokens)))
        out: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return out


class TubePatches(nn.Module):
    """Cuts a video into cubes that do not overlap and projects each to one token.

    The weight has the form of a convolution whose stride is its kernel, (D, C, tubelet, patch, patch). Cubes that are
    not kept are never multiplied, nor copied.
    """

    def __init__(self, width: int, tubelet: int, patch: int, *, bias: bool = False, channels: int = 3) -> None:
        super().__init__()
        self.tubelet, self.patch = tubelet, patch
        self.weight = nn.Parameter(torch.empty(width, channels, tubelet, patch, patch))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        nn.init.xavier_uniform_(self.weight.view(width, -1))

    def grid(self, video: Tensor) -> tuple[int, int, int]:
        """Cubes along time, height and width. Raises ValueError if the video does not cut into whole cubes."""
        frames, height, width = video.shape[-3:]
        if frames % self.tubelet or height % self.patch or width % self.patch:
            raise ValueError(
                f"a video of {frames} frames, {height} x {width} pixels does not cut into cubes of "
                f"{self.tubelet} x {self.patch} x {self.patch}"
            )
        return frames // self.tubelet, height // self.patch, width // self.patch

    def forward(self, video: Tensor, kept: Tensor | None = None) -> Tensor:
        """video: (B, C, T, H, W); kept: (B, K) int64 numbers of cubes, time first -> (B, N or K, D).

        Cube (t, h, w) has the number (t * rows + h) * columns + w.
        """
        t, h, w = self.grid(video)
        u, p = self.tubelet, self.patch
        cubes = video.reshape(*video.shape[:2], t, u, h, p, w, p).permute(0, 2, 4, 6, 1, 3, 5, 7)
        if kept is not None:
            clip = torch.arange(video.shape[0], device=video.device)[:, None]
            cubes = cubes[clip, kept // (h * w), kept // w % h, kept % w]
            return linear(cubes.flatten(2), self.weight.flatten(1), self.bias)
        return linear(cubes.reshape(video.shape[0], t * h * w, -1), self.weight.flatten(1), self.bias)


def take(tokens: Tensor, kept: Tensor) -> Tensor:
    """Rows of each clip: tokens (B or 1, N, D), kept (B, K) int64 -> (B, K, D)."""
    rows = tokens.expand(kept.shape[0], -1, -1)
    return rows.gather(1, kept[..., None].expand(-1, -1, tokens.shape[-1]))


def resize_grid(table: Tensor, source: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """Resize position tables of a picture, (..., h w, D) -> (..., h2 w2, D): bicubic, no antialias, half-pixel centres.

    source and target: (rows, columns).
    """
    if source == target:
        return table
    planes = table.reshape(-1, *source, table.shape[-1]).permute(0, 3, 1, 2)
    resized = F.interpolate(planes, target, mode="bicubic", align_corners=False)
    return resized.permute(0, 2, 3, 1).reshape(*table.shape[:-2], target[0] * target[1], table.shape[-1])


def resize_line(table: Tensor, length: int) -> Tensor:
    """Resize position tables of a sequence, (..., L, D) -> (..., length, D): linear, half-step centres."""
    if table.shape[-2] == length:
        return table
    lines = table.reshape(-1, *table.shape[-2:]).transpose(1, 2)
    resized = F.interpolate(lines, length, mode="linear", align_corners=False)
    return resized.transpose(1, 2).reshape(*table.shape[:-2], length, table.shape[-1])


def resize_picture_positions(table: Tensor, target: tuple[int, int]) -> Tensor:
    """A table of class token and square grid, (1 + n n, D) -> (1 + h w, D): the class row stays."""
    side = round((len(table) - 1) ** 0.5)
    if (side, side) == target:
        return table
    return torch.cat([table[:1], resize_grid(table[1:], (side, side), target)])


def drop_rates(highest: float, depth: int) -> list[float]:
    """Stochastic depth of each block: linear from 0 for the first to `highest` for the last."""
    return [highest * i / max(depth - 1, 1) for i in range(depth)]


def heads_of(width: int, base_width: int, base_heads: int) -> int:
    """How many heads a network of `width` has if its heads are as wide as those of a known one (CLIP: 64)."""
    return max(width // (base_width // base_heads), 1)
