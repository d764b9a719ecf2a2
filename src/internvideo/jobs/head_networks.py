"""The network that a head's training begins with: of a name, fitted to the data, perhaps with weights."""

from dataclasses import replace
from typing import Any, cast

from torch import nn

from internvideo.config import override
from internvideo.errors import UsageError, pick
from internvideo.jobs.prepare import card_of
from internvideo.models import MODELS, load_model, with_card
from internvideo.training.head_recipe import HeadRecipe


def head_network(recipe: HeadRecipe, **fitted: Any) -> nn.Module:
    """The network of the recipe with what the data say and what the recipe changes. Raises UsageError if its weights
    are of another form."""
    line = pick(MODELS, recipe.model, "model")
    network = load_model(recipe.model, recipe.weights)
    own = cast(Any, network).config
    known = {name: value for name, value in fitted.items() if hasattr(own, name)}
    of_base = {name.removesuffix("_of_base"): value for name, value in fitted.items() if name.endswith("_of_base")}
    if of_base and hasattr(own, "base"):
        known["base"] = replace(own.base, **of_base)
    config = override(replace(own, **known), recipe.network)
    if recipe.weights is not None and config != cast(Any, network).config:
        told = {name: (getattr(cast(Any, network).config, name), getattr(config, name)) for name in known}
        differing = ", ".join(f"{name} {one}, not {other}" for name, (one, other) in told.items() if one != other)
        raise UsageError(f"the weights `{recipe.weights}` are of another form: {differing}", "begin without weights")
    return network if recipe.weights is not None else with_card(line.network(config), card_of(network))
