"""Networks as shapes only: built without numbers, in milliseconds, whatever their size."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWN = frozenset({"uniform_", "normal_", "zero_", "fill_"})


@contextmanager
def shapes_only() -> Iterator[None]:
    """What is built inside lies on the meta device, and nothing is drawn.

    Drawing there would change nothing, but the first such call makes PyTorch load its compiler: seconds.
    """
    with torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init" or getattr(func, "__name__", "") in _DRAWN:
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)
