"""Which packets to decode for which frames: single frames by number, or one dense pass.

Going forward is chosen where it costs less than a seek; frames that nobody asked for and nothing refers to are skipped.
A frame is never handed out for another one: frames are told apart by their ticks. Converts no colours.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import av

from internvideo.video.decode import StreamDecoder, VideoPacket
from internvideo.video.index import NONE, REORDERED, Index
from internvideo.video.recovery import recovers_later

_END: tuple[None] = (None,)
Numbered = tuple[int, av.VideoFrame]  # a frame and its number; numbers differ, so that frames need not compare
SEEK_COST = 4  # a seek costs about as much as decoding this many frames


@dataclass(slots=True)
class Damage:
    """What a pass, or the last fetching of frames, found: how many should be there, decoded, and only partly did."""

    expected: int = 0
    decoded: int = 0
    concealed: int = 0  # decoded with parts guessed from their neighbours
    message: str = ""  # what the decoder said about the first trouble

    @property
    def missing(self) -> int:
        return max(0, self.expected - self.decoded)


class FalseStart(Exception):
    """A packet that the file marks as a key frame is none, or does not hold a whole picture."""


@dataclass(frozen=True, slots=True)
class Run:
    """One seek, then forward: the start (an entry of `Index.starts`) and the numbers of the frames wanted from it."""

    start: int
    numbers: list[int]


def plan(index: Index, numbers: Sequence[int]) -> list[Run]:
    """Runs that reach all `numbers` (ascending, distinct) with the least decoding."""
    runs: list[Run] = []
    for number in numbers:
        start = index.start_for(number)
        if runs and int(index.start_positions[start] - index.positions[runs[-1].numbers[-1]]) <= SEEK_COST:
            runs[-1].numbers.append(number)
        else:
            runs.append(Run(start, [number]))
    return runs


def pick(decoder: StreamDecoder, index: Index, numbers: Sequence[int]) -> Iterator[Numbered]:
    """(number, frame) for every one of `numbers` (ascending, distinct) that decodes; those that do not are left out.

    A frame that does not come out is tried again from the start before, and from the first one: not every packet that
    a file marks as key is a place to begin at.
    """
    for run in plan(index, numbers):
        missing = list(run.numbers)
        for start in dict.fromkeys([run.start, max(0, run.start - 1), 0]):
            for number, frame in _run(decoder, index, start, list(missing)):
                missing.remove(number)
                yield number, frame
            if not missing:
                break


def sweep(decoder: StreamDecoder, index: Index, first: int, stop: int, damage: Damage) -> Iterator[Numbered]:
    """(number, frame) of every frame with first <= number < stop that decodes, ascending; keeps `damage` up to date."""
    try:
        for number, frame in _ascending(_dense(decoder, index, first, stop), first):
            damage.message = decoder.message
            damage.decoded += 1
            damage.concealed += frame.is_corrupt
            yield number, frame
    finally:
        damage.message = decoder.message


def _ascending(frames: Iterable[Numbered], first: int) -> Iterator[Numbered]:
    """The frames with ascending numbers, from `first` on. Damaged streams can give frames in disorder.

    A frame is held back only while a smaller number is missing, and only as long as codecs may reorder.
    """
    held: list[Numbered] = []
    for numbered in frames:
        heapq.heappush(held, numbered)
        while held and (held[0][0] <= first or len(held) > REORDERED):
            number, frame = heapq.heappop(held)
            if number >= first:
                first = number + 1
                yield number, frame
    yield from sorted(held)


def labelled(packets: Iterable[VideoPacket], first: int) -> Iterator[VideoPacket]:
    """The packets with their places in the file, counted from `first`, as time stamps."""
    for place, packet in enumerate(packets, first):
        packet.pts = place
        yield packet


def _dense(decoder: StreamDecoder, index: Index, first: int, stop: int) -> Iterator[Numbered]:
    """(number, frame) in the order of the decoder, from a start that gives frame `first`, if one does."""
    if first >= stop:
        return
    usual = index.start_for(first)
    for start in dict.fromkeys([usual, max(0, usual - 1), 0]):
        try:
            frames = _run(decoder, index, start, range(first, stop))
            head = next(frames, None)
        except FalseStart:
            continue
        if start and (head is None or head[0] > first):
            continue
        if head:
            yield head
            yield from frames
        return


def _run(decoder: StreamDecoder, index: Index, start: int, numbers: Sequence[int]) -> Iterator[Numbered]:
    """What decodes of `numbers` (ascending) when decoding begins at a start; feeds no packet behind the last needed."""
    packets = _go_to(decoder, index, start)
    if index.known_by == "count":
        yield from _counted(decoder, packets, numbers)
        return
    if start or index.local:
        packets = _checked(decoder, packets)
    labels = index.labels[numbers[0] : numbers[-1] + 1] if isinstance(numbers, range) else index.labels[list(numbers)]
    wanted = dict(zip(labels.tolist(), numbers, strict=True))
    pending = set(wanted)
    key = _key_label(index, start)
    for packet in chain(packets, _END):
        if packet is None:
            frames = decoder.drain()
        else:
            frames = decoder.decode(packet, wanted=packet.pts in wanted)
            pending.discard(packet.pts)
            if not pending:
                frames += decoder.drain()
        for frame in frames:
            if frame.pts == key and not frame.key_frame:
                raise FalseStart
            number = wanted.pop(frame.pts, None)
            if number is not None:
                yield number, frame
        if not pending:
            return


def _checked(decoder: StreamDecoder, packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    """The packets, if the first one of them holds a whole picture; else `FalseStart`."""
    head = next(packets, None)
    if head is None:
        return packets
    if recovers_later(bytes(head), decoder.codec, decoder.context.extradata or b""):
        raise FalseStart
    return chain([head], packets)


def _key_label(index: Index, start: int) -> int | None:
    """What the frame of the start's own packet is known by, if it is shown, and if it must prove to be a key frame."""
    frame = int(index.starts[start])
    own = index.positions[frame] == index.start_positions[start]
    return int(index.labels[frame]) if own and (start or index.local) else None


def _counted(decoder: StreamDecoder, packets: Iterator[VideoPacket], numbers: Sequence[int]) -> Iterator[Numbered]:
    """Frames whose numbers are known only by counting from the first one."""
    wanted = set(numbers)
    number = -1
    for packet in chain(packets, _END):
        for frame in decoder.drain() if packet is None else decoder.decode(packet):
            number += 1
            if number in wanted:
                yield number, frame
            if number >= numbers[-1]:
                return


def _go_to(decoder: StreamDecoder, index: Index, start: int) -> Iterator[VideoPacket]:
    """The packets from one of the starts of the index on."""
    tick, dts, place = (int(array[start]) for array in (index.start_ticks, index.start_dts, index.start_positions))
    by_tick = index.known_by == "tick"
    untold = (tick if by_tick else dts) == NONE
    at_start = decoder.fresh and not start
    if untold or not (at_start or decoder.seek(tick, dts, by_dts=not by_tick)):
        decoder.read_to(place)
    return decoder.packets() if by_tick else labelled(decoder.packets(), place)
