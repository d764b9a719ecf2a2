"""Networks and gradients from the tensors of a case: what the kinds of several families need."""

from collections.abc import Iterator, Mapping
from math import prod

import torch
from torch import Tensor, nn

from internvideo.models.renaming import Renames, to_ours, to_theirs
from internvideo.models.weights import load
from tests.parity.parity_cases import EXACT, GRADIENT, NORM, Answer, Case


def ours(weights: Mapping[str, Tensor], renames: Renames, theirs: str = "", own: str = "") -> dict[str, Tensor]:
    """Weights of a part under our names: their prefix is put before each, ours is taken off."""
    renamed = to_ours({theirs + key: value for key, value in weights.items()}, renames)
    assert all(key.startswith(own) for key in renamed)
    return {key.removeprefix(own): value for key, value in renamed.items()}


def shapes_of(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in weights.items()}


def loaded(model: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    load(model, weights)
    return model.eval()


def gradients(case: Case, model: nn.Module, renames: Renames) -> Iterator[Answer]:
    """Norms and whole gradients that the case stores, by their names."""
    by_name = to_theirs({name: value.grad for name, value in model.named_parameters()}, renames)
    norms = torch.stack([by_name[name].norm() for name in case.meta["grad_names"]])
    yield Answer("grad_norms", norms, NORM)
    for key in case.below("out.grad."):
        yield Answer(f"grad.{key}", by_name[key], GRADIENT)


def check_shapes(case: Case, build, renames: Renames) -> Iterator[Answer]:
    """A full-size network on the meta device has exactly the stored names, shapes, order and counts, both ways.

    build: shapes under our names -> the network.
    """
    rows = case.json["state_dict"]
    theirs = {key: torch.empty(shape, dtype=getattr(torch, kind), device="meta") for key, shape, kind in rows}
    renamed = to_ours(theirs, renames)
    with torch.device("meta"):
        model = build(shapes_of(renamed))
    load(model, renamed)
    exported = to_theirs(model.state_dict(), renames)
    got = [[key, list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in exported.items()]
    yield Answer("state_dict", got, EXACT, rows)
    yield Answer("n_keys", len(exported), EXACT, case.json["n_keys"])
    yield Answer("state_dict_numel", sum(prod(row[1]) for row in got), EXACT, case.json["state_dict_numel"])
    count = sum(value.numel() for value in model.parameters())
    yield Answer("parameter_count", count, EXACT, case.json["parameter_count"])
    buffers = list(to_theirs(dict.fromkeys(saved_buffers(model)), renames))
    yield Answer("buffers", buffers, EXACT, case.json["buffers"])


def saved_buffers(model: nn.Module) -> list[str]:
    saved = model.state_dict()
    return [name for name, _ in model.named_buffers() if name in saved]
