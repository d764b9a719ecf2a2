"""Whether two streams hold the same coded pictures, whatever container they are in.

`packet_digest` looks at bytes that a demuxer gave; it opens nothing and decodes nothing. For H.264 (ITU-T H.264
7.4.1, Annex B) and HEVC (ITU-T H.265 7.4.2, Annex B) it sees only the coded slices, so that start codes or lengths
(ISO/IEC 14496-15) and repeated parameter sets, delimiters, fillers and messages make no difference. Other codecs are
compared packet by packet: their copies match between containers that store equal packets (VP8, VP9, and AV1 in
MP4 and Matroska do), and stay unmatched where one container changes them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator

_START = b"\x00\x00\x01"
_LONGEST_ZERO_RUN = 3  # zero bytes in front of a start code that Annex B allows: looked at to tell the two forms apart


def packet_digest(packets: Iterable[bytes], codec: str, extradata: bytes = b"") -> str:
    """SHA-256, in hex, of the coded pictures in decode order; "" if there are none.

    packets: what the demuxer gave for one stream, in its order (decode order). codec: FFmpeg's canonical name
    ("h264", "hevc", "vp9" ...). extradata: the codec's private data, which tells how units are separated. Damaged
    units count as far as they go; nothing is raised for them.
    """
    digest = hashlib.sha256(codec.encode())
    units = 0
    for unit in _payload(packets, codec, extradata):
        digest.update(len(unit).to_bytes(8, "big"))
        digest.update(unit)
        units += 1
    return digest.hexdigest() if units else ""


def _payload(packets: Iterable[bytes], codec: str, extradata: bytes) -> Iterator[bytes]:
    is_picture = _IS_PICTURE.get(codec)
    if is_picture is None:
        yield from (packet for packet in packets if packet)
        return
    for packet in packets:
        size = _length_size(packet, codec, extradata)
        for unit in _after_start_codes(packet) if size == 0 else _after_lengths(packet, size):
            # Zeros behind a unit are padding; no unit ends in one (its stop bit, or 0x03 after inserted zero words).
            if unit and is_picture(unit[0]) and (bare := unit.rstrip(b"\x00")):
                yield bare


def _is_h264_picture(header: int) -> bool:
    return 1 <= header & 0x1F <= 5


def _is_hevc_picture(header: int) -> bool:
    return (header >> 1) & 0x3F < 32


_IS_PICTURE: dict[str, Callable[[int], bool]] = {"h264": _is_h264_picture, "hevc": _is_hevc_picture}


def _length_size(packet: bytes, codec: str, extradata: bytes) -> int:
    """Bytes of the length in front of each unit, 0 for start codes."""
    if codec == "h264" and len(extradata) >= 7 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    # An hvcC record has version 1 (0 in files of early writers); in either case it does not begin with a start code.
    if codec == "hevc" and len(extradata) >= 23 and not _begins_with_start_code(extradata):
        return (extradata[21] & 3) + 1
    return 0 if _begins_with_start_code(packet) or extradata else 4


def _begins_with_start_code(data: bytes) -> bool:
    at = data.find(_START)
    return 0 <= at <= _LONGEST_ZERO_RUN and not data[:at].strip(b"\x00")


def _after_start_codes(packet: bytes) -> Iterator[bytes]:
    start = packet.find(_START)
    while start >= 0:
        end = packet.find(_START, start + 3)
        yield packet[start + 3 : end if end >= 0 else len(packet)]
        start = end


def _after_lengths(packet: bytes, size: int) -> Iterator[bytes]:
    at = 0
    while at + size <= len(packet):
        length = int.from_bytes(packet[at : at + size], "big")
        yield packet[at + size : at + size + length]
        at += size + length
