import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.store import schema_text

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
INNER = st.recursive(
    st.sampled_from(list(schema_text.SCALARS.values())),
    lambda kind: (
        kind.map(pa.list_)
        | st.tuples(kind, st.integers(1, 700)).map(lambda pair: pa.list_(*pair))
        | st.dictionaries(NAMES, kind, min_size=1, max_size=3).map(lambda fields: pa.struct(list(fields.items())))
    ),
    max_leaves=4,
)
FIELDS = st.builds(pa.field, NAMES, INNER | st.just(schema_text.CATEGORY), nullable=st.booleans())


@given(st.lists(FIELDS, min_size=1, max_size=5, unique_by=lambda field: field.name))
def test_a_schema_reads_back_from_its_text(fields):
    schema = pa.schema(fields)
    assert schema_text.from_text(schema_text.to_text(schema)) == schema


@given(st.text("abcint8<>,: list_struc0\n", max_size=40))
def test_nonsense_is_refused_with_a_value_error_or_is_a_schema(text):
    try:
        schema = schema_text.from_text(text)
    except ValueError:
        return
    assert schema_text.from_text(schema_text.to_text(schema)) == schema


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.large_string(), pa.list_(schema_text.CATEGORY), pa.null()])
def test_other_types_are_refused_by_name(kind):
    with pytest.raises(ValueError, match="cannot be kept; use bool, int8"):
        schema_text.to_text(pa.schema([("a", kind)]))


def test_plain_columns_are_the_same_without_categories():
    schema = pa.schema([("a", schema_text.CATEGORY), ("b", pa.float16())])
    assert schema_text.plain(schema) == pa.schema([("a", pa.string()), ("b", pa.float16())])
