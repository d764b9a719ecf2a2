import hashlib
import json
import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.errors import DamagedDataset
from internvideo.store import CLIP_KEY, VIDEO_KEY, OperatorSpec, shard_of, values
from tests.store.store_world import ALL, SCORES, SHOTS


def spec(**changes) -> OperatorSpec:
    given = {
        "name": "motion",
        "version": 3,
        "grain": "clip",
        "parameters": {"size": 64, "model": None, "prompt": "what\n\thappens?\x7f'''", "sizes": (1, 2.5)},
        "schema": pa.schema([*CLIP_KEY, ("score", pa.float32())]),
    }
    return OperatorSpec(**{**given, **changes})


@given(st.binary(), st.integers(1, 10_000))
def test_the_shard_of_a_file_follows_from_the_first_eight_digits_of_its_hash(content, shards):
    video = hashlib.sha256(content).hexdigest()
    assert shard_of(video, shards) == int(video[:8], 16) % shards
    record = f"ext:web:{video}"
    assert shard_of(record, shards) == int(hashlib.sha256(record.encode()).hexdigest()[:8], 16) % shards


@pytest.mark.parametrize("name", ["", "abc", "A" * 64, "0" * 63, "ext:only", "0" * 65])
def test_other_names_for_videos_are_refused(name):
    with pytest.raises(ValueError, match="64 hex digits or by ext:"):
        shard_of(name, 16)


def test_the_fingerprint_is_the_hash_of_the_canonical_text():
    text = json.dumps(
        {
            "grain": "clip",
            "name": "motion",
            "parameters": {"model": None, "prompt": "what\n\thappens?\x7f'''", "size": 64, "sizes": [1, 2.5]},
            "schema": "video: string\nstream: int16\nstart: int64\nend: int64\nitem: int32\nscore: float32",
            "version": 3,
        },
        separators=(",", ":"),
    )
    assert spec().fingerprint == hashlib.sha256(text.encode()).hexdigest()
    assert spec().key == "3-" + spec().fingerprint[:8]


def test_everything_but_the_order_of_parameters_changes_the_fingerprint():
    others = [
        spec(name="motions"),
        spec(version=4),
        spec(parameters={}),
        spec(parameters={**spec().parameters, "size": 64.0}),
        spec(schema=pa.schema([*CLIP_KEY, ("score", pa.float64())])),
    ]
    assert len({s.fingerprint for s in [spec(), *others]}) == 6
    assert spec(parameters=dict(reversed(spec().parameters.items()))) == spec()


@given(st.dictionaries(st.text(string.printable), st.none() | st.booleans() | st.integers() | st.text(), max_size=4))
def test_an_operator_reads_back_from_its_folder(tmp_path_factory, parameters):
    one = spec(parameters=parameters)
    folder = tmp_path_factory.mktemp("values") / one.name / one.key
    values.write_operator(folder, one)
    before = (folder / "operator.toml").read_bytes()
    assert values.read_operator(folder) == one
    values.write_operator(folder, one)
    assert (folder / "operator.toml").read_bytes() == before


@pytest.mark.parametrize("what", ["size", "64", "float32", "motion", "version = 3", "clip"])
def test_a_changed_operator_text_is_found_out(tmp_path, what):
    folder = tmp_path / spec().name / spec().key
    values.write_operator(folder, spec())
    path = folder / "operator.toml"
    changed = {"64": "65", "version = 3": "version = 4", "clip": "video", "float32": "float64"}.get(what, "else")
    path.write_text(path.read_text().replace(what, changed, 1))
    with pytest.raises(DamagedDataset):
        values.read_operator(folder)
    with pytest.raises(DamagedDataset):
        values.write_operator(folder, spec())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Motion"}, "lower case"),
        ({"name": "../up"}, "lower case"),
        ({"version": -1}, "negative"),
        ({"schema": pa.schema([*VIDEO_KEY, ("a", pa.int8())])}, "starts with"),
        ({"schema": pa.schema([*CLIP_KEY, ("input", pa.int8())])}, "belongs to the store"),
        ({"schema": pa.schema([*CLIP_KEY, ("a", pa.int8()), ("a", pa.int8())])}, "must differ"),
        ({"schema": pa.schema([*CLIP_KEY, ("a", pa.list_(pa.field("item", pa.int8(), False)))])}, "must be nullable"),
        ({"grain": "dataset", "segmenter": True}, "only a clip operator"),
    ],
)
def test_a_spec_that_cannot_be_kept_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        spec(**changes)


def test_parameters_that_are_no_json_are_refused():
    with pytest.raises(TypeError, match="operator parameters are"):
        spec(parameters={"a": {1, 2}}).fingerprint  # noqa: B018
    with pytest.raises(ValueError, match="JSON"):
        spec(parameters={"a": float("nan")}).fingerprint  # noqa: B018


def test_specs_are_equal_when_their_values_are():
    assert len({*ALL, *ALL}) == len(ALL)
    assert SHOTS != SCORES
    assert SHOTS != "shots"
