"""Words: rarity decides, a word that nobody has weighs, and a plain count agrees."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.search.words import Text, Words, terms

words = st.sampled_from(["red", "circle", "moves", "left", "dog", "the", "snow"])
texts = st.lists(st.tuples(st.lists(words, min_size=1, max_size=5), st.sets(st.integers(0, 7), min_size=1)), max_size=8)


def made(given_texts):
    return Words([Text(" ".join(words), np.array(sorted(rows)), 1.0) for words, rows in given_texts], 8)


def plain(given_texts, query):
    """The definition, moment by moment."""
    of_row = [{t for words, rows in given_texts if row in rows for t in terms(" ".join(words))} for row in range(8)]
    weight = {}
    for term in dict.fromkeys(terms(query)):
        count = sum(term in held for held in of_row)
        weight[term] = math.log1p((8 - count + 0.5) / (count + 0.5))
    total = sum(weight.values())
    scores = {row: sum(weight[t] for t in weight if t in held) / total for row, held in enumerate(of_row)}
    return {row: score for row, score in scores.items() if score > 0}


@given(texts, st.lists(words, min_size=1, max_size=4))
def test_scores_are_the_share_of_the_querys_weight_that_is_covered(given_texts, query):
    found = made(given_texts).ask(" ".join(query))
    expected = plain(given_texts, " ".join(query))
    assert found.rows.tolist() == sorted(expected)
    assert found.scores == pytest.approx([expected[row] for row in found.rows.tolist()])


@given(texts, st.lists(words, min_size=1, max_size=4))
def test_a_word_that_no_text_has_lowers_every_score(given_texts, query):
    asked = made(given_texts)
    before, after = (asked.ask(text) for text in (" ".join(query), " ".join([*query, "zebra"])))
    assert before.rows.tolist() == after.rows.tolist() and (after.scores < before.scores).all()


def test_endings_case_width_and_scripts_do_not_part_words():
    assert terms("Catching") == terms("catches") == terms("CATCH")
    assert terms("ｄｏｇ") == ["dog"] and terms("glass") == ["glass"]
    assert terms("我喜欢猫") == ["我喜", "喜欢", "欢猫"]
    asked = Words([Text("一个红色圆形向左移动", np.array([3]), 1.0)], 8)
    assert asked.ask("红色圆形").rows.tolist() == [3] and not len(asked.ask("蓝色").rows)


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_text_takes_a_shorter_way_to_the_same_terms(text):
    assert terms(text) == terms(f"{text} \N{LATIN SMALL LETTER E WITH ACUTE}")[:-1]


def test_order_tells_apart_what_words_alone_do_not():
    asked = Words(
        [Text("the dog bites the man", np.array([0]), 1.0), Text("the man bites the dog", np.array([1]), 1.0)], 2
    )
    assert asked.order("man bites dog", 1) > asked.order("dog bites man", 1)
    assert asked.best("Dogs bite", 0) == ("the dog bites the man", ["Dogs", "bite"])
