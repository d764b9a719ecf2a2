"""The verbs of `internvideo models`: which networks there are and what they cost; weights fetched, checked, converted.

Each returns plain data; `say_...` puts it into words. Only `fetch` uses the network.
"""

import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

import torch

from internvideo.errors import InternVideoError, UsageError, nearest, pick
from internvideo.jobs.talk import CountTalk, columns, note, size
from internvideo.models import MODELS, load_model
from internvideo.models.bundled import bundled
from internvideo.models.cost import cost_of, count_parameters
from internvideo.models.families import Card, NonCommercialWeights, licence_facts
from internvideo.models.fetch import at_address, is_address, local, present, record_of, weights_hash
from internvideo.models.fetch import fetch as fetch_checkpoint
from internvideo.models.meta import shapes_only
from internvideo.models.renaming import WeightsError, is_ours, is_theirs, to_theirs
from internvideo.models.table import FROM_CLIP
from internvideo.models.weights import Weights, read_weights, shown, write_weights
from internvideo.models.zoo import ZOO, Checkpoint, checkpoints_of, find_checkpoint

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".pyth")
USES = {
    "internvideo-cma": "two class heads together",
    "actionformer": "segments of actions, in features",
    "navigator": "walks by instructions, on features",
}
READS_FEATURES = ("actionformer", "navigator")
CONTAINERS = {"viclip": "model", "videomae": "module", "internvideo-mm": "state_dict"}  # of the published files


def names() -> list[str]:
    """The networks, without their small siblings for tests."""
    return [name for name in MODELS if not name.endswith("-debug")]


def list_models(word: str = "") -> dict[str, Any]:
    """Every network, and every published checkpoint, whose name contains `word`."""
    models = [
        {
            "name": name,
            "family": MODELS[name].family.name,
            "parameters": count_parameters(MODELS[name]),
            "weights": None if (found := local(name)) is None else str(found),
            "licence": MODELS[name].family.licence.name,
            "commercial": MODELS[name].family.licence.commercial,
            "for": ", ".join(dict.fromkeys(checkpoint.task for checkpoint in checkpoints_of(name))),
            "checkpoints": [checkpoint.name for checkpoint in checkpoints_of(name)],
        }
        for name in names()
        if word in name or any(word in checkpoint.name for checkpoint in checkpoints_of(name))
    ]
    zoo = [_row(checkpoint) for checkpoint in ZOO.values() if word in checkpoint.name]
    if not models and not zoo:
        raise UsageError(f"no network and no weights have `{word}` in their name", nearest(word, {*names(), *ZOO}))
    return {"models": models, "checkpoints": zoo}


def _row(checkpoint: Checkpoint) -> dict[str, Any]:
    found = present(checkpoint)
    row = asdict(checkpoint) | {"licence": checkpoint.licence.name, "commercial": checkpoint.licence.commercial}
    return row | {"file": None if found is None else str(found)}


def say_list(found: dict[str, Any], word: str = "") -> str:
    """One table of networks; of the checkpoints too if a word was given."""
    models = [  # a name begins with its family
        (
            row["name"],
            f"{row['parameters'] / 1e6:,.1f} M",
            "here" if row["weights"] else f"{len(row['checkpoints'])} to fetch" if row["checkpoints"] else "",
            _use(row["licence"], row["commercial"]) if row["checkpoints"] or row["weights"] else "",
            row["for"] or USES.get(row["family"], ""),
        )
        for row in found["models"]
    ]
    text = _table(("network", "parameters", "weights", "licence", "for"), models, right=(1,))
    if not word:
        told = (
            f"{len(found['checkpoints'])} published checkpoints: `internvideo models list WORD` shows those with WORD"
        )
        return f"{text}\n\n{told}; `--json` shows all"
    rows = [
        (row["name"], "here" if row["file"] else "waits" if row["needs"] else "", row["task"], row["data"],
         row["classes"] or "", _use(row["licence"], row["commercial"]))
        for row in found["checkpoints"]
    ]  # fmt: skip
    heads = ("checkpoint", "", "for", "trained on", "classes", "licence")
    return f"{text}\n\n{_table(heads, rows, right=(4,))}" if rows else text


