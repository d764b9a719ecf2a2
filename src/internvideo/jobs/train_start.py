"""The network that a run begins with: its weights, what is changed in it, and which part of it learns."""

import re
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import fields, replace
from typing import Any

from torch import nn

from internvideo.config import override
from internvideo.datasets.kinetics import newest_name
from internvideo.datasets.lists import class_number, class_numbers, lines
from internvideo.errors import UsageError, nearest, pick
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import note
from internvideo.models import MODELS, NO_WEIGHTS, load_model, with_card
from internvideo.models.cross_model import CrossModelConfig
from internvideo.models.families import NewHead, fitted
from internvideo.models.low_rank import adapt
from internvideo.models.meta import shapes_only
from internvideo.models.weights import Weights, mix, pick_classes
from internvideo.training.objectives import Classify
from internvideo.training.recipe import TrainRecipe


def begin(recipe: TrainRecipe, *, shapes: bool = False) -> nn.Module:
    """The network, with its card, prepared by the objective. shapes: without numbers, to be counted only."""
    with shapes_only() if shapes else nullcontext():
        model = _changed(_loaded(recipe.model, NO_WEIGHTS if shapes else recipe.weights or NO_WEIGHTS), recipe)
    for part, (name, weights) in {} if shapes else recipe.part_weights.items():
        _fill_part(model, part, name, weights)
    recipe.objective.prepare(model)
    _freeze(model, recipe.frozen)
    if recipe.lora is not None:
        adapt(model, recipe.lora)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise UsageError("nothing of this network learns", "freeze less")
    return model


def _loaded(name: str, weights: str) -> nn.Module:
    """`load_model`; a head that is new is no news where it is about to be trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NewHead)
        return load_model(name, weights)


def merged_with_start(tuned: Weights, recipe: TrainRecipe) -> Weights:
    """WiSE-FT (Wortsman et al. 2022): `merge` of what was learned, the rest of other weights.

    Parts that the beginning did not have (times, heads, scales) stay as learned.
    """
    base = _changed(_loaded(recipe.model, recipe.merge_with or recipe.weights or NO_WEIGHTS), recipe).state_dict()
    new = MODELS[recipe.model].new
    kept = [name for name in tuned if name.startswith(new) or base[name].shape != tuned[name].shape]
    return mix(base, tuned, recipe.merge if recipe.merge is not None else 1.0, kept)


def _changed(network: nn.Module, recipe: TrainRecipe) -> nn.Module:
    """The same network with what the recipe changes in its configuration; weights are fitted, what is new is random."""
    card, before, line = card_of(network), config_of(network), MODELS[recipe.model]
    config = override(_with_classes(before, recipe), recipe.network)
    if config != before:
        weights = _relabelled(dict(network.state_dict()), recipe)
        network = line.network(config)
        _take_over(network, line.fit(weights, config))
    size, frames = line.clip(config)
    how = override(fitted(card.preprocess, size, frames), recipe.preprocess)
    if frames and how.frame_count != frames:
        raise UsageError(f"`preprocess` gives {how.frame_count} frames, the network reads {frames}",
                         "change the frames of the network instead")  # fmt: skip
    return with_card(network, replace(card, preprocess=how))


def _with_classes(config: Any, recipe: TrainRecipe) -> Any:
    """A head for the classes of the objective."""
    if not isinstance(recipe.objective, Classify):
        return config
    classes = recipe.objective.outputs
    if isinstance(config, CrossModelConfig):
        both = replace(config.masked, classes=classes), replace(config.frames, classes=classes)
        return replace(config, masked=both[0], frames=both[1])
    return replace(config, classes=classes) if "classes" in {one.name for one in fields(config)} else config


def _relabelled(weights: Weights, recipe: TrainRecipe) -> Weights:
    """A head whose rows are those of the classes of the recipe, found by name in the list that it was trained with."""
    if recipe.relabel is None or weights["head.weight"].is_meta:
        return weights
    had, wanted = recipe.relabel
    numbers = class_numbers([newest_name(each) for each in lines(had)])
    rows = [class_number(numbers, newest_name(each), wanted) for each in lines(wanted)]
    classes = weights["head.weight"].shape[0]
    if classes != len(numbers):
        raise UsageError(
            f"the head has {classes} classes, `{had}` names {len(numbers)}",
            "`relabel` is (list of the classes that it was trained with, list of those that it shall have)",
        )
    return pick_classes(weights, rows)


def _take_over(network: nn.Module, weights: Mapping[str, Any]) -> None:
    """Copy what has a place of the same shape, and say what stays as it was made."""
    own = network.state_dict()
    kept = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict(kept, strict=False)
    new = sorted({".".join(name.split(".")[:2]) for name in own.keys() - kept.keys()})
    if new and not any(value.is_meta for value in own.values()):
        note(f"new in this network: {', '.join(new)}")


def _fill_part(model: nn.Module, part: str, name: str, weights: str) -> None:
    """Weights of a network into the part of the model that is one such, or from its part of that kind; of several such
    the one of the same name."""
    target = dict(model.named_modules()).get(part)
    line = pick(MODELS, name, "model")
    if isinstance(target, line.network):
        _take_over(target, line.fit(dict(_loaded(name, weights).state_dict()), config_of(target)))
        return
    alike = {key: one for key, one in _loaded(name, weights).named_children() if type(one) is type(target)}
    source = alike.get(part) or (next(iter(alike.values())) if len(alike) == 1 else None)
    if target is None or source is None:
        fitting = [key for key, one in model.named_children() if isinstance(one, line.network)]
        raise UsageError(f"`{part}` of `part_weights` is no {line.network.__name__}", nearest(part, fitting))
    _take_over(target, source.state_dict())


def _freeze(model: nn.Module, patterns: tuple[str, ...]) -> None:
    names = [name for name, _ in model.named_parameters()]
    for pattern in patterns:
        found = {name for name in names if re.search(pattern, name)}
        if not found:
            raise UsageError(f"no weight is called `{pattern}`, which shall not learn", nearest(pattern, names))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(parameter.requires_grad and name not in found)


def config_of(network: nn.Module) -> Any:
    """Every network of ours has one."""
    return getattr(network, "config")  # noqa: B009  # nn.Module does not say so
