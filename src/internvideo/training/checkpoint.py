"""Where a run stands, in one file: killed at any instant, it goes on with the same numbers.

A checkpoint is a safetensors file with everything that a step depends on: weights, their average, the state of the
optimiser by name of the parameter, and how many steps are done. Position in the schedule and in the data, and all
random numbers, follow from the step and the seed. It holds whole tensors, so any number of processes may go on with it.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from internvideo import distributed
from internvideo.errors import InternVideoError, UsageError
from internvideo.models.weights import Weights, read_facts, read_weights, write_weights
from internvideo.store import durable
from internvideo.store.faults import shown, told

MODEL, AVERAGE, OPTIMISER = "model.", "average.", "optimizer."
LATEST, BEST = "latest.safetensors", "best.safetensors"


class RunChanged(UsageError):
    """A run was asked to go on with other data or another recipe."""


class Scaling(Protocol):
    """Numbers beside the tensors (`hooks.LossScale`)."""

    def facts(self) -> dict[str, str]: ...
    def restore(self, facts: Mapping[str, str]) -> None: ...


@dataclass
class State:
    """All that training changes. The model is the bare one; its average is by name, if one is kept."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    seed: int = 0
    scaling: Scaling | None = None  # of fp16

    def tensors(self) -> Weights:
        """Everything by name. All processes must ask."""
        own = {MODEL + name: distributed.whole(value) for name, value in self.model.state_dict().items()}
        average = {AVERAGE + name: distributed.whole(value) for name, value in self.average.items()}
        moments = {
            f"{OPTIMISER}{name}/{key}": distributed.whole(value)
            for name, parameter in self.model.named_parameters()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }
        return own | average | moments

    def restore(self, tensors: Weights) -> None:
        """Take over what `tensors` gave. Raises InternVideoError if that is of another model."""
        own = self.model.state_dict()
        stored = {key.removeprefix(MODEL): value for key, value in tensors.items() if key.startswith(MODEL)}
        differing = sorted(own.keys() ^ stored.keys()) or [k for k in own if own[k].shape != stored[k].shape]
        if differing:
            raise InternVideoError(
                f"the checkpoint is of another model: {len(differing)} weights differ, the first is `{differing[0]}`",
                "go on with the recipe that the run was started with, or choose another folder",
            )
        for name, value in stored.items():
            distributed.put(value, own[name])
        for name in self.average:
            distributed.put(tensors.get(AVERAGE + name, stored[name]), self.average[name])
        parameters = dict(self.model.named_parameters())
        for key, value in tensors.items():
            if key.startswith(OPTIMISER):
                name, _, what = key.removeprefix(OPTIMISER).rpartition("/")
                like = parameters[name]
                moment = torch.empty_like(value) if what == "step" else torch.zeros_like(like, requires_grad=False)
                distributed.put(value, moment)
                self.optimizer.state[like][what] = moment


@dataclass(frozen=True)
class Checkpoints:
    """The folder of a run. `pinned`: what the run must not change under way (fingerprints of data, recipe ...)."""

    folder: Path
    pinned: Mapping[str, str] = field(default_factory=dict)

    def save(self, state: State, score: float | None = None) -> None:
        """Replace the latest checkpoint, and the best one if there is none of a score as high.

        The previous file stays whole until the new one is on disk, also if there is no room for it. Raises
        InternVideoError then.
        """
        tensors = state.tensors()
        if distributed.is_main():
            durable.make_folder(self.folder)
            facts = {"step": str(state.step), "seed": str(state.seed), "pinned": json.dumps(dict(self.pinned))}
            facts |= state.scaling.facts() if state.scaling is not None else {}
            facts |= {} if score is None else {"score": repr(score)}
            latest, best = self.folder / LATEST, self.folder / BEST
            write_weights(_beside(latest), tensors, facts)
            _put_in_place(latest)
            if score is not None and score > float(read_facts(best).get("score", "-inf")):
                with told("write", best):
                    shutil.copyfile(latest, _beside(best))
                _put_in_place(best)
        distributed.barrier()

    def resume(self, state: State, *, changed: bool = False) -> bool:
        """Fill `state` from the latest checkpoint; whether there is one. changed: even if what is pinned differs."""
        path = self.folder / LATEST
        if not path.is_file():
            return False
        facts = read_facts(path)
        before = json.loads(facts.get("pinned", "{}"))
        different = sorted(k for k in before.keys() | self.pinned.keys() if before.get(k) != self.pinned.get(k))
        if different and not changed:
            raise RunChanged(
                f"this run was started with other values of: {', '.join(different)}",
                "choose another folder, undo the change, or say that it is meant (`--changed`; in Python changed=True)",
            )
        if "step" not in facts:
            raise InternVideoError(f"`{shown(path)}` is no checkpoint of a run", "choose another folder")
        state.restore(read_weights(path))
        state.step, state.seed = int(facts["step"]), int(facts["seed"])
        if state.scaling is not None and "loss_scale" in facts:
            state.scaling.restore(facts)
        return True


def weights_of(path: Path, *, average: bool = True) -> Weights:
    """The weights in a checkpoint, under the model's names: their average, if there is one and it is wanted."""
    tensors = read_weights(path)
    averaged = {key.removeprefix(AVERAGE): value for key, value in tensors.items() if key.startswith(AVERAGE)}
    own = {key.removeprefix(MODEL): value for key, value in tensors.items() if key.startswith(MODEL)}
    return own | averaged if average else own


def _beside(path: Path) -> Path:
    return path.with_name(path.name + durable.TEMPORARY)


def _put_in_place(path: Path) -> None:
    """Make what was written beside `path` the file itself, once it is on disk."""
    with told("write", path):
        with _beside(path).open("rb+") as file:
            os.fsync(file.fileno())
        durable.step(f"rename {path.name}")
        _beside(path).replace(path)
    durable.step(f"renamed {path.name}")
    durable.sync_folder(path.parent)
