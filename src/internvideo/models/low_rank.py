"""Low-rank adaptation (LoRA, Hu et al. 2022): a small learned difference beside weights that stay as they are.

Put on from outside, on linear layers chosen by name; merged, the network is made and as fast as before. Code that uses
the weight of a layer directly (fused projections) sees the difference too.
"""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from internvideo.errors import UsageError
from internvideo.models.renaming import WeightsError
from internvideo.models.weights import read_facts, read_weights, write_weights

DOWN, UP = "down", "up"


@dataclass(frozen=True, kw_only=True)
class LowRank:
    """Which layers get a difference of which rank: by default attention, as in the paper."""

    rank: int = 8
    scale: float = 16.0  # the difference is multiplied by scale / rank
    layers: str = r"attention\.(qkv|out)$"  # regular expression that the name of a linear layer holds

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UsageError(f"a difference of rank {self.rank} is none", "rank=8")


class Difference(nn.Module):
    """weight (R, C) -> weight + scale / rank * up (R, rank) @ down (rank, C). Nothing at first: `up` begins at zero."""

    def __init__(self, weight: Tensor, config: LowRank) -> None:
        super().__init__()
        self.factor = config.scale / config.rank
        self.down = nn.Parameter(weight.new_empty(config.rank, weight.shape[1]))
        self.up = nn.Parameter(weight.new_zeros(weight.shape[0], config.rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.factor * (self.up @ self.down)


def adapt(model: nn.Module, config: LowRank) -> list[str]:
    """Put differences on; the adapted weights themselves are frozen. Gives the names of the layers.

    Raises UsageError if no linear layer has such a name.
    """
    layers = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    chosen = [name for name in layers if re.search(config.layers, name)]
    if not chosen:
        raise UsageError(f"no linear layer is called `{config.layers}`", f"layers here: {', '.join([*layers][:6])} ...")
    for name in chosen:
        layers[name].weight.requires_grad_(False)
        parametrize.register_parametrization(layers[name], "weight", Difference(layers[name].weight, config))
    return chosen


def merge(model: nn.Module) -> None:
    """Add all differences to their weights for good: the network has its own names and speed again."""
    for part in list(model.modules()):
        if isinstance(part, nn.Linear) and _difference(part) is not None:
            parametrize.remove_parametrizations(part, "weight")
            part.register_parameter("bias", part._parameters.pop("bias"))  # behind the weight, as it was


def save_differences(model: nn.Module, path: Path, config: LowRank) -> None:
    """Only what `adapt` added, some megabytes: a safetensors file that `load_differences` reads."""
    found = {name: _difference(part) for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    weights = {
        f"{name}.{what}": getattr(one, what) for name, one in found.items() if one is not None for what in (DOWN, UP)
    }
    write_weights(path, weights, {"low_rank": json.dumps(asdict(config))})


def load_differences(model: nn.Module, path: Path) -> LowRank:
    """Put the differences of a file onto the network that they were learned on. Raises WeightsError for another."""
    weights = read_weights(path)
    try:
        config = LowRank(**json.loads(read_facts(path)["low_rank"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"`{path}` holds no low-rank differences", "expected a file of `save_differences`"
        ) from error
    for name in adapt(model, config):
        one = _difference(model.get_submodule(name))
        assert one is not None
        for what in (DOWN, UP):
            own, value = getattr(one, what), weights.get(f"{name}.{what}")
            if value is None or value.shape != own.shape:
                raise WeightsError(f"`{path}` was learned on another network: `{name}` differs", "load that one first")
            with torch.no_grad():
                own.copy_(value)
    return config


def _difference(layer: nn.Module) -> Difference | None:
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    one = layer.parametrizations["weight"][0]  # type: ignore[index]  # PyTorch types it as any module
    return one if isinstance(one, Difference) else None
