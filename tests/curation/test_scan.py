"""Scanning finds every video once, in a fixed order, and names what cannot be read."""

import os

import pytest

from internvideo.curation.scan import scan
from internvideo.errors import UsageError


def names(folder, **kwargs):
    return [found.relative for found in scan([folder]) if found.problem is None]


def problems(folder):
    return {found.relative: found.problem.kind for found in scan([folder]) if found.problem is not None}


def test_videos_are_found_by_suffix_at_any_depth_in_byte_order(tmp_path):
    for name in ["b.mp4", "a/z.MKV", "a/b/c.webm", "notes.txt", "a.mp4.part", ".hidden.mp4"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(tmp_path) == [b"a/b/c.webm", b"a/z.MKV", b"b.mp4"]


def test_a_folder_named_like_a_video_is_told_and_still_searched(tmp_path):
    (tmp_path / "x.mp4").mkdir()
    (tmp_path / "x.mp4" / "real.mp4").write_bytes(b"x")
    assert names(tmp_path) == [b"x.mp4/real.mp4"]
    assert problems(tmp_path) == {b"x.mp4": "not-a-video"}


def test_loops_of_links_end_and_dangling_links_are_told(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.mp4").write_bytes(b"x")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert names(tmp_path) == [b"a/one.mp4"]
    assert problems(tmp_path) == {b"gone.mp4": "missing", b"loop.mp4": "unreadable"}


def test_names_that_are_no_utf8_and_very_long_ones_are_found(tmp_path):
    odd = os.path.join(os.fsencode(tmp_path), b"caf\xe9.mp4")
    long = os.path.join(os.fsencode(tmp_path), b"n" * 251 + b".mp4")
    for path in (odd, long):
        with open(path, "wb") as file:
            file.write(b"x")
    found = list(scan([tmp_path]))
    assert {f.path for f in found} == {odd, long}
    assert all(f.name.isprintable() for f in found)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_video_and_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    assert problems(tmp_path) == {b"pipe.mp4": "not-a-video"}


def test_a_folder_that_does_not_exist_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        list(scan([tmp_path / "nope"]))
