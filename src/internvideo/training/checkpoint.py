"""Where a run stands, in one file: killed at any instant, it goes on with the same numbers.

A checkpoint is a safetensors file with everything that a step depends on: weights, their average, the state of the
optimiser by name of the parameter, and how many steps are done. Position in the schedule and in the data, and all
random numbers, follow from the step and the seed. Where a model is cut over processes, each writes its rows into a part
of its own and the file names the parts; any number of processes may go on with it, cut or not.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from internvideo import distributed
from internvideo.errors import InternVideoError, UsageError
from internvideo.models.renaming import WeightsError
from internvideo.models.weights import Weights, read_facts, write_weights
from internvideo.store import durable
from internvideo.store.faults import shown, told

MODEL, AVERAGE, OPTIMISER = "model.", "average.", "optimizer."
LATEST, BEST = "latest.safetensors", "best.safetensors"
PARTS = "parts"  # fact of a checkpoint: names of the files in which processes wrote their rows


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

    def tensors(self, *, whole: bool = True) -> Weights:
        """Everything by name. All processes must ask. whole: False leaves shares of what is cut as they are."""
        moments = {
            f"{OPTIMISER}{name}/{key}": value
            for name, parameter in self.model.named_parameters()
            for key, value in self.optimizer.state.get(parameter, {}).items()
        }
        own = {MODEL + name: value for name, value in self.model.state_dict().items()}
        every = own | {AVERAGE + name: value for name, value in self.average.items()} | moments
        return {name: distributed.whole(value) for name, value in every.items()} if whole else every

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `tensors` gave, one after the other. Raises InternVideoError if that is of another model."""
        own = self.model.state_dict()
        stored = {key.removeprefix(MODEL) for key in tensors if key.startswith(MODEL)}
        differing = sorted(own.keys() ^ stored)
        differing = differing or [name for name in own if own[name].shape != tensors[MODEL + name].shape]
        if differing:
            raise InternVideoError(
                f"the checkpoint is of another model: {len(differing)} weights differ, the first is `{differing[0]}`",
                "go on with the recipe that the run was started with, or choose another folder",
            )
        for name, value in own.items():
            distributed.put(tensors[MODEL + name], value)
        for name, value in self.average.items():
            distributed.put(tensors[AVERAGE + name if AVERAGE + name in tensors else MODEL + name], value)
        parameters = dict(self.model.named_parameters())
        for key in tensors:
            if key.startswith(OPTIMISER):
                name, _, what = key.removeprefix(OPTIMISER).rpartition("/")
                like, value = parameters[name], tensors[key]
                moment = torch.empty_like(value) if what == "step" else torch.zeros_like(like, requires_grad=False)
                distributed.put(value, moment)
                self.optimizer.state[like][what] = moment


class Stored(Mapping[str, Tensor]):
    """What a checkpoint holds, read one tensor at a time; parts of several processes are put together.

    Raises WeightsError for a file or part that is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.facts = read_facts(path)
        self._places: dict[str, list[Any]] = {}
        for each in (path, *(path.with_name(name) for name in json.loads(self.facts.get(PARTS, "[]")))):
            try:
                file = safe_open(each, "pt")
                names = file.keys()  # type: ignore[no-untyped-call]
            except (SafetensorError, OSError) as error:
                raise WeightsError(f"{shown(each)} is not whole ({error})", "go on with an older checkpoint") from error
            for name in names:
                self._places.setdefault(name, []).append(file)

    def __getitem__(self, name: str) -> Tensor:
        rows: list[Tensor] = [file.get_tensor(name) for file in self._places[name]]
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


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
        tensors = state.tensors(whole=False)
        durable.make_folder(self.folder)
        parts = self._write_share(
            {name: value for name, value in tensors.items() if distributed.is_cut(value)}, state.step
        )
        if distributed.is_main():
            facts = {"step": str(state.step), "seed": str(state.seed), "pinned": json.dumps(dict(self.pinned))}
            facts |= state.scaling.facts() if state.scaling is not None else {}
            facts |= {} if score is None else {"score": repr(score)}
            facts |= {PARTS: json.dumps(parts)} if parts else {}
            latest, best = self.folder / LATEST, self.folder / BEST
            rest = {name: value for name, value in tensors.items() if not distributed.is_cut(value)}
            write_weights(_beside(latest), rest, facts)
            _put_in_place(latest)
            if score is not None and score > float(read_facts(best).get("score", "-inf")):
                with told("write", best):
                    shutil.copyfile(latest, _beside(best))
                _put_in_place(best)
            self._sweep()
        distributed.barrier()

    def _write_share(self, shares: Weights, step: int) -> list[str]:
        """The rows that this process holds, in a file of their own; the names of all such files, in order of rank."""
        if not shares:
            return []
        names = [f"step-{step}-part-{rank}-of-{distributed.world()}.safetensors" for rank in range(distributed.world())]
        path, problem = self.folder / names[distributed.rank()], None
        try:
            write_weights(_beside(path), {name: distributed.share(value) for name, value in shares.items()})
            _put_in_place(path)
        except InternVideoError as error:
            problem = error
        if not distributed.all_true(problem is None):
            raise problem or InternVideoError(
                "another process could not write its part of a checkpoint", "see its words"
            )
        return names

    def _sweep(self) -> None:
        """Remove parts that no checkpoint names: of earlier steps, or of a run that was killed while it saved."""
        named = {
            part for name in (LATEST, BEST) for part in json.loads(read_facts(self.folder / name).get(PARTS, "[]"))
        }
        for path in self.folder.glob("step-*-part-*"):
            if path.name not in named:
                durable.remove(path)

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
        state.restore(Stored(path))
        state.step, state.seed = int(facts["step"]), int(facts["seed"])
        if state.scaling is not None and "loss_scale" in facts:
            state.scaling.restore(facts)
        return True


def weights_of(path: Path, *, average: bool = True) -> Weights:
    """The weights in a checkpoint, under the model's names: their average, if there is one and it is wanted."""
    stored = Stored(path)

    def below(prefix: str) -> Weights:
        return {name.removeprefix(prefix): stored[name] for name in stored if name.startswith(prefix)}

    return below(MODEL) | (below(AVERAGE) if average else {})


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
