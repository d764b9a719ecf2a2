"""Pictures come from the right frame, from the cache the second time, and never stop a report."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from internvideo.curation.report.thumbnails import BOX, Request, fitted, thumbnails
from internvideo.video.reader import open_video


def opened(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture
def film(shared):
    return shared / "data/hard/found/counter.mp4"


def test_a_thumbnail_shows_the_frame_on_screen_at_its_tick(film):
    with open_video(film) as video:
        ticks = [int(video.ticks[number]) for number in (0, 5, 17)]
        shape = fitted(video.facts.width, video.facts.height)
        frames = video.frames([0, 5, 17], size=shape)
    made = thumbnails([Request(f"clip {i}", str(film), 0, tick + (i > 0)) for i, tick in enumerate(ticks)])
    assert list(made) == ["clip 0", "clip 1", "clip 2"]
    for i, frame in enumerate(frames):
        picture = made[f"clip {i}"]
        assert (picture.height, picture.width) == shape and not picture.problem
        assert np.abs(opened(picture.jpeg) - frame).mean() < 6


def test_the_second_time_no_video_is_opened(film, tmp_path):
    requests = [Request("one.0.0-9", str(film), 0, 3), Request("ext:list:a/b", str(film), 0, 900)]
    first = thumbnails(requests, tmp_path / "cache" / "thumbnails")
    moved = [Request(request.clip, "/nowhere/film.mp4", 0, request.tick) for request in requests]
    assert thumbnails(moved, tmp_path / "cache" / "thumbnails") == first
    assert len(list((tmp_path / "cache" / "thumbnails").iterdir())) == 2


def test_a_damaged_picture_in_the_cache_is_made_again(film, tmp_path):
    request = Request("one.0.0-9", str(film), 0, 3)
    first = thumbnails([request], tmp_path)
    (kept,) = tmp_path.iterdir()
    for damage in (b"", b"no picture", kept.read_bytes()[:200]):
        kept.write_bytes(damage)
        assert thumbnails([request], tmp_path) == first
        assert kept.read_bytes() == first["one.0.0-9"].jpeg


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (None, "no file is known"),
        ("/nowhere/film.mp4", "the file is gone"),
        ("made/broken_no_moov.mp4", "does not open: truncated"),
        ("made/broken_html_error_page.mp4", "does not open: not-a-video"),
    ],
)
def test_what_cannot_be_had_is_told_and_not_kept(shared, tmp_path, path, said):
    place = str(shared / "data/hard" / path) if path and not path.startswith("/") else path
    made = thumbnails([Request("clip", place, 0, 0)], tmp_path / "cache")
    assert said in made["clip"].problem and not made["clip"].jpeg
    assert not (tmp_path / "cache").exists()


def test_a_stream_that_is_no_more_is_told(film):
    assert thumbnails([Request("clip", str(film), 7, 0)])["clip"].problem == "the file has changed"


def test_one_damaged_frame_leaves_the_others(shared):
    film = shared / "data/hard/made/broken_bit_errors.mp4"
    with open_video(film) as video:
        ticks = video.ticks.tolist()
    made = thumbnails([Request(str(tick), str(film), 0, tick) for tick in ticks])
    assert len(made) == len(ticks)
    good = [picture for picture in made.values() if picture.jpeg]
    bad = [picture for picture in made.values() if picture.problem]
    assert len(good) > 30 and bad and all("does not decode" in picture.problem for picture in bad)


def test_a_cache_that_cannot_be_written_is_done_without(film, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert thumbnails([Request("clip", str(film), 0, 0)], tmp_path / "file" / "cache")["clip"].jpeg


@given(width=st.integers(1, 9000), height=st.integers(1, 9000), aspect=st.floats(0.2, 5))
def test_a_fitted_picture_keeps_its_shape_and_is_never_enlarged(width, height, aspect):
    tall, wide = fitted(width, height, aspect)
    assert 1 <= wide <= BOX[0] and 1 <= tall <= BOX[1]
    assert tall <= height and wide <= max(1, round(width * aspect))
    if min(tall, wide) > 20:
        assert wide / tall == pytest.approx(width * aspect / height, rel=0.06)


def test_a_turned_film_gives_an_upright_picture(shared):
    film = shared / "data/hard/made/rotated_90.mp4"
    with open_video(film) as video:
        upright = video.facts.height > video.facts.width
    picture = thumbnails([Request("clip", str(film), 0, 0)])["clip"]
    assert (picture.height > picture.width) == upright
