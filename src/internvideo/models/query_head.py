"""Finds the moment that a sentence asks for: ActionFormer's pyramid over features, which reads the words at each level.

Source: downstream tasks of InternVideo (Ego4D, natural-language queries): the pyramid of `temporal_head` with one
class, and cross-attention from every step of every level to the words of the question. How the words change a step was
decided here: they scale and shift its channels. Knows features and numbers of words.
"""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import Linear
from internvideo.models.renaming import Shapes
from internvideo.models.temporal_head import Found, TemporalHead, TemporalHeadConfig, infer_config
from internvideo.models.text_tower import TextConfig, TextTower, infer_text_config
from internvideo.models.viclip import VICLIP_DEBUG, VICLIP_TINY, VICLIP_TINY_DEBUG


@dataclass(frozen=True, kw_only=True)
class QueryHeadConfig:
    base: TemporalHeadConfig = field(default_factory=lambda: TemporalHeadConfig(classes=1, width=256))
    text: TextConfig = field(default_factory=TextConfig)  # of the tower whose words are read; it does not learn


class QueryHead(nn.Module):
    """A frozen text tower, the pyramid, and a reader of words at each of its levels."""

    def __init__(self, config: QueryHeadConfig) -> None:
        super().__init__()
        self.config, width = config, config.base.width
        self.base = TemporalHead(config.base)
        self.text = TextTower(config.text).requires_grad_(False)
        self.word_norm = nn.LayerNorm(config.text.width)
        self.words = Linear(config.text.width, width)
        self.readers = nn.ModuleList(WordReader(width, config.base.heads) for _ in config.base.windows)

    def forward(self, features: Tensor, mask: Tensor, ids: Tensor) -> Found:
        """features: (B, C, T), mask: (B, T) bool, as `TemporalHead` takes them; ids: (B, L) words, zero padded."""
        levels, masks = self.base.pyramid(features, mask)
        real = torch.arange(ids.shape[1], device=ids.device) <= ids.argmax(-1, keepdim=True)  # the end included
        words = self.words(self.word_norm(self.text.tokens(ids)))
        read = [reader(level, words, real) for reader, level in zip(self.readers, levels, strict=True)]
        return self.base.answer(self.base.join(read, masks), masks)


class WordReader(nn.Module):
    """Every step reads the words, and what it read scales and shifts its channels."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key_value = Linear(width, width), Linear(width, 2 * width)
        self.out = Linear(width, 2 * width)

    def forward(self, x: Tensor, words: Tensor, real: Tensor) -> Tensor:
        """(B, T, D), (B, L, D), (B, L) bool -> (B, T, D)."""

        def split(tokens: Tensor) -> Tensor:
            return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

        steps = self.norm(x)
        keys, values = self.key_value(words).chunk(2, -1)
        mixed = F.scaled_dot_product_attention(
            split(self.query(steps)), split(keys), split(values), real[:, None, None]
        )
        scale, shift = self.out(mixed.transpose(1, 2).flatten(2)).chunk(2, -1)
        out: Tensor = x + steps * scale + shift
        return out


def infer_query_config(shapes: Shapes, base: QueryHeadConfig | None = None) -> QueryHeadConfig:
    """What the shapes of weights tell. shapes: under our names."""
    base = base or QueryHeadConfig()
    pyramid = {name.removeprefix("base."): shape for name, shape in shapes.items() if name.startswith("base.")}
    return replace(base, base=infer_config(pyramid, base.base), text=infer_text_config(shapes, base.text))


QUERY_CLIP = QueryHeadConfig()
QUERY_TINY = QueryHeadConfig(  # of the words and the features of viclip-tiny
    base=TemporalHeadConfig(channels=128, classes=1, width=128, steps=192, windows=(7, 7, 7, 7, -1)),
    text=VICLIP_TINY.text,
)
QUERY_DEBUG = QueryHeadConfig(
    base=TemporalHeadConfig(channels=64, classes=1, width=32, steps=64, windows=(5, 5, 5, -1)),
    text=replace(VICLIP_DEBUG.text, context=77),
)
QUERY_TINY_DEBUG = replace(QUERY_DEBUG, text=VICLIP_TINY_DEBUG.text)
