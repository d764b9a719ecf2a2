"""ViCLIP as published: blocks of `nn.MultiheadAttention` on tokens that come sequence first, with the weights of ours.

What `embed.py` and `train_step.py` compare with. Nothing here is meant to be fast, nor made slow.
"""

from copy import deepcopy

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from internvideo.models import text_tower, viclip


class PlainBlock(nn.Module):
    """A residual block as published: tokens (N, B, D), the attention module of PyTorch, x sigmoid(1.702 x)."""

    def __init__(self, ours: nn.Module, width: int, heads: int, mask: Tensor | None = None) -> None:
        super().__init__()
        self.mask = mask
        self.attention = nn.MultiheadAttention(width, heads)
        self.norm1, self.norm2 = deepcopy(ours.norm1), deepcopy(ours.norm2)
        self.up, self.down = deepcopy(ours.mlp.up), deepcopy(ours.mlp.down)
        with torch.no_grad():
            self.attention.in_proj_weight.copy_(ours.attention.qkv.weight)
            self.attention.in_proj_bias.copy_(ours.attention.qkv.bias)
            self.attention.out_proj.weight.copy_(ours.attention.out.weight)
            self.attention.out_proj.bias.copy_(ours.attention.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False, attn_mask=self.mask)[0]
        y = self.up(self.norm2(x))
        return x + self.down(y * torch.sigmoid(1.702 * y))


class PlainBlocks(nn.Module):
    """Blocks as published, on (B, N, D); if asked for, all are computed again in the backward pass."""

    def __init__(self, ours: nn.ModuleList, width: int, heads: int, mask: Tensor | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(PlainBlock(block, width, heads, mask) for block in ours)
        self.recompute = False

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.recompute else block(x)
        return x.transpose(0, 1)


class PlainVideo(nn.Module):
    """The video tower as published, with the weights of ours: every token is embedded, then some are dropped."""

    def __init__(self, ours: viclip.VideoTower) -> None:
        super().__init__()
        config = ours.config
        size = (1, config.patch, config.patch)
        self.conv = nn.Conv3d(3, config.width, size, size, bias=False)
        self.class_token, self.positions, self.times = ours.class_token, ours.positions, ours.times
        self.norm_in, self.norm_out, self.projection = ours.norm_in, ours.norm_out, ours.projection
        self.blocks = PlainBlocks(ours.blocks, config.width, config.heads)
        with torch.no_grad():
            self.conv.weight.copy_(ours.patches.weight)

    def forward(self, video: Tensor, kept: Tensor | None = None) -> Tensor:
        x = self.conv(video)
        b, width, t, _, _ = x.shape
        x = x.permute(0, 2, 3, 4, 1).reshape(b * t, -1, width)
        x = torch.cat([self.class_token.expand(b * t, 1, width), x], 1) + self.positions
        head, x = x[:b, :1], x[:, 1:]
        x = x.reshape(b, t, -1, width).transpose(1, 2) + self.times
        x = x.reshape(b, -1, width)
        if kept is not None:
            x = x.gather(1, kept[..., None].expand(-1, -1, width))
        x = self.blocks(self.norm_in(torch.cat([head, x], 1)))
        return F.normalize(self.norm_out(x)[:, 0] @ self.projection, dim=-1)


class PlainText(nn.Module):
    """The text tower as published, with the weights of ours."""

    def __init__(self, ours: text_tower.TextTower) -> None:
        super().__init__()
        config = ours.config
        mask = torch.full((config.context, config.context), -torch.inf).triu(1)
        self.embedding, self.positions = ours.embedding, ours.positions
        self.norm_out, self.projection = ours.norm_out, ours.projection
        self.blocks = PlainBlocks(ours.blocks, config.width, config.heads, mask)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm_out(self.blocks(self.embedding(ids) + self.positions))
        return F.normalize(x[torch.arange(len(ids)), ids.argmax(-1)] @ self.projection, dim=-1)
