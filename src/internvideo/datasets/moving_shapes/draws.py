"""Random choices that are the same on every machine, for ever.

`numpy.random.Generator` may change what its methods return from one release to the next; these draws follow from
SHA-256 and integer arithmetic alone. For a few hundred numbers per clip, not for pixels (see `raw_bytes`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Draws:
    """A stream of draws that is named by its key, e.g. `Draws("moving-shapes", 1, "test", 17)`."""

    def __init__(self, *key: str | int) -> None:
        self._key = "/".join(map(str, key)).encode()
        self._count = 0

    def bits(self) -> int:
        """The next 64 random bits."""
        digest = hashlib.sha256(self._key + b"#" + str(self._count).encode()).digest()
        self._count += 1
        return int.from_bytes(digest[:8], "big")

    def below(self, count: int) -> int:
        """An integer in [0, count)."""
        return self.bits() * count >> 64

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high), rounded to four decimals: short in files, equal everywhere."""
        return round(low + (high - low) * (self.bits() >> 11) / 2**53, 4)

    def chance(self, probability: float) -> bool:
        return self.bits() < probability * 2**64

    def choose(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in random order."""
        left = list(items)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]

    def weighted(self, weights: Mapping[T, int]) -> T:
        """A key, with chances in proportion to its whole-number weight."""
        ticket = self.below(sum(weights.values()))
        for item, weight in weights.items():
            ticket -= weight
            if ticket < 0:
                return item
        raise AssertionError("weights add up to more than their sum")

    def raw_bytes(self, shape: tuple[int, ...]) -> np.ndarray:
        """uint8 noise of this shape: the raw stream of PCG64, which numpy promises not to change."""
        count = int(np.prod(shape))
        words = np.random.PCG64(self.bits()).random_raw(-(-count // 8))
        return words.astype("<u8").view(np.uint8)[:count].reshape(shape)
