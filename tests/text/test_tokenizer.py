"""The byte-pair tokenizer: golden ids, round trips, and a slow plain twin of the merging."""

import hashlib
import json
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.errors import UsageError
from internvideo.text.cleaning import normalise
from internvideo.text.tokenizer import MERGES_FILE, padding, tokenizer

TOKENS = tokenizer()


def plain_merge(symbols):
    """The textbook loop: find the best-ranked pair, join it everywhere from left to right, start again."""
    while len(symbols) > 1:
        pairs = set(pairwise(symbols))
        best = min(pairs, key=lambda pair: TOKENS._rank.get(pair, float("inf")))
        if best not in TOKENS._rank:
            break
        joined, i = [], 0
        while i < len(symbols):
            both = tuple(symbols[i : i + 2]) == best
            joined.append("".join(symbols[i : i + 2]) if both else symbols[i])
            i += 2 if both else 1
        symbols = joined
    return symbols


def test_the_merges_table_is_the_published_one():
    packed = files("internvideo.text").joinpath(MERGES_FILE).read_bytes()
    expected = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
    assert hashlib.sha256(packed).hexdigest() == expected
    assert expected in files("internvideo.text").joinpath("bpe_simple_vocab_16e6.NOTICE.txt").read_text("utf-8")
    assert (len(TOKENS), TOKENS.start, TOKENS.end) == (49408, 49406, 49407)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("A dog, running!", [320, 1929, 267, 2761, 256]),
        ("  Hello   WORLD &amp; it's 2023 \n café", [3306, 1002, 261, 585, 568, 273, 271, 273, 274, 15304]),
    ],
)
def test_published_ids(text, ids):
    assert TOKENS.encode(text) == ids


def test_every_golden_string(shared):
    cases = json.loads((shared / "parity/viclip/tokenizer.json").read_text("utf-8"))["cases"]
    for case in cases:
        assert TOKENS.encode(case["text"]) == case["encode"]
        assert TOKENS.decode(case["encode"]) == case["decode"]
        for context in (32, 77):
            expected = case[f"tok{context}"]
            assert TOKENS([case["text"]], context)[0].tolist() == expected + [0] * (context - len(expected))


@given(st.text(alphabet="abeinorst'é中1 ", max_size=40))
def test_merging_equals_the_plain_loop(word):
    letters = [TOKENS._letter_of[byte] for byte in word.encode()]
    assert TOKENS._merge(letters) == (plain_merge(letters) if letters else [])


@given(st.lists(st.integers(0, 511), max_size=30))
def test_merging_equals_the_plain_loop_for_any_bytes(numbers):
    symbols = [TOKENS._word[number] for number in numbers]
    assert TOKENS._merge(symbols) == (plain_merge(symbols) if symbols else [])


@given(st.text(max_size=60))
def test_decoding_gives_the_normalised_text_back_up_to_spaces(text):
    assert TOKENS.decode(TOKENS.encode(text)).split() == TOKENS.decode(TOKENS.encode(normalise(text))).split()
    squeezed = "".join(TOKENS.decode(TOKENS.encode(text)).split())
    assert squeezed == "".join(normalise(text).replace("</w>", " ").split())


@given(st.lists(st.text(max_size=200), min_size=1, max_size=4), st.integers(2, 40))
def test_rows_begin_with_start_hold_one_end_at_least_and_are_zero_padded(texts, context):
    rows = TOKENS(texts, context)
    assert rows.shape == (len(texts), context)
    assert rows.dtype == np.int64
    for row in rows:
        ends = np.flatnonzero(row == TOKENS.end)
        assert row[0] == TOKENS.start
        assert len(ends) >= 1
        assert not row[ends[-1] + 1 :].any()
        assert (padding(row[None], TOKENS.end)[0] == (np.arange(context) > ends[-1])).all()


def test_a_long_text_is_cut_or_refused():
    assert TOKENS(["dog " * 60], 32)[0].tolist() == [49406, *[1929] * 30, 49407]
    assert TOKENS(["dog " * 30], 32, "raise")[0].tolist() == [49406, *[1929] * 30, 49407]
    with pytest.raises(UsageError, match="62 tokens but the model reads 32"):
        TOKENS(["dog " * 60], 32, "raise")


def test_special_tokens_are_read_when_spelled_out():
    assert TOKENS.encode("a <|ENDOFTEXT|> b <|startoftext|>") == [320, TOKENS.end, 321, TOKENS.start]


def test_lone_surrogates_of_file_names_do_not_stop_it():
    assert TOKENS.encode("caf\udce9") == TOKENS.encode("caf\ufffd")


@settings(deadline=None, max_examples=5)
@given(st.sampled_from(["a", "ab", "中", "\U0001f600"]))
def test_one_endless_word_takes_no_quadratic_time(letters):
    ids = TOKENS.encode(letters * 20_000)
    assert TOKENS.decode(ids).strip() == letters * 20_000
