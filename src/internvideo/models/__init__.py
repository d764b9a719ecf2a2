"""The networks by name, and weights into them. Networks know tensors only; what goes with them is in `families`."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path

from torch import nn

from internvideo.errors import pick
from internvideo.models import videomae
from internvideo.models.bundled import bundled
from internvideo.models.families import (
    FAMILIES,
    PREPROCESS,
    RANDOM,
    Card,
    Family,
    NonCommercialWeights,
    fitted,
    stated_licence,
)
from internvideo.models.table import FROM_CLIP, MODELS, Loaded, Model
from internvideo.models.weights import read_facts, read_weights, shown
from internvideo.models.zoo import ZOO
from internvideo.records import Licence, Preprocess

__all__ = ["MODELS", "NO_WEIGHTS", "load_model", "named", "with_card"]

NO_WEIGHTS = "random"  # as weights: do not load any, not even those that are bundled
SOMETHING_CLASSES = 174  # of Something-Something, which VideoMAE samples over the whole video


def load_model(name: str, weights: str | PathLike[str] | None = None, *, precision: str = "fp32") -> nn.Module:
    """A network by name, in evaluation mode, with its `Card` as the attribute `card`.

    name: a key of `MODELS`; or a folder that a training run or `save_pretrained` wrote, which says all the rest.
    weights: a file in our own or any published layout; a folder that a training run or `save_pretrained` wrote, whose
    preprocessing then holds; or what else `models.fetch.resolve` takes: a name of the zoo that was fetched,
    hf://owner/repo/file, a hub id, an https address. None: those that come with the package (viclip-tiny), or else
    random numbers, as NO_WEIGHTS gives in any case. Classes, frame counts, picture sizes and caption
    layers come from the weights; widths and depths must be those of the name. CLIP's weights start the networks that
    were made from it, those of masked pre-training its classifiers. precision: see `models.precision`.
    Raises UsageError for an unknown name and WeightsError for weights that do not fit. Warns (NonCommercialWeights)
    if the licence of the weights forbids commercial use, and (NewHead) if they begin the network but not its head.
    """
    name, weights = named(name, weights)
    model = pick(MODELS, name, "model")
    weights = bundled(name) or NO_WEIGHTS if weights is None else weights
    network = _from_folder(name, weights)
    if network is None:
        if weights == NO_WEIGHTS:
            loaded = model.build()
            card = Card(name, model.family, _preprocess(model.family, loaded), RANDOM, "random")
        else:
            loaded, card = _from_file(name, model, weights)
        network = with_card(loaded.network, card)
    if precision == "fp32":
        return network
    from internvideo.models.precision import convert

    return convert(network, precision)


def named(name: str, weights: str | PathLike[str] | None = None) -> tuple[str, str | PathLike[str] | None]:
    """Name and weights, where a folder that a run or `save_pretrained` wrote may stand for both."""
    if weights is not None or name in MODELS or not Path(name).is_dir():
        return name, weights
    from internvideo.models.fetch import saved_folder
    from internvideo.models.hub import told_in

    folder = saved_folder(name)
    return (str(told_in(folder).get("name", "")), folder) if folder is not None else (name, None)


def _from_folder(name: str, weights: str | PathLike[str]) -> nn.Module | None:
    """The network that `save_pretrained` wrote, if `weights` is its folder and it is of that name."""
    if not Path(weights).is_dir():
        return None
    from internvideo.models.fetch import saved_folder
    from internvideo.models.hub import from_pretrained, told_in

    folder = saved_folder(Path(weights))
    return from_pretrained(folder) if folder is not None and told_in(folder).get("name") == name else None


def with_card(network: nn.Module, card: Card) -> nn.Module:
    """The same network in evaluation mode, with its card; warns if the licence forbids commercial use."""
    vars(network)["card"] = card  # plain data: no part of the state
    if card.licence.commercial is False:
        told = f"the weights of {card.name} ({card.licence.name}) may not be used commercially: {card.licence.evidence}"
        warnings.warn(NonCommercialWeights(told), stacklevel=3)
    return network.eval()


def _from_file(name: str, model: Model, weights: str | PathLike[str]) -> tuple[Loaded, Card]:
    from internvideo.models.fetch import folder_of, resolve, weights_hash  # only where there are files to look for

    path = resolve(name, weights if isinstance(weights, str) else Path(weights))
    with ThreadPoolExecutor(1) as beside:  # hashing takes as long as loading
        digest = beside.submit(weights_hash, path)
        loaded = model.load(read_weights(path))
        known = ZOO.get(path.parent.name)
        known = known if known and path.parent == folder_of(known) else None
        licence = known.licence if known else stated_licence(read_facts(path)) or _usual_licence(model, loaded.layout)
        how = _preprocess(model.family, loaded, known.frames if known else 0, known.size if known else 0)
        source = shown(path) if Path(weights).is_file() else str(weights)
        return loaded, Card(name, model.family, how, licence, digest.result(), source)


def _usual_licence(model: Model, layout: str) -> Licence:
    """Of a file that says nothing: a published layout means published weights."""
    if layout == "own":
        return Licence("not stated")
    return FAMILIES["clip"].licence if layout in FROM_CLIP else model.family.licence


def _preprocess(family: Family, loaded: Loaded, frames: int = 0, size: int = 0) -> Preprocess:
    own_size, own_frames = loaded.clip
    config = getattr(loaded.network, "config", None)
    sparse = isinstance(config, videomae.ClassifierConfig) and config.classes == SOMETHING_CLASSES
    how = PREPROCESS["videomae-sparse"] if sparse else family.preprocess
    return fitted(how, size or own_size, frames or own_frames)
