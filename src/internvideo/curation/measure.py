"""What a measure is: it turns a picture, and the one just before it, into a few numbers.

Apart from `measures`, so that modules with measures of their own can be listed there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from internvideo.video.picture import Picture

Numbers = tuple[Any, ...]  # one per column: a Python or NumPy number, or a vector of fixed length


@dataclass(frozen=True)
class Measure:
    """Numbers about single frames, counted in the one dense pass over a video.

    columns: names of the numbers. types: NumPy dtype of each, `(4,)u8` for a vector of four; float64 if left out.
    period: seconds from one sample to the next; 0.0 for every frame. version: to be raised when numbers change.
    measure: (picture, the frame immediately before it in presentation order) -> one number per column. The frame before
    is None for the first of a video. Nothing else may be looked at or remembered: long videos are measured in pieces.
    """

    name: str
    columns: tuple[str, ...]
    period: float
    version: int
    measure: Callable[[Picture, Picture | None], Numbers]
    types: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.types:
            object.__setattr__(self, "types", ("f8",) * len(self.columns))
        if len(self.types) != len(self.columns):
            raise ValueError(f"measure `{self.name}` has {len(self.columns)} columns and {len(self.types)} types")

    def samples(self, picture: Picture, before: Picture | None) -> bool:
        """Whether this frame is looked at: the first of a video and the first in each period of the stream's clock."""
        if before is None or not self.period:
            return True
        return picture.seconds // self.period != before.seconds // self.period

    def column(self, name: str, rows: list[Numbers]) -> np.ndarray:
        """Numbers of one column -> (F,) or (F, k) array of its type, also when there are none."""
        place = self.columns.index(name)
        kind = np.dtype(self.types[place])
        return np.array([row[place] for row in rows], kind.base).reshape(len(rows), *kind.shape)
