"""Subsets: every step against plain Python, and the draws against the law that they claim to follow."""

import dataclasses
import hashlib
import itertools
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.curation.expressions import true_rows
from internvideo.curation.presets import DEFAULT_VIEWS, INTERNVID_VIEWS, LONGTAKE_VIEWS
from internvideo.curation.select import (
    KEY,
    Rank,
    Rule,
    Selection,
    ViewRecipe,
    draw,
    one_by_one,
    select,
    uniforms,
)
from internvideo.errors import UsageError

SCHEMA = pa.schema(
    [
        ("video", pa.string()),
        ("stream", pa.int16()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("source", pa.string()),
        ("seconds", pa.float64()),
        ("score", pa.float64()),
        ("words", pa.int32()),
        ("good", pa.bool_()),
        ("title", pa.string()),
    ]
)
SCORES = st.none() | st.just(math.nan) | st.integers(-3, 3).map(float)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "video": st.sampled_from("abcd"),
            "start": st.integers(0, 500),
            "source": st.sampled_from([None, "s", "t", "u"]),
            "seconds": st.floats(0, 30),
            "score": SCORES,
            "words": st.none() | st.integers(0, 40),
            "good": st.none() | st.booleans(),
        }
    ),
    unique_by=lambda row: (row["video"], row["start"]),
    max_size=30,
)


def clips(rows: list[dict]) -> pa.Table:
    full = [{"stream": 0, "end": row["start"] + 7, "title": None, **row} for row in rows]
    return pa.Table.from_pylist(full, schema=SCHEMA)


def many(counts: dict[str, int]) -> pa.Table:
    return clips([{"video": video, "start": 10 * i} for video, count in counts.items() for i in range(count)])


def keys(table: pa.Table) -> list[tuple]:
    return list(zip(*(table[name].to_pylist() for name in KEY), strict=True))


def number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def source(row: dict) -> str:
    return row["source"] or row["video"]


# Rules


@settings(max_examples=25, deadline=None)
@given(ROWS, st.sampled_from(["drop", "keep"]))
def test_rules_and_their_funnel_equal_a_plain_filter(rows, unknown):
    def plain(row):
        score, words = number(row["score"]), row["words"]
        both = [None if score is None else score > 0, None if words is None else words >= 10]
        return True if True in both else None if None in both else False

    recipe = ViewRecipe(
        name="v",
        rules=(Rule("long", "seconds >= 5"), Rule("some", "score > 0 OR words >= 10", unknown), Rule("good", "good")),
    )
    selection = select(clips(rows), recipe)
    steps, alive, dropped = [], rows, {}
    for name, says, keeps in (
        ("long", lambda r: r["seconds"] >= 5, {True}),
        ("some", plain, {True}),
        ("good", lambda r: r["good"], {True}),
    ):
        keeps = keeps | {None} if name == "some" and unknown == "keep" else keeps
        kept = [row for row in alive if says(row) in keeps]
        lost = [row for row in alive if row not in kept]
        steps.append((name, len(alive), len(kept), sum(says(row) is None for row in lost)))
        dropped |= {(row["video"], row["start"]): name for row in lost}
        alive = kept
    assert selection.funnel == steps
    assert [(video, start) for video, _, start, _ in keys(selection.ids)] == sorted(
        (r["video"], r["start"]) for r in alive
    )
    assert selection.dropped_by == [dropped.get((row["video"], row["start"])) for row in rows]


