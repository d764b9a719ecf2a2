"""Encoders as programs that run without this package: `torch.export` (.pt2) and ONNX, checked against eager mode.

The batch is free, frames, picture size and text length are those of the network. ONNX needs the extra `export`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.errors import MissingExtra, UsageError, pick
from internvideo.models.families import Card
from internvideo.models.precision import HalfLinear, Int8Linear
from internvideo.models.weights import shown

TOLERANCE = 1e-4  # largest difference to eager mode, of numbers of unit vectors or, for logits, relative to the largest
START, END = 49406, 49407  # tokens


class ExportError(UsageError):
    """The exported program does not answer as the network does."""

    kind = "export"


@dataclass(frozen=True, slots=True)
class Exported:
    """One program that was written and checked."""

    part: str  # "video" or "text"
    path: Path
    difference: float  # to eager mode, largest over batches of one and three: see TOLERANCE


def export_encoders(model: nn.Module, folder: str | PathLike[str], form: str = "pt2") -> list[Exported]:
    """Write the encoders of a network that `load_model` made: `<name>-video.<form>` and, if it reads text, `-text`.

    form: "pt2" or "onnx". Inputs: `video` (B, 3, T, size, size) float32, normalised; `ids` (B, context) int64.
    Outputs: unit vectors (B, D), or logits (B, K) of class heads. Raises UsageError for networks that cannot be
    exported, MissingExtra, and ExportError if the program's answers differ from the network's.
    """
    write = pick(FORMS, form, "form")
    card = vars(model).get("card")
    if not isinstance(card, Card):
        raise UsageError(f"this {type(model).__name__} has no card", "export a network that `load_model` made")
    if any(isinstance(part, HalfLinear | Int8Linear) for part in model.modules()):
        raise UsageError("this network was converted to another precision", "load it again with precision='fp32'")
    if not card.family.context and not hasattr(model, "head") and not hasattr(model, "both"):
        raise UsageError(
            f"`{card.name}` is for pre-training: it has no encoder of whole clips", "export a fine-tuned one"
        )
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    model = model.eval().cpu()
    done = []
    for part, network, example in _parts(model, card):
        path = place / f"{card.name}-{part}.{form}"
        with torch.no_grad():
            run = write(network, example(2), path)
            found = max(_difference(network, run, example(count)) for count in (1, 3))
        if not found <= TOLERANCE:
            path.unlink(missing_ok=True)
            raise ExportError(f"{shown(path)} differs from the network by {found:.1e}", "please report this")
        done.append(Exported(part, path, found))
    return done


class _Encoder(nn.Module):
    """One method of a network as a module."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self.method = network, method

    def forward(self, batch: Tensor) -> Tensor:
        out: Tensor = getattr(self.network, self.method)(batch)
        return out


Run = Callable[[Tensor], np.ndarray]


def _parts(model: nn.Module, card: Card) -> list[tuple[str, nn.Module, Callable[[int], Tensor]]]:
    def video(count: int) -> Tensor:
        how, rng = card.preprocess, torch.Generator().manual_seed(count)
        return torch.randn(count, 3, how.frame_count, how.size, how.size, generator=rng)

    def ids(count: int) -> Tensor:
        words = torch.randint(320, START, (count, card.family.context), generator=torch.Generator().manual_seed(count))
        words[:, 0] = START
        words[torch.arange(count), 2 + torch.arange(count) % (card.family.context - 2)] = END
        return words

    if not card.family.context:
        return [("video", _Encoder(model, "forward"), video)]
    return [("video", _Encoder(model, "encode_video"), video), ("text", _Encoder(model, "encode_text"), ids)]


def _program(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))


def _write_pt2(network: nn.Module, example: Tensor, path: Path) -> Run:
    torch.export.save(_program(network, example), path)
    again = torch.export.load(path).module()
    return lambda batch: np.asarray(again(batch).detach())


def _write_onnx(network: nn.Module, example: Tensor, path: Path) -> Run:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(package)
        except ImportError as error:
            raise MissingExtra(package, "export") from error
    name = "ids" if example.dtype == torch.int64 else "video"
    made = torch.onnx.export(
        _program(network, example), dynamo=True, input_names=[name], output_names=["answer"], verbose=False
    )
    assert made is not None
    made.save(path)
    session = import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda batch: np.asarray(session.run(None, {session.get_inputs()[0].name: batch.numpy()})[0])


FORMS: Mapping[str, Callable[[nn.Module, Tensor, Path], Run]] = {"pt2": _write_pt2, "onnx": _write_onnx}


def _difference(network: nn.Module, run: Run, batch: Tensor) -> float:
    expected = np.asarray(network(batch))
    found = run(batch)
    if found.shape != expected.shape:
        raise ExportError(f"the program answers {found.shape}, the network {expected.shape}", "please report this")
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
