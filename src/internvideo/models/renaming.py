"""Their names of weights to ours, and back: each network's file ends with the tables that are read here.

Names and order; knows no files. Values stay what they are, but for three marks that a line may carry. Other changes
get a named function elsewhere.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import torch
from torch import Tensor

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
    parts: dict[str, dict[str, V]] = {}
    unclaimed = []
    for key, value in weights.items():
        line, found = _first(lines, key, theirs=True)
        if line is None or found is None:
            unclaimed.append(key)
        elif line.ours is not None:
            name = line.ours.fill(found)
            known = parts.setdefault(name, {}) if line.is_part else ours
            if (line.mark if line.is_part else name) in known:
                raise WeightsError(f"the weight `{key}` comes twice, as `{name}`", "the file mixes two layouts")
            known[line.mark if line.is_part else name] = _transposed(value) if line.mark == "T" else value
    for name, found_parts in parts.items():
        ours[name] = _joined(name, found_parts)
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
        for each in [other for other in lines if other.ours_text == line.ours_text] if line.is_part else [line]:
            order = each.group, int(found["n"] or 0), each.place
            placed.append((order, each.theirs.fill(found), _marked(value, each.mark)))
    return {key: value for _, key, value in sorted(placed, key=lambda entry: entry[0])}


def is_ours(key: str, renames: Renames) -> bool:
    """Whether a line of the table gives this name."""
    return _first(_read(tuple(renames)), key, theirs=False)[0] is not None


def is_theirs(key: str, renames: Renames) -> bool:
    """Whether a line of the table claims this name."""
    return _first(_read(tuple(renames)), key, theirs=True)[0] is not None


def through(first: Renames, second: Renames) -> Renames:
    """The table from the names on the left of `first` to those on the right of `second`, by way of common ones."""
    lines: list[tuple[str, str | None]] = []
    for theirs, middle in first:
        name, bar, mark = (middle or "").partition("|")
        line = next(
            (line for line in second if name == line[0] or (line[0].endswith(".") and name.startswith(line[0]))), None
        )
        if middle is None or line is None or line[1] is None:
            lines.append((theirs, None))
            continue
        ours, other_bar, other_mark = line[1].partition("|")
        lines.append((theirs, ours + name[len(line[0]) :] + (bar or other_bar) + (mark or other_mark)))
    return tuple(lines)


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

_HF_BLOCK: Renames = (
    *(
        (f"self_attn.{one}_proj.{kind}", f"attn.in_proj_{kind}|{part}/3")
        for kind in ("weight", "bias")
        for part, one in enumerate("qkv", 1)
    ),
    ("self_attn.out_proj.", "attn.out_proj."),
    ("layer_norm1.", "ln_1."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
    ("layer_norm2.", "ln_2."),
)

# `CLIPModel` of Hugging Face transformers (in its order of version 4) to CLIP's own names; for `through`.
# X-CLIP's files look alike, but each of its blocks passes messages between frames and a second transformer follows:
# none of the networks here is that one, so those files are refused like any other unknown name.
HF_CLIP: Renames = (
    ("logit_scale", "logit_scale"),
    ("text_model.embeddings.position_ids", None),
    ("text_model.embeddings.token_embedding.", "token_embedding."),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    *prefixed(_HF_BLOCK, "text_model.encoder.layers.{n}.", "transformer.resblocks.{n}."),
    ("text_model.final_layer_norm.", "ln_final."),
    ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
    ("vision_model.embeddings.position_ids", None),
    ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
    ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
    ("vision_model.pre_layrnorm.", "visual.ln_pre."),  # spelt so
    *prefixed(_HF_BLOCK, "vision_model.encoder.layers.{n}.", "visual.transformer.resblocks.{n}."),
    ("vision_model.post_layernorm.", "visual.ln_post."),
    ("visual_projection.weight", "visual.proj|T"),
    ("text_projection.weight", "text_projection|T"),
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
    mark: str
    group: int  # place of the first line that agrees with this one up to "{n}"
    place: int

    @property
    def is_part(self) -> bool:
        return "/" in self.mark

    @property
    def ours_text(self) -> str:
        return self.ours.text if self.ours else ""


@lru_cache(maxsize=64)
def _read(renames: tuple[tuple[str, str | None], ...]) -> tuple[_Line, ...]:
    heads = [theirs.partition("{n}")[0] if "{n}" in theirs else theirs for theirs, _ in renames]
    lines = []
    for place, (theirs, ours) in enumerate(renames):
        name, _, mark = (ours or "").partition("|")
        own = None if ours is None else _Name.read(name)
        lines.append(_Line(_Name.read(theirs), own, mark, heads.index(heads[place]), place))
    return tuple(lines)


def _first(lines: Sequence[_Line], key: str, *, theirs: bool) -> tuple[_Line | None, re.Match[str] | None]:
    for line in lines:
        name = line.theirs if theirs else line.ours
        found = name.pattern.fullmatch(key) if name is not None else None
        if found is not None:
            return line, found
    return None, None


def _transposed(value: V) -> V:
    return value.T.contiguous() if isinstance(value, Tensor) else value  # type: ignore[return-value]  # V is Tensor here


def _joined(name: str, parts: Mapping[str, V]) -> V:
    """Parts "1/3", "2/3", ... of a table, one below the other. Raises WeightsError if one is missing."""
    count = int(next(iter(parts)).partition("/")[2])
    if len(parts) < count:
        raise WeightsError(f"`{name}` has {count} parts in that layout, the file holds {listing(sorted(parts))}")
    return torch.cat([parts[mark] for mark in sorted(parts)])  # type: ignore[return-value,misc]  # V is Tensor here


def _marked(value: V, mark: str) -> V:
    """Our value as theirs. Raises WeightsError for patches of a video that have no picture's form."""
    if not isinstance(value, Tensor) or not mark:
        return value
    if mark == "T":
        return value.T  # type: ignore[return-value]
    if mark == "2D":
        if value.ndim == 5 and value.shape[2] > 1:
            raise WeightsError("these patches span several frames", "save in our own layout, which holds every weight")
        return value.squeeze(2) if value.ndim == 5 else value  # type: ignore[return-value]
    part, _, count = mark.partition("/")
    return value.chunk(int(count))[int(part) - 1].clone()  # type: ignore[return-value]