@pytest.mark.parametrize(
    ("expression", "problem", "hint"),
    [
        ("secnods > 2", "there is no column `secnods`", "did you mean `seconds`?"),
        ("score > 1 AND Scroe < 2", "there is no column `Scroe`", "did you mean `score`?"),
        ("seconds >", "syntax error", "write one expression"),
        ("seconds", "is not yes or no but DOUBLE", "compare it"),
        ("", "is empty", "write an expression"),
        ("seconds > 1, good", "is not yes or no", "compare it"),
        ("title = 'a' AND CAST('x' AS INTEGER) > 1", "Could not convert string 'x'", "write a DuckDB expression"),
        ("no_such(seconds)", "no_such does not exist", "write a DuckDB expression"),
    ],
)
def test_a_bad_expression_is_a_usage_error_that_says_how_to_mend_it(expression, problem, hint):
    recipe = ViewRecipe(name="v", rules=(Rule("mine", expression),))
    with pytest.raises(UsageError) as caught:
        select(clips([{"video": "a", "start": 0, "title": "a"}]), recipe)
    assert "rule `mine`" in caught.value.problem and problem in caught.value.problem
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    "expression",
    [
        "(SELECT count(*) FROM read_csv('FILE')) > 0",
        "(SELECT content FROM read_text('FILE')) LIKE '%'",
        "EXISTS (FROM 'FILE')",
        "seconds > (SELECT avg(seconds) FROM clips)",
        "good) FROM clips; ATTACH 'FILE' AS other; SELECT (good",
        "good) FROM read_text('FILE') -- ",
        "good; COPY clips TO 'FILE'",
        "good); SET threads = 1; SELECT (true",
        "read_text('FILE') IS NULL",
        "avg(seconds) > 1",
        "count(*) > 0",
        "row_number() OVER () > 1",
        "random() < 0.5",
        "uuid() > ''",
        "now() > TIMESTAMP '2020-01-01'",
        "ago(INTERVAL 1 DAY) IS NOT NULL",
        "current_date > DATE '2020-01-01'",
        "current_timestamp IS NOT NULL",
        "user = 'duckdb'",
        "current_setting('threads') = '1'",
        "pg_sleep(60) IS NULL",
        "error('x')",
        "*",
        "COLUMNS(*) > 1",
    ],
)
def test_an_expression_reaches_nothing_but_its_row(expression, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    python_variable = clips([])
    with pytest.raises(UsageError):
        true_rows(clips([{"video": "a", "start": 0, "seconds": 3.0}]), expression.replace("FILE", str(secret)), "rule")
    assert secret.read_text() == "a\n1\n" and [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    with pytest.raises(UsageError):
        true_rows(python_variable, "EXISTS (FROM python_variable)", "rule")


@pytest.mark.parametrize(
    "expression",
    [
        "seconds BETWEEN 2 AND 20 -- a remark",
        "coalesce(score, 9) > 1",
        "title IS NULL OR title ILIKE '%dog%'",
        "video IN ('a', 'b') AND NOT good IS TRUE",
        "CASE WHEN words > 3 THEN seconds > 1 ELSE seconds > 5 END",
        "length(split_part(video, '.', 1)) < 5",
        'clips.seconds > 1 AND "SECONDS" > 1',
        "list_contains(list_transform([1, 2, 3], lambda x: x * 3), seconds)",
    ],
)
def test_ordinary_expressions_are_understood(expression):
    true, _ = true_rows(clips([{"video": "a", "start": 0, "seconds": 9.0}]), expression, "rule")
    assert true.tolist() == [True]


# Ranks and caps


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(["source", "all"]), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_ranks_equal_a_plain_count_and_are_given_with_their_values(rows, within, top):
    recipe = ViewRecipe(name="v", rules=(Rule("long", "seconds >= 5"),), ranks=(Rank("flt", "score", within, top),))
    selection = select(clips(rows), recipe)
    alive = [row for row in rows if row["seconds"] >= 5]
    expected, unknown = [], 0
    for row in alive:
        group = [other for other in alive if within == "all" or source(other) == source(row)]
        values = [value for other in group if (value := number(other["score"])) is not None]
        if (own := number(row["score"])) is None:
            unknown += 1
        elif (rank := sum(value > own for value in values) / len(values)) < top:
            expected.append((row["video"], row["start"], rank, own))
    found = selection.ranks
    columns = (found[name].to_pylist() for name in ("video", "start", "flt_rank", "flt_value"))
    assert list(zip(*columns, strict=True)) == sorted(expected)
    assert selection.funnel[1] == ("flt", len(alive), len(expected), unknown)


def test_a_share_keeps_the_best_of_every_source_and_all_that_are_equal():
    rows = [{"video": "a", "start": i, "source": "s", "score": float(i)} for i in range(10)]
    rows += [{"video": "b", "start": i, "source": "t", "score": 5.0} for i in range(4)]
    rows += [{"video": "c", "start": 0, "source": "u", "score": -1.0}]
    selection = select(clips(rows), ViewRecipe(name="v", ranks=(Rank("top", "score", "source", 0.3),)))
    assert [(video, start) for video, _, start, _ in keys(selection.ids)] == [
        ("a", 7), ("a", 8), ("a", 9), ("b", 0), ("b", 1), ("b", 2), ("b", 3), ("c", 0),
    ]  # fmt: skip


def test_a_later_rank_is_counted_over_what_an_earlier_one_left():
    rows = [{"video": "a", "start": i, "score": float(i), "words": -i} for i in range(10)]
    ranks = (Rank("first", "score", keep_top=0.5), Rank("second", "words", keep_top=0.2))
    selection = select(clips(rows), ViewRecipe(name="v", ranks=ranks))
    assert keys(selection.ids) == [("a", 0, 5, 12)] and selection.ranks["first_rank"].to_pylist() == [0.4]


@given(ROWS, st.integers(1, 4), st.sampled_from([None, "score", "words"]))
def test_a_cap_keeps_the_best_of_each_source(rows, cap, by):
    table = clips(rows)
    selection = select(table, ViewRecipe(name="v", per_source_cap=cap, cap_by=by))
    chance = dict(zip(keys(table), uniforms(table, 42).tolist(), strict=True))

    def order(row):
        worth = number(row[by]) if by else 0.0
        return (math.inf if worth is None else -worth, chance[row["video"], 0, row["start"], row["start"] + 7])

    by_source: dict[str, list[dict]] = {}
    for row in rows:
        by_source.setdefault(source(row), []).append(row)
    expected = [row for group in by_source.values() for row in sorted(group, key=order)[:cap]]
    assert [(video, start) for video, _, start, _ in keys(selection.ids)] == sorted(
        (r["video"], r["start"]) for r in expected
    )


# Chance


def test_chance_is_even_and_depends_on_key_and_seed_alone():
    table = many({f"video {i}": 100 for i in range(200)})
    one, other = uniforms(table, 1), uniforms(table, 2)
    for values in (one, other):
        counts = np.histogram(values, 50, (0, 1))[0]
        assert (values > 0).all() and (values < 1).all() and chi_square(counts, np.full(50, len(values) / 50)) < 100
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03 and abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
    assert len(np.unique(one)) == len(one)
    part = table.slice(7000, 300)
    assert (uniforms(part, 1) == one[7000:7300]).all()


def plain_chance(key: tuple, seed: int) -> float:
    """SplitMix64 with Python's integers."""

    def mixed(state: int) -> int:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
        return state ^ state >> 31

    salt = seed.to_bytes(16, "little", signed=True)
    state = int.from_bytes(hashlib.blake2b(key[0].encode(), digest_size=8, salt=salt).digest(), "little")
    for part in key[1:]:
        state = mixed(state ^ mixed(part % 2**64))
    return ((state >> 11) + 0.5) / 2**53


@given(ROWS, st.integers(-5, 2**63))
def test_chance_is_the_same_on_every_machine(rows, seed):
    table = clips([*rows, {"video": "ext:x:ü", "start": -5}])
    assert uniforms(table, seed).tolist() == [plain_chance(key, seed) for key in keys(table)]


@settings(max_examples=20, deadline=None)
@given(ROWS, st.sampled_from(["div", "uniform"]), st.integers(0, 12), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_subset(rows, sampler, size, random):
    recipe = ViewRecipe(
        name="v",
        rules=(Rule("long", "seconds >= 3"),),
        ranks=(Rank("r", "score", "source", 0.8),),
        per_source_cap=3,
        sampler=sampler,
        size=size,
    )
    shuffled = random.sample(rows, len(rows))
    one, other = select(clips(rows), recipe), select(clips(shuffled), recipe)
    assert one.ids.equals(other.ids) and one.funnel == other.funnel and one.ranks.equals(other.ranks)


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from(["div", "uniform"]))
def test_a_larger_draw_of_the_same_seed_holds_the_smaller_one(small, large, sampler):
    table = many({"a": 12, "b": 5, "c": 1})
    draws = [
        set(keys(select(table, ViewRecipe(name="v", sampler=sampler, size=size)).ids))
        for size in (small, small + large)
    ]
    assert draws[0] <= draws[1] and [len(draw) for draw in draws] == [min(18, small), min(18, small + large)]


def test_the_size_of_a_draw_may_follow_the_videos_that_are_left():
    table = many({"a": 30, "b": 5, "c": 4})
    recipe = ViewRecipe(name="v", rules=(Rule("no c", "video <> 'c'"),), sampler="div", per_video=1.5)
    assert select(table, recipe).ids.num_rows == 3
    assert select(table, dataclasses.replace(recipe, size=7)).ids.num_rows == 7


def chi_square(found: np.ndarray, expected: np.ndarray) -> float:
    return float(((found - expected) ** 2 / expected).sum())


def drawn(table: pa.Table, sampler: str, size: int, seeds: int) -> list[tuple[int, ...]]:
    """For every seed the places (in the table) of what is drawn."""
    everything = np.ones(table.num_rows, bool)
    recipes = (ViewRecipe(name="v", sampler=sampler, size=size, seed=seed) for seed in range(seeds))
    return [tuple(np.flatnonzero(draw(table, recipe, everything)).tolist()) for recipe in recipes]


def law_of_sets(weights: list[float], size: int) -> dict[tuple[int, ...], float]:
    """Exact probability of every set under drawing one after the other without replacement."""
    law: dict[tuple[int, ...], float] = {}
    for order in itertools.permutations(range(len(weights)), size):
        probability, left = 1.0, sum(weights)
        for item in order:
            probability *= weights[item] / left
            left -= weights[item]
        law[tuple(sorted(order))] = law.get(tuple(sorted(order)), 0.0) + probability
    return law


@pytest.mark.parametrize(
    ("counts", "size"), [({"a": 4, "b": 1}, 2), ({"a": 3, "b": 2, "c": 1}, 3), ({"a": 1, "b": 1}, 1)]
)
@pytest.mark.parametrize("sampler", ["div", "uniform"])
def test_draws_follow_successive_sampling_exactly(counts, size, sampler):
    """Chi-square with k - 1 degrees of freedom: mean k - 1, deviation sqrt(2 (k - 1)); five deviations are allowed."""
    table, seeds = many(counts), 2500
    weights = [1 / counts[video] if sampler == "div" else 1.0 for video in table["video"].to_pylist()]
    law = law_of_sets(weights, size)
    found = drawn(table, sampler, size, seeds)
    assert set(found) <= set(law) and sum(law.values()) == pytest.approx(1.0)
    observed = np.array([found.count(members) for members in law])
    freedom = len(law) - 1
    assert chi_square(observed, seeds * np.array(list(law.values()))) < freedom + 5 * math.sqrt(2 * freedom)


def test_div_includes_clips_as_often_as_numpy_draws_them():
    counts = {"a": 12, "b": 4, "c": 2, "d": 1, "e": 1}
    table, size, seeds = many(counts), 6, 2000
    weights = np.array([1 / counts[video] for video in table["video"].to_pylist()])
    rng = np.random.default_rng(0)
    peer = np.zeros(len(weights))
    for _ in range(seeds):
        peer[rng.choice(len(weights), size, replace=False, p=weights / weights.sum())] += 1
    ours = np.bincount(np.ravel(drawn(table, "div", size, seeds)), minlength=len(weights))
    deviation = np.sqrt(2 * seeds * (peer / seeds) * (1 - peer / seeds))
    assert (np.abs(ours - peer) < 5 * deviation).all() and ours.sum() == peer.sum()
    assert ours[-1] > 3 * ours[:12].mean()


# Recipes


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Rank("r", "score", keep_top=0), "keep_top is a share"),
        (lambda: Rank("r", "score", keep_top=1.1), "keep_top is a share"),
        (lambda: Rank("r", "score", within="channel"), "within is `source` or `all`"),
        (lambda: Rule("r", "good", unknown="maybe"), "unknown is `drop` or `keep`"),
        (lambda: ViewRecipe(name="v", size=3), "go together"),
        (lambda: ViewRecipe(name="v", sampler="div"), "go together"),
        (lambda: ViewRecipe(name="v", sampler="best", size=1), "`div` or `uniform`"),
        (lambda: ViewRecipe(name="v", sampler="div", size=-1), "less than no clips"),
        (lambda: ViewRecipe(name="v", per_source_cap=0), "at least 1"),
        (lambda: ViewRecipe(name="v", rules=(Rule("a", "good"), Rule("a", "good"))), "two steps are called `a`"),
    ],
)
def test_nonsense_is_refused_when_it_is_written(make, problem):
    with pytest.raises(UsageError, match=problem):
        make()


