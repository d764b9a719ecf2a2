"""Which operators are due for a video, in which order, and what they have to be told.

Pure functions on names and states: no files, no processes. All due operators of a video share one task, so their
frame requests are met by one decode pass.
"""

from collections.abc import Collection, Sequence
from importlib.metadata import version as installed_version
from typing import Any

import pyarrow as pa

from internvideo.config import plain
from internvideo.curation.measures import MEASURES
from internvideo.curation.operator import DatasetOperator, Operator
from internvideo.errors import UsageError, nearest
from internvideo.store.values import CLIP_KEY, VIDEO_KEY, OperatorSpec

LATER = frozenset({"model_captions"})  # made after the pass, when views are known: there or not there yet
ROOTS = frozenset({"side"}) | LATER  # what an operator may need that no operator gives: sidecar files, and those


def is_segmenter(operator: Operator | DatasetOperator) -> bool:
    return bool(getattr(operator, "segmenter", False))


def reads(operator: Operator | DatasetOperator, everyone: Sequence[Operator | DatasetOperator]) -> list[str]:
    """Names of the operators whose rows it reads; "clips" stands for all segmenters."""
    names: list[str] = []
    for need in operator.needs:
        if need == "clips":
            names += [other.name for other in everyone if is_segmenter(other)]
        elif need not in ROOTS:
            names.append(need)
    return names


def reads_later(operator: Operator) -> bool:
    """Whether it reads what a later stage makes, so that the driver has to look whether that has come."""
    return not LATER.isdisjoint(operator.needs)


def waits_for(operator: Operator, everyone: Sequence[Operator]) -> list[str]:
    """Names of the operators without which it cannot run: those it reads, `probe` (the file opens), and for whatever
    looks at frames `decoding` (something comes out of the decoder).
    """
    looks = bool(operator.frames.measures) or operator.frames.of_clips
    before = {"probe": [], "decoding": ["probe"]}.get(operator.name, ["probe", "decoding"] if looks else ["probe"])
    implied = [name for name in before if any(other.name == name for other in everyone)]
    return [*implied, *(name for name in reads(operator, everyone) if name not in implied)]


def in_order(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """Each operator after those it reads, else in the given order.

    Raises UsageError for two of one name, a need that nobody gives, and a circle.
    """
    by_name = {operator.name: operator for operator in operators}
    if len(by_name) < len(operators):
        twice = sorted({o.name for o in operators if sum(p.name == o.name for p in operators) > 1})
        raise UsageError(f"two operators are called `{twice[0]}`", "give one of them another name")
    done: dict[str, Operator] = {}
    while len(done) < len(operators):
        before = len(done)
        for operator in operators:
            needs = waits_for(operator, operators)
            for need in needs:
                if need not in by_name:
                    raise UsageError(f"operator `{operator.name}` needs `{need}`", nearest(need, by_name))
            if operator.name not in done and all(need in done for need in needs):
                done[operator.name] = operator
                break
        if len(done) == before:
            circle = ", ".join(name for name in by_name if name not in done)
            raise UsageError(f"these operators need each other: {circle}", "break the circle in the recipe")
    return tuple(done.values())


def with_readers(due: Collection[str], operators: Sequence[Operator]) -> tuple[str, ...]:
    """The due operators and all that read them, directly or not: these may have to run again. In order."""
    closed = set(due)
    for operator in operators:  # one pass is enough: readers come after what they read
        if any(name in closed for name in reads(operator, operators)):
            closed.add(operator.name)
    return tuple(operator.name for operator in operators if operator.name in closed)


def to_tell(due: Collection[str], operators: Sequence[Operator]) -> tuple[str, ...]:
    """Operators that are not due but whose rows the due ones read."""
    read = {name for operator in operators if operator.name in due for name in reads(operator, operators)}
    return tuple(operator.name for operator in operators if operator.name in read and operator.name not in due)


def spec_of(operator: Operator | DatasetOperator) -> OperatorSpec:
    """What the store has to know: name, version, and everything that its values depend on."""
    fields: dict[str, Any] = plain(operator)
    parameters = {name: value for name, value in fields.items() if name not in {"name"}}
    request = getattr(operator, "frames", None)
    if request is not None and (request.measures or request.of_clips):
        parameters["measures"] = {name: MEASURES[name].version for name in request.measures}
        parameters["decoder"] = f"av {installed_version('av')}"
    if request is not None and request.per_clip:
        parameters["pictures"] = [request.per_clip, request.size]
    key = VIDEO_KEY if operator.grain == "video" else CLIP_KEY
    schema = pa.schema([*key, *operator.columns])
    grain = "dataset" if isinstance(operator, DatasetOperator) else operator.grain
    return OperatorSpec(operator.name, operator.version, grain, parameters, schema, is_segmenter(operator))
