"""What is said of a file is what was written into it."""

import json
from fractions import Fraction

import av
import numpy as np
import pytest

from internvideo.errors import NoFrames
from internvideo.video.probe import probe
from tests.video.reader_films import Film, make, picture, x264


def test_facts_are_what_was_written(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        container.metadata.update(
            {"title": "A day\udcff at sea".encode("utf-8", "replace").decode(), "DATE": "2021-03-04"}
        )
        film = container.add_stream("libx264", rate=Fraction(30000, 1001), options={"bf": "2"})
        film.width, film.height, film.pix_fmt, film.bit_rate = 160, 96, "yuv420p", 200_000
        film.codec_context.sample_aspect_ratio = Fraction(4, 3)
        film.colorspace, film.color_range, film.color_primaries, film.color_trc = 1, 1, 1, 1
        film.metadata["language"] = "jpn"
        sound = container.add_stream("aac", rate=22050, layout="mono")
        sound.metadata["language"] = "kor"
        for number in range(30):
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture(number, 160, 96), format="rgb24")))
        for _ in range(100):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 22050
            container.mux(sound.encode(frame))
        container.mux(film.encode(None))
        container.mux(sound.encode(None))
    facts = probe(path, count=True)
    assert (facts.container, facts.codec, facts.pixel_format) == ("matroska,webm", "h264", "yuv420p")
    assert (facts.width, facts.height, facts.sample_aspect_ratio) == (160, 96, Fraction(4, 3))
    assert facts.average_fps == facts.nominal_fps == Fraction(30000, 1001)
    assert facts.variable_frame_rate is False
    assert facts.seconds == pytest.approx(30 * 1001 / 30000, abs=0.002)
    assert facts.counted_frames == 30 and facts.header_frames is None
    assert (facts.colour_matrix, facts.colour_range) == ("bt709", "mpeg")
    assert (facts.colour_primaries, facts.colour_transfer) == ("bt709", "bt709")
    assert (facts.language, facts.date) == ("jpn", "2021-03-04") and facts.title.startswith("A day")
    assert [(s.codec, s.rate, s.channels, s.language) for s in facts.sounds] == [("aac", 22050, 1, "kor")]
    row = facts.as_row()
    assert json.loads(json.dumps(row)) == row
    assert row["average_fps"] == "30000/1001" and row["sound_codec"] == "aac" and row["sound_streams"] == 1


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv", "nut"])
def test_an_uneven_film_is_told_from_an_even_one(suffix, tmp_path):
    even = make(x264(f"even.{suffix}", "keyint=12:bframes=2"), tmp_path)
    uneven = make(x264(f"uneven.{suffix}", "keyint=12:bframes=2", ticks=lambda i: 33 * i + i * i % 29), tmp_path)
    assert probe(even).variable_frame_rate is False
    assert probe(uneven).variable_frame_rate is True


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "flv"])
def test_seconds_are_those_of_the_pictures_not_of_a_longer_sound(suffix, tmp_path):
    path = tmp_path / f"film.{suffix}"
    with av.open(str(path), "w") as container:
        film = container.add_stream("libx264", rate=25, options={"g": "10", "bf": "0"})
        film.width, film.height, film.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream("aac", rate=44100, layout="mono")
        for number in range(25):
            container.mux(film.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        for _ in range(130):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(sound.encode(frame))
        container.mux(film.encode(None))
        container.mux(sound.encode(None))
    assert probe(path).seconds == pytest.approx(1.0, abs=0.045)


def test_a_film_of_which_nothing_decodes_is_told(tmp_path):
    path = make(Film("film.avi", "mjpeg", pixels="yuvj420p", frames=3), tmp_path)
    raw = bytearray(path.read_bytes())
    start = raw.find(b"movi")
    end = raw.find(b"idx1")
    place = raw.find(b"00dc", start)
    while 0 <= place < end:
        length = int.from_bytes(raw[place + 4 : place + 8], "little")
        raw[place + 8 : place + 8 + length] = bytes(length)
        place = raw.find(b"00dc", place + 8 + length)
    path.write_bytes(raw)
    with pytest.raises(NoFrames):
        probe(path)
