"""Rename tables: every key claimed, both directions, published order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.models import caption_decoder, internvideo_mm, uniformerv2, viclip, videomae
from internvideo.models.renaming import WeightsError, count, prefixed, to_ours, to_theirs

TABLE = (
    ("temp", "temperature"),
    ("step", None),
    ("blocks.{n}.ln.", "layers.{n}.norm."),
    ("blocks.{n}.fc.", "layers.{n}.up."),
    ("last.", "head."),
)


@given(st.dictionaries(st.integers(0, 30), st.sampled_from(["ln", "fc"]), max_size=8))
def test_what_goes_there_comes_back(parts):
    theirs = {f"blocks.{n}.{part}.weight": n for n, part in parts.items()} | {"temp": -1, "last.bias": -2}
    ours = to_ours(theirs, TABLE)
    assert sorted(ours.values()) == sorted(theirs.values())
    assert to_theirs(ours, TABLE) == theirs


def test_export_is_in_the_order_of_the_table_number_by_number():
    ours = ["head.w", "layers.10.up.w", "layers.2.up.w", "layers.2.norm.w", "layers.10.norm.w", "temperature"]
    assert list(to_theirs(dict.fromkeys(ours), TABLE)) == [
        "temp",
        "blocks.2.ln.w",
        "blocks.2.fc.w",
        "blocks.10.ln.w",
        "blocks.10.fc.w",
        "last.w",
    ]


def test_known_but_unwanted_keys_are_dropped_and_unknown_ones_named():
    assert to_ours({"step": 1, "temp": 2}, TABLE) == {"temperature": 2}
    with pytest.raises(WeightsError, match=r"2 of 3 weights have no place.*`tempo`, `blocks\.x\.ln\.w`"):
        to_ours({"temp": 0, "tempo": 1, "blocks.x.ln.w": 2}, TABLE)
    with pytest.raises(WeightsError, match="`unheard` has no name in that layout"):
        to_theirs({"unheard": 1}, TABLE)


def test_two_weights_never_get_one_name():
    with pytest.raises(WeightsError, match="comes twice"):
        to_ours({"a": 1, "b": 2}, (("a", "x"), ("b", "x")))


def test_a_name_is_matched_whole():
    with pytest.raises(WeightsError):
        to_ours({"xtemp": 0}, TABLE)
    with pytest.raises(WeightsError):
        to_ours({"last": 0}, TABLE)


def test_prefixes_can_be_put_on_either_side():
    assert to_ours({"m.temp": 1, "m.last.w": 2}, prefixed(TABLE, "m.", "own.")) == {
        "own.temperature": 1,
        "own.head.w": 2,
    }


def test_count_is_one_more_than_the_highest_number():
    assert count(["a.0.x", "a.11.x", "b.70.x"], "a.") == 12
    assert count([], "a.") == 0


TABLES = {
    "viclip": viclip.RENAMES,
    "videomae-pretrain": videomae.PRETRAIN_RENAMES,
    "videomae": videomae.CLASSIFIER_RENAMES,
    "uniformerv2": uniformerv2.RENAMES,
    "internvideo-mm": internvideo_mm.RENAMES,
    "internvideo-mm-checkpoint": internvideo_mm.CHECKPOINT_RENAMES,
    "caption-decoder": caption_decoder.RENAMES,
}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_line_of_a_published_table_hides_another(table):
    """Each line is the first to claim its own name, in both directions."""
    for theirs, ours in table:
        key = theirs.replace("{n}", "3") + ("x" if theirs.endswith(".") else "")
        expected = ours.replace("{n}", "3") + ("x" if theirs.endswith(".") else "")
        assert to_ours({key: 0}, table) == {expected: 0}
        assert to_theirs({expected: 0}, table) == {key: 0}
