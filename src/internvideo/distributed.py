"""The only module that says rank: many processes that train one network. One process is the ordinary case.

Processes are started from outside (`torchrun`); without it every function here does what one process needs: nothing.
Conventions: each process computes the loss of the whole batch from gathered rows; gradients are then averaged.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from internvideo.errors import UsageError

T = TypeVar("T")
How = Literal["ddp", "fsdp"]


@contextmanager
def start() -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, if it did; gives the device of this one, and leaves at the end.

    >>> with start() as device:
    ...     device.type in ("cpu", "cuda")
    True
    """
    place = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", place) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this process talks and writes files."""
    return rank() == 0


def shard(items: Sequence[T]) -> Sequence[T]:
    """What this process works on: every world()-th item from its own number on."""
    return items[rank() :: world()]


def barrier() -> None:
    """Wait for all processes."""
    if dist.is_initialized():
        dist.barrier()


def collect(items: Sequence[T]) -> list[T]:
    """The items of all processes, process by process, on the main one; nothing on the others."""
    if world() == 1:
        return list(items)
    parts: list[Sequence[T]] | None = [()] * world() if is_main() else None
    dist.gather_object(items, parts)
    return [item for part in parts or () for item in part]


def mean(value: Tensor) -> Tensor:
    """The mean over processes, without gradient."""
    if world() == 1:
        return value
    total = value.detach().clone()
    dist.all_reduce(total)
    return total / world()


def gather(rows: Tensor, *, published: bool = False) -> Tensor:
    """Rows of all processes in order (equal counts): (B, ...) -> (world B, ...).

    Once gradients are averaged over processes, they equal those of one big batch. published: only the own slice of the
    own gradient goes back, as in the released ViCLIP: encoder gradients are then 1 / world of that.
    """
    if world() == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows, published)  # type: ignore[no-untyped-call]
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, published: bool) -> Tensor:
        ctx.published = published
        parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        if not ctx.published:
            grad = grad.clone()
            dist.all_reduce(grad)
        return grad.chunk(world())[rank()], None


def parallelize(module: nn.Module, how: How = "ddp", *, unused: bool = False) -> nn.Module:
    """The same module with gradients averaged over all processes. One process: the module itself.

    how: "ddp" keeps all of it on every process; "fsdp" (FSDP2) keeps a share of every block. unused: parameters may
    get no gradient in some steps ("ddp" must look for them). The module must be called, not its parts.
    """
    if world() == 1:
        return module
    if how == "ddp":
        return DistributedDataParallel(module, find_unused_parameters=unused)
    if how != "fsdp":
        raise UsageError(f"unknown way to train in parallel: `{how}`", "known: ddp, fsdp")
    for parameter in module.parameters():
        dist.broadcast(parameter.data, 0)
    scalars = {parameter for parameter in module.parameters() if parameter.ndim == 0}  # cannot be cut
    for block in [item for part in module.modules() if type(part) is nn.ModuleList for item in part]:
        fully_shard(block, ignored_params=scalars)
    fully_shard(module, ignored_params=scalars)
    for parameter in scalars:
        parameter.register_post_accumulate_grad_hook(_average)  # type: ignore[no-untyped-call]
    return module


def _average(parameter: Tensor) -> None:
    """Averages what has come together so far; what was averaged before is equal everywhere, so it stays."""
    if parameter.grad is not None:
        dist.all_reduce(parameter.grad)
        parameter.grad /= world()


def bare(module: nn.Module) -> nn.Module:
    """What `parallelize` was given."""
    inner: nn.Module = module.module if isinstance(module, DistributedDataParallel) else module
    return inner


def unsynced(module: nn.Module) -> AbstractContextManager[None]:
    """Backward passes inside do not average gradients yet: for all parts of an accumulated batch but the last."""
    if isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return _without_scatter(module) if isinstance(module, FSDPModule) else nullcontext()


@contextmanager
def _without_scatter(module: FSDPModule) -> Iterator[None]:
    module.set_requires_gradient_sync(False)
    try:
        yield
    finally:
        module.set_requires_gradient_sync(True)


def whole(value: Tensor) -> Tensor:
    """All of a tensor of which this process may hold a share. All processes must ask."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def is_cut(value: Tensor) -> bool:
    """Whether processes hold shares of it."""
    return isinstance(value, DTensor)


def share(value: Tensor) -> Tensor:
    """The rows of it that this process holds, by rank in order; all of a tensor that is not cut."""
    return value.to_local() if isinstance(value, DTensor) else value


def all_true(flag: bool) -> bool:
    """Whether it is so on every process."""
    if world() == 1:
        return flag
    kind = "cuda" if dist.get_backend() == "nccl" else "cpu"
    return bool(mean(torch.tensor(float(flag), device=kind)) == 1)


def put(value: Tensor, into: Tensor) -> None:
    """Copy a whole tensor into one of which this process may hold a share."""
    with torch.no_grad():
        if isinstance(into, DTensor):
            value = distribute_tensor(value.to(into.device), into.device_mesh, into.placements)
        into.copy_(value)


def clip_gradients(parameters: Sequence[nn.Parameter], limit: float | None) -> Tensor:
    """The norm of all gradients together, (); if it is above `limit`, they are shortened to that."""
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    shares = [grad.to_local() for grad in grads if isinstance(grad, DTensor)]
    wholes = [grad for grad in grads if not isinstance(grad, DTensor)]
    total = nn.utils.get_total_norm(shares).square() if shares else torch.zeros(())
    if shares:
        dist.all_reduce(total)
    if wholes:
        total = nn.utils.get_total_norm(wholes).square() + total.to(wholes[0].device)
    norm = total.sqrt()
    if limit is not None:
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for grad in (*shares, *wholes):
            grad.mul_(factor)
    return norm
