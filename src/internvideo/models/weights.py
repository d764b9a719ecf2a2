"""Weights from files into networks, strictly: every name claimed, every shape right, every number finite.

Reads safetensors, and pickles only in PyTorch's weights-only mode: no code from a file ever runs. Knows the containers
that trainers wrap weights in, the published rules for tables of another length, and the mixing of two sets of
weights. Names are the affair of `renaming` and of the tables at the end of each network's file.
"""

import json
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from internvideo.models.layers import resize_line, resize_picture_positions
from internvideo.models.renaming import Renames, WeightsError, is_ours, is_theirs, to_ours
from internvideo.models.torchscript import is_torchscript, read_torchscript

Weights = dict[str, Tensor]

CONTAINERS = ("model", "module", "model_state", "state_dict")  # where trainers put the weights, in order of preference
WRAPPERS = ("module.", "_orig_mod.")  # of parallel and compiled networks
CODE = sys.stdlib_module_names | {"__builtin__", "builtins", "nt", "posix"}
HARMLESS = {"argparse", "collections", "pathlib", "types"}  # of the standard library: settings that lie beside weights


def read_weights(path: Path) -> Weights:
    """The tensors of a safetensors file or a PyTorch checkpoint, on the CPU, out of their container.

    Raises WeightsError if the file is missing, cut short, something else (a web page, a pointer of Git LFS), holds no
    tensors, or names functions to be called. Classes of settings objects are tolerated but never imported.
    """
    head = _head(path)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        try:
            return load_file(path)
        except (SafetensorError, ValueError) as error:
            raise WeightsError(
                f"{shown(path)} is not a whole safetensors file ({error})", "download it again"
            ) from error
    if head[:1] != b"\x80" and head[:2] != b"PK":
        problem = "is empty" if not head else f"begins with {head[:16]!r}"
        raise WeightsError(
            f"{shown(path)} is not a whole PyTorch checkpoint, nor a safetensors file: it {problem}",
            "get the file itself",
        )
    return unwrap(_read_pickle(path), path)


def write_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, str] | None = None) -> None:
    """A safetensors file with `facts` in its header, in place at once: a half-written file is never seen."""
    part = path.with_name(path.name + ".part")
    try:
        save_file(
            {key: value.detach().contiguous() for key, value in weights.items()}, part, metadata=dict(facts or {})
        )
        _sort_facts(part)
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise WeightsError(f"cannot write {shown(path)}: {error}", "make room, or choose another place") from error


