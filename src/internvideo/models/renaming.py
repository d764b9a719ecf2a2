"""Their names of weights to ours, and back: each network's file ends with the tables that are read here.

Names and order only; knows no files. Values that change on the way get a named function elsewhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from internvideo.errors import InternVideoError

V = TypeVar("V")
Shapes = Mapping[str, Sequence[int]]

# (their name, our name). A name that ends in "." stands for all names that begin with it, "{n}" for one number. None as
# our name: known, and dropped on purpose. The order of the lines is the order of their state dict; lines that agree up
# to "{n}" are taken together, number by number.
Renames = Sequence[tuple[str, str | None]]


class WeightsError(InternVideoError):
    """Weights cannot be used: the file is not what it should be, or does not fit the network."""

    kind = "weights"


def to_ours(weights: Mapping[str, V], renames: Renames) -> dict[str, V]:
    """The same weights under our names.

    Raises WeightsError with the names that no line of the table claims, or if two of them would get one name.
    """
    lines = _read(tuple(renames))
    ours: dict[str, V] = {}
    unclaimed = []
    for key, value in weights.items():
        line, found = _first(lines, key, theirs=True)
        if line is None or found is None:
            unclaimed.append(key)
        elif line.ours is not None:
            name = line.ours.fill(found)
            if name in ours:
                raise WeightsError(f"the weight `{key}` comes twice, as `{name}`", "the file mixes two layouts")
            ours[name] = value
    if unclaimed:
        raise WeightsError(
            f"{len(unclaimed)} of {len(weights)} weights have no place in this network: {listing(unclaimed)}",
            "they may belong to another model; `internvideo models list` shows the known ones",
        )
    return ours


def to_theirs(weights: Mapping[str, V], renames: Renames) -> dict[str, V]:
    """The same weights under their names, in their order. Raises WeightsError for a weight that has no line."""
    lines = _read(tuple(renames))
    placed = []
    for key, value in weights.items():
        line, found = _first(lines, key, theirs=False)
        if line is None or found is None:
            raise WeightsError(
                f"the weight `{key}` has no name in that layout",
                "save in our own layout, which holds every weight",
            )
        placed.append(((line.group, int(found["n"] or 0), line.place), line.theirs.fill(found), value))
    return {key: value for _, key, value in sorted(placed, key=lambda entry: entry[0])}


def is_ours(key: str, renames: Renames) -> bool:
    """Whether a line of the table gives this name."""
    return _first(_read(tuple(renames)), key, theirs=False)[0] is not None


def is_theirs(key: str, renames: Renames) -> bool:
    """Whether a line of the table claims this name."""
    return _first(_read(tuple(renames)), key, theirs=True)[0] is not None


def prefixed(renames: Renames, theirs: str = "", ours: str = "") -> Renames:
    """The same table with something put before each of their names, or of ours."""
    return tuple((theirs + their_name, None if own is None else ours + own) for their_name, own in renames)


# A residual block of CLIP, in the order of its state dict.
CLIP_BLOCK: Renames = (
    ("attn.in_proj_weight", "attention.qkv.weight"),
    ("attn.in_proj_bias", "attention.qkv.bias"),
    ("attn.out_proj.", "attention.out."),
    ("ln_1.", "norm1."),
    ("mlp.c_fc.", "mlp.up."),
    ("mlp.c_proj.", "mlp.down."),
    ("ln_2.", "norm2."),
)


def count(names: Iterable[str], prefix: str) -> int:
    """How many numbered parts there are: one more than the highest number behind `prefix`.

    >>> count(["blocks.0.a", "blocks.11.a", "norm.a"], "blocks.")
    12
    """
    numbers = (name[len(prefix) :].partition(".")[0] for name in names if name.startswith(prefix))
    return max((int(number) for number in numbers), default=-1) + 1


def listing(names: Iterable[str], most: int = 8) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"`{name}`" for name in names[:most]) + more


@dataclass(frozen=True)
class _Name:
    """One side of a line, able to recognise a key and to be filled in."""

    text: str
    pattern: re.Pattern[str]

    @classmethod
    def read(cls, text: str) -> "_Name":
        head, number, tail = text.partition("{n}")
        counted = f"(?P<n>[0-9]+){re.escape(tail)}" if number else "(?P<n>)"
        rest = ".*" if text.endswith(".") else ""
        return cls(text, re.compile(f"{re.escape(head)}{counted}(?P<rest>{rest})"))

    def fill(self, found: re.Match[str]) -> str:
        return self.text.replace("{n}", found["n"]) + found["rest"]


@dataclass(frozen=True)
class _Line:
    theirs: _Name
    ours: _Name | None
    group: int  # place of the first line that agrees with this one up to "{n}"
    place: int


@lru_cache(maxsize=64)
def _read(renames: tuple[tuple[str, str | None], ...]) -> tuple[_Line, ...]:
    heads = [theirs.partition("{n}")[0] if "{n}" in theirs else theirs for theirs, _ in renames]
    return tuple(
        _Line(_Name.read(theirs), None if ours is None else _Name.read(ours), heads.index(heads[place]), place)
        for place, (theirs, ours) in enumerate(renames)
    )


def _first(lines: Sequence[_Line], key: str, *, theirs: bool) -> tuple[_Line | None, re.Match[str] | None]:
    for line in lines:
        name = line.theirs if theirs else line.ours
        found = name.pattern.fullmatch(key) if name is not None else None
        if found is not None:
            return line, found
    return None, None
