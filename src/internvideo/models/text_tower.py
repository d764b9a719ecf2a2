"""The text encoder of CLIP, shared by ViCLIP and InternVideo-MM: token ids in, one vector per text out.

Knows token ids; knows no strings and no tokenizer.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from internvideo.models.layers import Activation, Block, heads_of
from internvideo.models.renaming import CLIP_BLOCK, Renames, Shapes, count, prefixed


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    width: int = 512
    depth: int = 12
    heads: int = 8
    context: int = 77  # most tokens of one text
    vocabulary: int = 49_408
    projection: int = 512  # width of the space shared with videos
    activation: Activation = "quick-gelu"
    mask_token: bool = False  # a vector that can stand in for hidden tokens (InternVideo-MM)

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}; heads are often width / 64")


class TextTower(nn.Module):
    """A causal transformer; the feature is read at the end token, the first place of the largest id of a row."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.positions = nn.Parameter(torch.empty(config.context, config.width))
        self.projection = nn.Parameter(torch.empty(config.width, config.projection))
        self.mask_token = nn.Parameter(torch.empty(1, 1, config.width)) if config.mask_token else None
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, activation=config.activation, causal=True) for _ in range(config.depth)
        )
        self.norm_out = nn.LayerNorm(config.width)
        self._initialise()

    def forward(self, ids: Tensor) -> Tensor:
        """ids: (B, L <= context) integers, zero padded -> (B, E), not normalised."""
        return self.pool(self.tokens(ids), ids) @ self.projection

    def tokens(self, ids: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Every token after the last norm, before the projection: (B, L) -> (B, L, D).

        hidden: (B, L) bool, True where the mask token replaces the embedding.
        """
        if ids.shape[1] > self.config.context:
            raise ValueError(f"texts of {ids.shape[1]} tokens, but this tower reads at most {self.config.context}")
        tokens: Tensor = self.embedding(ids)
        if hidden is not None:
            if self.mask_token is None:
                raise ValueError("this text tower has no mask token; build it with TextConfig(mask_token=True)")
            tokens = torch.where(hidden[..., None], self.mask_token, tokens)
        tokens = tokens + self.positions[: ids.shape[1]]
        for block in self.blocks:
            tokens = block(tokens)
        out: Tensor = self.norm_out(tokens)
        return out

    def pool(self, tokens: Tensor, ids: Tensor) -> Tensor:
        """The token at the first largest id of each row: (B, L, D), (B, L) -> (B, D)."""
        return tokens[torch.arange(ids.shape[0], device=ids.device), ids.argmax(dim=-1)]

    def _initialise(self) -> None:
        """CLIP's recipe."""
        config = self.config
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.01)
        nn.init.normal_(self.projection, std=config.width**-0.5)
        if self.mask_token is not None:
            nn.init.normal_(self.mask_token, std=0.02)
        initialise_blocks(self.blocks, config.width)


def initialise_blocks(blocks: nn.ModuleList, width: int) -> None:
    """CLIP's recipe for a stack of `Block`: residual outputs shrink with the depth; biases start at zero."""
    for block in blocks:
        assert isinstance(block, Block)
        nn.init.normal_(block.attention.qkv.weight, std=width**-0.5)
        nn.init.normal_(block.attention.out.weight, std=width**-0.5 * (2 * len(blocks)) ** -0.5)
        nn.init.normal_(block.mlp.up.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(block.mlp.down.weight, std=width**-0.5 * (2 * len(blocks)) ** -0.5)
        for layer in (block.attention.qkv, block.attention.out, block.mlp.up, block.mlp.down):
            nn.init.zeros_(layer.bias)


def infer_text_config(shapes: Shapes, base: TextConfig, prefix: str = "text.") -> TextConfig:
    """The configuration that weights of these shapes (under our names) belong to.

    base: gives what shapes do not tell (the width of a head, the activation).
    """
    vocabulary, width = shapes[prefix + "embedding.weight"]
    return replace(
        base,
        width=width,
        depth=count(shapes, prefix + "blocks."),
        heads=heads_of(width, base.width, base.heads),
        context=shapes[prefix + "positions"][0],
        vocabulary=vocabulary,
        projection=shapes[prefix + "projection"][1],
        mask_token=prefix + "mask_token" in shapes,
    )


# CLIP's own names; also those of ViCLIP and InternVideo-MM, with a prefix or in another order.
RENAMES: Renames = (
    ("positional_embedding", "positions"),
    ("text_projection", "projection"),
    *prefixed(CLIP_BLOCK, "transformer.resblocks.{n}.", "blocks.{n}."),
    ("token_embedding.", "embedding."),
    ("ln_final.", "norm_out."),
)
