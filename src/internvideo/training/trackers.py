"""The log of a run beside its JSON lines: for TensorBoard and for Weights & Biases. Hooks, only on the main process."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from internvideo import distributed
from internvideo.errors import MissingExtra
from internvideo.training.loop import Moment

Tracker = Literal["tensorboard", "wandb"]
FOLDER = "tensorboard"  # in that of the run


class TensorBoard:
    """Curves for `tensorboard --logdir`; lines behind `start`, of a killed run, are hidden. Needs the extra `train`."""

    def __init__(self, out: Path, start: int, every: int) -> None:
        self._every = every
        _package("tensorboard", "train")
        self._writer = import_module("torch.utils.tensorboard").SummaryWriter(out / FOLDER, purge_step=start + 1)

    def __call__(self, moment: Moment) -> None:
        if numbers := _numbers(moment, self._every):
            for name, value in numbers.items():
                self._writer.add_scalar(name, value, moment.step)
            self._writer.flush()


class WeightsAndBiases:
    """A run on the server that `wandb login` or WANDB_MODE chose, named like its folder, and gone on with in the same.

    Needs the extra `wandb`.
    """

    def __init__(self, out: Path, recipe: Mapping[str, Any], every: int) -> None:
        self._every = every
        number = hashlib.sha256(str(out.resolve()).encode("utf-8", "replace")).hexdigest()[:16]
        self._run = _package("wandb", "wandb").init(
            project="internvideo", name=out.name, id=number, resume="allow", dir=str(out), config=dict(recipe)
        )

    def __call__(self, moment: Moment) -> None:
        if numbers := _numbers(moment, self._every):
            self._run.log(numbers, step=moment.step)
        if moment.step == moment.steps:
            self._run.finish()


def trackers(
    names: Sequence[Tracker], out: Path, *, start: int, every: int, recipe: Mapping[str, Any]
) -> list[Callable[[Moment], None]]:
    """The hooks that were asked for. Raises MissingExtra if the package of one is not installed."""
    if not distributed.is_main():
        return []
    return [
        TensorBoard(out, start, every) if name == "tensorboard" else WeightsAndBiases(out, recipe, every)
        for name in names
    ]


def _numbers(moment: Moment, every: int) -> dict[str, float]:
    """What is shown of a step: the same as in the JSON lines; nothing between two of them."""
    shown = moment.step % every == 0 or moment.step == moment.steps
    if not shown and not any(name.startswith("eval/") for name in moment.logs):
        return {}
    return {name: value for name, value in moment.logs.items() if math.isfinite(value)}


def _package(name: str, extra: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtra(name, extra) from error
