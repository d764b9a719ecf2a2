"""What the networks of a recipe will look at, for an estimate: no weights are read."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from internvideo.curation.aesthetic import AESTHETIC
from internvideo.curation.operator import Operator
from internvideo.curation.recipe import CurateRecipe
from internvideo.curation.segmenters import Windows
from internvideo.jobs.estimate import SHOT_SECONDS, Look
from internvideo.jobs.network_scores import AUTO, picture_network
from internvideo.records import EMBEDDING, Space
from internvideo.store.values import OperatorSpec


@dataclass(frozen=True)
class Network:
    """operator: how the name of the one begins that it works for. frames: of a clip; None: as many as is usual."""

    model: str
    operator: str
    frames: int | None = None
    device: str | None = None


def of_recipe(recipe: CurateRecipe) -> list[Network]:
    """What `match` and `aesthetic` ask for. Raises UsageError for an unknown network."""
    from internvideo.jobs.choice import FREE, best_here

    found = []
    if match := recipe.match.model:
        found.append(Network((best_here() or FREE) if match == AUTO else match, EMBEDDING, None, recipe.match.device))
    if recipe.aesthetic.head:
        asked = recipe.aesthetic
        found.append(Network(picture_network(asked), AESTHETIC, asked.frames, asked.device))
    return found


def of_operators(operators: Iterable[Operator]) -> list[Network]:
    """Those of `MODELS` that operators carry already."""
    carried = [one for one in operators if one.frames.network is not None and hasattr(one, "space")]
    if not carried:
        return []
    from internvideo.models import MODELS

    found = []
    for one in carried:
        space: Space = getattr(one, "space")  # noqa: B009  # not of every operator
        device = getattr(getattr(one, "factory", None), "device", None)
        if space.model in MODELS:
            found.append(Network(space.model, one.name, space.preprocess.frame_count, device))
    return found


def looks_of(
    networks: Sequence[Network], operators: Iterable[Operator], specs: Mapping[str, OperatorSpec]
) -> list[Look]:
    """operators: of the run, whose windows say how many clips there will be. specs: those that the dataset had before.

    Raises UsageError for unknown networks.
    """
    if not networks:
        return []
    import torch

    from internvideo.jobs.models import show
    from internvideo.models import named

    clips = 1 / SHOT_SECONDS + sum(1 / (one.stride or one.seconds) for one in operators if isinstance(one, Windows))
    found = []
    for one in networks:
        told = show(named(one.model)[0])
        flops = told["cost"]["flops"] * (one.frames or told["preprocess"]["frame_count"])
        spaces = [
            json.loads(spec.text)["parameters"]["space"]
            for name, spec in specs.items()
            if name.startswith(one.operator)
        ]
        found.append(
            Look(
                model=told["name"],
                clips=clips,
                flops=flops / told["preprocess"]["frame_count"],
                device=one.device or ("cuda" if torch.cuda.is_available() else "cpu"),
                done=any(space["model"] == told["name"] for space in spaces),
            )
        )
    return found
