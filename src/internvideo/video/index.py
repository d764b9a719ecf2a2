"""Which frames a stream has and where decoding may start, found without decoding.

One pass over the packets (`scan`). Frame `i` means the i-th in presentation order. Where packets do not tell how many
frames come out, the index says so (`exact` is False) and the reader counts by decoding. Knows no pixels.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from av.video.stream import VideoStream

from internvideo.video.decode import VideoPacket
from internvideo.video.isobmff import samples
from internvideo.video.limits import Limits

REORDERED = 16  # frames that may be stored before one that is shown before them: the most that codecs allow


@dataclass(frozen=True, slots=True)
class Index:
    """Frames in presentation order, and the starts: key packets from which decoding may begin.

    ticks: (F,) int64, ascending. positions: (F,) int64, place of each frame's packet in the file.
    starts: (K,) int64, ascending: frame `starts[k]` and all later ones can be decoded from the key packet with
    presentation tick `start_ticks[k]` and decoding tick `start_dts[k]`, number `start_positions[k]` in the file.
    exact: packets and frames are known to correspond. known_by: how a decoded frame is told from others: by the
    presentation tick of its packet; where time stamps are missing or wrong, by the place of its packet in the file;
    where a packet holds several frames, only by counting from the first one. local: of a stretch in the middle of a
    file; numbers and places are counted from its first packet.
    """

    ticks: np.ndarray
    positions: np.ndarray
    starts: np.ndarray
    start_ticks: np.ndarray
    start_dts: np.ndarray
    start_positions: np.ndarray
    exact: bool = True
    known_by: Literal["tick", "place", "count"] = "tick"
    local: bool = False

    def __len__(self) -> int:
        return len(self.ticks)

    @property
    def labels(self) -> np.ndarray:
        """(F,) int64: what each frame is known by when it comes out of the decoder, unless it is by counting."""
        return self.ticks if self.known_by == "tick" else self.positions

    def on_screen(self, ticks: np.ndarray) -> np.ndarray:
        """Numbers of the frames on screen at `ticks`: the last ones that began, clamped to the first and the last."""
        return np.clip(np.searchsorted(self.ticks, ticks, side="right") - 1, 0, len(self.ticks) - 1)

    @property
    def head(self) -> int:
        """How many frames come before the first key frame: of films cut out of others, not all of these decode."""
        return int(self.starts[1]) if len(self.starts) > 1 and self.start_ticks[0] == NONE else 0

    def with_head_of(self, numbers: Iterable[int]) -> "Index":
        """The index with only these of the frames before the first key frame."""
        if not self.head:
            return self
        kept = np.arange(len(self)) >= self.head
        kept[list(numbers)] = True
        gone = int((~kept).sum())
        first = 0 if gone < self.head else 1  # without a head its start is not needed
        return replace(
            self,
            ticks=self.ticks[kept],
            positions=self.positions[kept],
            starts=np.maximum(self.starts - gone, 0)[first:],
            start_ticks=self.start_ticks[first:],
            start_dts=self.start_dts[first:],
            start_positions=self.start_positions[first:],
        )

    def only_first_start(self) -> "Index":
        """The same frames, to be decoded from the beginning of the file."""
        return replace(
            self,
            starts=self.starts[:1],
            start_ticks=self.start_ticks[:1],
            start_dts=self.start_dts[:1],
            start_positions=self.start_positions[:1],
        )

    def start_for(self, number: int) -> int:
        """Which of the starts decoding of frame `number` begins at."""
        return max(0, int(np.searchsorted(self.starts, number, side="right")) - 1)


@dataclass(frozen=True, slots=True)
class PacketTable:
    """Packets of one stream in file order, as arrays; `pts` and `dts` are `NONE` where the file gives none."""

    pts: np.ndarray
    dts: np.ndarray
    key: np.ndarray
    shown: np.ndarray  # yields a frame that is presented (not cut away by an edit list, not hidden by the codec)
    telling: bool = True  # False: something seen in the packets means that frames must be counted by decoding


NONE = np.iinfo(np.int64).min


def scan(packets: Iterable[VideoPacket], codec: str, limits: Limits) -> PacketTable:
    """Read all packets once, keeping none of their data. A last packet that the file's end cuts off is not shown."""
    pts, dts, key, shown = [], [], [], []
    telling = True
    cut = False
    hidden = _HIDDEN.get(codec)
    for packet in packets:
        pts.append(NONE if packet.pts is None else packet.pts)
        dts.append(NONE if packet.dts is None else packet.dts)
        key.append(packet.is_keyframe)
        shown.append(not packet.is_discard and not (hidden and hidden(packet)))
        if codec == "mpeg4" and telling:
            telling = not _mpeg4_surprise(packet)
        cut = packet.is_corrupt
        if not len(pts) % 4096:
            limits.check("frames", len(pts), "the stream has at least")
    if cut:
        shown[-1] = False
    arrays = np.array(pts, np.int64), np.array(dts, np.int64), np.array(key, bool), np.array(shown, bool)
    return PacketTable(*arrays, telling=telling)


def from_header(path: str, stream: VideoStream) -> PacketTable | None:
    """The packet table of a plain MP4 or MOV track without reading its packets; None where only they tell.

    Decoding ticks and key flags are FFmpeg's, so that edit lists and repairs count; presentation ticks still lack one
    constant, which `settle` takes from the first packets.
    """
    entries = stream.index_entries
    if stream.container.format.name != _ISOBMFF or stream.codec_context.codec.canonical_name in _NOT_ONE_TO_ONE:
        return None
    found = samples(path, stream.id, len(entries)) if len(entries) else None
    if found is None:
        return None
    first, last = entries[0], entries[-1]
    dts = found.dts + first.timestamp
    spots = np.linspace(0, len(dts) - 1, 32).astype(int).tolist()
    if last.pos + last.size > Path(path).stat().st_size or any(entries[spot].timestamp != dts[spot] for spot in spots):
        return None
    if first.is_discard or last.is_discard:
        return None
    key = np.zeros(len(dts), bool)
    place = entries.search_timestamp(int(dts[-1]))
    while place >= 0:
        key[place] = True
        place = entries.search_timestamp(int(dts[place]) - 1) if place else -1
    return PacketTable(dts + found.offsets, dts, key, np.ones(len(dts), bool))


