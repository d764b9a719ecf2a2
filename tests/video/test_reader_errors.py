"""What cannot be read is refused: at once, by its right name, without noise, and without taking memory first."""

import os
import subprocess
import sys
import threading

import av
import numpy as np
import pytest
from av.stream import Disposition

from internvideo.errors import (
    InternVideoError,
    MissingVideo,
    NoFrames,
    NotAVideo,
    OverLimits,
    TruncatedVideo,
    UnreadableVideo,
    UsageError,
)
from internvideo.video.limits import DEFAULT_LIMITS, Limits
from internvideo.video.probe import probe
from internvideo.video.reader import open_video
from tests.video.reader_films import HEIGHT, WIDTH, Film, make, picture, x264


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make(
        x264("film.mp4", "keyint=20:bframes=2", container={"movflags": "faststart"}), tmp_path_factory.mktemp("f")
    )


def write(path, content):
    path.write_bytes(content)
    return path


CONTENTS = {
    "empty": (b"", NotAVideo, "0 bytes"),
    "text": (b"a shopping list: milk, bread\n" * 400, NotAVideo, "text"),
    "foreign text": ("список покупок: молоко\n" * 400, NotAVideo, "text"),
    "page": (b"\n<!DOCTYPE html><html><body>404</body></html>", NotAVideo, "web page"),
    "zeros": (bytes(70_000), NotAVideo, "zeros"),
    "noise": (np.random.default_rng(3).bytes(50_000), NotAVideo, "no known format"),
    "subtitles": (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 9, NotAVideo, "neither pictures nor sound"),
    "matroska head": (bytes.fromhex("1a45dfa3") + b"\0" * 40, TruncatedVideo, "Matroska"),
    "playlist": (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfilm.mp4\n#EXT-X-ENDLIST\n", NotAVideo, "text"),
    "list of parts": (b"ffconcat version 1.0\nfile film.mp4\n", NotAVideo, "text"),
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("suffix", [".mp4", ".txt", ".m3u8", ".avi"])
def test_contents_that_are_no_film_are_told_by_their_bytes(kind, suffix, tmp_path, film):
    content, error, words = CONTENTS[kind]
    path = write(tmp_path / f"x{suffix}", content.encode() if isinstance(content, str) else content)
    (tmp_path / "film.mp4").exists() or os.link(film, tmp_path / "film.mp4")
    with pytest.raises(error, match=words) as caught:
        open_video(path)
    assert caught.value.hint and caught.value.__cause__ is None


def test_places_that_hold_no_file(tmp_path):
    for path in (tmp_path / "nothing.mp4", tmp_path / "film.mp4" / "x", "a\0b", ""):
        with pytest.raises(MissingVideo):
            open_video(path)
    with pytest.raises(NotAVideo, match="folder"):
        open_video(tmp_path)
    with pytest.raises(UnreadableVideo):
        open_video(tmp_path / ("x" * 300))
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    with pytest.raises(UnreadableVideo):
        open_video(loop)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "pipe.mp4")
    for name in ("pipe.mp4", "link.mp4"):
        with pytest.raises(UnreadableVideo, match="pipe"):
            open_video(tmp_path / name)
    with pytest.raises(UnreadableVideo):
        open_video("/dev/zero")


@pytest.mark.parametrize("with_cover", [False, True])
def test_sound_alone_and_a_cover_image_are_no_film(with_cover, tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("aac", rate=44100)
        if with_cover:
            cover = container.add_stream("mjpeg", rate=1)
            cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
            cover.disposition = Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
        if with_cover:
            container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")))
            container.mux(cover.encode(None))
    with pytest.raises(NoFrames, match="cover image" if with_cover else "only sound"):
        open_video(path)


@pytest.mark.parametrize("share", [0.004, 0.01, 0.03, 0.2, 0.5, 0.9, 0.99])
def test_a_film_cut_anywhere_gives_a_clear_error_or_what_is_there(share, film, tmp_path):
    whole = film.read_bytes()
    path = write(tmp_path / "cut.mp4", whole[: int(len(whole) * share)])
    try:
        video = open_video(path)
    except InternVideoError as error:
        assert isinstance(error, TruncatedVideo)
        return
    with video, open_video(film) as complete:
        try:
            count = len(video)
        except NoFrames:
            return
        assert count < 48
        assert video.ticks.tolist() == sorted(set(video.ticks) & set(complete.ticks))
        same = [complete._index.labels.tolist().index(tick) for tick in video.ticks]  # the last group may have gaps
        assert (video.frames(range(count)) == complete.frames(same)).all()
        with pytest.raises(TruncatedVideo):
            video.frames([47])


@pytest.mark.parametrize("numbers", [[48], [-1], [0, 3, 99], np.array([-5])])
def test_numbers_that_do_not_exist_are_named(numbers, film):
    with open_video(film) as video, pytest.raises(UsageError, match=f"no frame {max(numbers, key=abs)}"):
        video.frames(numbers)


def test_wrong_use_is_told(film):
    with open_video(film) as video:
        for size in ((0, 5), (5, -1)):
            with pytest.raises(UsageError, match="height, width"):
                video.frames([0], size=size)
        with pytest.raises(UsageError, match="at least 1"):
            next(video.blocks(0))
        with pytest.raises(TypeError):
            video.frames([1.5])
        with pytest.raises(UsageError, match="did you mean `middle`"):
            video.clip(4, "midle")
    with pytest.raises(UsageError, match=r"stream 7 .* is not a video stream"):
        open_video(film, stream=7)
    with pytest.raises(ValueError, match="closed"):
        video.frames([0])
    video.close()


@pytest.mark.parametrize(("side", "words"), [(10_000, "has: 100,000,000 pixels"), (20_000, "20000x20000, more than")])
def test_a_few_bytes_that_promise_a_giant_picture_are_refused(side, words, tmp_path):
    wide = side.to_bytes(2, "little") * 2
    bomb = b"GIF89a" + wide + bytes(3) + b"," + bytes(4) + wide + b"\0\x02\x02\x44\x01\0;"
    with pytest.raises(OverLimits, match=words) as caught:
        open_video(write(tmp_path / "bomb.gif", bomb)).frames([0])
    assert "Limits(pixels=" in caught.value.hint


def test_limits_hold_before_memory_is_taken(film, monkeypatch):
    for name, value in (("frames", 47), ("pixels", 96 * 64 - 1), ("seconds", 1.5), ("array_bytes", 96 * 64 * 3)):
        monkeypatch.setenv(f"INTERNVIDEO_{name.upper()}", "999999999")
        with (
            pytest.raises(OverLimits, match=name.replace("_", " ")),
            open_video(film, limits=Limits(**{name: value})) as v,
        ):
            v.frames([0, 1])
    with open_video(film) as video, pytest.raises(OverLimits):
        video.frames([0], size=(100_000, 100_000))
    assert open_video(film).limits is DEFAULT_LIMITS
    with pytest.raises(ValueError, match="positive"):
        Limits(frames=0)


def test_a_picture_that_grows_past_the_limit_is_not_decoded(tmp_path):
    """The second half of a raw stream is larger than its head says."""
    small = make(x264("small.h264", "keyint=12", frames=12), tmp_path).read_bytes()
    large = make(x264("large.h264", "keyint=12", frames=12, size=(192, 128)), tmp_path).read_bytes()
    path = write(tmp_path / "growing.h264", small + large)
    with open_video(path) as video:
        assert len(video) == 24
        assert video.frames([0, 20]).shape == (2, 64, 96, 3)
    with open_video(path, limits=Limits(pixels=100 * 100)) as video:
        assert [p.number for p in video.pictures()] == list(range(12))


def test_nothing_is_printed_and_nothing_stays_open(film, tmp_path, shared):
    broken = shared / "data" / "hard" / "found" / "corrupted.mp4"
    code = """
import os, sys
from internvideo.video.reader import open_video
from internvideo.video.probe import probe
for threads in (1, 0):
    with open_video(sys.argv[1], threads=threads) as video:
        list(video.pictures()); list(video.blocks(9, size=(9, 9)))
        try: video.frames(range(len(video)), size=(9, 9))
        except Exception as error: assert error.kind == "damaged", error
for path in sys.argv[2:]:
    try: probe(path)
    except Exception as error: assert error.kind, error
if os.path.isdir("/proc/self/fd"):
    places = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
    links = [os.readlink(place) for place in places if os.path.exists(place)]
    assert not [link for link in links if link.endswith(".mp4")], links
"""
    junk = write(tmp_path / "junk.mp4", film.read_bytes()[:3000])
    done = subprocess.run(
        [sys.executable, "-c", code, broken, junk, tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_two_threads_read_two_videos_at_once(film):
    failures = []

    def work(numbers):
        try:
            with open_video(film) as video:
                wanted = video.frames(range(48))
                for _ in range(5):
                    assert (video.frames(numbers) == wanted[numbers]).all()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=([n, 47 - n],)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures


def test_a_file_that_vanishes_is_told(film, tmp_path):
    path = write(tmp_path / "gone.mp4", film.read_bytes())
    with open_video(path) as video:
        assert len(video) == 48
        path.unlink()
        with pytest.raises(MissingVideo):
            list(video.pictures())
    with pytest.raises(MissingVideo):
        probe(path)


def test_an_unknown_codec_is_told(tmp_path):
    path = make(Film("film.avi", "mjpeg", pixels="yuvj420p", frames=3), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"ZQZQ"))
    with pytest.raises(InternVideoError) as caught:
        open_video(path).frames([0])
    assert caught.value.kind in ("unsupported-codec", "no-frames")