def show(name: str) -> dict[str, Any]:
    """All that is known of a network, or of the network of a checkpoint. Raises UsageError."""
    chosen = ZOO.get(name) if name not in MODELS else None
    if chosen is not None and not chosen.model:
        return {"name": None, "checkpoints": [_row(chosen)]}
    if chosen is None and name not in MODELS:
        raise UsageError(f"unknown network or weights `{name}`", nearest(name, {*MODELS, *ZOO}))
    model = MODELS[chosen.model if chosen else name]
    card = _card(chosen.model if chosen else name)
    how = card.preprocess
    cost = cost_of(model, frames=how.frame_count, size=how.size, context=card.family.context)
    checkpoints = [chosen] if chosen else checkpoints_of(name)
    return {
        "name": card.name,
        "family": card.family.name,
        "cost": asdict(cost) | {"memory": cost.memory},
        "preprocess": asdict(how),
        "context": card.family.context,
        "layouts": list(model.layouts),
        "checkpoints": [_row(checkpoint) for checkpoint in checkpoints],
        "licence": card.family.licence.name,
        "bundled": bundled(card.name) is not None,
    }


def _card(name: str) -> Card:
    with shapes_only():
        card: Card = vars(load_model(name))["card"]
    return card


def say_show(found: dict[str, Any]) -> str:
    """A page about one network."""
    parts = []
    if found["name"]:
        cost, how = found["cost"], found["preprocess"]
        crop = (
            f"short side {how['short_side'] or how['size']}, then the middle"
            if how["resize"] != "squash"
            else "squashed"
        )
        text = (
            f" and {cost['text_flops'] / 1e9:,.1f} GFLOP a text of {found['context']} tokens"
            if found["context"]
            else ""
        )
        rows = [
            ("network", f"{found['name']} ({found['family']})"),
            ("parameters", f"{cost['parameters']:,}"),
            ("compute", f"{cost['flops'] / 1e9:,.1f} GFLOP a clip{text}"),
            ("memory", f"{size(cost['weights'])} of weights and {size(cost['activations'])} a clip, in float32"),
            ("clip", f"{how['frame_count']} frames ({how['frames']}), {how['size']} x {how['size']} pixels"),
            ("pictures", f"{crop}, {how['interpolation']}{', antialias' if how['antialias'] else ''}"),
            ("normalised", f"mean {_numbers(how['mean'])}, deviation {_numbers(how['std'])}"),
            ("reads", ", ".join(("ours", *found["layouts"]))),
        ]  # fmt: skip
        if found["family"] in READS_FEATURES:
            rows[4:7] = [("clip", "a sequence of features, no pictures")]
        parts.append(columns(rows))
    parts += [_say_checkpoint(row) for row in found["checkpoints"]]
    if found["name"] and not found["checkpoints"]:
        own = f"Its weights come with the package ({found['licence']})."
        parts.append(own if found["bundled"] else "No weights were published.")
    return "\n\n".join(parts)


def _say_checkpoint(row: dict[str, Any]) -> str:
    rows = [
        (row["name"], row["file"] or (f"waits for {row['needs']}" if row["needs"] else "not here")),
        ("  for", row["task"] + (f", {row['classes']} classes" if row["classes"] else "")),
        ("  clip", f"{row['frames']} frames" + (f", {row['size']} x {row['size']} pixels" if row["size"] else "")),
        ("  trained on", row["data"]),
        ("  licence", _short(row["licence"], row["commercial"])),
        *[("  source", address) for address in row["addresses"]],
        ("  SHA-256", row["sha256"] or "not stated; recorded at the first download"),
        *([("  note", row["notes"])] if row["notes"] else []),
    ]
    return columns(rows)


