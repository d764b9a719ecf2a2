"""What a forward pass costs before anybody runs it: parameters, floating point operations, memory.

The network runs on PyTorch's meta device: shapes without numbers, in a second at most, on any machine. A multiply-add
counts as two operations; norms, activations and sums are left out, as in the published tables. Memory is that of the
tensors in float32 at a batch of one, with attention that keeps no scores; what the libraries take beside is unknown.
"""

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from internvideo.models.contact_head import ContactHead
from internvideo.models.cross_model import CrossModel
from internvideo.models.meta import shapes_only
from internvideo.models.navigator import Navigator
from internvideo.models.query_head import QueryHead
from internvideo.models.spatial_head import BoxReader
from internvideo.models.temporal_head import TemporalHead
from internvideo.models.video_answer import VideoAnswer
from internvideo.models.videomae import VideoMAE

HIDDEN = 0.9  # share of each frame's cubes that masked pre-training hides


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one clip, forward; of one text beside it where the network reads texts."""

    parameters: int
    flops: int  # of one clip
    text_flops: int  # of one text; 0 without a text tower
    weights: int  # bytes in float32
    activations: int  # bytes alive at the fullest moment, with the input, without the weights

    @property
    def memory(self) -> int:
        """Bytes to run one clip."""
        return self.weights + self.activations


def cost_of(build: Callable[[], nn.Module], *, frames: int, size: int, context: int = 0) -> Cost:
    """The cost of a network on clips of `frames` frames of `size` x `size` pixels, and texts of `context` tokens.

    build: makes the network, such as a line of `MODELS`.
    """
    with shapes_only():
        model = build().to("meta").eval().requires_grad_(False)
        clip = torch.empty(1, 3, frames, size, size)
        flops, activations = measure(lambda: _run(model, clip))
        encode_text: Callable[[Tensor], Tensor] | None = getattr(model, "encode_text", None) if context else None
        text = torch.zeros(1, context, dtype=torch.int64)
        text_flops = measure(lambda: encode_text(text))[0] if encode_text is not None else 0
    values = [*model.parameters(), *model.buffers()]
    parameters = sum(value.numel() for value in model.parameters())
    return Cost(parameters, flops, text_flops, sum(value.nbytes for value in values), activations + clip.nbytes)


def count_parameters(build: Callable[[], nn.Module]) -> int:
    """How many numbers training can change."""
    with shapes_only():
        return sum(value.numel() for value in build().parameters())


def measure(run: Callable[[], object]) -> tuple[int, int]:
    """Operations of a call, and the bytes of the tensors it made that lived at the fullest moment."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter, _Alive() as alive, _Attention() as attention:
        run()
    return int(counter.get_total_flops()) + attention.flops, alive.most


def _run(model: nn.Module, clip: Tensor) -> object:
    """One clip through the part of a network that product verbs and training use."""
    if isinstance(model, VideoMAE):
        slots, rows, columns = model.encoder.patches.grid(clip)
        kept = slots * (rows * columns - int(HIDDEN * rows * columns))
        cubes = torch.zeros(1, slots * rows * columns, dtype=torch.int64)
        return model(clip, cubes[:, :kept], cubes[:, kept:])
    if isinstance(model, VideoAnswer):
        return model(clip, torch.zeros(1, model.config.base.text.context, dtype=torch.int64))
    if isinstance(model, BoxReader | ContactHead):
        side = 16 * -(-clip.shape[-1] // 16)
        video = clip.new_empty(*clip.shape[:3], side, side)
        return model(video, torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64))
    if isinstance(model, Navigator):
        words = torch.ones(1, model.config.length, dtype=torch.int64)
        ways = clip.new_empty(1, 6, model.config.channels), clip.new_empty(1, 6, 2), clip.new_empty(1, 6)
        text = model.read(words)
        return model(text, words > 0, text[:, :0], *ways, torch.ones(1, 6, dtype=torch.bool))
    if isinstance(model, TemporalHead):
        config = model.config
        return model(clip.new_empty(1, config.channels, config.steps), torch.ones(1, config.steps, dtype=torch.bool))
    if isinstance(model, QueryHead):
        base, words = model.config.base, torch.zeros(1, model.config.text.context, dtype=torch.int64)
        real = torch.ones(1, base.steps, dtype=torch.bool)
        return model(clip.new_empty(1, base.channels, base.steps), real, words)
    if isinstance(model, CrossModel):
        side = model.config.frames.frames.size
        return model(clip, clip.new_empty(*clip.shape[:3], side, side))
    encode = getattr(model, "encode_video", None) if hasattr(model, "encode_text") else None
    return model(clip) if encode is None else encode(clip)


class _Attention(TorchFunctionMode):
    """Attention as fused kernels do it, without a table of scores; counts its operations."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        q, k, v = args[:3]
        self.flops += 2 * q.shape[:-1].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1])
        return q.new_empty(*q.shape[:-1], v.shape[-1])


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]  # PyTorch has no types there
    """Bytes of all tensors that were made inside and are still referred to, now and at most."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        before = {value.untyped_storage()._cdata for value in args if isinstance(value, Tensor)}
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                storage = value.untyped_storage()
                if storage._cdata not in self._known and storage._cdata not in before:
                    self._known.add(storage._cdata)
                    self.now += storage.nbytes()
                    weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        self.most = max(self.most, self.now)
        return result

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size
