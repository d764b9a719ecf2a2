"""Named subsets: rules, ranks, a cap per source and a sampler, applied to the joined table of clips.

Order: rules one after the other, then ranks, then the cap, then the sampler. Every step is counted: the funnel.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from internvideo.errors import UsageError, nearest

KEY = ("video", "stream", "start", "end")
Step = tuple[str, int, int, int]  # rule, clips that came, kept, dropped because the value is not known


@dataclass(frozen=True)
class Rule:
    """Keep clips for which a DuckDB expression over the columns of the table is true. What is unknown (NULL) is dropped
    and counted, unless `unknown` is "keep".
    """

    name: str
    keep: str
    unknown: Literal["drop", "keep"] = "drop"


@dataclass(frozen=True)
class Rank:
    """Keep the best share by one column, within each source or over all. Equal values share the better rank, so ties at
    the border stay in; NaN and NULL rank last. FLT of the InternVid paper is `keep_top=0.3` over all.
    """

    name: str
    column: str
    within: Literal["source", "all"] = "all"
    keep_top: float = 0.3

    def __post_init__(self) -> None:
        if not 0 < self.keep_top <= 1:
            raise ValueError(f"rank `{self.name}`: keep_top is a share in (0, 1], got {self.keep_top}")


@dataclass(frozen=True, kw_only=True)
class ViewRecipe:
    """How a named subset is chosen. per_source_cap: clips per source at most, the best by `cap_by` (else by hash).

    sampler `div`: InternVid's draw, each clip with weight 1 / (clips of its video), without replacement; `uniform`: all
    alike. size: how many are drawn, None for all.
    """

    name: str
    clip_set: str = "shots"
    rules: tuple[Rule, ...] = ()
    ranks: tuple[Rank, ...] = ()
    per_source_cap: int | None = None
    cap_by: str | None = None
    sampler: Literal["div", "uniform"] | None = None
    size: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if self.per_source_cap is not None and self.per_source_cap < 1:
            raise ValueError(f"view `{self.name}`: per_source_cap must be at least 1, got {self.per_source_cap}")
        if self.size is not None and (self.size < 0 or self.sampler is None):
            raise ValueError(f"view `{self.name}`: a size of 0 or more needs a sampler (div or uniform)")


@dataclass(frozen=True)
class Selection:
    """ids: clip keys, sorted, with a column `<rank>_rank` per rank (share of clips that are better). funnel: the steps.

    dropped_by: for every clip of the table the name of the step that dropped it, None for those that were kept.
    """

    ids: pa.Table
    funnel: list[Step]
    dropped_by: list[str | None]


def select(table: pa.Table, recipe: ViewRecipe) -> Selection:
    """Choose clips. table: one row per clip with the columns `KEY`, `source` and whatever the rules name.

    Raises UsageError for an expression that does not fit the table, naming the nearest column.
    """
    alive = np.ones(table.num_rows, bool)
    dropped: list[str | None] = [None] * table.num_rows
    funnel: list[Step] = []

    def step(name: str, keep: np.ndarray, unknown: np.ndarray | None = None) -> None:
        lost = alive & ~keep
        not_known = int((lost & unknown).sum()) if unknown is not None else 0
        funnel.append((name, int(alive.sum()), int((alive & keep).sum()), not_known))
        for row in np.flatnonzero(lost):
            dropped[row] = name
        alive[:] = alive & keep

    for rule in recipe.rules:
        verdict, unknown = _evaluate(table, rule)
        step(rule.name, verdict | (unknown if rule.unknown == "keep" else False), unknown)
    ranks: dict[str, np.ndarray] = {}
    for rank in recipe.ranks:
        ranks[f"{rank.name}_rank"] = better = _better(_numbers(table, rank.column), _groups(table, rank.within), alive)
        step(rank.name, better < rank.keep_top)
    if recipe.per_source_cap is not None:
        step("per-source cap", _cap(table, recipe, alive) < recipe.per_source_cap)
    if recipe.sampler is not None:
        step(recipe.sampler, _draw(table, recipe, alive))
    rows = np.flatnonzero(alive)
    ids = table.select(list(KEY)).take(rows)
    for name, column in ranks.items():
        ids = ids.append_column(name, pa.array(column[rows], pa.float64()))
    return Selection(ids.sort_by([(name, "ascending") for name in KEY]), funnel, dropped)


def _evaluate(table: pa.Table, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """(true, unknown) for every row. The engine can reach nothing but this table."""
    with duckdb.connect(config={"enable_external_access": "false", "lock_configuration": "true"}) as engine:
        engine.register("clips", table.append_column("_row", pa.array(np.arange(table.num_rows))))
        try:
            answer = engine.execute(f"SELECT CAST(({rule.keep}) AS BOOLEAN) FROM clips ORDER BY _row").fetchall()
        except duckdb.Error as error:
            words = str(error).splitlines()[0]
            named = [part for part in words.replace('"', " ").split() if "_" in part or part.islower()]
            close = next((hint for part in named if (hint := nearest(part, table.column_names)).startswith("did")), "")
            problem = f"rule `{rule.name}`: `{rule.keep}`: {words}"
            raise UsageError(problem, close or "write an expression over the columns of the clips") from None
    values = [row[0] for row in answer]
    return np.array([value is True for value in values], bool), np.array([value is None for value in values], bool)


def _numbers(table: pa.Table, column: str) -> np.ndarray:
    if column not in table.column_names:
        raise UsageError(f"no column `{column}` to rank by", nearest(column, table.column_names))
    return np.asarray(table[column].cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _groups(table: pa.Table, within: str) -> np.ndarray:
    """(N,) int64: which rows are compared with each other."""
    if within == "all":
        return np.zeros(table.num_rows, np.int64)
    return np.unique(np.array(table["source"].to_pylist(), dtype=object).astype(str), return_inverse=True)[1]


def _better(values: np.ndarray, groups: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """(N,) float64: share of the living rows of the same group that have a greater value; 1 for NaN and dead rows."""
    shares = np.ones(len(values))
    known = alive & ~np.isnan(values)
    for group in np.unique(groups[alive]) if alive.any() else ():
        rows = np.flatnonzero(known & (groups == group))
        ordered = np.sort(values[rows])
        greater = len(rows) - np.searchsorted(ordered, values[rows], side="right")
        shares[rows] = greater / max(1, int((alive & (groups == group)).sum()))
    return shares


def uniforms(table: pa.Table, seed: int) -> np.ndarray:
    """(N,) float64 in (0, 1): one number per clip, from a hash of seed and key, so that neither the order of rows nor
    how they are sharded changes it.
    """
    keys = zip(*(table[name].to_pylist() for name in KEY), strict=True)
    numbers = (hashlib.sha256(repr((seed, *key)).encode()).digest()[:8] for key in keys)
    return np.array([(int.from_bytes(number, "big") + 0.5) / 2.0**64 for number in numbers], np.float64)


def _cap(table: pa.Table, recipe: ViewRecipe, alive: np.ndarray) -> np.ndarray:
    """(N,) int64: place of each living clip within its source, best first; dead ones come last."""
    chance = uniforms(table, recipe.seed)
    worth = _numbers(table, recipe.cap_by) if recipe.cap_by is not None else np.zeros(table.num_rows)
    worth = np.where(np.isnan(worth), -np.inf, worth)
    groups = _groups(table, "source")
    order = np.lexsort((chance, -worth, ~alive, groups))
    places = np.empty(table.num_rows, np.int64)
    _, firsts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    places[order] = np.arange(table.num_rows) - np.repeat(firsts, counts)
    return places


def _draw(table: pa.Table, recipe: ViewRecipe, alive: np.ndarray) -> np.ndarray:
    """(N,) bool: the clips drawn. Exponential race: E / w with E ~ Exp(1), the smallest `size` win; this is successive
    sampling without replacement with probabilities w (Efraimidis and Spirakis 2006).
    """
    race = -np.log(uniforms(table, recipe.seed))
    if recipe.sampler == "div":
        _, video, counts = np.unique(
            np.array(table["video"].to_pylist(), dtype=object).astype(str), return_inverse=True, return_counts=True
        )
        of_video = np.bincount(video[alive], minlength=len(counts))
        race = race * of_video[video]
    race = np.where(alive, race, np.inf)
    drawn = np.zeros(table.num_rows, bool)
    size = int(alive.sum()) if recipe.size is None else min(recipe.size, int(alive.sum()))
    drawn[np.argsort(race, kind="stable")[:size]] = True
    drawn &= alive
    return drawn


LONG_ENOUGH = Rule("at least 2 s", "seconds >= 2")
WHOLE_FILE = Rule("decodes whole", "decoding_missing = 0")
KEEPER = Rule("best of its copies", "duplicates_keeper")
DEFAULT_VIEWS: tuple[ViewRecipe, ...] = (
    ViewRecipe(
        name="default",
        rules=(
            WHOLE_FILE,
            LONG_ENOUGH,
            Rule("at most 20 s", "seconds <= 20"),
            Rule("not dark", "exposure_dark_share < 0.9"),
            Rule("not overexposed", "exposure_bright_share < 0.5"),
            Rule("moves", "stillness_still_share < 0.95"),
            KEEPER,
        ),
    ),
    ViewRecipe(name="div", rules=(LONG_ENOUGH, KEEPER), sampler="div"),
)
INTERNVID_VIEWS: tuple[ViewRecipe, ...] = (ViewRecipe(name="div", rules=(LONG_ENOUGH,), sampler="div"),)
