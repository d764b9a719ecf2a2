"""Which cubes of a clip are hidden from the encoder: the published mask generators.

numpy only, True means hidden. Cubes are counted time first: number (t * rows + h) * columns + w of a grid (t, h, w).
Random numbers come from a `numpy.random.Generator`; a legacy `RandomState` gives the numbers of the published runs.
"""

import numpy as np

Grid = tuple[int, int, int]  # cubes along time, height, width
Random = np.random.Generator | np.random.RandomState


def tube(grid: Grid, ratio: float, rng: Random) -> np.ndarray:
    """One random pattern of int(ratio h w) hidden places, the same at all times: (N,) bool. VideoMAE's own mask."""
    return np.tile(_shuffled(grid[1] * grid[2], ratio, rng), grid[0])


def uniform(grid: Grid, ratio: float, rng: Random) -> np.ndarray:
    """int(ratio N) hidden cubes anywhere: (N,) bool."""
    return _shuffled(grid[0] * grid[1] * grid[2], ratio, rng)


def progressive(grid: Grid, ratio: float, rng: Random) -> np.ndarray:
    """Fewer and fewer visible cubes over time, from 1 - ratio to 5 % of a frame, nested: (N,) bool.

    One map of normal numbers is thresholded at each time by its k-th largest value, which is hidden itself (published):
    k - 1 cubes stay visible. `progressive_counts` gives k. Raises ValueError where k is 0.
    """
    return _thresholded(progressive_counts(grid, ratio), grid, rng)


def centre_progressive(grid: Grid, ratio: float, rng: Random) -> np.ndarray:
    """`progressive` from the middle of the clip towards both ends: (N,) bool."""
    return _thresholded(centre_progressive_counts(grid, ratio), grid, rng)


def progressive_counts(grid: Grid, ratio: float) -> list[int]:
    """The k of each time step of `progressive`."""
    places = grid[1] * grid[2]
    return _integers(np.linspace(int((1 - ratio) * places), int(0.05 * places), grid[0]))


def centre_progressive_counts(grid: Grid, ratio: float) -> list[int]:
    """The k of each time step of `centre_progressive`."""
    places = grid[1] * grid[2]
    half = _integers(np.linspace(int((1 - ratio) * places), int((1 - 0.95) * places), grid[0] // 2))
    return half[::-1] + half


def running_cells(grid: Grid, ratio: float) -> np.ndarray:
    """VideoMAE V2's decoder masks: cells of 2 x 2 whose pattern runs on by one place per time step, (4, N) bool.

    Map p shows at time f the places p + 1 + f ... of the cyclic queue of int(4 ratio) hidden, then visible cubes.
    Raises ValueError if a cell would be all hidden or all visible, or the frame does not cut into cells.
    """
    hidden = int(4 * ratio)
    if not 0 < hidden < 4 or grid[1] % 2 or grid[2] % 2:
        raise ValueError(f"cells need 1 to 3 of 4 cubes hidden and an even grid, got ratio {ratio} and grid {grid}")
    queue = np.arange(4) < hidden
    maps = np.empty((4, *grid), bool)
    for start in range(4):
        for time in range(grid[0]):
            cell = queue[(np.arange(4) + start + 1 + time) % 4].reshape(2, 2)
            maps[start, time] = np.tile(cell, (grid[1] // 2, grid[2] // 2))
    return maps.reshape(4, -1)


def running_cell(grid: Grid, ratio: float, batch: int, rng: Random) -> np.ndarray:
    """One of the four maps of `running_cells` for each clip: (B, N) bool."""
    draw = rng.integers(4, size=batch) if isinstance(rng, np.random.Generator) else rng.randint(4, size=batch)
    return np.asarray(running_cells(grid, ratio)[draw])


def random_decoded(tokens: int, ratio: float, batch: int, rng: Random) -> np.ndarray:
    """int(ratio N) random cubes of each clip, by the largest of normal numbers: (B, N) bool."""
    order = np.argsort(rng.standard_normal((batch, tokens)), axis=1)
    chosen = np.zeros((batch, tokens), bool)
    np.put_along_axis(chosen, order[:, tokens - int(ratio * tokens) :], True, axis=1)
    return chosen


def random_kept(tokens: int, ratio: float, batch: int, rng: Random) -> np.ndarray:
    """ViCLIP's token dropping: the numbers of the tokens - int(ratio tokens) that stay, (B, K) int64, ascending."""
    order = np.argsort(rng.random((batch, tokens)), axis=1)
    return np.sort(order[:, int(ratio * tokens) :], axis=1)


def visible(masks: np.ndarray) -> np.ndarray:
    """The numbers of the cubes that are not hidden, ascending: (B, N) bool -> (B, K) int64.

    Raises ValueError if the clips differ in how many they hide: tensors need one number.
    """
    counts = (~masks).sum(axis=1)
    if counts.min() != counts.max():
        raise ValueError(f"clips of one batch must hide the same number of cubes, got {sorted(set(counts.tolist()))}")
    return np.nonzero(~masks)[1].reshape(len(masks), -1)


def _shuffled(places: int, ratio: float, rng: Random) -> np.ndarray:
    hidden = int(ratio * places)
    pattern = np.hstack([np.zeros(places - hidden), np.ones(hidden)])
    rng.shuffle(pattern)
    return pattern.astype(bool)


def _thresholded(counts: list[int], grid: Grid, rng: Random) -> np.ndarray:
    if min(counts) < 1:
        raise ValueError(f"a grid of {grid} is too small for a progressive mask: {counts} cubes per time step")
    values = rng.standard_normal(grid[1] * grid[2])
    ranked = np.sort(values)
    return np.concatenate([values <= ranked[-kept] for kept in counts])


def _integers(numbers: np.ndarray) -> list[int]:
    return [int(number) for number in numbers]
