"""Caption clean-up and normalisation."""

from hypothesis import given
from hypothesis import strategies as st

from internvideo.text.cleaning import clean_caption, normalise


@given(st.text())
def test_a_clean_caption_is_lower_bare_and_single_spaced(text):
    clean = clean_caption(text)
    assert not set(clean) & set(",.'!?\"()*#:;~-/")
    assert clean == clean.strip()
    assert "  " not in clean
    assert clean_caption(clean.replace("<person>", "person")) == clean.replace("<person>", "person")


def test_the_placeholder_person_becomes_a_word():
    assert clean_caption("<person> and <PERSON>") == "person and person"


def test_punctuation_goes_and_joined_words_come_apart():
    assert clean_caption("Can you recognize X-ray/MRI?  It's (a) *test*; #1: ~ok~.") == (
        "can you recognize x ray mri its a test 1 ok"
    )


@given(st.text())
def test_normalised_text_has_single_spaces_and_no_capitals(text):
    clean = normalise(text)
    assert clean == clean.strip()
    assert clean.lower() == clean


def test_entities_escaped_twice_and_mojibake_are_mended():
    assert normalise("schÃ¶n &amp;lt;b&amp;gt;") == "schön <b>"