@pytest.mark.parametrize(
    ("recipe", "problem"),
    [
        (ViewRecipe(name="v", ranks=(Rank("r", "scoer"),)), "rank `r`: there is no column `scoer`"),
        (ViewRecipe(name="v", ranks=(Rank("r", "title"),)), "rank `r`: the column `title` holds string, not numbers"),
        (ViewRecipe(name="v", per_source_cap=1, cap_by="word"), "cap_by: there is no column `word`"),
    ],
)
def test_a_column_that_does_not_fit_is_a_usage_error(recipe, problem):
    with pytest.raises(UsageError) as caught:
        select(many({"a": 2}), recipe)
    assert caught.value.problem == problem


def test_a_table_without_sources_can_be_ranked_over_all_but_not_within():
    table = many({"a": 2}).drop_columns(["source"])
    assert select(table, ViewRecipe(name="v", ranks=(Rank("r", "words"),))).ids.num_rows == 0
    with pytest.raises(UsageError, match="no column `source`"):
        select(table, ViewRecipe(name="v", per_source_cap=1))


def test_no_clips_in_gives_no_clips_out():
    recipe = ViewRecipe(
        name="v",
        rules=(Rule("a", "good"),),
        ranks=(Rank("r", "score", "source"),),
        per_source_cap=1,
        sampler="div",
        size=5,
    )
    selection = select(clips([]), recipe)
    assert isinstance(selection, Selection) and selection.ids.num_rows == 0 and selection.ids.column_names == list(KEY)
    assert selection.funnel == [("a", 0, 0, 0), ("r", 0, 0, 0), ("per-source cap", 0, 0, 0), ("div", 0, 0, 0)]