def _sort_facts(path: Path) -> None:
    """Facts in the order of their names: the library writes them in any, and equal weights shall be equal files."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
        file.seek(8)
        file.write(json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(length))


def read_facts(path: Path) -> dict[str, str]:
    """What the header of a safetensors file says beside the tensors; nothing for other files."""
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return {}


def unwrap(loaded: object, path: Path = Path("the file")) -> Weights:
    """The tensors of a loaded checkpoint: bare or in one of `CONTAINERS`, without the prefix of parallel wrappers."""
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"{shown(path)} holds {type(loaded).__name__}, not weights by name", "give a state dict")
    inner = [loaded[name] for name in CONTAINERS if isinstance(loaded.get(name), Mapping)]
    for candidate in (*inner, loaded):
        weights = {str(key): value for key, value in candidate.items() if isinstance(value, Tensor)}
        if weights:
            for wrapper in WRAPPERS:
                if all(key.startswith(wrapper) for key in weights):
                    weights = {key.removeprefix(wrapper): value for key, value in weights.items()}
            return weights
    raise WeightsError(
        f"{shown(path)} holds no weights", f"expected tensors by name, bare or under {', '.join(CONTAINERS)}"
    )


def recognise(weights: Weights, own: Collection[str], layouts: Mapping[str, Renames]) -> tuple[str, Weights]:
    """The layout that claims every name, "own" or a key of `layouts`, and the weights under our names.

    own: names of the network; ours are also all that a layout renames to (more blocks, a decoder). Raises WeightsError
    of the layout that comes nearest.
    """
    if all(key in own or any(is_ours(key, renames) for renames in layouts.values()) for key in weights):
        return "own", weights
    refusals: list[tuple[int, WeightsError]] = []
    for layout, renames in layouts.items():
        try:
            return layout, to_ours(weights, renames)
        except WeightsError as error:
            refusals.append((sum(is_theirs(key, renames) for key in weights), error))
    if not refusals:
        return "own", to_ours(weights, tuple((key, key) for key in own))
    raise max(refusals, key=lambda refusal: refusal[0])[1]


def load(model: nn.Module, weights: Weights, may_miss: Iterable[str] = ()) -> None:
    """Put weights (our names) into a network; parts that `may_miss` names (prefixes) keep their initial values.

    The network may be on the meta device. Numbers are copied, into the types of the network: nothing refers to the
    file any more. Raises WeightsError with a table of what is missing, unknown, of another shape or not finite.
    """
    own = model.state_dict()
    optional = tuple(may_miss)
    missing = [key for key in own if key not in weights and not (optional and key.startswith(optional))]
    rows = [f"missing   {key}  {tuple(own[key].shape)}" for key in missing]
    rows += [f"unknown   {key}  {tuple(value.shape)}" for key, value in weights.items() if key not in own]
    for key in own.keys() & weights.keys():
        if own[key].shape != weights[key].shape:
            rows.append(f"shape     {key}  file {tuple(weights[key].shape)}, network {tuple(own[key].shape)}")
        elif not weights[key].is_meta and not _is_finite(weights[key]):
            rows.append(f"damaged   {key}  holds numbers that are not finite")
    if rows:
        table = "\n".join(sorted(rows)[:30]) + (f"\n... and {len(rows) - 30} more" if len(rows) > 30 else "")
        raise WeightsError(
            f"the weights do not fit this {type(model).__name__}:\n\n{table}",
            "choose the model that they belong to, or weights of this one",
        )
    on_meta = any(value.is_meta for value in own.values())
    state = {key: weights[key].to(own[key].dtype, copy=on_meta) for key in own if key in weights}
    model.load_state_dict(state, strict=False, assign=on_meta)


def _is_finite(value: Tensor) -> bool:
    """All numbers are; the extremes tell, at a twentieth of the time of asking each."""
    if not value.is_floating_point() or not value.numel():
        return True
    low, high = (value if value.itemsize >= 4 else value.float()).aminmax()
    return bool(low.isfinite() and high.isfinite())


def inflate(kernel: Tensor, frames: int, *, centre: bool = True) -> Tensor:
    """A picture's patch weight for a video: (D, C, P, P) -> (D, C, frames, P, P).

    centre: the picture's weight at frame `frames // 2`, zeros elsewhere; else the same at each frame, divided by
    their number. Both give the picture's answer for a clip that stands still.
    """
    if not centre:
        return kernel[:, :, None].repeat(1, 1, frames, 1, 1) / frames
    video = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    video[:, :, frames // 2] = kernel
    return video


def from_pictures(weights: Weights, tower: str, span: int, side: int, *, centre: bool = True) -> Weights:
    """The weights of an image tower, our names below `tower`, for a video tower of the same width.

    span: frames under one patch; side: patches per side of a frame. Two-dimensional patches are inflated, places in
    the picture interpolated; everything else stays, also patches behind convolutions.
    """
    started = dict(weights)
    patches, positions = tower + "patches.weight", tower + "positions"
    kernel = started.get(patches)
    if kernel is not None and kernel.ndim == 5 and kernel.shape[2] == 1 < span:
        kernel = kernel[:, :, 0]
    if kernel is not None and kernel.ndim == 4:
        started[patches] = inflate(kernel, span, centre=centre)
    started[positions] = resize_picture_positions(started[positions], (side, side))
    return started


def fit_tables(weights: Weights, rules: Mapping[str, Callable[[Tensor], Tensor]]) -> Weights:
    """The same weights with the named ones put through their rule."""
    return {key: rules[key](value) if key in rules else value for key, value in weights.items()}


def pick_classes(weights: Weights, rows: Sequence[int], head: str = "head.") -> Weights:
    """A head for fewer classes: row i of the new head is row `rows[i]` of the old one.

    Published for heads of 710 classes: Kinetics-400 takes the first 400, Kinetics-600 and 700 the rows of a label map.
    """
    names = (head + "weight", head + "bias")
    return fit_tables(weights, dict.fromkeys(names, lambda table: table[list(rows)]))


def fit_length(table: Tensor, length: int) -> Tensor:
    """Published rule for whole checkpoints: a longer table is interpolated linearly, a shorter one is cut.

    table: (..., L, D) -> (..., length, D).
    """
    return table[..., :length, :] if table.shape[-2] >= length else resize_line(table, length)


def pad_length(table: Tensor, initial: Tensor) -> Tensor:
    """Published rule for starting from CLIP: a shorter table is cut, a longer one keeps its own last rows.

    table: (..., L, D), initial: (..., length, D) -> (..., length, D).
    """
    known = table[..., : initial.shape[-2], :]
    return torch.cat([known, initial[..., known.shape[-2] :, :]], dim=-2)


def mix(base: Weights, tuned: Weights, share: float, keep_tuned: Collection[str] = ()) -> Weights:
    """WiSE-FT: `share` of the tuned and 1 - `share` of the base value of each weight that both have.

    Names in `keep_tuned` take the tuned value. Weights only in `base` stay, those only in `tuned` are left out. Shapes
    must agree (resize tables first).
    """
    mixed = dict(base)
    for key in base.keys() & tuned.keys():
        if key in keep_tuned or not tuned[key].is_floating_point():
            mixed[key] = tuned[key]
        else:
            mixed[key] = share * tuned[key] + (1 - share) * base[key]
    return mixed


_DAMAGES = (RuntimeError, EOFError, ValueError, KeyError, AttributeError, TypeError, IndexError, BadZipFile)


class _Settings:
    """Takes the place of a foreign class in a checkpoint: whatever it is made from, it becomes an empty dict."""

    def __new__(cls, *_: object) -> Any:
        return OrderedDict()


class _Number:
    """Takes the place of what numpy leaves in checkpoints (best scores and the like)."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _read_pickle(path: Path) -> object:
    foreign: list[str] = []
    try:
        if is_zipfile(path) and is_torchscript(path):
            return read_torchscript(path)
        if is_zipfile(path):
            foreign = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
        _no_code(path, foreign)
        stand_ins: list[Any] = [(_Number if name.startswith("numpy.") else _Settings, name) for name in foreign]
        with torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except UnpicklingError as error:
        named = re.findall(r"GLOBAL (\S+)", str(error))  # the rest of PyTorch's words advises to run the code
        _no_code(path, named)
        more = f"holds more than weights: `{named[0]}`" if named else "is damaged, or holds more than weights"
        raise WeightsError(f"{shown(path)} {more}", "convert it to safetensors where it was made") from error
    except (*_DAMAGES, OSError) as error:
        problem = f"is not a whole PyTorch checkpoint: {_first_line(error)}"
        raise WeightsError(f"{shown(path)} {problem}", "download it again") from error


def _no_code(path: Path, names: Collection[str]) -> None:
    code = [name for name in names if (root := name.partition(".")[0]) in CODE and root not in HARMLESS]
    if code:
        raise WeightsError(
            f"{shown(path)} asks to call `{code[0]}`: it holds code, not only weights",
            "do not load it; get the weights from their publisher, best as safetensors",
        )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(256)
    except FileNotFoundError as error:
        raise WeightsError(
            f"there is no file {shown(path)}", "check the name; `internvideo models list` shows models"
        ) from error
    except OSError as error:
        raise WeightsError(f"{shown(path)} cannot be read ({error.strerror})", "check its permissions") from error
    if head.lstrip()[:1] == b"<" and head[8:9] != b"{":  # the length of a safetensors header may begin so too
        raise WeightsError(f"{shown(path)} is a web page, not weights", "the download failed; get the file itself")
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{shown(path)} is a pointer of Git LFS, not the weights", "fetch the file with `git lfs pull`"
        )
    return head


def shown(path: Path) -> str:
    """A path that always prints: bytes that are no UTF-8 are written as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).partition(". ")[0]
