"""Which clips show the same pictures in the same order, at a constant shift of time.

Arrays of frame hashes in, pairs of clips out; no files, no tables. In the manner of vPDQ and TMK (Facebook, 2019-2021):
hashes that are near each other vote for a shift, then the clips are laid on each other at the shifts with most votes.

Samples of two copies need not fall on the same moments. A frame is therefore not compared with its nearest sample but
with the two around its time: what it shows lies between them. The bits in which it differs from *both* are few in a
copy whatever the phase, and many in another take of the same scene. How many are few is a question of what changes: a
coarse copy of a scene in full motion is still far nearer to it than its own frames are to each other, while takes of
a scene that hardly changes are as near to each other as their own frames are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from internvideo.errors import InternVideoError
from internvideo.ops.hash_pairs import SURE_DISTANCE, near_pairs
from internvideo.ops.hashing import hamming, hashes_to_bytes

SAME_BITS = 10  # a frame of a copy differs from both neighbours in at most so many bits ...
SAME_SHARE = 0.25  # ... or in this share of the bits that change between these neighbours, or within half a clip
MIN_QUALITY = 10  # of a hash that is compared; below are gradients and the dark, where noise makes the bits
SEED_DISTANCE = 31  # hashes that vote (the usual distance for a match of PDQ hashes)
_SEED_STEP = SURE_DISTANCE // 2  # bits that must change before the next frame of a clip votes
_REACH = 1.0  # seconds that a neighbour may be away
_BIN = 0.25  # seconds of one vote
_TRIES = np.array([-0.5, 0.0, 0.5]) * _BIN  # around the middle of a bin
_TOP_BINS = 3
_PARTNERS = 32
_ROWS_AT_ONCE = 1 << 19
_VOTES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Footage:
    """Sampled frames of many videos and the clips made of them.

    hashes: (F, 4) uint64; seconds: (F,) float64, ascending within a video; video: (F,) int64, ascending.
    first, last: (C,) int64, the frames of clip c are first[c] <= f < last[c], all of one video.
    rank: (C,) int64, a permutation, the best clip has 0: where there are too many alike, they are compared with it.
    """

    hashes: np.ndarray
    seconds: np.ndarray
    video: np.ndarray
    first: np.ndarray
    last: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Pairs of clips a < b that show the same. All arrays (M,), sorted by (a, b).

    shift: seconds to add to times of a for the same moment of b. share_a, share_b: share of the frames of a that b
    shows, and the reverse. similarity: 1 - mean share of bits in which matched frames of the shorter differ.
    """

    a: np.ndarray
    b: np.ndarray
    shift: np.ndarray
    share_a: np.ndarray
    share_b: np.ndarray
    similarity: np.ndarray


def matching_clips(
    footage: Footage, *, min_share: float, min_frames: int, bucket_limit: int, kin: np.ndarray | None = None
) -> Matches:
    """All pairs of clips of which one shows at least `min_share`, and at least `min_frames` frames, of the other.

    Clips of one video are compared too, unless they overlap. The clip with fewer frames decides. bucket_limit: see
    `near_pairs`; it bounds time and memory where thousands of clips show the same picture. kin: (C,) int64; clips of
    equal kin are not compared.
    """
    pairs, shifts = _candidates(footage, min_frames, bucket_limit, kin)
    counts = footage.last - footage.first
    swapped = counts[pairs[:, 0]] > counts[pairs[:, 1]]
    short, long = np.where(swapped[:, None], pairs[:, ::-1], pairs).T
    shift = np.where(swapped, -shifts, shifts)
    course = _course(footage)
    matched, differing = _lay_on(footage, course, short, long, shift)
    good = (matched >= min_frames) & (matched >= min_share * counts[short])
    pairs, swapped, short, long, shift = pairs[good], swapped[good], short[good], long[good], shift[good]
    matched, differing = matched[good], differing[good]
    back, also_differing = _lay_on(footage, course, long, short, -shift)
    # Half a sample off, one direction still looks perfect; both together are best at the true shift.
    order = np.lexsort([np.abs(shift), differing + also_differing, -(matched + back), pairs[:, 1], pairs[:, 0]])
    best = order[_first_of_runs(pairs[order])]
    pairs, swapped, matched, back = pairs[best], swapped[best], matched[best], back[best]
    share_short, share_long = matched / counts[short[best]], back / counts[long[best]]
    return Matches(
        a=pairs[:, 0],
        b=pairs[:, 1],
        shift=np.where(swapped, -shift[best], shift[best]),
        share_a=np.where(swapped, share_long, share_short),
        share_b=np.where(swapped, share_short, share_long),
        similarity=1 - differing[best] / matched / 256,
    )