def fetch(what: str) -> dict[str, Any]:
    """Bring a checkpoint (by its name, a network's name, or an address) into the cache. Raises FetchError."""
    if what in MODELS and not checkpoints_of(what):
        raise UsageError(f"no weights of `{what}` were published", "`internvideo models list` shows which were")
    checkpoint = at_address(what) if is_address(what) and what not in ZOO else find_checkpoint(what)
    with CountTalk(checkpoint.name, "MB") as talk:
        path = fetch_checkpoint(
            checkpoint,
            progress=lambda done, total: talk(done // 1_000_000, (total or done) // 1_000_000, checkpoint.name),
            tell=note,
        )
    digest, record = weights_hash(path), record_of(path)
    return {
        "name": checkpoint.name,
        "model": checkpoint.model,
        "path": str(path),
        "sha256": digest,
        "stated": record.stated if record else "",
        "bytes": path.stat().st_size,
        "licence": checkpoint.licence.name,
        "commercial": checkpoint.licence.commercial,
    }


def say_fetch(found: dict[str, Any]) -> str:
    """Where it lies, and what its hash was compared with."""
    who = {"publisher": "as the publisher states", "server": "as the server states"}
    hashed = who.get(found["stated"], "stated by nobody, recorded now: later loads are compared with it")
    rows = [
        ("weights", found["name"]),
        ("file", found["path"]),
        ("size", size(found["bytes"])),
        ("SHA-256", f"{found['sha256']} ({hashed})"),
        ("licence", _short(found["licence"], found["commercial"])),
    ]
    return columns(rows)


def verify(file: str | os.PathLike[str], model: str | None = None) -> dict[str, Any]:
    """Whether a file of weights is whole, known, complete and finite, and what it is. Never raises for a bad file."""
    path = Path(file)
    found: dict[str, Any] = {"file": str(file), "sound": False, "model": model, "layout": None}
    if model is not None:
        pick(MODELS, model, "model")
    try:
        weights = read_weights(path)
        found |= {"bytes": path.stat().st_size, "keys": len(weights), "types": _types(weights)}
        name = model or recognise_model(weights)
        loaded = MODELS[name].load(weights)
        record = record_of(path)
        pixels, frames = loaded.clip
        found |= {
            "model": name,
            "layout": "ours" if loaded.layout == "own" else loaded.layout,
            "parameters": sum(value.numel() for value in loaded.network.parameters()),
            "pixels": pixels,
            "frames": frames,
            "sha256": weights_hash(path),
            "compared": "" if record is None else record.stated or "first download",
            "sound": True,
        }
    except InternVideoError as error:
        found |= {"problem": error.problem, "hint": error.hint}
    return found


def say_verify(found: dict[str, Any]) -> str:
    """One line of verdict, then the facts or the difference."""
    if not found["sound"]:
        return f"{found['file']}: NOT sound\n\n{found['problem']}" + (
            f"\n\nhint: {found['hint']}" if found["hint"] else ""
        )
    compared = f"as recorded ({found['compared']})" if found["compared"] else "no record to compare with"
    frames = f", {found['frames']} frames" if found["frames"] else ", any number of frames"
    rows = [
        ("network", found["model"]),
        ("layout", found["layout"]),
        ("weights", f"{found['keys']} tensors, {found['types']}, all claimed, all of the right shape, all finite"),
        ("parameters", f"{found['parameters']:,}"),
        ("clip", f"{found['pixels']} x {found['pixels']} pixels{frames}"),
        ("size", size(found["bytes"])),
        ("SHA-256", f"{found['sha256']} ({compared})"),
    ]
    return f"{found['file']}: sound\n\n{columns(rows)}"


def recognise_model(weights: Weights) -> str:
    """The name of the network that these weights belong to, by names and shapes alone.

    Raises WeightsError of the network that claims the most names.
    """
    shapes = {key: value.to("meta") for key, value in weights.items()}
    refusals: list[tuple[int, WeightsError]] = []
    for name, model in MODELS.items():
        try:
            loaded = model.load(shapes)
        except WeightsError as error:
            tables = model.layouts.values()
            claimed = [sum(side(key, table) for key in weights) for table in tables for side in (is_theirs, is_ours)]
            refusals.append((max(claimed, default=0), error))
            continue
        alike = [other for other in MODELS if _kind(other) == _kind(name)]
        return next((other for other in alike if _card(other).preprocess.size == loaded.clip[0]), name)
    raise max(refusals, key=lambda refusal: refusal[0])[1]


def _kind(name: str) -> tuple[object, ...]:
    return MODELS[name].network, MODELS[name].family.name, MODELS[name].sizes


def convert(
    source: str | os.PathLike[str], out: str | os.PathLike[str], *, model: str | None = None, to: str = "ours"
) -> dict[str, Any]:
    """Weights in any known layout, strictly, into another file: ours, official, hf, or a layout that `show` names.

    The ending of `out` says how: .safetensors, or a PyTorch file in the container of the published ones. Raises
    UsageError; a file that does not fit gives `converted` False and the difference.
    """
    target = Path(out)
    if target.suffix not in (".safetensors", *PICKLES):
        raise UsageError(f"cannot tell the form of `{target.name}`", f"end it in .safetensors, or {', '.join(PICKLES)}")
    if target.exists():
        raise UsageError(f"`{target}` is there already", "choose another name")
    found: dict[str, Any] = {"file": str(source), "out": str(out), "model": model, "converted": False}
    try:
        weights = read_weights(Path(source))
        name = model or recognise_model(weights)
        layout = _layout(name, to)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonCommercialWeights)
            network = load_model(name, Path(source))
        card: Card = vars(network)["card"]
        state = network.state_dict()
        named = state if layout == "ours" else to_theirs(state, MODELS[name].layouts[layout])
        _write(target, named, "" if layout == "ours" else CONTAINERS.get(card.family.name, ""), card)
    except UsageError:
        raise
    except InternVideoError as error:
        return found | {"problem": error.problem, "hint": error.hint}
    facts = {"model": name, "layout": layout, "keys": len(named), "bytes": target.stat().st_size}
    licence = {"licence": card.licence.name, "commercial": card.licence.commercial}
    return found | facts | licence | {"converted": True, "sha256": weights_hash(target)}


