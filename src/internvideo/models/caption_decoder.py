"""The caption decoder of InternVideo-MM: text tokens that look at a video, and what word comes next.

A few learned queries pool the video tokens once; then every layer is a causal block of the text and a block that looks
at the pooled tokens, each with its feed-forward in parallel. Keys and values have one head that all query heads share.

Source: CoCa (Yu et al., 2022) and the weights released with InternVideo. Knows tensors; knows no token ids, videos or
losses.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.layers import Linear, attend
from internvideo.models.renaming import Renames, Shapes, count


@dataclass(frozen=True, kw_only=True)
class CaptionConfig:
    width: int = 512  # of the text tokens
    video_width: int = 768
    depth: int = 4
    heads: int = 8
    queries: int = 256
    vocabulary: int = 49_408

    def __post_init__(self) -> None:
        if self.width % self.heads or self.width // self.heads % 2:
            raise ValueError(f"width {self.width} must be an even multiple of heads {self.heads}")


class CaptionDecoder(nn.Module):
    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.queries = nn.Parameter(torch.empty(config.queries, width))
        self.pool = VideoPool(config)
        self.pool_norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(CaptionLayer(config) for _ in range(config.depth))
        self.predict = nn.Sequential(
            nn.LayerNorm(width),
            Linear(width, width),
            nn.GELU(),
            nn.LayerNorm(width),
            Linear(width, config.vocabulary),
        )
        self._initialise()

    def forward(self, text: Tensor, video: Tensor) -> Tensor:
        """What comes after each token: (B, L, W) text tokens, (B, N, D) video tokens -> (B, L, vocabulary) logits."""
        logits: Tensor = self.predict(self.tokens(text, video))
        return logits

    def tokens(self, text: Tensor, video: Tensor) -> Tensor:
        """The text tokens after all layers: (B, L, W), (B, N, D) -> (B, L, W). What question answering reads."""
        memory = self.pool_norm(self.pool(self.queries.expand(len(video), -1, -1), video))
        tokens: Tensor = self.text_norm(text)
        for layer in self.layers:
            tokens = layer(tokens, memory)
        return tokens

    def _initialise(self) -> None:
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)
        nn.init.normal_(self.queries, std=self.config.width**-0.5)


class CaptionLayer(nn.Module):
    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.among = CausalBlock(config)
        self.across = CrossBlock(config)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """(B, L, W), (B, Q, W) -> (B, L, W)."""
        tokens = tokens + self.among(tokens)
        out: Tensor = tokens + self.across(tokens, memory)
        return out


class ScaleNorm(nn.Module):
    """Layer norm with a learned scale; its shift is a buffer, zero in all known weights, and saved with them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.register_buffer("shift", torch.zeros(width))
        self.shift: Tensor

    def forward(self, tokens: Tensor) -> Tensor:
        return F.layer_norm(tokens, tokens.shape[-1:], self.scale, self.shift)


class VideoPool(nn.Module):
    """Queries read the video tokens once, without a residual."""

    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.heads, head = config.heads, config.width // config.heads
        self.norm = ScaleNorm(config.width)
        self.memory_norm = ScaleNorm(config.video_width)
        self.query = Linear(config.width, config.width, bias=False)
        self.key_value = Linear(config.video_width, 2 * head, bias=False)
        self.out = Linear(config.width, config.width, bias=False)

    def forward(self, queries: Tensor, video: Tensor) -> Tensor:
        """(B, Q, W), (B, N, D) -> (B, Q, W)."""
        memory = self.key_value(self.memory_norm(video))
        out: Tensor = self.out(attend_shared(self.query(self.norm(queries)), memory, heads=self.heads))
        return out


