"""Whether decoding may begin at a key packet and be right at once, or only some pictures later.

Encoders with periodic intra refresh mark packets as key that hold no whole picture. What follows looks right after a
cycle, but with common encoders it is not the same bit for bit. Looks at the bytes of H.264 and HEVC packets (ITU-T
H.264 and H.265, 7.3.1, D.1 and Annex B; ISO/IEC 14496-15); decodes nothing.
"""

from collections.abc import Iterator

_SEI = {"h264": (6,), "hevc": (39,)}  # types of the units that carry messages
_WHOLE = {"h264": (5,), "hevc": tuple(range(16, 22))}  # types of slices of pictures that need no other
_RECOVERY_POINT = 6  # type of the message


def recovers_later(packet: bytes, codec: str, extradata: bytes) -> bool:
    """Whether pictures that follow this key packet are complete only some pictures later."""
    if codec not in _SEI:
        return False
    promised = 0
    for unit in _units(packet, codec, extradata):
        kind = unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F
        if kind in _WHOLE[codec]:
            return False
        if kind in _SEI[codec]:
            promised = max(promised, _recovery_count(unit[1 if codec == "h264" else 2 :], codec))
    return promised > 0


def _units(packet: bytes, codec: str, extradata: bytes) -> Iterator[bytes]:
    """The units of a packet, at most their first 64 bytes. With lengths in front (MP4, Matroska), else start codes."""
    if extradata[:1] == b"\x01":
        size = (extradata[4 if codec == "h264" else 21] & 3) + 1 if len(extradata) > 21 or codec == "h264" else 4
        place = 0
        while place + size < len(packet):
            length = int.from_bytes(packet[place : place + size], "big")
            if unit := packet[place + size : place + size + min(length, 64)]:
                yield unit
            place += size + length
        return
    place = packet.find(b"\x00\x00\x01")
    while place >= 0:
        if unit := packet[place + 3 : place + 67]:
            yield unit
        place = packet.find(b"\x00\x00\x01", place + 3)


def _recovery_count(messages: bytes, codec: str) -> int:
    """How far off the recovery point is that a message announces; 0 if none does. H.264 and H.265, D.1 and 7.3.2.3."""
    data = messages.replace(b"\x00\x00\x03", b"\x00\x00")
    place = 0
    while place + 2 < len(data):
        kind, place = _message_number(data, place)
        length, place = _message_number(data, place)
        if kind == _RECOVERY_POINT and place < len(data):
            bits = f"{int.from_bytes(data[place : place + 8].ljust(8, b'0'), 'big'):064b}"
            zeros = bits.find("1")
            return int(bits[zeros : 2 * zeros + 1], 2) - 1 if 0 <= zeros < 32 else 0
        place += length
    return 0


def _message_number(data: bytes, place: int) -> tuple[int, int]:
    """(type or length of a message, place behind it): bytes of 255 add up."""
    total = 0
    while place < len(data) and data[place] == 255:
        total, place = total + 255, place + 1
    return total + (data[place] if place < len(data) else 0), place + 1