def test_the_presets_keep_a_good_clip_and_drop_each_kind_of_bad_one():
    good = {
        "seconds": 5.0,
        "decoding_missing": 0,
        "exposure_dark_share": 0.1,
        "exposure_bright_share": 0.1,
        "stillness_still_share": 0.2,
        "sharpness_median": 0.6,
        "duplicates_keeper": True,
        "leaks_evaluation_set": None,
        "motion_flow_mean": 0.2,
        "aesthetic_max": 5.0,
        "aesthetic_mean": 4.0,
        "match_cosine": 0.3,
    }
    bad = {
        "at least 2 s": {"seconds": 1.0},
        "at most 20 s": {"seconds": 21.0},
        "decodes whole": {"decoding_missing": 2},
        "not dark": {"exposure_dark_share": 0.95},
        "not overexposed": {"exposure_bright_share": 0.6},
        "moves": {"stillness_still_share": 1.0},
        "in focus": {"sharpness_median": 0.1},
        "best of its copies": {"duplicates_keeper": False},
        "in no evaluation set": {"leaks_evaluation_set": "test"},
    }
    rows = [{**good, **change} for change in ({}, {"sharpness_median": None}, *bad.values())]
    rows = [{"video": "v", "stream": 0, "start": i, "end": i + 1, "source": "v", **row} for i, row in enumerate(rows)]
    table = pa.Table.from_pylist(rows)
    default, div, flt, aes, *_ = DEFAULT_VIEWS
    assert select(table, default).dropped_by == [None, None, *bad]
    for view in (div, INTERNVID_VIEWS[0]):
        assert select(table, view).ids.num_rows == 1, "of one video one clip"
    assert [step[0] for step in select(table, flt).funnel][-2:] == ["div", "match"], "drawn, then ranked"
    assert select(table, aes).ids.num_rows == select(table, INTERNVID_VIEWS[2]).ids.num_rows - 7 == 2
    assert select(table, LONGTAKE_VIEWS[0]).ids.num_rows == 1, "the one that the default view calls too long"
    long = pa.Table.from_pylist([{**row, "seconds": 12.0} for row in rows])
    still = pa.Table.from_pylist([{**row, "seconds": 12.0, "motion_flow_mean": 0.01} for row in rows])
    assert (select(long, LONGTAKE_VIEWS[0]).ids.num_rows, select(still, LONGTAKE_VIEWS[0]).ids.num_rows) == (4, 0)


