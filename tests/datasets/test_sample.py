"""Lists in columns: what goes in comes out, equal lists have equal hashes, and coverage counts what is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.datasets.sample import CHUNK, Member, Sample, Samples, coverage, member_of, uid_of, with_text
from internvideo.records import Span

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SPANS = st.tuples(st.floats(-5, 1e6), st.floats(0.001, 1e4)).map(lambda pair: Span(pair[0], pair[0] + pair[1] + 1e-3))
SAMPLES = st.builds(
    Sample,
    uid=st.integers(0, 2**63 - 1),
    path=st.one_of(TEXT, st.just("odd\udcff.mp4")),
    span=st.none() | SPANS,
    captions=st.lists(TEXT, max_size=3).map(tuple),
    label=st.none() | st.integers(-(2**31), 2**31 - 1),
    source=TEXT,
    media=st.sampled_from(["video", "image"]),
    soft=st.lists(st.tuples(st.integers(0, 2**31 - 1), st.floats(0, 1)), max_size=3).map(tuple),
)


@given(samples=st.lists(SAMPLES, max_size=9))
def test_what_goes_into_a_list_comes_out(samples):
    packed = Samples(samples)
    assert list(packed) == samples == [packed[place] for place in range(len(samples))]
    assert list(packed[1:-1]) == samples[1:-1]
    assert packed.captioned == sum(bool(each.captions) for each in samples)
    assert packed.labelled == sum(each.label is not None for each in samples)
    assert set(packed.media) == {each.media for each in samples}


def test_lists_longer_than_a_block_keep_their_order():
    packed = Samples(Sample(uid, str(uid)) for uid in range(CHUNK + 3))
    assert len(packed) == CHUNK + 3
    assert [packed[place].uid for place in (0, CHUNK - 1, CHUNK, -1)] == [0, CHUNK - 1, CHUNK, CHUNK + 2]
    with pytest.raises(IndexError):
        packed[CHUNK + 3]


def test_the_hash_of_a_list_is_of_what_it_says_and_not_of_where_it_lies():
    first = Sample(1, "/here/a.mp4", Span(0, 2), ("x",), 3)
    assert Samples([first]).hash == Samples([Sample(1, "/there/a.mp4", Span(0, 2), ("x",), 3)]).hash
    others = [
        Sample(2, first.path, first.span, ("x",), 3),
        Sample(1, "", Span(0, 3), ("x",), 3),
        Sample(1, "", Span(0, 2), ("y",), 3),
    ]
    others += [Sample(1, "", Span(0, 2), ("x",), 4), Sample(1, "", Span(0, 2), ("x",), 3, media="image")]
    others += [Sample(1, "", Span(0, 2), ("x",), 3, soft=((3, share), (4, 1 - share))) for share in (0.75, 0.5)]
    hashes = {Samples([each]).hash for each in [first, *others]}
    assert len(hashes) == 8
    assert Samples([first]).hash[:8] == "97cfd332"  # runs that were begun with such lists go on
    assert Samples([first, others[0]]).hash != Samples([others[0], first]).hash


def test_uids_differ_by_corpus_name_and_span():
    uids = {uid_of("a", "x"), uid_of("b", "x"), uid_of("a", "y"), uid_of("a", "x", Span(0, 1)), uid_of("ax", "")}
    assert len(uids) == 5 and all(0 <= uid < 2**63 for uid in uids)
    assert uid_of("webvid", "1066692580") == 5392840785982871266  # the same for ever, on every machine


@given(tar=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), offset=st.integers(0), size=st.integers(0))
def test_a_place_in_a_shard_is_read_back(tar, offset, size):
    member = Member(tar, offset, size, "mp4")
    assert member_of(member.path) == member


def test_ordinary_names_are_no_places_in_shards():
    assert member_of("a#1+2/b.mp4") is None and member_of("") is None


def test_coverage_counts_files_once_and_samples_always(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "s.tar").write_bytes(b"x")
    here, gone, shard = (str(tmp_path / name) for name in ("a.mp4", "gone.mp4", "s.tar"))
    paths = [here, here, gone, gone, gone, f"{shard}#0+1.mp4", ""]
    samples = Samples(Sample(uid, path) for uid, path in enumerate(paths))
    found = coverage(samples)
    assert (found.samples, found.files, found.missing_files, found.missing_samples) == (7, 4, 2, 4)
    assert found.share == 4 / 7 and found.examples == [gone, ""] and found.list_hash == samples.hash


def test_with_text_drops_short_captions_and_samples_without():
    samples = [Sample(0, "", captions=("one", "two words")), Sample(1, "", captions=("one",)), Sample(2, "")]
    assert [(each.uid, each.captions) for each in with_text(samples)] == [(0, ("two words",))]