class CausalBlock(nn.Module):
    """Causal attention and feed-forward side by side, from one norm and one fused projection."""

    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.heads, head, width = config.heads, config.width // config.heads, config.width
        self.widths = [width, head, head, 8 * width]
        self.norm = ScaleNorm(width)
        self.rotary = Rotary(head)
        self.fused = Linear(width, sum(self.widths), bias=False)
        self.out = Linear(width, width, bias=False)
        self.down = Linear(4 * width, width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L, W) -> (B, L, W), to be added."""
        q, k, v, inner = self.fused(self.norm(tokens)).split(self.widths, dim=-1)
        q = self.rotary(q.reshape(*q.shape[:2], self.heads, -1).transpose(1, 2)).transpose(1, 2).flatten(2)
        mixed = attend_shared(q, torch.cat([self.rotary(k), v], dim=-1), heads=self.heads, causal=True)
        out: Tensor = self.out(mixed) + self.down(swiglu(inner))
        return out


class CrossBlock(nn.Module):
    """Attention to the pooled video tokens and feed-forward side by side, from one norm of the text."""

    def __init__(self, config: CaptionConfig) -> None:
        super().__init__()
        self.heads, head, width = config.heads, config.width // config.heads, config.width
        self.norm = ScaleNorm(width)
        self.query = Linear(width, width, bias=False)
        self.key_value = Linear(width, 2 * head, bias=False)
        self.out = Linear(width, width, bias=False)
        self.up = Linear(width, 8 * width, bias=False)
        self.down = Linear(4 * width, width, bias=False)

    def forward(self, tokens: Tensor, memory: Tensor) -> Tensor:
        """(B, L, W), (B, Q, W) -> (B, L, W), to be added."""
        tokens = self.norm(tokens)
        mixed = attend_shared(self.query(tokens), self.key_value(memory), heads=self.heads)
        out: Tensor = self.out(mixed) + self.down(swiglu(self.up(tokens)))
        return out


class Rotary(nn.Module):
    """Rotary positions (Su et al., 2021): channel j turns together with channel j + d/2, slower with j."""

    def __init__(self, head: int) -> None:
        super().__init__()
        channel = torch.arange(0, head, 2, device="cpu")  # dividing on the meta device loads PyTorch's compiler
        self.register_buffer("frequencies", 10_000.0 ** -(channel.float() / head))
        self.frequencies: Tensor

    def forward(self, tokens: Tensor) -> Tensor:
        """(..., L, d) -> (..., L, d)."""
        steps = torch.arange(tokens.shape[-2], device=tokens.device, dtype=self.frequencies.dtype)
        angles = torch.outer(steps, self.frequencies).repeat(1, 2)
        first, second = tokens.chunk(2, dim=-1)
        return tokens * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()


def attend_shared(q: Tensor, key_value: Tensor, *, heads: int, causal: bool = False) -> Tensor:
    """Attention whose heads share one key and one value: (B, L, W), (B, N, 2 d) -> (B, L, W)."""
    k, v = (part.repeat(1, 1, heads) for part in key_value.chunk(2, dim=-1))
    return attend(q, k, v, heads=heads, causal=causal)


def swiglu(inner: Tensor) -> Tensor:
    """The first half times silu of the second: (..., 2 d) -> (..., d)."""
    values, gates = inner.chunk(2, dim=-1)
    return values * F.silu(gates)


def infer_caption_config(shapes: Shapes, prefix: str = "captioner.") -> CaptionConfig:
    """The configuration that weights of these shapes (under our names) belong to. Published depths are 4 and 6."""
    head, (queries, width) = shapes[prefix + "pool.key_value.weight"][0] // 2, shapes[prefix + "queries"]
    return CaptionConfig(
        width=width,
        video_width=shapes[prefix + "pool.key_value.weight"][1],
        depth=count(shapes, prefix + "layers."),
        heads=width // head,
        queries=queries,
        vocabulary=shapes[prefix + "predict.4.weight"][0],
    )


def _norm(theirs: str, ours: str) -> Renames:
    return ((f"{theirs}.gamma", f"{ours}.scale"), (f"{theirs}.beta", f"{ours}.shift"))


RENAMES: Renames = (
    ("visual_queries", "queries"),
    *_norm("visual_attn_pooler.norm", "pool.norm"),
    *_norm("visual_attn_pooler.context_norm", "pool.memory_norm"),
    ("visual_attn_pooler.to_q.", "pool.query."),
    ("visual_attn_pooler.to_kv.", "pool.key_value."),
    ("visual_attn_pooler.to_out.", "pool.out."),
    ("visual_pooler_norm.", "pool_norm."),
    ("text_norm.", "text_norm."),
    *_norm("multimodal_layers.{n}.0.fn.norm", "layers.{n}.among.norm"),
    ("multimodal_layers.{n}.0.fn.rotary_emb.inv_freq", "layers.{n}.among.rotary.frequencies"),
    ("multimodal_layers.{n}.0.fn.fused_attn_ff_proj.", "layers.{n}.among.fused."),
    ("multimodal_layers.{n}.0.fn.attn_out.", "layers.{n}.among.out."),
    ("multimodal_layers.{n}.0.fn.ff_out.1.", "layers.{n}.among.down."),
    *_norm("multimodal_layers.{n}.1.fn.norm", "layers.{n}.across.norm"),
    ("multimodal_layers.{n}.1.fn.to_q.", "layers.{n}.across.query."),
    ("multimodal_layers.{n}.1.fn.to_kv.", "layers.{n}.across.key_value."),
    ("multimodal_layers.{n}.1.fn.to_out.", "layers.{n}.across.out."),
    ("multimodal_layers.{n}.1.fn.ff.0.", "layers.{n}.across.up."),
    ("multimodal_layers.{n}.1.fn.ff.2.", "layers.{n}.across.down."),
    ("predictor.", "predict."),
)
