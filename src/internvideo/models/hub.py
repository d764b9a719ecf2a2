"""A network as a folder in the form of the Hugging Face hub: config.json, model.safetensors, README.md.

`from_pretrained` needs nothing but the folder; hub ids and `push_to_hub` need the extra `hub`. Weights are written and
read bit by bit.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Protocol, TypeVar, cast, get_args, get_type_hints

from torch import nn

from internvideo.errors import MissingExtra, UsageError, pick
from internvideo.models import MODELS, with_card
from internvideo.models.bundled import bundled
from internvideo.models.families import Card, licence_facts
from internvideo.models.fetch import weights_hash
from internvideo.models.meta import shapes_only
from internvideo.models.precision import HalfLinear, Int8Linear
from internvideo.models.renaming import WeightsError
from internvideo.models.weights import load, read_weights, shown, write_weights
from internvideo.records import Licence, Preprocess

CONFIG, WEIGHTS, PAGE = "config.json", "model.safetensors", "README.md"
T = TypeVar("T")


def save_pretrained(model: nn.Module, folder: str | PathLike[str]) -> Path:
    """Write a network that `load_model` made, with its card. Returns the folder.

    Raises UsageError for a network without a card, or in another precision than fp32.
    """
    card, place = vars(model).get("card"), Path(folder)
    if not isinstance(card, Card):
        raise UsageError(f"this {type(model).__name__} has no card", "save a network that `load_model` made")
    if any(isinstance(part, HalfLinear | Int8Linear) for part in model.modules()):
        raise UsageError("this network was converted to another precision", "load it again with precision='fp32'")
    place.mkdir(parents=True, exist_ok=True)
    about = {
        "model_type": "internvideo",
        "name": card.name,
        "network": asdict(cast(Any, model).config),
        "preprocess": asdict(card.preprocess),
        "licence": asdict(card.licence),
        "source": card.source,
        "source_sha256": card.weights,
        "classes": card.classes,
    }
    write_weights(place / WEIGHTS, model.state_dict(), {"format": "pt", **licence_facts(card.licence)})
    (place / CONFIG).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", "utf-8")
    (place / PAGE).write_text(_page(card, sum(value.numel() for value in model.parameters())), "utf-8")
    return place


def from_pretrained(source: str | PathLike[str], *, revision: str | None = None) -> nn.Module:
    """The network of such a folder, or of a hub id owner/repo, in evaluation mode, with its card.

    Raises UsageError and WeightsError for what is no such folder, MissingExtra for a hub id without the extra.
    """
    folder = Path(source)
    if not folder.is_dir():
        if not isinstance(source, str) or source.count("/") != 1 or source[0] in "./~":
            raise UsageError(f"there is no folder {shown(folder)}", "give a folder that `save_pretrained` wrote")
        folder = Path(_hub().snapshot_download(source, revision=revision, allow_patterns=[CONFIG, WEIGHTS]))
    try:
        about = json.loads((folder / CONFIG).read_text("utf-8"))
        name = str(about["name"])
        model = pick(MODELS, name, "model")
        with shapes_only():
            kind = type(cast(Configured, model()).config)
            network: nn.Module = model.network(_filled(kind, about["network"]))
        preprocess, licence = _filled(Preprocess, about["preprocess"]), _filled(Licence, about["licence"])
        classes = tuple(map(str, about.get("classes", ())))
    except (OSError, KeyError, TypeError, ValueError) as error:
        hint = "it must be the folder that `save_pretrained` wrote; for a file of weights use `load_model`"
        raise WeightsError(f"{shown(folder / CONFIG)} does not describe a network of ours: {error}", hint) from error
    load(network, read_weights(folder / WEIGHTS))
    digest = weights_hash(folder / WEIGHTS)
    origin = "comes with internvideo" if folder == bundled(name) else shown(Path(source))
    card = Card(name, model.family, preprocess, licence, digest, origin, classes)
    return with_card(network, card)


def told_in(folder: Path) -> dict[str, Any]:
    """What a folder says of its network (name, classes, preprocess ...); empty if it does not."""
    try:
        return dict(json.loads((folder / CONFIG).read_text("utf-8")))
    except (OSError, TypeError, ValueError):
        return {}


def push_to_hub(model: nn.Module, repo: str, *, private: bool = True) -> str:
    """Upload to owner/repo, with the token that `hf auth login` keeps; returns the address of the page.

    Raises MissingExtra without the extra `hub`.
    """
    api = _hub().HfApi()
    with TemporaryDirectory() as folder:
        save_pretrained(model, folder)
        api.create_repo(repo, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repo, folder_path=folder))


class Configured(Protocol):
    config: object


def _hub() -> ModuleType:
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "hub") from error


def _filled(kind: type[T], data: Mapping[str, object]) -> T:
    """A dataclass, with those inside it, from what JSON made of it."""
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for name, value in data.items():
        inner = [part for part in (hints[name], *get_args(hints[name])) if is_dataclass(part)]
        if inner and isinstance(value, dict):
            values[name] = _filled(cast(type[object], inner[0]), value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _page(card: Card, parameters: int) -> str:
    """The model card: YAML that the hub reads, then words."""
    how, licence = card.preprocess, card.licence
    use = {True: "Commercial use is allowed.", False: "**Not for commercial use.**", None: ""}[licence.commercial]
    evidence = f" ({licence.evidence})" if licence.evidence else ""
    task = "zero-shot-video-classification" if card.family.context else "video-classification"
    origin = card.source or "random weights"
    return f"""---
library_name: internvideo
pipeline_tag: {task}
license: other
license_name: {json.dumps(licence.name)}
---

# {card.name}

A network of the {card.family.name} family, {parameters:,} parameters.

```python
from internvideo.models.hub import from_pretrained

model = from_pretrained("path/or/owner/repo")
```

- Licence: {licence.name}{evidence}. {use}
- Weights from: {origin} (SHA-256 {card.weights})
- Clips: {how.frame_count} frames (`{how.frames}`), {how.size} x {how.size} pixels, {how.resize}, {how.interpolation},
  mean {how.mean}, deviation {how.std}. The exact preprocessing is in `{CONFIG}` and travels with the model.
"""
