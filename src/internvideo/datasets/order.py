"""Which sample comes at which place: mixtures, shuffles and shards as arithmetic, so that any place can be asked for.

Nothing is drawn in advance and nothing is stored: an epoch of a hundred million items costs no memory, and going on in
the middle of one costs no time.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from internvideo.datasets.sample import Media

ROUNDS = 8  # with fewer, short lists are not shuffled evenly
MASK = (1 << 64) - 1


class Place(NamedTuple):
    """One item of an epoch before anything is known of its file."""

    slot: int  # of the epoch: 0 <= slot < steps * batch
    corpus: int  # of the mixture
    number: int  # of the sample in its corpus


def mixed(*numbers: int) -> int:
    """64 bits that depend on all of the numbers (the finaliser of SplitMix64, chained)."""
    state = 0
    for number in numbers:
        state = (state ^ (number & MASK)) + 0x9E3779B97F4A7C15 & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return state


def permuted(place: int, count: int, *key: int) -> int:
    """Where a shuffle by `key` puts `place` among `count`: a permutation, without a table.

    A Feistel network over the next even number of bits; what lands outside walks on (Black and Rogaway 2002).
    """
    if not 0 <= place < count:
        raise ValueError(f"place {place} is not among {count}")
    half = max(1, ((count - 1).bit_length() + 1) // 2)
    low = (1 << half) - 1
    seed = mixed(*key)
    while True:
        left, right = place >> half, place & low
        for turn in range(ROUNDS):
            left, right = right, left ^ mixed(seed, turn, right) & low
        place = left << half | right
        if place < count:
            return place


def apportioned(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers that add up to `total`, each less than one from its share (largest remainders first).

    >>> apportioned(10, [Fraction(1), Fraction(1), Fraction(1)])
    [4, 3, 3]
    """
    quotas = [total * share / sum(shares) for share in shares]
    counts = [int(quota) for quota in quotas]
    order = sorted(range(len(quotas)), key=lambda i: (counts[i] - quotas[i], i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


@dataclass(frozen=True)
class Mixture:
    """Epochs of `steps` batches of `batch` items, each of one medium, in which every corpus has exactly its share.

    lengths, media: of the corpora; shares: relative, any positive numbers. Every corpus is gone through from end to end
    before anything of it comes again, over the borders of epochs, each time in another order.

    image_batch: items of a batch of images, if they are others. alternate: media take turns, batch by batch, whatever
    their shares (InternVideo-MM); else batches of both are shuffled by their shares (ViCLIP).
    """

    lengths: tuple[int, ...]
    media: tuple[Media, ...]
    shares: tuple[Fraction, ...]
    batch: int
    steps: int
    seed: int
    shuffle: bool = True
    image_batch: int | None = None
    alternate: bool = False

    def size(self, medium: Media) -> int:
        """Items of a batch of this medium."""
        return self.image_batch if medium == "image" and self.image_batch is not None else self.batch

    @cached_property
    def kinds(self) -> tuple[Media, ...]:
        """The media, in the order in which they first come."""
        return tuple(dict.fromkeys(self.media))

    @cached_property
    def steps_of(self) -> list[int]:
        """How many batches of an epoch each medium has."""
        shares = [
            sum((s for s, m in zip(self.shares, self.media, strict=True) if m == kind), Fraction())
            for kind in self.kinds
        ]
        return apportioned(self.steps, [Fraction(1)] * len(shares) if self.alternate else shares)

    @cached_property
    def items_of(self) -> list[int]:
        """How many items of an epoch each corpus has."""
        counts = [0] * len(self.lengths)
        for kind, steps in zip(self.kinds, self.steps_of, strict=True):
            mine = [i for i, medium in enumerate(self.media) if medium == kind]
            parts = apportioned(steps * self.size(kind), [self.shares[i] for i in mine])
            for i, part in zip(mine, parts, strict=True):
                counts[i] = part
        return counts

    def medium(self, epoch: int, step: int) -> Media:
        """Of all items of a batch."""
        return self.kinds[self._kind(epoch, step)[0]]

    def places(self, epoch: int, step: int, rows: range) -> list[Place]:
        """What comes at these rows of a batch."""
        kind, nth = self._kind(epoch, step)
        size, largest = self.size(self.kinds[kind]), max(map(self.size, self.kinds))
        mine = [i for i, medium in enumerate(self.media) if medium == self.kinds[kind]]
        ends = list(accumulate(self.items_of[i] for i in mine))
        found = []
        for row in rows:
            spot = nth * size + row
            if self.shuffle:
                spot = permuted(spot, ends[-1], self.seed, epoch, kind, 1)
            which = bisect.bisect_right(ends, spot)
            corpus = mine[which]
            drawn = epoch * self.items_of[corpus] + spot - (ends[which - 1] if which else 0)
            turn, number = divmod(drawn, self.lengths[corpus])
            if self.shuffle:
                number = permuted(number, self.lengths[corpus], self.seed, turn, corpus, 2)
            found.append(Place(step * largest + row, corpus, number))
        return found

    def instead(self, epoch: int, place: Place, attempt: int) -> Place:
        """Another sample of the same corpus for a place whose file is broken."""
        number = mixed(self.seed, epoch, place.slot, attempt, 3) % self.lengths[place.corpus]
        return Place(place.slot, place.corpus, number)

    def _kind(self, epoch: int, step: int) -> tuple[int, int]:
        """(number of the medium, how many batches of it come before) of a batch."""
        if self.alternate:
            return step % len(self.kinds), step // len(self.kinds)
        ends = list(accumulate(self.steps_of))
        spot = permuted(step, self.steps, self.seed, epoch, 0) if self.shuffle else step
        kind = bisect.bisect_right(ends, spot)
        return kind, spot - (ends[kind - 1] if kind else 0)
