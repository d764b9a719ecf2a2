"""The tensors of a TorchScript archive (OpenAI publishes CLIP so), without loading the program that it holds.

The archive is a zip file: `data.pkl` says which module has which tensors, `data/N` holds the numbers. The program in
`code/` is not looked at, and the pickle is read by an unpickler that knows nothing but tensors and plain containers:
every other name in it is refused. Format: TorchScript serialization (docs/serialization.md of PyTorch).
"""

import pickle
from collections import OrderedDict
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import torch
from torch import Tensor

STORAGES = {
    **{"DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16},
    **{"BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32},
    **{"ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool},
}


def is_torchscript(path: Path) -> bool:
    """Whether a zip file is a TorchScript archive, not a plain checkpoint."""
    with ZipFile(path) as archive:
        return any(name.count("/") == 1 and name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """Parameters and buffers by their dotted names, as `state_dict` would give them, on the CPU.

    Raises UnpicklingError for anything that is no tensor and no container, and what reading a damaged archive raises:
    BadZipFile, KeyError, ValueError, EOFError.
    """
    with ZipFile(path) as archive:
        root = archive.namelist()[0].partition("/")[0]
        return dict(_tensors(_Unpickler(archive, root).load(), ""))


class _Module:
    """Takes the place of every module of the program: it only keeps its attributes."""

    def __setstate__(self, state: object) -> None:
        self.attributes = state if isinstance(state, dict) else {}


class _Unpickler(pickle.Unpickler):
    def __init__(self, archive: ZipFile, root: str) -> None:
        super().__init__(BytesIO(archive.read(f"{root}/data.pkl")))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> object:
        if module.startswith("__torch__"):
            return _Module
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
            ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
            ("collections", "OrderedDict"): OrderedDict,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch.jit._pickle" and name in ("build_intlist", "build_doublelist", "build_boollist"):
            return list
        if module == "torch.jit._pickle" and name in ("build_tensorlist", "restore_type_tag"):
            return lambda value, *_: value
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name} is no tensor and no container")

    def persistent_load(self, pid: object) -> Tensor:
        kind, dtype, key, _, count = pid if isinstance(pid, tuple) and len(pid) == 5 else ("",) * 5
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("an entry is neither a tensor nor a container")
        data = bytearray(self._archive.read(f"{self._root}/data/{key}"))
        return torch.frombuffer(data, dtype=dtype)[: int(count)] if data else torch.empty(0, dtype=dtype)


def _rebuilt(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _tensors(value: object, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, _Module):
        for key, inner in value.attributes.items():
            yield from _tensors(inner, f"{name}.{key}" if name else str(key))
