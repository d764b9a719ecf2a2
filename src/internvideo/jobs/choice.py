"""Which model a verb uses: the one asked for, the one a dataset was made with, or the best one that is here.

Nothing is downloaded by name alone: what is not here is an error that names the command which fetches it.
"""

import os
import warnings

import torch
from torch import nn

from internvideo.errors import InternVideoError, UsageError, pick
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import note
from internvideo.models import MODELS, load_model, named
from internvideo.models.families import NonCommercialWeights
from internvideo.models.fetch import local
from internvideo.models.precision import check_device

FREE = "clip-b-16"  # may be used by everybody for everything
BEST_FIRST = (  # of the models that read texts, by published zero-shot results
    *("viclip-l-14", "internvideo-mm-l-14", "clip-l-14", "viclip-b-16", "clip-b-16", "internvideo-mm-b-16"),
    *("openclip-b-16", "openclip-b-32", "clip-b-32"),
    "viclip-tiny",  # always here; says itself how little it knows
)


def best_here() -> str | None:
    """The best network that reads texts and whose weights are here."""
    return next((known for known in BEST_FIRST if local(known)), None)


def choose_model(
    name: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    *,
    made_with: str | None = None,
    precision: str = "fp32",
    device: str | None = None,
) -> nn.Module:
    """The network, loaded, in evaluation mode, on its device.

    name, weights: as given by the user; the folder of a training run stands for both. made_with: the name of the model
    that a dataset was made with. device: a name that torch knows; by default the GPU if there is one. `-debug` models
    need no weights: theirs are random, always the same. Raises UsageError for unknown names, and InternVideoError with
    the command to type where weights are missing.
    """
    name = name or made_with or (best_here() if weights is None else None)
    if name is None:
        raise InternVideoError(
            "say which model these weights belong to" if weights else "no model is here yet",
            "add --model NAME; `internvideo models list` shows the names"
            if weights
            else f"`internvideo models fetch {FREE}` fetches the free default; --model and --weights name another",
        )
    name, weights = named(name, weights)
    pick(MODELS, name, "model")
    found = weights if weights is not None else local(name)
    if found is None and not name.endswith("-debug"):
        raise InternVideoError(
            f"the weights of `{name}` are not here", f"`internvideo models fetch {name}`, or --weights FILE"
        )
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if place.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("this PyTorch sees no GPU", "leave --device out; `internvideo doctor` shows what there is")
    check_device(precision, place)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(record=True) as told:
        torch.manual_seed(0)
        warnings.simplefilter("ignore", NonCommercialWeights)  # `say_model` says it
        model = load_model(name, found, precision=precision)
    for warning in told:
        note(f"{name}: {warning.message}")
    return model.to(place)


def say_model(model: nn.Module) -> None:
    """One line of talk: which model answers, with which weights, and under which licence."""
    card = card_of(model)
    known = card.weights if card.weights == "random" else f"weights {card.weights[:12]}, {card.licence.name}"
    note(f"model {card.name}: {known}{', not for commercial use' if card.licence.commercial is False else ''}")
    if card.family.notice:
        note(f"{card.name} is {card.family.notice}")
