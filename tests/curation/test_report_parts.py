"""Counting, choosing and writing: the parts of the report that can be wrong without looking wrong."""

import math
import operator
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from internvideo.curation.report.data import Threshold
from internvideo.curation.report.histogram import MOST_BARS, axis_ticks, histogram, round_step, shares
from internvideo.curation.report.markup import Markup, element, escape, join, prose
from internvideo.curation.report.samples import around, spread
from internvideo.curation.report.wording import clock, count, duration, file_name, many, number, share, shortened

values_ = hnp.arrays(
    np.float64, st.integers(0, 200), elements=st.floats(-1e9, 1e9, allow_subnormal=False) | st.just(math.nan)
)


@given(values=values_, seed=st.integers(0, 9), marks=st.lists(st.floats(-1e6, 1e6), max_size=2), whole=st.booleans())
def test_every_value_is_counted_once_on_an_axis_that_holds_the_thresholds(values, seed, marks, whole):
    kept = np.random.default_rng(seed).random(len(values)) < 0.5
    bars = histogram(np.round(values) if whole else values, kept, marks=marks, whole=whole)
    known = np.isfinite(values)
    assert bars.count == known.sum() and bars.missing == (~known).sum()
    assert bars.kept.sum() == (known & kept).sum()
    assert (np.diff(bars.edges) > 0).all() and len(bars.edges) == len(bars.kept) + 1 == len(bars.dropped) + 1
    assert len(bars.kept) <= 2 * MOST_BARS
    assert all(bars.edges[0] <= mark <= bars.edges[-1] for mark in marks)
    assert bars.below + bars.above <= 0.02 * len(values) + 2


@given(values=hnp.arrays(np.float64, st.integers(1, 100), elements=st.integers(0, 50).map(float)))
def test_bars_between_the_outer_ones_hold_what_lies_between_their_edges(values):
    bars = histogram(values, np.ones(len(values), bool), whole=True)
    for i in range(1, len(bars.kept) - 1):
        assert bars.kept[i] == ((values >= bars.edges[i]) & (values < bars.edges[i + 1])).sum()
    assert bars.median == np.median(values)


def test_one_outlier_does_not_squeeze_the_axis():
    bars = histogram(np.append(np.linspace(0, 10, 999), 1e6), np.ones(1000, bool))
    assert bars.edges[-1] <= 12 and bars.above == 1 and bars.highest == 1e6


def test_equal_values_and_no_values_give_an_axis_too():
    assert histogram(np.full(5, 3.0), np.ones(5, bool)).count == 5
    empty = histogram(np.array([]), np.array([], bool))
    assert empty.count == 0 and empty.tallest == 0 and math.isnan(empty.median)


@given(st.floats(1e-12, 1e12))
def test_a_round_step_is_round_and_just_large_enough(rough):
    step = round_step(rough)
    assert rough * (1 - 1e-6) <= step <= 2.6 * rough
    assert float(f"{step:.6g}".rstrip("0").split("e")[0].replace(".", "").strip("0") or 0) in {1, 2, 25, 5}


@given(low=st.floats(-1e6, 1e6), length=st.floats(1e-3, 1e6))
def test_axis_ticks_are_even_few_and_on_the_axis(low, length):
    ticks = axis_ticks(low, low + length)
    assert 1 <= len(ticks) <= 7
    assert all(low - 1e-6 * length <= tick <= low + length * (1 + 1e-6) for tick in ticks)


def test_shares_are_those_of_half_open_bins():
    assert shares(np.array([0.0, 1.9, 2.0, 50.0, math.nan]), (0, 2, 4, math.inf)) == [0.5, 0.25, 0.25]
    assert shares(np.array([]), (0, 2, 4)) == [0.0, 0.0]