@settings(max_examples=15)
@given(ROWS, st.integers(0, 99))
def test_drawing_first_ranks_only_what_was_drawn(rows, seed):
    view = ViewRecipe(
        name="v", sampler="div", size=6, seed=seed, draw_first=True, ranks=(Rank("r", "score", keep_top=0.5),)
    )
    table = clips(rows)
    drawn = select(table, ViewRecipe(name="v", sampler="div", size=6, seed=seed)).ids
    inside = table.join(drawn, list(KEY), join_type="left semi")
    assert select(table, view).ids.equals(select(inside, ViewRecipe(name="v", ranks=view.ranks)).ids)


@settings(max_examples=15)
@given(ROWS, st.floats(-1, 1))
def test_semantic_copies_go_and_clips_without_a_better_one_stay(rows, most):
    table = clips(rows)
    table = table.append_column("semantic_similarity", table["score"])
    kept = select(table, ViewRecipe(name="v", max_similarity=most)).ids
    plain = sorted((r["video"], r["start"]) for r in rows if number(r["score"]) is None or not r["score"] > most)
    assert [(video, start) for video, _, start, _ in keys(kept)] == plain


@settings(max_examples=15)
@given(ROWS)
def test_one_view_per_value_divides_the_clips_that_have_one(rows):
    table, view = clips(rows), ViewRecipe(name="by", rules=(Rule("long", "seconds >= 3"),), by="source")
    views = one_by_one(table, view)
    assert [one.name for one in views] == sorted(
        {f"by-{r['source']}" for r in rows if r["source"]},
        key=lambda name: (-sum(r["source"] == name[3:] for r in rows), name),
    )
    chosen = [key for one in views for key in keys(select(table, one).ids)]
    known = ViewRecipe(name="v", rules=(*view.rules, Rule("has one", "source IS NOT NULL")))
    assert sorted(chosen) == keys(select(table, known).ids)


def test_values_become_names_that_files_can_have():
    table = clips([{"video": "a", "start": i, "source": s} for i, s in enumerate(["Film & Animation", "it's", "日本"])])
    names = [one.name for one in one_by_one(table, ViewRecipe(name="category", by="source"))]
    assert names == ["category-film-animation", "category-it-s", "category-other"]
    for one in one_by_one(table, ViewRecipe(name="category", by="source")):
        assert select(table, one).ids.num_rows == 1
    with pytest.raises(UsageError, match="no column `sorce`"):
        one_by_one(table, ViewRecipe(name="v", by="sorce"))


def test_rules_from_the_command_line_come_after_the_recipes_own():
    table = clips([{"video": "a", "start": i, "seconds": float(i)} for i in range(6)])
    view = ViewRecipe(name="v", rules=(Rule("long", "seconds >= 2"),), also=("seconds < 4", "seconds <> 3"))
    assert select(table, view).funnel == [("long", 6, 4, 0), ("seconds < 4", 4, 2, 0), ("seconds <> 3", 2, 1, 0)]
