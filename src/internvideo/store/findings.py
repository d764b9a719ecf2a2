"""What `verify` says: a problem, and how it can be mended."""

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be."""

    kind: (
        str  # damaged-shard, missing-shard, wrong-schema, outside-shard, unsorted, duplicate-key, done-without-rows ...
    )
    where: str  # printable path inside the dataset
    message: str
    repaired: str = ""  # what `verify(repair=True)` did about it

    def __str__(self) -> str:
        text = f"{self.kind}  {self.where}  {self.message}"
        return f"{text}; {self.repaired}" if self.repaired else text


@dataclass(frozen=True)
class Finding:
    """A problem, and what would mend it; None: only a person can."""

    problem: Problem
    mend: Callable[[], str] | None = None

    def settled(self, repair: bool) -> Problem:
        """The problem; mended first if asked for."""
        if not repair or self.mend is None:
            return self.problem
        return replace(self.problem, repaired=self.mend())
