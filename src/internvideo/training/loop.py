"""The training loop: what happens in every step, in order. Everything else is a hook."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from internvideo import distributed
from internvideo.errors import InternVideoError
from internvideo.training.learner import learn_from

Batches = Callable[[int, int], Iterator[dict[str, Any]]]  # (epoch, first step of it): one batch per step


class OutOfMemory(InternVideoError):
    """The device cannot hold a step of this size."""

    kind = "out-of-memory"


@dataclass(frozen=True)
class Moment:
    """What hooks are told after every step. They may add to `logs`."""

    step: int  # how many are done
    steps: int
    clips: int  # of this step, over all processes
    waited: float  # seconds until the batch was there
    seconds: float  # of the whole step, the wait included
    logs: dict[str, float]


Hook = Callable[[Moment], None]
Guard = Callable[[int, dict[str, Any], dict[str, float]], bool]


def train(
    module: nn.Module,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], float],
    *,
    steps: int,
    steps_per_epoch: int,
    guard: Guard,
    start: int = 0,
    parts: int = 1,
    clip: float | None = None,
    seed: int = 0,
    hooks: Sequence[Hook] = (),
) -> None:
    """Learn until `steps`. Whatever is not learning (log, save, evaluate, average) is a hook.

    module: a `Learner`, perhaps parallel. schedule(step) times the rate of a group is its learning rate. parts: see
    `learn_from`. clip: longest gradient. guard: whether a step counts; the weights stay if not.
    """
    parameters = list(module.parameters())
    module.train()
    for step, batch, waited, began in _stream(batches, start, steps, steps_per_epoch, parameters[0].device):
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * schedule(step)
        optimizer.zero_grad(set_to_none=True)
        with _memory_told(len(batch["video"]), parts):
            found = learn_from(module, batch, (seed, step), parts)
        found["norm"] = distributed.clip_gradients(parameters, clip)
        logs = dict(zip(found, distributed.mean(torch.stack(list(found.values()))).tolist(), strict=True))
        if guard(step, batch, logs):
            optimizer.step()
        clips = len(batch["video"]) * distributed.world()
        moment = Moment(step + 1, steps, clips, waited, time.perf_counter() - began, logs)
        for hook in hooks:
            hook(moment)


@contextmanager
def _memory_told(clips: int, parts: int) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(
            f"the device has no memory for {clips // parts} clips at once ({clips} clips per process in {parts} parts)",
            "train each batch in more parts: the gradients stay the same; or recompute blocks, or compute in bf16",
        ) from error


def _stream(
    batches: Batches, step: int, steps: int, steps_per_epoch: int, device: torch.device
) -> Iterator[tuple[int, dict[str, Any], float, float]]:
    """Steps from `step` on with their batch on the device, the seconds waited for it, and when the wait began."""
    while step < steps:
        epoch, first = divmod(step, steps_per_epoch)
        began, coming = time.perf_counter(), batches(epoch, first)
        for _ in range(min(steps_per_epoch - first, steps - step)):
            batch = next(coming, None)
            if batch is None:
                raise InternVideoError(
                    f"the data of epoch {epoch} ended before its step {step - epoch * steps_per_epoch}",
                    f"{steps_per_epoch} steps per epoch were promised: a list or a batch size has changed",
                )
            waited = time.perf_counter() - began
            moved = {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}
            yield step, moved, waited, began
            step, began = step + 1, time.perf_counter()
