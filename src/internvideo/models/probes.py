"""What reads the tokens of a frozen network for a class head: the attentive probe. Knows tensors."""

import torch
from torch import Tensor, nn

from internvideo.models.layers import CrossAttention, FeedForward


class AttentivePool(nn.Module):
    """One learned query that looks at all tokens, and a feed-forward: what a mean cannot pick out.

    Source: the attentive probe of V-JEPA (Bardes et al., 2024).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(width))
        nn.init.trunc_normal_(self.query, std=0.02)
        self.norm_memory, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads)
        self.mlp = FeedForward(width, 4 * width, "gelu")

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) -> (B, D)."""
        query = self.query.expand(len(tokens), 1, -1)
        query = query + self.attention(query, self.norm_memory(tokens))
        out: Tensor = (query + self.mlp(self.norm(query)))[:, 0]
        return out