def _candidates(
    footage: Footage, min_frames: int, bucket_limit: int, kin: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(K, 2) int64 clips a < b and (K,) float64 shifts to try, the same pair in several neighbouring rows."""
    frame, clip = _seeds(footage, min_frames)
    rank = np.lexsort([frame, footage.rank[clip]]).argsort()
    seconds = footage.seconds[frame]
    longest = float(np.ptp(footage.seconds)) if len(seconds) else 0.0
    tally = _Tally(len(footage.first), int(longest / _BIN) + 1)
    family = clip if kin is None else kin[clip]
    for one, other, _ in near_pairs(
        footage.hashes[frame], family, rank, max_distance=SEED_DISTANCE, bucket_limit=bucket_limit
    ):
        swap = clip[one] > clip[other]
        one, other = np.where(swap, other, one), np.where(swap, one, other)
        a, b = clip[one], clip[other]
        apart = (footage.first[b] >= footage.last[a]) | (footage.first[a] >= footage.last[b])
        bins = np.rint((seconds[other] - seconds[one]) / _BIN).astype(np.int64)
        tally.add(a[apart], b[apart], bins[apart])
    votes = tally.most_wanted(footage.rank)
    shifts = (votes[:, 2, None] * _BIN + _TRIES).ravel()
    return np.repeat(votes[:, :2], len(_TRIES), axis=0), shifts


def _seeds(footage: Footage, min_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """(frame, clip) of the frames that vote: the first of a clip, then each that has changed since the last one."""
    numbers = [int.from_bytes(raw, "little") for raw in hashes_to_bytes(footage.hashes)]
    frames, clips = [], []
    for clip, (first, last) in enumerate(zip(footage.first.tolist(), footage.last.tolist(), strict=True)):
        if last - first < min_frames:
            continue
        kept = None
        for frame in range(first, last):
            if kept is None or (numbers[frame] ^ kept).bit_count() > _SEED_STEP:
                kept = numbers[frame]
                frames.append(frame)
                clips.append(clip)
    return np.array(frames, np.int64), np.array(clips, np.int64)


class _Tally:
    """Counts votes for (a, b, bin) without holding them all. clips: how many; bins: the largest, either way."""

    def __init__(self, clips: int, bins: int) -> None:
        self._clips, self._bins = clips, 2 * bins + 1
        if clips * clips * self._bins >= 1 << 63:
            raise InternVideoError(
                f"{clips} clips, videos of {bins * _BIN / 3600:.0f} hours: too much to search for duplicates at once",
                "curate the folders into several datasets",
            )
        self._keys, self._counts = np.empty(0, np.int64), np.empty(0, np.int64)
        self._fresh: list[np.ndarray] = []
        self._waiting = 0

    def add(self, a: np.ndarray, b: np.ndarray, bins: np.ndarray) -> None:
        """One vote per row."""
        self._fresh.append((a * self._clips + b) * self._bins + bins + self._bins // 2)
        self._waiting += len(a)
        if self._waiting > max(_VOTES_AT_ONCE, len(self._keys)):
            self._count()

    def _count(self) -> None:
        fresh, counts = np.unique(np.concatenate([self._keys[:0], *self._fresh]), return_counts=True)
        self._keys, place = np.unique(np.concatenate([self._keys, fresh]), return_inverse=True)
        weights = np.concatenate([self._counts, counts])
        self._counts = np.bincount(place, weights, minlength=len(self._keys)).astype(np.int64)
        self._fresh, self._waiting = [], 0

    def most_wanted(self, rank: np.ndarray) -> np.ndarray:
        """(K, 3) int64: for every pair of clips on the shortlist the _TOP_BINS bins of most votes; ties: small bins."""
        self._count()
        pairs, bins = np.divmod(self._keys, self._bins)
        order = np.lexsort([bins, -self._counts, pairs])
        pairs, bins, counts = pairs[order], bins[order], self._counts[order]
        starts = _first_of_runs(pairs[:, None])
        lengths = np.diff(np.r_[starts, len(pairs)])
        a, b = np.divmod(pairs[starts], self._clips)
        votes = np.add.reduceat(counts, starts) if len(starts) else counts
        wanted = np.repeat(_shortlist(a, b, votes, rank), lengths)
        wanted &= _places(lengths) < _TOP_BINS
        a, b = np.divmod(pairs[wanted], self._clips)
        return np.column_stack([a, b, bins[wanted] - self._bins // 2])


def _shortlist(a: np.ndarray, b: np.ndarray, votes: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """(P,) bool: for one of the two clips, the other is among its _PARTNERS with most votes or of best rank.

    So a thousand copies of one clip cost thousands of comparisons, not a million, and all still meet their keeper.
    """
    clip, other, votes = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([votes, votes])
    wanted = np.zeros(len(clip), bool)
    for worth in (-votes, rank[other]):
        order = np.lexsort([other, worth, clip])
        starts = _first_of_runs(clip[order][:, None])
        wanted[order] |= _places(np.diff(np.r_[starts, len(clip)])) < _PARTNERS
    either: np.ndarray = wanted[: len(a)] | wanted[len(a) :]
    return either


def _places(lengths: np.ndarray) -> np.ndarray:
    """0, 1, ... for each of consecutive runs of these lengths."""
    places: np.ndarray = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return places


def _first_of_runs(rows: np.ndarray) -> np.ndarray:
    """Positions where a row differs from the one before; rows: (N, k) sorted."""
    if not len(rows):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]).any(axis=1)])


def _lay_on(
    footage: Footage, course: np.ndarray, query: np.ndarray, target: np.ndarray, shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many frames of clip `query` does `target` show at `shift`; and in how many bits do these differ in all.

    query, target: (K,) clips; shift: (K,) seconds -> (K,) int64, (K,) int64. course: of `_course`.
    """
    timeline, zero = _timeline(footage)
    change = np.minimum(course[query], course[target])
    matched, differing = np.zeros(len(query), np.int64), np.zeros(len(query), np.int64)
    counts = footage.last[query] - footage.first[query]
    for start, stop in _in_portions(counts):
        part = slice(start, stop)
        row = np.repeat(np.arange(start, stop), counts[part])
        frame, clip = footage.first[query[row]] + _places(counts[part]), target[row]
        moment = footage.seconds[frame] + shift[row] + zero[footage.video[footage.first[clip]]]
        after = np.searchsorted(timeline, moment, side="right")
        before, after = _clipped(footage, clip, after - 1), _clipped(footage, clip, after)
        bits, between = _difference(footage, frame, before, after, timeline, moment)
        same = bits <= np.maximum(SAME_BITS, SAME_SHARE * np.maximum(between, change[row]))
        same &= between >= 0
        matched[part] = np.bincount(row[same] - start, minlength=stop - start)
        differing[part] = np.bincount(row[same] - start, bits[same], minlength=stop - start).astype(np.int64)
    return matched, differing


def _difference(
    footage: Footage, frame: np.ndarray, before: np.ndarray, after: np.ndarray, timeline: np.ndarray, moment: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bits in which a frame differs from both neighbours, and these from each other: -1 if none is in reach."""
    gap_before, gap_after = np.abs(moment - timeline[before]), np.abs(timeline[after] - moment)
    before = np.where((gap_before > _REACH) & (gap_after <= _REACH), after, before)
    after = np.where((gap_after > _REACH) & (gap_before <= _REACH), before, after)
    shown, left, right = (footage.hashes[index] for index in (frame, before, after))
    differs = (shown ^ left) & (shown ^ right)
    bits = hamming(differs, np.zeros(4, np.uint64))
    return bits, np.where(np.minimum(gap_before, gap_after) > _REACH, -1, hamming(left, right))


def _course(footage: Footage) -> np.ndarray:
    """(C,) float64: bits that change within half of each clip, the median over its frames; 0 for less than two."""
    course = np.zeros(len(footage.first))
    for clip, (first, last) in enumerate(zip(footage.first.tolist(), footage.last.tolist(), strict=True)):
        if last - first > 1:
            shown = footage.hashes[first:last]
            half = len(shown) // 2
            course[clip] = np.median(hamming(shown[:half], shown[half : 2 * half]))
    return course


def _clipped(footage: Footage, clip: np.ndarray, frame: np.ndarray) -> np.ndarray:
    clipped: np.ndarray = np.clip(frame, footage.first[clip], footage.last[clip] - 1)
    return clipped


def _timeline(footage: Footage) -> tuple[np.ndarray, np.ndarray]:
    """All videos one after the other on one clock: (F,) ascending; and (V,) what is added to the times of a video."""
    videos = int(footage.video.max(initial=-1)) + 1
    low, high = np.full(videos, np.inf), np.full(videos, -np.inf)
    np.minimum.at(low, footage.video, footage.seconds)
    np.maximum.at(high, footage.video, footage.seconds)
    # Time enough between two videos that no shift reaches over it unnoticed: neighbours are clipped to the clip anyway.
    lengths = np.where(np.isfinite(low), high - low, 0.0) + 10 * _REACH
    zero = np.cumsum(lengths) - lengths - np.where(np.isfinite(low), low, 0.0)
    return footage.seconds + zero[footage.video], zero


def _in_portions(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose counts sum to about _ROWS_AT_ONCE."""
    sums = np.cumsum(counts)
    start = 0
    while start < len(counts):
        base = int(sums[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(sums, base + _ROWS_AT_ONCE, side="right")))
        yield start, stop
        start = stop
