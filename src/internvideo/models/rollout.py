"""Walks of a batch from their start to their end, step by step, by what a policy thinks of the ways at hand.

Knows numbers only: what is seen and what a step does comes from walkers, of whatever world.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from internvideo.models.navigator import Navigator


class Sight(Protocol):
    """What a walker sees: K ways and V views. features (K, F), angles (K, 2), metres (K,), around (V, F),
    around_angles (V, 2), all float32."""

    @property
    def features(self) -> np.ndarray: ...
    @property
    def angles(self) -> np.ndarray: ...
    @property
    def metres(self) -> np.ndarray: ...
    @property
    def around(self) -> np.ndarray: ...
    @property
    def around_angles(self) -> np.ndarray: ...


class Walker(Protocol):
    """Someone under way. Actions are numbers of ways; as many as there are ways means to stop."""

    @property
    def stopped(self) -> bool: ...
    def see(self) -> Sight: ...
    def teacher(self) -> int: ...
    def go(self, action: int) -> "Walker": ...


W = TypeVar("W", bound=Walker)
Choose = Callable[[Tensor, list[int]], Sequence[int]]  # scores (B, K + 1), the teacher's actions -> actions


def follow(
    network: Navigator, words: Tensor, walks: Sequence[W], choose: Choose, *, taught: bool = True
) -> tuple[list[W], Tensor, Tensor]:
    """All walks of a batch to their ends, together: walks, the sum of what scores cost () and how many there were ().

    words: (B, L) int64. An action's cost is the cross-entropy with the teacher's; 0 if not taught. Ends after the most
    steps of the network, or when all have stopped.
    """
    text, real = network.read(words), words != 0
    history: list[Tensor] = []
    under_way = list(walks)
    loss, count = words.new_zeros((), dtype=torch.float32), words.new_zeros(())
    for step in range(network.config.steps):
        sights = [walk.see() for walk in under_way]
        ways = max(1, *(len(sight.metres) for sight in sights))
        table = _table(sights, ways, words.device)
        past = torch.stack(history, 1) if history else text[:, :0]
        scores = network(text, real, past, *table)
        wanted = [walk.teacher() if taught else 0 for walk in under_way]
        places = [ways if number == len(sight.metres) else number for number, sight in zip(wanted, sights, strict=True)]
        going = torch.tensor([not walk.stopped for walk in under_way], device=words.device)
        if taught:
            each = F.cross_entropy(scores.float(), torch.tensor(places, device=words.device), reduction="none")
            loss, count = loss + each[going].sum(), count + going.sum()
        actions = choose(scores, places)
        taken, turn = _taken(sights, actions, ways, words.device)
        around, angles = (
            torch.from_numpy(np.stack([getattr(sight, name) for sight in sights])).to(words.device)
            for name in ("around", "around_angles")
        )
        history.append(network.remember(around, angles, taken, turn, step))
        under_way = [
            walk if walk.stopped else cast(W, walk.go(len(sight.metres) if action == ways else action))
            for walk, sight, action in zip(under_way, sights, actions, strict=True)
        ]
        if all(walk.stopped for walk in under_way):
            break
    return under_way, loss, count


def best_action(scores: Tensor, _: list[int]) -> list[int]:
    """What the network thinks best."""
    return cast(list[int], scores.argmax(-1).tolist())


def _table(sights: Sequence[Sight], ways: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features (B, K, F), angles (B, K, 2), metres (B, K), mask (B, K)."""
    width = sights[0].around.shape[-1]
    shapes = {"features": (ways, width), "angles": (ways, 2), "metres": (ways,)}
    filled = {name: np.zeros((len(sights), *shape), np.float32) for name, shape in shapes.items()}
    mask = np.zeros((len(sights), ways), bool)
    for row, sight in enumerate(sights):
        mask[row, : len(sight.metres)] = True
        for name, table in filled.items():
            table[row, : len(sight.metres)] = getattr(sight, name)
    features, angles, metres = (torch.from_numpy(filled[name]).to(device) for name in shapes)
    return features, angles, metres, torch.from_numpy(mask).to(device)


def _taken(sights: Sequence[Sight], actions: Sequence[int], ways: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """View and angle of the way that each takes; zeros and straight on for who stops."""
    rows = [
        (sight.features[action], sight.angles[action])
        if action < min(ways, len(sight.metres))
        else (np.zeros(sight.around.shape[-1], np.float32), np.array([0, 1], np.float32))
        for sight, action in zip(sights, actions, strict=True)
    ]
    views, turns = (torch.from_numpy(np.stack(column)).to(device) for column in zip(*rows, strict=True))
    return views, turns
