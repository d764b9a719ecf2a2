import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.store import toml_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = TEXT | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_reads_back(values):
    assert tomllib.loads(toml_text.dumps(values)) == values


@given(TEXT)
def test_long_text_reads_back(text):
    lines = f"{text}\n{text}\n"
    assert tomllib.loads(toml_text.dumps({"text": lines})) == {"text": lines}


def test_nan_is_kept_and_none_is_left_out():
    read = tomllib.loads(toml_text.dumps({"a": math.nan, "b": None, "c": {"d": None}, "e": [{"f": None, "g": 1}]}))
    assert math.isnan(read.pop("a"))
    assert read == {"c": {}, "e": [{"g": 1}]}


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="cannot hold bytes"):
        toml_text.dumps({"a": b"raw"})
