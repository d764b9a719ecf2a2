"""Any frame fetched in any way is the frame that decoding the whole file gives, bit for bit."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from internvideo.video import locate, passes
from internvideo.video.reader import open_video
from tests.video.reader_films import Film, decode_all, digest, make, number_of, x264

X265 = {"preset": "ultrafast"}
FILMS = [
    x264("plain.mp4", "keyint=20:bframes=3"),
    x264("open.mkv", "keyint=16:bframes=3:open-gop=1"),
    x264("open.ts", "keyint=16:bframes=3:open-gop=1"),
    x264("pyramid.mp4", "keyint=30:bframes=8:b-pyramid=normal:ref=5"),
    x264("refresh.mkv", "keyint=16:bframes=0:intra-refresh=1"),
    x264("refresh.ts", "keyint=16:bframes=3:intra-refresh=1"),
    x264("fields.mp4", "keyint=20:interlaced=1:tff=1"),
    x264("fields.ts", "keyint=20:interlaced=1:tff=1"),
    x264("baseline.flv", "keyint=20", profile="baseline"),
    x264("dts_only.avi", "keyint=20:bframes=3"),
    x264("raw.h264", "keyint=20:bframes=3"),
    x264("fragments.mp4", "keyint=20:bframes=3", container={"movflags": "frag_keyframe+empty_moov"}),
    x264("trimmed.mp4", "keyint=20:bframes=3", ticks=lambda i: 40 * (i - 10)),  # an edit list hides 10 frames
    x264("uneven.mp4", "keyint=20:bframes=3", ticks=lambda i: 33 * i + i * i % 29),
    x264("uneven.mkv", "keyint=20:bframes=3", ticks=lambda i: 33 * i + i * i % 29),
    x264("wrapping.ts", "keyint=20:bframes=2", container={"output_ts_offset": "95443"}),
    Film("plain265.mp4", "libx265", {**X265, "x265-params": "keyint=20:bframes=3:open-gop=0:log-level=none"}),
    Film(
        "open265.mkv", "libx265", {**X265, "x265-params": "keyint=16:min-keyint=16:bframes=4:open-gop=1:log-level=none"}
    ),
    Film("layers.mp4", "libx265", {**X265, "x265-params": "keyint=20:bframes=4:temporal-layers=2:log-level=none"}),
    Film(
        "hidden.webm", "libvpx-vp9", {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "12", "b": "200k"}, gop=24
    ),
    Film("hidden8.webm", "libvpx", {"cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "12", "b": "200k"}, gop=24),
    Film("b.ts", "mpeg2video", {"b": "400k"}, gop=12, b_frames=2),
    Film("b.mpg", "mpeg1video", {"b": "400k"}, gop=12, b_frames=2),
    Film("b.mkv", "mpeg2video", {"b": "400k"}, gop=12, b_frames=2),
    Film("b.avi", "mpeg4", {"b": "400k"}, gop=12, b_frames=2),
    Film("p.mov", "mpeg4", {"b": "400k"}, gop=12, b_frames=0),
    Film("old.wmv", "wmv2", {"b": "400k"}, gop=12),
    Film("old.flv", "flv", {"b": "400k"}, gop=12),
    Film("intra.mov", "prores_ks", pixels="yuv422p10le", frames=12),
    Film("moving.gif", "gif", pixels="rgb8", frames=16),
    Film("moving.apng", "apng", pixels="rgb24", frames=12),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """film -> (path, frames of the slow twin), each made once."""
    folder, known = tmp_path_factory.mktemp("films"), {}

    def once(film):
        if film.name not in known:
            path = make(film, folder)
            known[film.name] = path, decode_all(path)
        return known[film.name]

    return once


def once_per_film(examples):
    checks = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, suppress_health_check=checks)


@pytest.mark.parametrize("film", FILMS, ids=str)
def test_length_ticks_and_dense_pass_are_those_of_a_full_decode(film, made):
    path, plain = made(film)
    with open_video(path) as video:
        assert len(video) == len(plain) == film.frames - 10 * (film.name == "trimmed.mp4")
        told = [tick for tick, _ in plain]
        if None not in told and told == sorted(set(told)):
            assert video.ticks.tolist() == told
        assert (np.diff(video.ticks) > 0).all()
        seen = [(p.number, p.tick, digest(p.frame)) for p in video.pictures()]
    assert seen == [(n, int(video.ticks[n]), same) for n, (_, same) in enumerate(plain)]
    assert video.damage.missing == video.damage.concealed == 0


@pytest.mark.parametrize("film", FILMS, ids=str)
@given(data=st.data())
@once_per_film(6)
def test_frames_by_number_are_those_of_a_full_decode(film, made, data):
    path, plain = made(film)
    numbers = data.draw(st.lists(st.integers(0, len(plain) - 1), min_size=1, max_size=6))
    with open_video(path) as video:
        for ask in (numbers, numbers[:1]):
            got = {n: digest(frame) for n, frame in video._pick(video._index, sorted(set(ask)))}
            assert got == {n: plain[n][1] for n in ask}


@pytest.mark.parametrize("film", FILMS, ids=str)
@given(data=st.data())
@once_per_film(3)
def test_a_stretch_is_a_slice_of_the_dense_pass(film, made, data):
    path, plain = made(film)
    first, last = sorted(data.draw(st.tuples(st.integers(0, len(plain) - 1), st.integers(0, len(plain) - 1))))
    with open_video(path) as video:
        start, stop = int(video.ticks[first]), int(video.ticks[last])
        seen = [(p.number, digest(p.frame)) for p in video.pictures(start, stop)]
    assert seen == [(n, plain[n][1]) for n in range(first, last)]


@pytest.mark.parametrize("film", FILMS, ids=str)
@given(data=st.data())
@once_per_film(3)
def test_seeking_by_time_gives_the_frames_of_the_index(film, made, data):
    path, _ = made(film)
    with open_video(path) as video, open_video(path) as fresh, pytest.MonkeyPatch.context() as patch:
        low, high = int(video.ticks[0]), int(video.ticks[-1])
        margin = (high - low) // 10 + 1
        ticks = data.draw(st.lists(st.integers(low - margin, high + margin), min_size=1, max_size=4))
        patch.setattr(locate, "WORTH_BYTES", 0)
        patch.setattr(locate, "STRETCH_SECONDS", 0.1)
        shown = [max(0, int((video.ticks <= tick).sum()) - 1) for tick in ticks]
        assert (fresh.at_ticks(ticks, size=(16, 24)) == video.frames(shown, size=(16, 24))).all()


@pytest.mark.parametrize("name", ["plain.mp4", "open.mkv", "b.ts", "b.avi", "hidden.webm", "plain265.mp4"])
def test_more_decoder_threads_change_nothing(name, made):
    film = next(film for film in FILMS if film.name == name)
    path, plain = made(film)
    with open_video(path, threads=0) as video:
        assert [digest(p.frame) for p in video.pictures()] == [same for _, same in plain]
        got = {n: digest(frame) for n, frame in video._pick(video._index, [5, 30, 31])}
    assert got == {n: plain[n][1] for n in (5, 30, 31)}


def test_a_short_stretch_of_a_long_file_needs_no_index(made, monkeypatch):
    path, _ = made(FILMS[1])
    monkeypatch.setattr(locate, "WORTH_BYTES", 0)
    monkeypatch.setattr(locate, "STRETCH_SECONDS", 0.1)
    with open_video(path) as video:
        assert number_of(video.at_seconds([1.0])[0]) == 25
        assert video._known_index is None


def test_packets_are_left_out_only_where_nothing_refers_to_them(made):
    skipping = {name: open_decoder(made, name) for name in ("plain.mp4", "b.ts", "plain265.mp4")}
    assert all(skipping.values())
    careful = {name: open_decoder(made, name) for name in ("fields.mp4", "layers.mp4", "hidden.webm", "old.wmv")}
    assert not any(careful.values())


def open_decoder(made, name):
    path, _ = made(next(film for film in FILMS if film.name == name))
    with open_video(path) as video:
        return video._decoder.skippable


def test_a_file_that_marks_every_packet_as_key_is_still_exact(tmp_path, monkeypatch):
    lying = make(Film("lying.avi", "msmpeg4", {"b": "400k"}, gop=12), tmp_path)
    raw = bytearray(lying.read_bytes())
    table = raw.rfind(b"idx1")
    for entry in range(table + 8, len(raw) - 15, 16):
        if raw[entry : entry + 4] == b"00dc":
            raw[entry + 4] |= 0x10  # AVIIF_KEYFRAME
    lying.write_bytes(raw)
    plain = decode_all(lying)
    with open_video(lying) as video:
        assert len(video._index.starts) > 40
        assert {n: digest(f) for n, f in video._pick(video._index, [20, 40])} == {n: plain[n][1] for n in (20, 40)}
        shown = video.at_seconds([1.0])
    monkeypatch.setattr(locate, "WORTH_BYTES", 0)
    monkeypatch.setattr(locate, "STRETCH_SECONDS", 0.1)
    with open_video(lying) as video:
        assert (video.at_seconds([1.0]) == shown).all()


def test_packed_frames_are_all_found(tmp_path):
    """Old AVI encoders put a B-frame behind the P-frame of one packet, and an empty picture into the next."""
    plain = make(Film("plain.avi", "mpeg4", {"b": "400k"}, gop=12, b_frames=1, frames=40), tmp_path)
    start = b"\x00\x00\x01\xb6"
    with av.open(str(plain)) as source:
        coded = [bytes(packet) for packet in source.demux(video=0) if packet.size]
    kinds = [packet[packet.find(start) + 4] >> 6 for packet in coded]  # 0 I, 1 P, 2 B
    head = coded[0].find(start)
    coded[0] = coded[0][:head] + b"\x00\x00\x01\xb2DivX503b1393p\x00" + coded[0][head:]
    packed, place = [], 0
    while place < len(coded):
        pair = place + 1 < len(coded) and kinds[place] != 2 == kinds[place + 1]
        packed += [coded[place] + coded[place + 1], start + b"\x51\x00\x40"] if pair else [coded[place]]
        place += 1 + pair
    path = tmp_path / "packed.avi"
    with av.open(str(plain)) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for number, data in enumerate(packed):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), number, number
            packet.is_keyframe = not data[data.find(start) + 4] >> 6
            copy.mux(packet)
    whole = [same for _, same in decode_all(plain)]
    with open_video(path) as video:
        assert [digest(p.frame) for p in video.pictures()] == whole
        assert {n: digest(f) for n, f in video._pick(video._index, [5, 20, 33])} == {n: whole[n] for n in (5, 20, 33)}


@pytest.mark.parametrize(
    ("film", "suffix"),
    [
        (x264("head.ts", "keyint=16:bframes=3:open-gop=1"), "ts"),
        (x264("head.mkv", "keyint=16:bframes=3:open-gop=1"), "mkv"),
        (x264("head.mp4", "keyint=16:bframes=3"), "mp4"),
        (Film("mpeg2.ts", "mpeg2video", {"b": "400k"}, gop=12, b_frames=2), "ts"),
        (
            Film("open265.mp4", "libx265", {**X265, "x265-params": "keyint=16:bframes=4:open-gop=1:log-level=none"}),
            "mp4",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("left_out", [5, 15, 16, 24])
def test_a_film_that_begins_in_the_middle_of_a_group_holds_what_decodes(film, suffix, left_out, tmp_path):
    whole, part = make(film, tmp_path), tmp_path / f"part.{suffix}"
    with av.open(str(whole)) as source, av.open(str(part), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in [packet for packet in source.demux(video=0) if packet.size][left_out:]:
            packet.stream = stream
            copy.mux(packet)
    plain = decode_all(part)
    with open_video(part) as video:
        assert video.ticks.tolist() == [tick for tick, _ in plain]
        assert [digest(p.frame) for p in video.pictures()] == [same for _, same in plain]
        for number in (0, 3, len(plain) - 1):
            assert {n: digest(f) for n, f in video._pick(video._index, [number])} == {number: plain[number][1]}


@given(st.data())
def test_frames_in_disorder_come_out_ascending(data):
    numbers = data.draw(st.lists(st.integers(0, 80), unique=True))
    first = data.draw(st.integers(0, 20))
    numbers.sort(key=lambda n: n + data.draw(st.integers(-3, 3)))
    out = [number for number, _ in passes._ascending([(n, None) for n in numbers], first)]
    assert out == sorted(n for n in numbers if n >= first), "a disorder of three frames costs none"
    wild = data.draw(st.permutations(numbers))
    out = [number for number, _ in passes._ascending([(n, None) for n in wild], first)]
    assert out == sorted(set(out)) and set(out) <= set(numbers)