def settle(table: PacketTable, packets: Iterable[VideoPacket]) -> PacketTable | None:
    """A table from the header with the ticks that packets have; None if they contradict it. Reads a few packets."""
    head = list(islice(packets, 16))
    n = len(head)
    if not head or head[0].pts is None:
        return None
    shift = head[0].pts - int(table.pts[0])
    agree = [
        packet.pts == pts + shift and packet.dts == dts and packet.is_keyframe == key and not packet.is_discard
        for packet, pts, dts, key in zip(head, table.pts[:n], table.dts[:n], table.key[:n], strict=True)
    ]
    return replace(table, pts=table.pts + shift) if all(agree) else None


def build(table: PacketTable) -> Index:
    """The index that a packet table gives; `exact` is False where the table does not tell."""
    kept = np.flatnonzero(table.shown)
    order = np.argsort(table.pts[kept], kind="stable")
    positions = kept[order]
    ticks = table.pts[positions]
    told = table.telling and len(kept) > 0 and int(ticks[0]) != NONE and bool((np.diff(ticks) > 0).all())
    told = told and bool((np.abs(positions - kept) <= 4 * REORDERED).all())
    return with_starts(ticks, positions, table, exact=told)


def from_frames(places: list[int | None], table: PacketTable, step: Fraction) -> Index:
    """The index of frames that were counted by decoding.

    places: for each frame, in the order in which they came out, the place of its packet in the file. step: ticks from
    one frame to the next, for files whose time stamps are missing or do not ascend.
    """
    made_up = np.array([round(number * step) for number in range(len(places))], np.int64)
    if None in places or len(set(places)) < len(places):
        start = np.array([NONE], np.int64)
        return Index(made_up, np.arange(len(places)), start * 0, start, start, start * 0, known_by="count")
    positions = np.array(places, np.int64)
    ticks = table.pts[positions]
    if len(ticks) and ticks[0] != NONE and (np.diff(ticks) > 0).all():
        return with_starts(ticks, positions, table, exact=True)
    return replace(with_starts(made_up, positions, table, exact=True), known_by="place")


def with_starts(ticks: np.ndarray, positions: np.ndarray, table: PacketTable, *, exact: bool) -> Index:
    """An index of these frames.

    Frames that are stored before a key frame, or are stored after it but shown before (leading pictures of an open
    group), may lack their references when decoding begins there: they belong to the group before. If there is none,
    they belong to a start without ticks, which is the beginning of the file (see `Index.head`).
    """
    in_file = np.argsort(positions, kind="stable")  # numbers of the frames in the order of the file
    keys = np.flatnonzero(table.key)
    stored_before = np.searchsorted(positions[in_file], keys)
    latest_before = np.concatenate([[0], np.maximum.accumulate(in_file) + 1]).astype(np.int64)[stored_before]
    own = in_file[np.minimum(stored_before, len(in_file) - 1)] if len(in_file) else stored_before
    shown = table.shown[keys] & (positions[own] == keys) if len(in_file) else table.shown[keys]
    after = np.where(shown, own, np.searchsorted(ticks, table.pts[keys]))
    starts = np.maximum.accumulate(np.maximum(latest_before, after))
    last = np.append(starts[1:] != starts[:-1], True)[: len(starts)] & (starts < len(ticks))
    keys, starts = keys[last], starts[last]
    start_ticks, start_dts = table.pts[keys], table.dts[keys]
    start_dts = np.where(start_dts == NONE, start_ticks, start_dts)
    if not len(starts) or starts[0]:
        starts, keys = np.insert(starts, 0, 0), np.insert(keys, 0, 0)
        start_ticks, start_dts = np.insert(start_ticks, 0, NONE), np.insert(start_dts, 0, NONE)
    return Index(ticks, positions, starts, start_ticks, start_dts, keys, exact)


def _vp8_hidden(packet: VideoPacket) -> bool:
    """RFC 6386, 9.1: bit 4 of the frame tag is `show_frame`."""
    return packet.size > 0 and not memoryview(packet)[0] & 0x10


def _vp9_hidden(packet: VideoPacket) -> bool:
    """VP9 bitstream specification, 6.2: a single frame with `show_frame` 0; the last of a superframe is shown."""
    data = memoryview(packet)
    first = data[0]
    if data[-1] & 0xE0 == 0xC0 or first & 0xC0 != 0x80:  # superframe index (annex B), or no frame marker
        return False
    shift = 3 if first & 0x30 != 0x30 else 2  # profile 3 has a reserved bit
    return not first >> shift & 1 and not first >> (shift - 2) & 1


def _mpeg4_surprise(packet: VideoPacket) -> bool:
    """Two pictures in one packet (packed B-frames), or so small that it may be "not coded" (ISO 14496-2, 6.2.5)."""
    return packet.size <= 19 or bytes(packet).count(b"\x00\x00\x01\xb6") != 1


_ISOBMFF = "mov,mp4,m4a,3gp,3g2,mj2"
_NOT_ONE_TO_ONE = frozenset({"vp8", "vp9", "mpeg4"})  # a packet may give no frame or two; only its bytes tell
_HIDDEN = {"vp8": _vp8_hidden, "vp9": _vp9_hidden}
