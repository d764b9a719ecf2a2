import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.errors import DamagedDataset
from internvideo.store import CLIP_KEY, shards
from internvideo.store.shards import WrongSchema
from tests.store.store_world import SCORES, scores, video_id

PLAIN = SCORES.plain_schema


def with_input(table: pa.Table, text: str = "x") -> pa.Table:
    rows = [{**row, "input": text} for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=PLAIN)


def whole(numbers) -> pa.Table:
    return pa.concat_tables([PLAIN.empty_table(), *(with_input(scores(number)) for number in numbers)])


@given(st.permutations(range(8)), st.lists(st.integers(1, 7), max_size=3))
def test_the_same_rows_in_any_order_and_any_chunks_are_the_same_bytes(order, cuts):
    straight = shards.sort_by(whole(range(8)), SCORES.keys)
    mixed = whole(order)
    edges = [0, *sorted(cuts), mixed.num_rows]
    pieces = pa.concat_tables([mixed.slice(a, b - a) for a, b in pairwise(edges)])
    again = shards.sort_by(pieces, SCORES.keys)
    assert shards.encode(again, SCORES.file_schema) == shards.encode(straight, SCORES.file_schema)


@given(st.sets(st.integers(0, 9)), st.dictionaries(st.integers(0, 9), st.booleans()))
def test_folding_is_the_old_rows_of_the_others_and_the_new_rows(old, new):
    """Against a plain twin on lists of dicts."""
    tables = {video_id(n): with_input(scores(n, shift=1), "new") if some else whole([]) for n, some in new.items()}
    folded = shards.fold(whole(old) if old else None, tables, PLAIN, SCORES.keys)
    twin = [row for row in whole(old).to_pylist() if row["video"] not in tables]
    twin += [row for table in tables.values() for row in table.to_pylist()]
    assert folded.to_pylist() == sorted(twin, key=lambda row: [row[key] for key in SCORES.keys])


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(-2, 2), st.integers(0, 1)), max_size=6))
def test_sorted_means_every_key_is_greater_than_the_one_before(keys):
    table = pa.Table.from_pylist(
        [{"video": v, "start": s, "item": i} for v, s, i in keys],
        schema=pa.schema([("video", pa.string()), ("start", pa.int64()), ("item", pa.int32())]),
    )
    names = ["video", "start", "item"]
    assert shards.is_sorted(table, names) == all(a < b for a, b in pairwise(keys))
    assert shards.sort_by(table, names).num_rows == len(keys)


def test_what_is_written_reads_back_with_every_kind_of_column(tmp_path):
    table = shards.sort_by(whole(range(12)), SCORES.keys)
    path = tmp_path / "shard-0000.parquet"
    path.write_bytes(shards.encode(table, SCORES.file_schema))
    assert shards.read(path, SCORES.file_schema) == table
    some = ["video", "label"]
    assert shards.read(path, SCORES.file_schema, some) == table.select(some)
    assert shards.unpack(shards.pack(table), PLAIN) == table
    assert shards.unpack(shards.pack(table.slice(0, 0)), PLAIN).num_rows == 0


def test_more_rows_than_one_row_group_hold_do_not_depend_on_how_they_came(tmp_path):
    count = shards.ROW_GROUP * 2 + 17
    schema = pa.schema([*CLIP_KEY, ("word", pa.dictionary(pa.int32(), pa.string())), ("score", pa.float64())])
    plain = pa.schema([*CLIP_KEY, ("word", pa.string()), ("score", pa.float64())])
    numbers = np.arange(count)
    table = pa.table(
        [
            pa.array([video_id(0)] * count),
            pa.array(np.zeros(count, np.int16)),
            pa.array(numbers),
            pa.array(numbers + 1),
            pa.array(np.zeros(count, np.int32)),
            pa.array([f"word {n % 7}" if n % 11 else None for n in numbers]),
            pa.array(np.where(numbers % 5 == 0, math.nan, numbers / 3)),
        ],
        schema=plain,
    )
    keys = CLIP_KEY.names
    data = shards.encode(table, schema)
    mixed = table.take(np.random.default_rng(0).permutation(count))
    assert shards.encode(shards.sort_by(mixed, keys), schema) == data
    path = tmp_path / "shard-0000.parquet"
    path.write_bytes(data)
    assert shards.read(path, schema).slice(count - 3).drop_columns("score") == table.slice(count - 3).drop_columns(
        "score"
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_bit_in_the_pages_never_reads_as_other_rows(tmp_path_factory, data):
    table = shards.sort_by(whole(range(12)), SCORES.keys)
    good = shards.encode(table, SCORES.file_schema)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("flip") / "shard-0000.parquet"
    path.write_bytes(bad)
    try:
        rows = shards.read(path, SCORES.file_schema)
    except DamagedDataset:
        return
    assert rows.num_rows == table.num_rows  # the footer has no checksum: `verify` compares the hash of the file


def test_other_columns_a_torn_file_and_no_file_are_damage(tmp_path):
    path = tmp_path / "shard-0000.parquet"
    with pytest.raises(DamagedDataset, match="is missing"):
        shards.read(path, SCORES.file_schema)
    assert shards.read_if_there(path, SCORES.file_schema) is None
    data = shards.encode(whole([1]), SCORES.file_schema)
    path.write_bytes(data[:-20])
    with pytest.raises(DamagedDataset, match="does not read"):
        shards.read(path, SCORES.file_schema)
    path.write_bytes(data)
    with pytest.raises(WrongSchema, match="other columns"):
        shards.read(path, shards.EMPTY_SCHEMA)
