"""One text stands for a clip: about the clip before about the film; what is heard or a name only where asked for."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from internvideo.store.best_caption import ALL_SCALES, CAPTION_SCALES, best, best_first

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "clip": st.sampled_from(["a.0.0-1", "b.0.0-1", "c.0.0-1"]),
            "item": st.integers(0, 5),
            "text": st.sampled_from(["x", "y", "", None]),
            "scale": st.sampled_from([*ALL_SCALES, "dream"]),
            "covers": st.sampled_from([0.0, 0.5, 1.0, None]),
        }
    ),
    max_size=25,
)
SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("item", pa.int32()),
        ("text", pa.string()),
        ("scale", pa.string()),
        ("covers", pa.float64()),
    ]
)


@given(rows=ROWS, scales=st.sampled_from([CAPTION_SCALES, ALL_SCALES, ("title", "clip"), ("clip",)]))
def test_the_best_caption_is_what_a_plain_search_finds(rows, scales):
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    ordered = best_first(table, scales)
    found = {clip: ordered.slice(row, 1).to_pylist()[0] for clip, row in best(table, scales).items()}
    for clip in {row["clip"] for row in rows}:
        mine = [row for row in rows if row["clip"] == clip and row["text"] and row["scale"] in scales]
        if not mine:
            assert clip not in found
            continue
        expected = min(mine, key=lambda row: (scales.index(row["scale"]), -(row["covers"] or 0), row["item"]))
        keys = ("scale", "item")
        assert [found[clip][key] for key in keys] == [expected[key] for key in keys]
        assert (found[clip]["covers"] or 0) == (expected["covers"] or 0)


@given(rows=ROWS)
def test_every_text_of_the_scales_is_kept_in_order_of_clips(rows):
    ordered = best_first(pa.Table.from_pylist(rows, schema=SCHEMA)).to_pylist()
    assert len(ordered) == sum(bool(row["text"]) and row["scale"] in ALL_SCALES for row in rows)
    assert [row["clip"] for row in ordered] == sorted(row["clip"] for row in ordered)


def test_transcripts_and_titles_are_no_captions_unless_asked():
    rows = [
        {"clip": "a", "item": 0, "text": "hello", "scale": scale, "covers": 1.0} for scale in ("transcript", "title")
    ]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    assert best(table) == {}
    assert best(table, ALL_SCALES) == {"a": 0}


def test_texts_without_known_cover_are_chosen_too():
    table = pa.Table.from_pylist([{"clip": "a", "item": 0, "text": "t", "scale": "clip"}], schema=SCHEMA.remove(4))
    assert best(table) == {"a": 0}
