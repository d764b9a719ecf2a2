"""Which weights learn how fast and which shrink: parameter groups and schedules of the published recipes.

Pure functions of names, dimensions and steps, and the optimiser made of them. Names are ours.
"""

import math
import re
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

K = TypeVar("K", bound=Hashable)
Parameter = tuple[str, int]  # name and number of dimensions, in the order of the network

# ViCLIP does not shrink these. The token embedding is missing from its list by a slip, so it shrinks (published).
VICLIP_UNDECAYED = frozenset({"temperature", "video.class_token", "video.positions", "video.times", "text.positions"})
VIDEOMAE_UNDECAYED = frozenset({"positions.table"})


@dataclass(frozen=True)
class Group:
    """Parameters that are treated alike. `rate` is a learning rate or a factor on it, as the maker says."""

    names: tuple[str, ...]
    rate: float
    weight_decay: float


def trainable(model: nn.Module) -> list[Parameter]:
    """What the functions that make groups take: all parameters that are not frozen."""
    return [(name, value.ndim) for name, value in model.named_parameters() if value.requires_grad]


def adamw(
    model: nn.Module, groups: Iterable[Group], *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
) -> torch.optim.AdamW:
    """AdamW over groups of a model's parameters; each keeps its rate as `rate`, to be multiplied by a schedule.

    Scalars are groups of their own: where a model is cut over processes they are not, and the two kinds do not mix.
    Every weight is read and written once per step (fused), not once per operation.
    """
    values = dict(model.named_parameters())
    made = []
    for group in groups:
        for scalar in (False, True):
            several = [values[name] for name in group.names if (values[name].ndim == 0) == scalar]
            if several:
                made.append({"params": several, "rate": group.rate, "weight_decay": group.weight_decay})
    return torch.optim.AdamW(made, lr=0.0, betas=betas, eps=eps, fused=True)


def decays(name: str, dimensions: int, undecayed: Collection[str] = ()) -> bool:
    """Whether weight decay acts: not on scalars, vectors, biases and the names given."""
    return dimensions > 1 and not name.endswith(".bias") and name not in undecayed


def layer_groups(model: nn.Module, *, rate: float, weight_decay: float) -> list[Group]:
    """Weights of linear layers, convolutions and tables shrink; biases, norms, scales and what else there is do not."""
    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding)
    shrinking = {f"{name}.weight" for name, part in model.named_modules() if isinstance(part, layers)}
    names = [name for name, _ in trainable(model)]
    return [
        Group(tuple(name for name in names if name in shrinking), rate, weight_decay),
        Group(tuple(name for name in names if name not in shrinking), rate, 0.0),
    ]


def viclip_groups(
    parameters: Iterable[Parameter],
    *,
    rate: float,
    weight_decay: float,
    undecayed: Collection[str] = VICLIP_UNDECAYED,
    other_rates: Mapping[str, float] | None = None,
) -> list[Group]:
    """ViCLIP: by weight decay, then by learning rate, each in order of first appearance.

    other_rates: learning rate of the names in which a regular expression is found; the first that is found counts.
    """

    def treatment(name: str, dimensions: int) -> tuple[float, float]:
        matching = (value for pattern, value in (other_rates or {}).items() if re.search(pattern, name))
        return weight_decay if decays(name, dimensions, undecayed) else 0.0, next(matching, rate)

    groups = _grouped(parameters, treatment)
    decay_order = list(dict.fromkeys(decay for decay, _ in groups))
    ordered = sorted(groups.items(), key=lambda entry: decay_order.index(entry[0][0]))
    return [Group(tuple(names), learning, decay) for (decay, learning), names in ordered]


def videomae_groups(
    parameters: Iterable[Parameter],
    *,
    depth: int,
    weight_decay: float,
    layer_decay: float | None = None,
    undecayed: Collection[str] = VIDEOMAE_UNDECAYED,
) -> list[Group]:
    """VideoMAE fine-tuning: by layer and weight decay, in order of first appearance; rates are factors.

    Without `layer_decay` all layers learn alike.
    """
    scales = layer_scales(depth, layer_decay) if layer_decay is not None else None

    def treatment(name: str, dimensions: int) -> tuple[int, float]:
        layer = layer_of(name, depth) if scales is not None else 0
        return layer, weight_decay if decays(name, dimensions, undecayed) else 0.0

    groups = _grouped(parameters, treatment)
    return [
        Group(tuple(names), scales[max(layer, 0)] if scales is not None else 1.0, decay)
        for (layer, decay), names in groups.items()
    ]


def layer_scales(depth: int, layer_decay: float) -> list[float]:
    """Factor on the learning rate of layers 0 (tables) to depth + 1 (head): decay^(depth + 1 - layer)."""
    return [layer_decay ** (depth + 1 - layer) for layer in range(depth + 2)]


def layer_of(name: str, depth: int) -> int:
    """The layer of a weight of a VideoMAE classifier: block i is i + 1, what follows the blocks is depth + 1.

    Tables are layer 0. Patches are -1, a layer of their own with the factor of layer 0 (published).
    """
    block = re.search(r"(?:^|\.)blocks\.(\d+)\.", name)
    if block:
        return int(block[1]) + 1
    if "patches." in name:
        return -1
    return 0 if name.startswith(("positions.", "mask_token")) else depth + 1


def viclip_schedule(step: int, *, warmup: float, total: float, lowest: float = 0.01) -> float:
    """Factor on the learning rate: linear warm-up, then a cosine, never below `lowest`. Behind the end it rises again.

    warmup, total: steps, may be fractional.
    """
    if step < warmup:
        return max(lowest, step / max(1.0, warmup))
    progress = (step - warmup) / max(1.0, total - warmup)
    return max(lowest, 0.5 * (1.0 + math.cos(math.pi * progress)))


def videomae_schedule(
    highest: float,
    lowest: float,
    *,
    epochs: int,
    steps_per_epoch: int,
    warmup_epochs: int = 0,
    start: float = 0.0,
    warmup_steps: int | None = None,
) -> np.ndarray:
    """A value for every step: a line from `start` to `highest`, both included, then a cosine that ends above `lowest`.

    warmup_steps replaces the length of a warm-up that is not 0 (published). (steps,) float64.
    """
    length = warmup_epochs * steps_per_epoch
    length = warmup_steps if warmup_steps is not None and length > 0 else length
    warmup = np.linspace(start, highest, length)
    rest = epochs * steps_per_epoch - length
    cosine = lowest + 0.5 * (highest - lowest) * (1 + np.cos(math.pi * np.arange(rest) / max(rest, 1)))
    return np.concatenate([warmup, cosine])


def _grouped(parameters: Iterable[Parameter], treatment: Callable[[str, int], K]) -> dict[K, list[str]]:
    groups: dict[K, list[str]] = {}
    for name, dimensions in parameters:
        groups.setdefault(treatment(name, dimensions), []).append(name)
    return groups
