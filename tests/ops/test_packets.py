"""The digest sees pictures only; unit lists are packed both ways and, for real streams, by real containers."""

import io

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.packets import packet_digest

START_CODES = [b"\x00\x00\x01", b"\x00\x00\x00\x01"]
AVCC = [bytes([1, 66, 0, 30, 0xFC | (size - 1), 0xE1, 0, 0]) for size in (1, 2, 4)]
HVCC = [bytes([1]) + bytes(20) + bytes([0xFC | (size - 1)]) + bytes(4) for size in (1, 2, 4)]
SIZES = (1, 2, 4)


def h264_units(kinds):
    """Bodies as an encoder writes them: no start code inside, the last byte holds the stop bit."""
    body = st.binary(max_size=40).map(lambda raw: bytes(byte or 7 for byte in raw) + b"\x80")
    return st.tuples(st.sampled_from(kinds), body).map(lambda unit: bytes([0x60 | unit[0]]) + unit[1])


PICTURES = h264_units([1, 2, 3, 4, 5])
OTHERS = h264_units([6, 7, 8, 9, 12])
STREAMS = st.lists(st.lists(st.tuples(PICTURES, st.lists(OTHERS, max_size=2)), min_size=1, max_size=3), max_size=4)


def annex_b(units, draw_code, padding=b""):
    return b"".join(START_CODES[draw_code] + unit + padding for unit in units)


def with_lengths(units, size):
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


@given(STREAMS, st.sampled_from([0, 1]), st.sampled_from([0, 1, 2]), st.integers(0, 3))
def test_lengths_and_start_codes_and_what_is_not_a_picture_make_no_difference(stream, code, size, zeros):
    bare = [[picture for picture, _ in packet] for packet in stream]
    dressed = [[unit for picture, others in packet for unit in [*others, picture]] for packet in stream]
    by_lengths = [with_lengths(units, SIZES[size]) for units in bare]
    by_codes = [annex_b(units, code, bytes(zeros)) for units in dressed]
    by_guess = [with_lengths(units, 4) for units in dressed]
    expected = packet_digest(by_lengths, "h264", AVCC[size])
    assert packet_digest(by_codes, "h264") == expected
    assert packet_digest(by_codes, "h264", b"\x00\x00\x00\x01\x67\x42") == expected
    assert packet_digest(by_guess, "h264") == expected
    assert (expected == "") == (not stream)


@given(STREAMS, STREAMS)
def test_other_pictures_have_another_digest_and_packet_bounds_do_not_count(one, two):
    pictures = [[picture for packet in stream for picture, _ in packet] for stream in (one, two)]
    digests = [packet_digest([with_lengths([unit], 4) for unit in units], "h264") for units in pictures]
    assert (digests[0] == digests[1]) == (pictures[0] == pictures[1])
    assert digests[0] == packet_digest([with_lengths(pictures[0], 4)], "h264")


@pytest.mark.parametrize("size", [0, 1, 2])
def test_hevc_pictures_are_types_below_32(size):
    picture, last, parameters, message = (bytes([kind << 1, 1, 5, 0x80]) for kind in (19, 31, 32, 39))
    expected = packet_digest([with_lengths([picture, last], SIZES[size])], "hevc", HVCC[size])
    assert expected == packet_digest([annex_b([parameters, message, picture, last], 1)], "hevc")
    assert expected == packet_digest([annex_b([parameters, picture], 0), annex_b([last], 1)], "hevc", b"\0\0\0\1@")
    assert expected != packet_digest([with_lengths([picture], 4)], "hevc")


def test_a_stream_without_pictures_has_no_digest():
    parameters = annex_b([b"\x67\x01\x80", b"\x68\x01\x80"], 1)
    assert packet_digest([], "h264") == packet_digest([parameters], "h264") == ""
    assert packet_digest([b"", b""], "vp9") == ""


@given(st.lists(st.binary(max_size=30), max_size=5), st.sampled_from(["h264", "hevc", "vp9"]), st.binary(max_size=30))
def test_garbage_gives_a_digest_or_nothing_but_no_error(packets, codec, extradata):
    digest = packet_digest(packets, codec, extradata)
    assert digest == packet_digest(iter(packets), codec, extradata) and len(digest) in (0, 64)


def test_other_codecs_compare_packets_whole():
    whole, split = packet_digest([b"ab", b"c"], "vp9"), packet_digest([b"a", b"bc"], "vp9")
    assert whole == packet_digest([b"ab", b"", b"c"], "vp9")
    assert len({whole, split, packet_digest([b"ab", b"c"], "vp8")}) == 3


def film(codec: str, container: str, seed: int) -> bytes:
    rng, out = np.random.default_rng(seed), io.BytesIO()
    with av.open(out, "w", format=container) as sink:
        stream = sink.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        for _ in range(12):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8), format="rgb24")
            sink.mux(stream.encode(frame))
        sink.mux(stream.encode(None))
    return out.getvalue()


def remuxed(data: bytes, container: str) -> bytes:
    out = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(out, "w", format=container) as sink:
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                sink.mux(packet)
    return out.getvalue()


def digest(data: bytes) -> str:
    with av.open(io.BytesIO(data)) as source:
        context = source.streams.video[0].codec_context
        return packet_digest(
            (bytes(p) for p in source.demux(video=0)), context.codec.canonical_name, context.extradata or b""
        )


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_real_stream_keeps_its_digest_through_mp4_matroska_and_transport_streams(codec):
    one, two = film(codec, "mp4", 1), film(codec, "mp4", 2)
    matroska, transport = remuxed(one, "matroska"), remuxed(one, "mpegts")
    copies = [one, matroska, transport, remuxed(matroska, "mpegts"), remuxed(transport, "matroska")]
    assert len({digest(copy) for copy in copies}) == 1 and len(digest(one)) == 64
    assert digest(two) != digest(one)


def test_a_vp9_stream_keeps_its_digest_from_webm_to_mp4():
    one = film("libvpx-vp9", "webm", 1)
    assert digest(one) == digest(remuxed(one, "mp4")) != ""
