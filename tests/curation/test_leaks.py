"""Clips that show what an evaluation set shows, on made worlds: found at any shift, and never anybody else's."""

import numpy as np
import pyarrow as pa

from internvideo.curation.leaks import FINGERPRINTS, Fingerprints, Leaks
from tests.curation.test_duplicates import FINE, SCENES, Film, clip, tables, world


def prints(name: str, films: dict[str, Film]) -> Fingerprints:
    rows = [{**row, "name": film} for film in sorted(films) for row in films[film].frames(film)]
    kept = [{key: row[key] for key in FINGERPRINTS.names} for row in rows]
    return Fingerprints(name, name, pa.Table.from_pylist(kept, schema=FINGERPRINTS))


def leaks(films, sets, clips=None):
    rows = Leaks(sets=tuple(sets)).process_all(tables(films, clips)).to_pylist()
    return [(row["video"], row["start"] / 1000, row["evaluation_set"], row["evaluation_video"]) for row in rows]


def test_copies_are_found_in_any_set_and_copies_of_each_other_do_not_matter():
    films = {**SCENES, "again": Film(world(1, 8), phase=0.2)}
    sets = [
        prints("one", {"test a": Film(world(2, 8), phase=0.1, noise=5)}),
        prints("two", {"test b": Film(world(9, 8))}),
    ]
    assert leaks(films, sets) == [("scene 2", 0.0, "one", "test a")]
    assert leaks(films, []) == [] and leaks(films, [prints("none", {})]) == []
    both = [*sets, prints("three", {"test c": Film(world(1, 8))})]
    assert [name for name, *_ in leaks(films, both)] == ["again", "scene 1", "scene 2"]


def test_a_test_video_inside_a_long_clip_and_a_clip_inside_a_test_video_are_found():
    long = world(5, 40)
    excerpt = {"inside": Film(long[12 * FINE : 18 * FINE])}
    assert leaks({"long": Film(long)}, [prints("test", excerpt)]) == [("long", 0.0, "test", "inside")]
    whole = {"whole": Film(long)}
    assert leaks({"part": Film(long[12 * FINE : 18 * FINE])}, [prints("test", whole)]) == [
        ("part", 0.0, "test", "whole")
    ]


def test_clips_too_short_to_be_compared_leak_with_their_video():
    film = Film(world(7, 20))
    clips = [clip("film", 0, 8), clip("film", 8, 8.9), clip("film", 8.9, 12), clip("film", 15, 20)]
    found = leaks({"film": film, **SCENES}, [prints("test", {"part": Film(film.bits[2 * FINE : 13 * FINE])})], clips)
    assert [start for _, start, *_ in found] == [0.0, 8.0, 8.9], "what lies after the test video does not leak"


def test_rows_say_how_much_is_shared():
    film = Film(world(3, 12))
    (row,) = (
        Leaks(sets=(prints("t", {"v": Film(film.bits[: 6 * FINE])}),)).process_all(tables({"film": film})).to_pylist()
    )
    assert abs(row["share"] - 0.5) < 0.1 and row["covered"] > 0.9 and 0.95 < row["similarity"] <= 1
    assert np.isfinite([row["share"], row["covered"]]).all()