@given(groups=st.lists(st.sampled_from("abcdef"), max_size=80), most=st.integers(1, 30), skip=st.integers(1, 3))
def test_a_spread_is_as_even_as_the_groups_allow(groups, most, skip):
    rows = np.arange(0, len(groups), skip)
    chosen = spread(groups, rows, most)
    assert len(chosen) == min(most, len(rows)) or len({groups[row] for row in rows}) > most
    assert len(set(chosen.tolist())) == len(chosen) <= most
    assert set(chosen.tolist()) <= set(rows.tolist()) and (np.diff(chosen) > 0).all()
    of = {name: sum(groups[row] == name for row in rows.tolist()) for name in set(groups)}
    got = {name: sum(groups[row] == name for row in chosen.tolist()) for name in set(groups)}
    if len([name for name in of if of[name]]) <= most:
        for one in of:
            for other in of:
                assert got[one] >= got[other] - 1 or got[one] == of[one]
    assert np.array_equal(chosen, spread(groups, rows, most))


@given(
    values=values_, value=st.floats(-1e9, 1e9), relation=st.sampled_from([">=", ">", "<=", "<"]), each=st.integers(1, 5)
)
def test_rows_around_a_threshold_are_the_nearest_ones_of_each_side(values, value, relation, each):
    compare = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}[relation]
    good = np.array([compare(one, value) for one in values], bool)
    known = np.isfinite(values)
    failing, passing = around(values, Threshold("", "", relation, value), each)
    for rows, side in ((failing, known & ~good), (passing, known & good)):
        assert len(rows) == min(each, side.sum()) and side[rows].all()
        assert (np.diff(values[rows]) >= 0).all()
        others = np.setdiff1d(np.flatnonzero(side), rows)
        if len(rows) and len(others):
            assert np.abs(values[rows] - value).max() <= np.abs(values[others] - value).min()


@given(st.text())
def test_text_never_becomes_markup(text):
    shown = element("p", text, title=text)
    inner = shown.removeprefix('<p title="').removesuffix("</p>")
    title, said = inner.split('">')
    assert not set("<>\"'") & set(title + said)
    assert re.fullmatch(r"(?:[^&]|&(?:amp|lt|gt|quot|#x27);)*", title + said)
    shown.encode("utf-8")


def test_names_that_do_not_print_are_shown_as_codes():
    assert escape("caf\udce9 \x00 \u202egnp.exe") == r"caf\xdce9 \x00 \u202egnp.exe"


def test_back_quotes_make_code_only_in_pairs():
    assert prose("see `a`, not `<b>`") == "see <code>a</code>, not <code>&lt;b&gt;</code>"
    assert prose("it`s <x>") == "it`s &lt;x&gt;"


def test_markup_is_joined_as_it_is_and_text_is_escaped():
    inner = element("b", "<x>")
    assert join(["a & b", inner, None, 3, [inner]]) == "a &amp; b<b>&lt;x&gt;</b>3<b>&lt;x&gt;</b>"
    assert isinstance(join([]), Markup)
    assert element("img", alt="", hidden=True, lang=None) == '<img alt="" hidden />'


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (number(0.0), "0"),
        (number(math.nan), "–"),
        (number(0.000098), "9.8e-5"),
        (number(1234567.0, "px"), "1,234,567 px"),
        (clock(3725.26), "1:02:05.3"),
        (clock(59.97), "1:00.0"),
        (clock(-0.5), "-0:00.5"),
        (duration(0), "0 s"),
        (duration(7512), "2 h 05 min"),
        (share(1, 1000), "< 1 %"),
        (share(999, 1000), "> 99 %"),
        (share(0, 0), "–"),
        (many(0, "shot"), "0 shots"),
        (count(12345), "12,345"),
        (shortened("abcdef", 4), "abc…"),
        (file_name("films/caf\\xe9.mp4"), "caf\\xe9.mp4"),
        (file_name("a" * 99, 20), "aaaaaaaaa…aaaaaaaaaa"),
    ],
)
def test_numbers_are_written_as_people_read_them(said, expected):
    assert said.replace("\u00a0", " ") == expected
