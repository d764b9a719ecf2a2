"""Gradients of one batch: model, objective and precision as one module, and batches that come in parts.

The parts of a batch give the gradients of the whole. A loss that compares all samples of a batch needs their vectors
first, without gradients; then every part is computed again and told how its vectors should move (GradCache, Gao et al.
2021). Random numbers of part i are those of (seed, step, i), counted over all processes: the same after every resume,
and for any way to cut the batch over processes and parts.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from internvideo import distributed
from internvideo.training.objectives import Batch, Logs, Look, Objective

Precision = Literal["fp32", "bf16", "fp16"]
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}  # of layers
Seed = Sequence[int]


class Learner(nn.Module):
    """A model with its objective. Wrappers for many processes go around this, so they see every forward pass.

    Parts of the model that are frozen entirely stay in evaluation mode (no dropout). precision: "bf16" and "fp16"
    compute layers in that type (autocast); weights, their averages and losses stay in float32. loss_scale: by what
    losses are multiplied before the backward pass, and gradients divided after it (fp16, see `hooks.LossScale`).
    """

    def __init__(self, model: nn.Module, objective: Objective, precision: Precision = "fp32") -> None:
        super().__init__()
        objective.prepare(model)
        self.model, self.objective, self.precision = model, objective, precision
        self.loss_scale = 1.0

    def forward(self, batch: Batch, seed: Seed, pull: "Pull | None" = None, share: Tensor | None = None) -> Any:
        """The loss () of a batch, and numbers to log.

        pull: this is a part of a batch; what to make of it instead of comparing it with itself.
        share: by what the part's own loss is multiplied.
        """
        video = batch["video"]
        devices = [video.device] if video.is_cuda else []
        rng = np.random.default_rng(seed)
        with (
            torch.random.fork_rng(devices),
            torch.autocast(video.device.type, TYPES[self.precision], self.precision != "fp32"),
        ):
            torch.manual_seed(int(rng.integers(2**63)))
            look = self.objective.look(self.model, {**batch, "step": seed[1] if len(seed) > 1 else 0}, rng)
        own = look.loss if share is None else look.loss * share
        if pull is not None:
            return pull(self, own, look)
        loss, logs = self.objective.compare(self.model, look.vectors, batch)
        return own + loss, {**look.logs, **logs}

    def train(self, mode: bool = True) -> "Learner":
        super().train(mode)
        for part in self.model.modules():
            own = list(part.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                part.eval()
        return self


Pull = Callable[[Learner, Tensor, Look], Any]


def learn_from(module: nn.Module, batch: Batch, seed: Seed, parts: int = 1) -> Logs:
    """Adds the gradients of one batch, computed in `parts` equal parts, to those of the parameters.

    module: a `Learner`, or what `distributed.parallelize` made of one. Gives the numbers to log, with the loss.
    """
    learner = distributed.bare(module)
    assert isinstance(learner, Learner)
    first = distributed.rank() * parts
    seeds = [(*seed, first + part) for part in range(parts)]
    cut = split(batch, parts)
    shares = _shares(learner.objective, cut)
    if parts == 1:
        loss, found = module(batch, seeds[0], None, shares[0])
        _backward(learner, loss)
        return {"loss": loss.detach(), **found}
    vectors: list[Tensor] = []
    pulls: Sequence[Tensor] = ()
    logs: Logs = {}
    compared = torch.zeros((), device=batch["video"].device)
    if learner.objective.compares:
        with torch.no_grad():
            seen = [module(part, one, _only_vectors) for part, one in zip(cut, seeds, strict=True)]
        vectors = [torch.cat(several).requires_grad_() for several in zip(*seen, strict=True)]
        compared, logs = learner.objective.compare(learner.model, vectors, batch)
        pulls = torch.autograd.grad(compared, vectors)
    rest = []
    for number, part in enumerate(cut):
        last = number == parts - 1
        rows = slice(number * len(part["video"]), (number + 1) * len(part["video"]))
        pull = _Pull([pull[rows] for pull in pulls], [v.detach() for v in vectors] if last else [], batch, parts)
        with nullcontext() if last else distributed.unsynced(module):
            loss, mine = module(part, seeds[number], pull, shares[number])
            _backward(learner, loss, last=last)
        rest.append(mine)
    means = {name: torch.stack([one[name] for one in rest]).mean() for name in rest[0]}
    return {"loss": compared.detach() + means.pop("own"), **means, **logs}


def _backward(learner: Learner, loss: Tensor, *, last: bool = True) -> None:
    (loss * learner.loss_scale if learner.loss_scale != 1 else loss).backward()  # type: ignore[no-untyped-call]
    if last and learner.loss_scale != 1:
        for parameter in learner.parameters():
            if parameter.grad is not None:
                parameter.grad /= learner.loss_scale


def split(batch: Batch, parts: int) -> list[dict[str, Any]]:
    """The batch in equal parts; what is no tensor is in all of them. Raises ValueError if it does not divide."""
    size = len(batch["video"])
    if size % parts:
        raise ValueError(f"a batch of {size} clips does not divide into {parts} equal parts")
    cut = {key: value.chunk(parts) if isinstance(value, Tensor) else [value] * parts for key, value in batch.items()}
    return [{key: values[part] for key, values in cut.items()} for part in range(parts)]


def compile_blocks(model: nn.Module, backend: str = "inductor") -> None:
    """Let `torch.compile` fuse every block (member of a list of modules) by itself: quick to compile, all models."""
    for block in blocks_of(model):
        block.compile(backend=backend)


def recompute_blocks(model: nn.Module) -> None:
    """Keep no activations inside blocks, compute them again in the backward pass: less memory, a third more work."""
    for block in blocks_of(model):
        block.forward = _Recomputed(block.forward)


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """The members of all lists of modules: what is compiled, computed again and shared out one by one."""
    return [block for part in model.modules() if type(part) is nn.ModuleList for block in part]  # no parametrisations


class _Recomputed:
    def __init__(self, forward: Callable[..., Any]) -> None:
        self.inner = forward

    def __call__(self, *args: Any) -> Any:
        return checkpoint(self.inner, *args, use_reentrant=False) if torch.is_grad_enabled() else self.inner(*args)


def _only_vectors(learner: Learner, own: Tensor, look: Look) -> list[Tensor]:
    return [vectors.float() for vectors in look.vectors]


class _Pull:
    """The loss of a part: its share of its own, and its vectors along the direction in which they should move.

    The last part also compares all vectors once more, as constants, so that the temperature gets its gradient.
    """

    def __init__(self, pulls: Sequence[Tensor], constants: Sequence[Tensor], batch: Batch, parts: int) -> None:
        self.pulls, self.constants, self.batch, self.parts = pulls, constants, batch, parts

    def __call__(self, learner: Learner, own: Tensor, look: Look) -> tuple[Tensor, Logs]:
        loss = own / self.parts
        for vectors, pull in zip(look.vectors, self.pulls, strict=True):
            loss = loss + (vectors.float() * pull).sum()
        if self.constants:
            loss = loss + learner.objective.compare(learner.model, self.constants, self.batch)[0]
        return loss, {"own": own.detach(), **look.logs}


def _shares(objective: Objective, parts: Sequence[Batch]) -> list[Tensor | None]:
    """By what the mean loss of each part is multiplied, so that their mean is that of the whole batch."""
    weights = [weight for part in parts if (weight := objective.weight(part)) is not None]
    if not weights:
        return [None] * len(parts)
    usual = distributed.mean(torch.stack(weights).mean())
    return [weight / usual for weight in weights]
