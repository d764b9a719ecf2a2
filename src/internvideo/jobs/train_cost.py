"""What a training run will cost, said before it starts: operations, memory, hours and bytes, without training.

The network runs on shapes alone. Memory counts weights, gradients, moments, averages and what one part keeps for its
backward pass; what libraries take beside is unknown, and so is whether the input keeps up.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from internvideo.datasets.items import ClipRecipe
from internvideo.jobs.talk import columns, duration, size
from internvideo.models.cost import measure
from internvideo.models.meta import shapes_only
from internvideo.models.viclip import ViCLIP
from internvideo.training.learner import Learner, blocks_of, learn_from
from internvideo.training.objectives import Contrastive, Look, Objective
from internvideo.training.recipe import TrainRecipe

USUAL_SHARE = 0.4  # of the peak, where nothing was measured
TRIED_CLIPS = 16


@dataclass(frozen=True, kw_only=True)
class TrainCost:
    """Of a whole run. Operations count multiply-adds twice; memory is that of each process."""

    parameters: int
    trained: int
    samples: int
    steps: int
    processes: int = 1  # that memory is meant for
    clips_per_step: int
    flops_per_clip: int  # forward and backward
    flops_per_step: int
    memory_bytes: int
    activation_bytes: int  # of it; what one part keeps for the backward pass, without recompute
    checkpoint_bytes: int  # all files of weights together
    hours: float
    clips_per_s: float
    rate: str  # where the speed comes from

    @property
    def _speed(self) -> str:
        return f"{self.clips_per_s:,.0f}" if self.clips_per_s >= 10 else f"{self.clips_per_s:.2g}"

    def as_row(self) -> dict[str, int | float | str]:
        return asdict(self)

    def as_text(self) -> str:
        """The cost as a few lines for people."""
        seconds = 3600 * self.hours
        return columns([
            ("weights", f"{self.parameters:,} ({self.trained:,} of them are trained)"),
            ("samples", f"{self.samples:,}"),
            ("steps", f"{self.steps:,} of {self.clips_per_step:,} clips"),
            ("operations", f"{self.flops_per_step / 1e12:,.3g} TFLOP per step, "
                           f"{self.flops_per_step * self.steps / 1e15:,.3g} PFLOP in all"),
            ("memory", f"about {size(self.memory_bytes)} in each of {self.processes} processes, "
                       f"{size(self.activation_bytes)} of it activations" if self.processes > 1 else
                       f"about {size(self.memory_bytes)}, {size(self.activation_bytes)} of it activations"),
            ("written", f"{size(self.checkpoint_bytes)} of checkpoints"),
            ("time", f"about {duration(seconds)} at {self._speed} clips/s, if the input keeps up"),
            ("speed", self.rate),
        ])  # fmt: skip


@dataclass(frozen=True)
class StepCost:
    """Of one clip (and its text): operations forward and backward, bytes kept in between in float32."""

    flops: int
    kept: int


def step_cost(model: nn.Module, objective: Objective, clips: ClipRecipe, *, recompute: bool = False) -> StepCost:
    """The cost of one clip of a network that lies on the meta device."""
    shape = clips.shape("video")[1:]
    with shapes_only():
        batch = {name: torch.zeros(1, dtype=torch.int64) for name in ("uid", "source", "label")}
        batch |= {"video": torch.empty(1, *shape), "text": torch.zeros(1, max(clips.context, 1), dtype=torch.int64)}
        text = getattr(model, "text", None)
        asleep = isinstance(text, nn.Module) and not any(value.requires_grad for value in text.parameters())
        with _nothing_learns(model):
            forward, _ = measure(lambda: _look(model, objective, batch))
            idle = measure(lambda: model.encode_text(batch["text"]))[0] if asleep else 0  # type: ignore[operator]
        known = {value.untyped_storage()._cdata for value in (*model.parameters(), *model.buffers())}
        kept: dict[int, tuple[int, torch.UntypedStorage]] = {}  # storages stay, so that no number comes twice

        def keep(value: Tensor) -> Tensor:
            storage = value.untyped_storage()
            if storage._cdata not in known:
                kept[storage._cdata] = storage.nbytes(), storage
            return value

        with saved_tensors_hooks(keep, lambda value: value), _Attention():
            _look(model, objective, batch)
    bytes_kept = sum(count for count, _ in kept.values())
    work = (4 if recompute else 3) * (forward - idle) + idle
    return StepCost(work, _at_borders(model, objective, batch, bytes_kept) if recompute else bytes_kept)


@contextmanager
def _nothing_learns(model: nn.Module) -> Iterator[None]:
    """PyTorch's counter of operations stumbles over views of weights that do, also where no gradient is kept."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.requires_grad_(False)
    yield
    for parameter in learning:
        parameter.requires_grad_(True)