def _layout(name: str, to: str) -> str:
    """The layout of one network that `to` means. Raises UsageError with those that it has."""
    layouts = MODELS[name].layouts
    meant = {
        "ours": ["ours"],
        "official": [key for key in ("checkpoint", "official", "clip") if key in layouts],
        "hf": [key for key in layouts if key.startswith("hf")],
    }.get(to, [to] if to in layouts else [])
    fitting = [key for key in meant if key not in FROM_CLIP or MODELS[name].family.name == "clip"]
    if not fitting:
        raise UsageError(f"{name} has no layout `{to}`", nearest(to, ["ours", *layouts]))
    return fitting[0]


def _write(path: Path, weights: Weights, container: str, card: Card) -> None:
    """In place at once. A PyTorch file has the container of the published ones."""
    if path.suffix == ".safetensors":
        write_weights(path, weights, {"format": "pt", "model": card.name, **licence_facts(card.licence)})
        return
    part = path.with_name(path.name + ".part")
    plain = {key: value.detach().clone() for key, value in weights.items()}
    try:
        with part.open("wb") as file:  # by its name PyTorch would write the name into the file
            torch.save({container: plain} if container else plain, file)
        part.replace(path)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise WeightsError(f"cannot write {shown(path)}: {error}", "make room, or choose another place") from error


def say_convert(found: dict[str, Any]) -> str:
    """What was written, or why not."""
    if not found["converted"]:
        hint = f"\n\nhint: {found['hint']}" if found["hint"] else ""
        return f"{found['file']}: NOT converted\n\n{found['problem']}{hint}"
    rows = [
        ("file", found["out"]),
        ("network", found["model"]),
        ("layout", f"{found['layout']}, {found['keys']} tensors, {size(found['bytes'])}"),
        ("SHA-256", found["sha256"]),
        ("licence", _short(found["licence"], found["commercial"])),
    ]
    return columns(rows)


def _types(weights: Weights) -> str:
    return ", ".join(sorted({str(value.dtype).removeprefix("torch.") for value in weights.values()}))


def _short(licence: str, commercial: bool | None) -> str:
    return licence + (" (non-commercial)" if commercial is False else "")


def _use(licence: str, commercial: bool | None) -> str:
    """The licence in the width of a column."""
    return {True: licence, False: "non-commercial", None: licence.partition(";")[0]}[commercial]


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """A table: drawn on a terminal, plain aligned text elsewhere."""
    if not sys.stdout.isatty():
        return columns([heads, *rows], right=right)
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, collapse_padding=True)
    for place, head in enumerate(heads):
        table.add_column(
            head,
            justify="right" if place in right else "left",
            style="cyan" if place == 0 else "",
            no_wrap=head not in ("for", "trained on"),
            overflow="fold",
        )
    for row in rows:
        cells = [str(cell) for cell in row]
        table.add_row(*cells, style="bold" if "here" in cells else "")
    paper = StringIO()
    Console(file=paper, force_terminal=True, width=Console().width).print(table)
    return paper.getvalue().strip("\n")
