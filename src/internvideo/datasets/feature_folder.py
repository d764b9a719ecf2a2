"""Features of untrimmed videos from a folder of arrays, each with the grid that says when its rows are.

What `internvideo features` writes tells its own grid; arrays of others need it told. A grid that does not fit the
length of the video is refused with the numbers: segments would be learned at the wrong places.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.datasets.lists import BadList, reading
from internvideo.errors import InternVideoError
from internvideo.ops.spans import Grid

SETTINGS = "features.json"


class GridMismatch(InternVideoError):
    """Features are not of the length that the annotations say."""

    kind = "grid"


@dataclass(frozen=True, eq=False)
class Features:
    """rows: (T, C) float32; row i is the middle of the window that `grid` says."""

    rows: np.ndarray
    grid: Grid

    def stretched(self, steps: int, seconds: float) -> "Features":
        """The same video in `steps` rows, interpolated (published for FineAction); windows touch each other."""
        places = (np.arange(steps) + 0.5) * len(self.rows) / steps - 0.5
        places = np.clip(places, 0, len(self.rows) - 1)
        low = np.floor(places).astype(np.int64)
        high, share = np.minimum(low + 1, len(self.rows) - 1), (places - low)[:, None].astype(np.float32)
        stride = seconds * self.grid.fps / steps
        rows = self.rows[low] * (1 - share) + self.rows[high] * share
        return Features(rows, Grid(fps=self.grid.fps, stride=stride, window=stride))


class FeatureFolder:
    """Arrays `<prefix><video>.npy` (T, C), and beside each `<array>.json` with its grid, or one grid for all.

    grid: overrides what lies beside the arrays. made_by: what the folder says about the network, {} if nothing.
    """

    def __init__(self, folder: Path | str, *, prefix: str = "", grid: Grid | None = None) -> None:
        self.folder, self.prefix, self._grid = Path(folder), prefix, grid
        if not self.folder.is_dir():
            raise BadList(f"there is no folder `{folder}`", "`internvideo features VIDEOS --out DIR` makes one")
        self._paths = {
            path.relative_to(self.folder).with_suffix("").as_posix(): path for path in self.folder.rglob("*.npy")
        }
        self._by_stem: dict[str, list[Path]] = {}
        for path in self._paths.values():
            self._by_stem.setdefault(path.stem, []).append(path)
        self.made_by: dict[str, Any] = _json(self.folder / SETTINGS) if (self.folder / SETTINGS).is_file() else {}

    def path(self, video: str) -> Path | None:
        """The array of a video: its name below the folder, or a file of that name anywhere in it."""
        for name in (f"{self.prefix}{video}", video):
            if name in self._paths:
                return self._paths[name]
            if len(self._by_stem.get(name, ())) == 1:
                return self._by_stem[name][0]
        return None

    def missing(self, videos: Iterable[str]) -> list[str]:
        """Those that have no array."""
        return [video for video in videos if self.path(video) is None]

    def width(self) -> int:
        """Of a row, as the first array says."""
        for path in self._paths.values():
            return int(np.load(path, mmap_mode="r", allow_pickle=False).shape[-1])
        raise BadList(f"`{self.folder}` holds no arrays (*.npy)", "`internvideo features VIDEOS --out DIR` writes them")

    def read(self, video: str, seconds: float) -> Features:
        """The rows of a video that lasts `seconds`. Raises BadList for what is no array, GridMismatch."""
        path = self.path(video)
        if path is None:
            raise BadList(f"`{self.folder}` has no features of `{video}`", "are prefix and folder right?")
        with reading(path):
            rows = np.load(path, allow_pickle=False)
        if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
            raise BadList(
                f"`{path}` is of shape {rows.shape}" + ("" if np.isfinite(rows).all() else " and holds no numbers"),
                "expected one vector per window: (T, C), finite",
            )
        found = Features(np.asarray(rows, np.float32), self._grid or _grid_beside(path))
        _check(found, seconds, path)
        return found


def _grid_beside(path: Path) -> Grid:
    beside = path.with_name(path.name + ".json")
    if not beside.is_file():
        raise BadList(
            f"nothing says when the rows of `{path}` are: there is no `{beside.name}`",
            "give their grid, for example fps=30 stride=4 window=16",
        )
    about = _json(beside)
    try:
        return Grid(fps=float(about["fps"]), stride=float(about["stride"]), window=float(about["window"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BadList(
            f"`{beside}` says no grid of rows ({error})", "was it made with --whole? then it has none"
        ) from error


def _json(path: Path) -> dict[str, Any]:
    with reading(path):
        found = json.loads(path.read_text("utf-8", "surrogateescape"))
    return found if isinstance(found, dict) else {}


def _check(found: Features, seconds: float, path: Path) -> None:
    """Rows reach from the start to the end of the video, but for a window and a stride, a second and 2 % of it."""
    grid, rows = found.grid, len(found.rows)
    covered = ((rows - 1) * grid.stride + max(grid.window, grid.stride)) / grid.fps
    spare = (grid.window + grid.stride) / grid.fps + 1.0 + 0.02 * seconds
    if abs(covered - seconds) > spare:
        fitting = rows * grid.stride / seconds if seconds > 0 else 0.0
        raise GridMismatch(
            f"`{path.name}`: {rows:,} rows every {grid.stride:g} frames at {grid.fps:g} fps are {covered:.1f} s, "
            f"but the annotations say {seconds:.1f} s",
            f"rows every {grid.stride:g} frames fit {fitting:.4g} fps; are these the features of this video?",
        )
