"""Named subsets: rules, ranks, a cap per source and a sampler, applied to the joined table of clips.

In this order: rules one after the other, semantic copies, then ranks, then the cap, then the sampler (or that one
before the ranks); each sees what the ones before kept. Every step is counted: the funnel. Computes no score and reads
no file; the same table in any order, and in any split into shards, gives the same subset.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from internvideo.curation.expressions import true_rows
from internvideo.errors import UsageError, nearest
from internvideo.store.columns import Columns
from internvideo.store.shards import sort_by

KEY = ("video", "stream", "start", "end")
SIMILARITY = "semantic_similarity"  # to the better clip that is most alike
MOST_VALUES = 32  # views that one `by` makes
Step = tuple[str, int, int, int]  # rule, clips that came, kept, dropped because the value is not known


@dataclass(frozen=True)
class Rule:
    """Keep clips for which a DuckDB expression over the columns of the table is true, see `expressions`.

    Where it is unknown (NULL or NaN) the clip is dropped and counted as such, unless `unknown` is "keep".
    """

    name: str
    keep: str
    unknown: Literal["drop", "keep"] = "drop"

    def __post_init__(self) -> None:
        if self.unknown not in ("drop", "keep"):
            raise UsageError(f"rule `{self.name}`: unknown is `drop` or `keep`, not `{self.unknown}`")


@dataclass(frozen=True)
class Rank:
    """Keep the clips of greatest value: those of which less than `keep_top` of their group are better.

    The rank of a clip is that share: 0 for the best, under 1 for all. Equal values have equal ranks, so ties at the
    border stay in, and whoever has the ranks can draw the border anew. Clips without a value (null, NaN) have no rank,
    count for no other's, and are dropped as unknown. A group is a source, or all clips. InternVid's FLT is the top 0.3
    of all by text-video match.
    """

    name: str
    column: str
    within: Literal["source", "all"] = "all"
    keep_top: float = 0.3

    def __post_init__(self) -> None:
        if self.within not in ("source", "all"):
            raise UsageError(f"rank `{self.name}`: within is `source` or `all`, not `{self.within}`")
        if not 0 < self.keep_top <= 1:
            raise UsageError(f"rank `{self.name}`: keep_top is a share, over 0 and up to 1, not {self.keep_top}")


@dataclass(frozen=True, kw_only=True)
class ViewRecipe:
    """How a named subset is chosen.

    per_source_cap: so many clips of a source at most, the greatest by the column `cap_by`, else, and between equals,
    those that chance prefers. sampler: `div` is InternVid's draw, in which every video has the same mass: a clip is
    drawn with weight 1 / (clips of its video that are left), without replacement; `uniform` draws all alike. Drawn are
    `size` clips, else `per_video` times as many as there are videos left (InternVid: 10.6 M clips of 7.1 M videos,
    1.5), rounded down; all if there are fewer. seed: of chance, which depends on it and on the key of a clip alone.
    draw_first: the sampler comes before the ranks, as in InternVid's FLT.

    also: more rules, as expressions: for those that are added on the command line.
    max_similarity: no clip that is more alike to a better one (see `semantic.SemanticDuplicates`); look at
    `internvideo dataset similar` before you fix it. asks: operators without whose values the view is not made. by: a
    column; one view `<name>-<value>` for each of its most frequent values, instead of this one.
    """

    name: str
    clip_set: str = "shots"
    rules: tuple[Rule, ...] = ()
    ranks: tuple[Rank, ...] = ()
    per_source_cap: int | None = None
    cap_by: str | None = None
    sampler: Literal["div", "uniform"] | None = None
    size: int | None = None
    per_video: float | None = None
    draw_first: bool = False
    seed: int = 42
    also: tuple[str, ...] = ()
    max_similarity: float | None = None
    asks: tuple[str, ...] = ()
    by: str | None = None

    def __post_init__(self) -> None:
        if self.sampler not in (None, "div", "uniform"):
            raise UsageError(f"view `{self.name}`: the sampler is `div` or `uniform`, not `{self.sampler}`")
        if self.per_source_cap is not None and self.per_source_cap < 1:
            raise UsageError(f"view `{self.name}`: per_source_cap is at least 1, not {self.per_source_cap}")
        if (self.sampler is None) != (self.size is None and self.per_video is None):
            hint = "give a sampler (`div` or `uniform`) and size or per_video, or none of them"
            raise UsageError(f"view `{self.name}`: a sampler and the number of clips it draws go together", hint)
        if min(self.size or 0, self.per_video or 0) < 0:
            raise UsageError(f"view `{self.name}`: less than no clips cannot be drawn", "give a size of 0 or more")
        names = [rule.name for rule in self.all_rules] + [rank.name for rank in self.ranks]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"view `{self.name}`: two steps are called `{twice[0]}`", "give one of them another name")

    @property
    def all_rules(self) -> tuple[Rule, ...]:
        return (*self.rules, *(Rule(text, text) for text in self.also))


@dataclass(frozen=True)
class Selection:
    """ids: keys of the chosen clips, sorted. funnel: the steps. ranks: ids and, for each `Rank`, `<name>_rank` and
    `<name>_value`. dropped_by: for every row of the table the step that dropped it, None for those that were kept.
    """

    ids: pa.Table
    funnel: list[Step]
    ranks: pa.Table
    dropped_by: list[str | None]


def select(table: Columns | pa.Table, view: ViewRecipe) -> Selection:
    """Choose clips. table: one row per clip with the columns `KEY`, the columns that the steps name, and `source`
    where a step compares within sources; a null source is the video itself.

    Raises UsageError for a column or expression that does not fit the table.
    """
    funnel = _Funnel(table.num_rows)
    for rule in view.all_rules:
        true, unknown = true_rows(table, rule.keep, f"rule `{rule.name}`")
        funnel.step(rule.name, true | unknown if rule.unknown == "keep" else true, unknown)
    if view.max_similarity is not None:
        similarity = numbers(table, SIMILARITY, "max_similarity")
        funnel.step("semantic copies", ~(similarity > view.max_similarity))  # also who is compared with nobody
    if view.draw_first and view.sampler is not None:
        funnel.step(view.sampler, draw(table, view, funnel.alive))
    ranks: dict[str, np.ndarray] = {}
    for rank in view.ranks:
        values = numbers(table, rank.column, f"rank `{rank.name}`")
        better = shares_better(values, _groups(table, rank.within), funnel.alive)
        ranks |= {f"{rank.name}_rank": better, f"{rank.name}_value": values}
        funnel.step(rank.name, better < rank.keep_top, np.isnan(values))
    if view.per_source_cap is not None:
        worth = numbers(table, view.cap_by, "cap_by") if view.cap_by is not None else np.zeros(table.num_rows)
        places = places_within(worth, uniforms(table, view.seed), _groups(table, "source"), funnel.alive)
        funnel.step("per-source cap", places < view.per_source_cap)
    if view.sampler is not None and not view.draw_first:
        funnel.step(view.sampler, draw(table, view, funnel.alive))
    return _chosen(table, funnel, ranks)


class _Funnel:
    """Which rows are still in, and what each step did."""

    def __init__(self, rows: int) -> None:
        self.alive = np.ones(rows, bool)
        self.steps: list[Step] = []
        self.dropped_by = np.full(rows, None, object)

    def step(self, name: str, keep: np.ndarray, unknown: np.ndarray | None = None) -> None:
        lost = self.alive & ~keep
        not_known = int((lost & unknown).sum()) if unknown is not None else 0
        came, self.alive = int(self.alive.sum()), self.alive & keep
        self.steps.append((name, came, int(self.alive.sum()), not_known))
        self.dropped_by[lost] = name


def _chosen(table: Columns | pa.Table, funnel: _Funnel, ranks: dict[str, np.ndarray]) -> Selection:
    rows = np.flatnonzero(funnel.alive)
    chosen = table.select(KEY).take(rows)
    for name, column in ranks.items():
        chosen = chosen.append_column(name, pa.array(column[rows], pa.float64(), from_pandas=True))
    chosen = sort_by(chosen, KEY)
    return Selection(chosen.select(KEY), funnel.steps, chosen, funnel.dropped_by.tolist())


def one_by_one(table: Columns | pa.Table, view: ViewRecipe) -> list[ViewRecipe]:
    """The views that a view with `by` stands for, the most frequent value first. Raises UsageError for a bad column."""
    if view.by is None:
        return [view]
    if view.by not in table.column_names:
        raise UsageError(f"view `{view.name}`: no column `{view.by}`", nearest(view.by, table.column_names))
    counts = Counter(value for value in table[view.by].cast(pa.string()).to_pylist() if value)
    found: dict[str, ViewRecipe] = {}
    for value, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_VALUES]:
        name = f"{view.name}-" + (re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") or "other")
        quoted = value.replace("'", "''")
        rule = Rule(f"{view.by} is {value}", f"CAST(\"{view.by}\" AS VARCHAR) = '{quoted}'")
        found.setdefault(name[:64], replace(view, name=name[:64], by=None, rules=(*view.rules, rule)))
    return list(found.values())


def numbers(table: Columns | pa.Table, column: str, what: str) -> np.ndarray:
    """(N,) float64, NaN where the value is not known. Raises UsageError for a column that is not there or no number."""
    if column not in table.column_names:
        raise UsageError(f"{what}: there is no column `{column}`", nearest(column, table.column_names))
    kind = table.schema.field(column).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise UsageError(f"{what}: the column `{column}` holds {kind}, not numbers")
    values = table[column].cast(pa.int8()) if pa.types.is_boolean(kind) else table[column]
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def shares_better(values: np.ndarray, groups: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """(N,) float64: share of the living rows with a value in the group that have a greater one; NaN for all others.

    values: (N,) float64; groups: (N,) int64; alive: (N,) bool.
    """
    shares = np.full(len(values), np.nan)
    known = np.flatnonzero(alive & ~np.isnan(values))
    order = known[np.lexsort([-values[known], groups[known]])]
    new_group = np.r_[True, groups[order][1:] != groups[order][:-1]][: len(order)]
    new_value = new_group | np.r_[True, values[order][1:] != values[order][:-1]][: len(order)]
    starts = np.flatnonzero(new_group)
    sizes = np.diff(np.r_[starts, len(order)])
    first_equal = np.maximum.accumulate(np.where(new_value, np.arange(len(order)), 0))
    shares[order] = (first_equal - np.repeat(starts, sizes)) / np.repeat(sizes, sizes)
    return shares


def places_within(worth: np.ndarray, chance: np.ndarray, groups: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """(N,) int64: 0 for the living row of greatest worth in its group, then 1, ...; equals go by chance, the smaller
    first; NaN comes last, rows that do not live after all others."""
    order = np.lexsort([chance, np.where(np.isnan(worth), np.inf, -worth), ~alive, groups])
    starts = np.flatnonzero(np.r_[True, groups[order][1:] != groups[order][:-1]][: len(order)])
    sizes = np.diff(np.r_[starts, len(order)])
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - np.repeat(starts, sizes)
    return places


def draw(table: Columns | pa.Table, view: ViewRecipe, alive: np.ndarray) -> np.ndarray:
    """(N,) bool: which living clips the sampler of a view draws.

    An exponential race: with E ~ Exp(1) for every clip, the smallest E / weight win. This is drawing one after the
    other without replacement, each time with probability weight / (sum of the weights that are left): Efraimidis and
    Spirakis, "Weighted random sampling with a reservoir", 2006. It needs no order and no pass over all clips at once.
    """
    race, video = -np.log(uniforms(table, view.seed)), _codes(table["video"])
    if view.sampler == "div":
        race *= np.bincount(video[alive], minlength=int(video.max(initial=-1)) + 1)[video]
    living = np.flatnonzero(alive)
    size = view.size
    if size is None:
        size = int((view.per_video or 0.0) * len(np.unique(video[living])))
    drawn = np.zeros(len(alive), bool)
    drawn[living[np.argsort(race[living], kind="stable")[:size]]] = True
    return drawn


def uniforms(table: Columns | pa.Table, seed: int) -> np.ndarray:
    """(N,) float64 in (0, 1): chance of every clip, from the seed and its key alone, the same on every machine.

    A hash of seed and video (BLAKE2b), into which the other parts of the key are mixed with the finaliser of
    SplitMix64 (Steele, Lea and Flood, 2014).
    """
    videos = table["video"].combine_chunks().dictionary_encode()
    salt = seed.to_bytes(16, "little", signed=True)
    digests = [
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
        for name in videos.dictionary.to_pylist()
    ]
    state = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)[videos.indices.to_numpy()]
    for name in KEY[1:]:
        state = _mixed(state ^ _mixed(table[name].to_numpy().astype(np.int64).view(np.uint64)))
    uniform: np.ndarray = ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniform


def _mixed(state: np.ndarray) -> np.ndarray:
    """One step of SplitMix64 from each state; (N,) uint64, overflow wanted."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = state ^ (state >> np.uint64(31))
    return mixed


def _groups(table: Columns | pa.Table, within: str) -> np.ndarray:
    """(N,) int64: which rows are compared with each other."""
    if within == "all":
        return np.zeros(table.num_rows, np.int64)
    if within not in table.column_names:
        raise UsageError(f"there is no column `{within}` to group clips by", nearest(within, table.column_names))
    return _codes(pa.compute.coalesce(table[within], table["video"]))


def _codes(column: pa.ChunkedArray) -> np.ndarray:
    """(N,) int64: equal numbers for equal values."""
    return np.asarray(column.combine_chunks().dictionary_encode().indices.to_numpy(), np.int64)
