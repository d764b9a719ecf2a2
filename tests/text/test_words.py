"""The vocabulary of whole words: every caption of the small world comes back, what is not known is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.datasets.moving_shapes import caption, scene
from internvideo.errors import UsageError
from internvideo.text.words import Words, vocabulary

WORDS = vocabulary("moving-shapes")


@given(st.sampled_from(("train", "validation", "test")), st.integers(0, 10_000))
def test_every_caption_of_the_small_world_comes_back_and_fits(split, index):
    text = caption(scene(split, index))
    assert WORDS.unknown(text) == []
    assert WORDS.decode(WORDS.encode(text)) == text
    assert len(WORDS.encode(text)) <= 30


def test_no_word_is_there_that_no_caption_has():
    said = {piece for i in range(1500) for piece in caption(scene("train", i)).replace(",", " ,").split()}
    assert said == {WORDS.decode([number]).strip() for number in range(1, WORDS.start)}


def test_ids_lie_as_text_towers_read_them():
    rows = WORDS(["a red circle", "A red, RED star!", ""], 8)
    assert rows.dtype == np.int64 and len(WORDS) == WORDS.end + 1
    for row in rows:
        assert row[0] == WORDS.start and row.max() == WORDS.end
        assert not row[row.argmax() + 1 :].any()
    assert WORDS.decode(rows[1].tolist()) == "a red, red star"


def test_unknown_words_are_named_once_and_left_out():
    assert WORDS.unknown("a red dog chases a red-hot dog") == ["dog", "chases", "hot"]
    assert WORDS.encode("a dog") == WORDS.encode("a")


def test_what_does_not_fit_is_cut_or_refused():
    words = Words(["a"])
    assert words(["a a a a"], 4).tolist() == [[2, 1, 1, 3]]
    with pytest.raises(UsageError, match="4 words but the model reads 2"):
        words(["a a a a"], 4, "raise")


def test_an_unknown_vocabulary_is_an_error():
    with pytest.raises(UsageError, match="moving"):
        vocabulary("moving-shape")
    assert vocabulary("clip").unknown("anything at all") == []