def _at_borders(model: nn.Module, objective: Objective, batch: Mapping[str, Tensor], kept: int) -> int:
    """What is kept if blocks are computed again: what enters each of them, and the inside of one."""
    entering: list[int] = []
    hooks = [
        block.register_forward_pre_hook(lambda _, given: entering.append(given[0].nbytes)) for block in blocks_of(model)
    ]
    with shapes_only(), _Attention():
        _look(model, objective, batch)
    for hook in hooks:
        hook.remove()
    return min(kept, sum(entering) + kept // max(len(entering), 1))


def _look(model: nn.Module, objective: Objective, batch: Mapping[str, Tensor]) -> Look:
    if isinstance(objective, Contrastive) and objective.dropped and isinstance(model, ViCLIP):
        tokens = int(np.prod(model.video.patches.grid(batch["video"])))
        kept = torch.zeros(1, tokens - int(objective.dropped * tokens), dtype=torch.int64)
        vectors = model.encode_video(batch["video"], kept), model.encode_text(batch["text"])
        return Look(vectors[0].new_zeros(()), vectors, {})
    return objective.look(model, batch, np.random.default_rng(0))


class _Attention(TorchFunctionMode):
    """Attention as fused kernels do it: their inputs and their result are kept, no table of scores."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        return _Fused.apply(*args[:3])  # type: ignore[no-untyped-call]


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        ctx.save_for_backward(q, k, v, out)
        return out


def tried_speed(model: nn.Module, recipe: TrainRecipe, clips: ClipRecipe) -> tuple[float, int]:
    """Clips per second of forward and backward passes on this machine, and with how many random clips it was tried."""
    count = min(TRIED_CLIPS, recipe.batch // recipe.parts)
    device = next(model.parameters()).device
    batch: dict[str, Any] = {name: torch.arange(count, device=device) for name in ("uid", "source")}
    batch["label"] = torch.zeros(count, dtype=torch.int64, device=device)
    batch["video"] = torch.randn(count, *clips.shape("video")[1:], device=device)
    batch["text"] = torch.ones(count, max(clips.context, 1), dtype=torch.int64, device=device)
    learner = Learner(model, recipe.objective, recipe.precision).train()
    taken = []
    for step in range(3):  # the first one warms up
        began = time.perf_counter()
        logs = learn_from(learner, batch, (recipe.seed, step))
        float(logs["loss"])  # waits for the device
        taken.append(time.perf_counter() - began)
    return count / min(taken[1:]), count


def train_cost(
    recipe: TrainRecipe,
    model: nn.Module,
    clips: ClipRecipe,
    *,
    samples: int,
    steps: int,
    peak: float,
    world: int = 0,
    measured: tuple[float, str] | None = None,
) -> TrainCost:
    """The cost of a run. model: on the meta device, prepared by the objective.

    peak: operations per second of all processes; world: how many there are, 0: as many as the recipe says; measured:
    clips per second if they are known, and where from.
    """
    world = world or recipe.processes
    one = step_cost(model, recipe.objective, replace(clips, repeats=1), recompute=recipe.recompute)
    values = [*model.parameters(), *model.buffers()]
    weights = sum(value.nbytes for value in values)
    trained = [value for value in model.parameters() if value.requires_grad]
    moments = 2 * sum(value.nbytes for value in trained)
    average = weights if recipe.average is not None else 0
    kept = one.kept * recipe.batch // (world * recipe.parts) // (1 if recipe.precision == "fp32" else 2)
    state = weights + moments + average
    usual = f"assumed: {USUAL_SHARE:.0%} of the {peak / 1e12:,.3g} TFLOP/s that large products reach here"
    speed, rate = measured or (USUAL_SHARE * peak / one.flops, usual)
    return TrainCost(
        parameters=sum(value.numel() for value in model.parameters()),
        trained=sum(value.numel() for value in trained),
        samples=samples,
        steps=steps,
        processes=world,
        clips_per_step=recipe.batch,
        flops_per_clip=one.flops,
        flops_per_step=one.flops * recipe.batch,
        memory_bytes=(state + moments // 2) // (world if recipe.parallel == "fsdp" else 1) + kept,
        activation_bytes=kept,
        checkpoint_bytes=state * (2 if recipe.held_out else 1) + weights,
        hours=steps * recipe.batch / speed / 3600,
        clips_per_s=speed,
        rate=rate,
    )
