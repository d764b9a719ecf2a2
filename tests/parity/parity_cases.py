"""Finding, reading and comparing parity cases: weights, inputs and outputs that the published code computed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

SUFFIXES = (".safetensors", ".json")


@dataclass(frozen=True)
class Case:
    """One file; what it means follows from the kind, all numbers and switches from its contents."""

    path: Path

    @property
    def family(self) -> str:
        return self.path.parent.name

    def __str__(self) -> str:
        return f"{self.family}/{self.path.stem}"

    @cached_property
    def _opened(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        with safe_open(self.path, "pt") as file:
            return json.loads((file.metadata() or {})["meta"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118

    @property
    def meta(self) -> dict[str, Any]:
        return self._opened[0]

    @property
    def tensors(self) -> dict[str, Tensor]:
        return self._opened[1]

    @cached_property
    def json(self) -> Any:
        return json.loads(self.path.read_text("utf-8"))

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose key begins with `prefix`, without it."""
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}

    def __getitem__(self, key: str) -> Tensor:
        return self.tensors[key]


@dataclass(frozen=True)
class Limit:
    """How far an answer may be off: the largest of these.

    absolute: times the largest number of the tensor if that is above 1. scaled: times the largest number of the
    tensor. relative: times each number.
    """

    absolute: float = 0.0
    scaled: float = 0.0
    relative: float = 0.0
    floor: float = 0.0

    def allowed(self, expected: np.ndarray) -> np.ndarray:
        largest = float(np.abs(expected).max(initial=0))
        whole = max(self.absolute * max(1.0, largest), self.scaled * largest, self.floor)
        return np.maximum(whole, self.relative * np.abs(expected))


EXACT = Limit()
FORWARD = Limit(absolute=1e-5)
NORM = Limit(relative=1e-4, floor=1e-7)
GRADIENT = Limit(scaled=1e-4, floor=1e-7)


@dataclass(frozen=True)
class Answer:
    """What we computed for one stored output."""

    key: str
    value: Any
    limit: Limit = FORWARD
    expected: Any = None  # if the case does not store it under out.<key>


Check = Callable[[Case], Iterator[Answer]]
Kinds = Mapping[str, Check]


class UnknownCase(Exception):
    """There is no check for this case."""


def kind_of(case: Case, families: Mapping[str, Kinds]) -> tuple[str, Check]:
    """The check whose name is the longest one that the name of the case begins with."""
    kinds = families.get(case.family, {})
    known = [kind for kind in kinds if case.path.stem.startswith(kind)]
    if not known:
        raise UnknownCase(f"{case}: no check knows this case; kinds of this family: {', '.join(kinds) or 'none'}")
    kind = max(known, key=len)
    return kind, kinds[kind]


def find(folder: Path) -> list[Case]:
    """All cases below a folder, by family and name."""
    files = (path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return sorted((Case(path) for path in files), key=str)


def verify(case: Case, check: Check) -> tuple[int, float]:
    """Compare all answers; every stored output must be answered.

    Returns how many there were, and the largest share of its limit that one of them was off.
    """
    answered, count, worst = set(), 0, 0.0
    for answer in check(case):
        expected = case.tensors.get(f"out.{answer.key}") if answer.expected is None else answer.expected
        if expected is None:
            continue  # this case does not store it
        worst = max(worst, _compare(f"{case} {answer.key}", answer.value, expected, answer.limit))
        answered.add(f"out.{answer.key}")
        count += 1
    stored = {key for key in case.tensors if key.startswith("out.")} if case.path.suffix == ".safetensors" else set()
    assert stored <= answered, f"{case}: nothing was compared with {sorted(stored - answered)}"
    assert count, f"{case}: nothing was compared"
    return count, worst


def _compare(name: str, value: Any, expected: Any, limit: Limit) -> float:
    if limit == EXACT and not isinstance(expected, Tensor | np.ndarray):
        assert value == expected, f"{name}: {value!r} is not {expected!r}"
        return 0.0
    got, want = _array(value), _array(expected)
    assert got.shape == want.shape, f"{name}: shape {got.shape}, expected {want.shape}"
    assert np.isfinite(got).all(), f"{name}: not finite"
    off, allowed = np.abs(got - want), limit.allowed(want)
    assert (off <= allowed).all(), f"{name}: off by {off.max():.3g}, allowed {np.min(allowed):.3g}"
    return float((off / np.maximum(allowed, 1e-300)).max(initial=0)) if limit != EXACT else 0.0


def _array(value: Any) -> np.ndarray:
    return np.asarray(value.detach().numpy() if isinstance(value, Tensor) else value, np.float64)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
