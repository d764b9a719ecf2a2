"""Which clips are copies of each other, and which copy to keep. Groups only: nothing is ever removed here.

Equal files are one video already. Above that there are two levels: `packets`, videos whose coded pictures are equal
(the same stream in another container), and `perceptual`, clips that show the same pictures in the same order.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Subject, video_rows
from internvideo.curation.sequence_match import MIN_QUALITY, Footage, Matches, matching_clips
from internvideo.errors import pick
from internvideo.ops.hashing import hashes_from_bytes, hashes_to_bytes
from internvideo.store.values import CLIP_KEY

PACKETS, PERCEPTUAL = "packets", "perceptual"


@dataclass(frozen=True)
class FrameHashes:
    """The perceptual hash of every sampled frame, one row each in order of time. See `ops.hashing.frame_hash`."""

    name: str = "frame_hashes"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "video"
    needs: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("hash",))
    columns: ClassVar[pa.Schema] = pa.schema(
        [("tick", pa.int64()), ("seconds", pa.float64()), ("hash", pa.binary()), ("quality", pa.int16())]
    )

    def process(self, subject: Subject) -> pa.Table:
        """Flat frames have a row too; their quality tells."""
        series = subject.series["hash"]
        count = len(series.ticks)
        columns = {
            "video": pa.array([subject.video] * count, pa.string()),
            "item": pa.array(np.arange(count), pa.int32()),
            "tick": pa.array(series.ticks, pa.int64()),
            "seconds": pa.array([subject.seconds(int(tick)) for tick in series.ticks], pa.float64()),
            "hash": pa.array(hashes_to_bytes(series.columns["words"]), pa.binary()),
            "quality": pa.array(series.columns["quality"], pa.int16()),
        }
        return pa.table(columns, schema=video_rows(subject, self.columns, []).schema)


@dataclass(frozen=True)
class PacketDigest:
    """A digest of the coded pictures, equal for the same stream in another container. See `ops.packets.packet_digest`.

    The worker reads the packets and leaves the digest in `facts["packet_digest"]`; "" says that there were none.
    start_seconds: time of the first frame, which containers shift.
    """

    name: str = "packet_digest"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "video"
    packets: ClassVar[bool] = True  # asks the worker to read them
    needs: ClassVar[tuple[str, ...]] = ()
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema([("digest", pa.string()), ("start_seconds", pa.float64())])

    def process(self, subject: Subject) -> pa.Table:
        """One row; the digest is null if the video has no packets."""
        start = subject.seconds(int(subject.facts.get("start_tick") or 0))
        row = {"digest": subject.facts.get("packet_digest") or None, "start_seconds": start}
        return video_rows(subject, self.columns, [row])


@dataclass(frozen=True)
class NearDuplicates:
    """Groups of clips of one clip set that show the same, one row for every clip of the set.

    group: name of the group, null for a clip without copies; it depends on its first member only. keeper: no better
    clip shows at least `min_share` of this one, so a view that keeps keepers loses no content; true for clips without
    copies. Better is: more pixels, then longer by a tenth of a second, then a higher bit rate, then the smaller key.
    level: `packets` or `perceptual`. For clips that are no keepers other_* names the keeper that shows most of them,
    matched the share of their frames that it shows, similarity how alike these are (1: equal hashes).
    frames: sampled frames that are not flat (quality of at least `min_quality`); only these are compared, and a clip
    with fewer than `min_frames` is found by its packets at most.

    A clip inside a longer one is found, at any shift, and so are copies within one video (loops). Copies that are
    mirrored, rotated, cropped, slower or faster are not.
    """

    name: str = "duplicates"
    clip_set: str = "shots"
    min_share: float = 0.6
    min_frames: int = 3
    min_quality: int = MIN_QUALITY
    bucket_limit: int = 128
    version: ClassVar[int] = 2
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips", "frame_hashes", "packet_digest", "probe")
    optional: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("group", pa.string()),
            ("keeper", pa.bool_()),
            ("level", pa.string()),
            ("similarity", pa.float64()),
            ("matched", pa.float64()),
            ("other_video", pa.string()),
            ("other_start", pa.int64()),
            ("other_end", pa.int64()),
            ("frames", pa.int32()),
        ]
    )

    def process_all(self, rows: Mapping[str, pa.Table]) -> pa.Table:
        """See the class. rows: the clip set by its name, `frame_hashes`, `packet_digest` and `probe`."""
        clips = SetClips(pick(rows, self.clip_set, "clip set"), rows["probe"])
        footage = clips.footage(rows["frame_hashes"], self.min_quality)
        found = matching_clips(
            footage, min_share=self.min_share, min_frames=self.min_frames, bucket_limit=self.bucket_limit
        )
        links = _Links(found, clips.same_packets(rows["packet_digest"], self.min_share), clips.rank)
        return clips.table(self.columns, links, self.min_share, footage.last - footage.first)


class _Links:
    """Which clips have what in common, as arrays with every pair in both directions: `clip` is shown by `other`.

    Sorted: best clips first (clips without links are left out), for each the others that show most of it first.
    """

    def __init__(self, perceptual: Matches, packets: Matches, rank: np.ndarray) -> None:
        both = (packets, perceptual)
        clip = np.concatenate([side for found in both for side in (found.a, found.b)])
        other = np.concatenate([side for found in both for side in (found.b, found.a)])
        share = np.concatenate([side for found in both for side in (found.share_a, found.share_b)])
        similarity = np.concatenate([found.similarity for found in both for _ in range(2)])
        by_packets = np.arange(len(clip)) < 2 * len(packets.a)
        _, first = np.unique(np.column_stack([clip, other]), axis=0, return_index=True)  # of two, that of the packets
        order = first[np.lexsort([rank[other[first]], -share[first], rank[clip[first]]])]
        self.clip, self.other, self.share = clip[order], other[order], np.minimum(share[order], 1.0)
        self.similarity, self.by_packets = similarity[order], by_packets[order]

    def components(self) -> dict[int, int]:
        """Clip -> smallest clip that it is joined to, directly or through others."""
        root = {clip: clip for clip in self.clip.tolist()}

        def find(clip: int) -> int:
            while root[clip] != clip:
                root[clip] = clip = root[root[clip]]
            return clip

        for one, other in zip(self.clip.tolist(), self.other.tolist(), strict=True):
            low, high = sorted((find(one), find(other)))
            root[high] = low
        return {clip: find(clip) for clip in root}

    def kept_by(self, min_share: float) -> dict[int, int | None]:
        """Clip -> row of its link to the keeper that shows most of it, or None if it is a keeper itself.

        Best clips first, so each is judged against keepers only and never dropped for one that is dropped too.
        """
        kept: dict[int, int | None] = {}
        enough = (self.share >= min_share).tolist()
        starts = np.flatnonzero(np.r_[True, self.clip[1:] != self.clip[:-1]][: len(self.clip)])
        for start, stop in itertools.pairwise([*starts.tolist(), len(self.clip)]):
            others = enumerate(self.other[start:stop].tolist(), start)
            keepers = (row for row, other in others if enough[row] and other in kept and kept[other] is None)
            kept[int(self.clip[start])] = next(keepers, None)
        return kept


class SetClips:
    """The clips of one set in order of their keys, as arrays. `rank`: (C,) the best is 0."""

    def __init__(self, table: pa.Table, probe: pa.Table) -> None:
        order = [(name, "ascending") for name in CLIP_KEY.names]
        self.keys = table.select([*CLIP_KEY.names, "start_seconds", "end_seconds"]).sort_by(order)
        videos, self.video = np.unique(np.array(self.keys["video"].to_pylist(), object), return_inverse=True)
        self.videos: list[str] = videos.tolist()
        self.start, self.end = (self.keys[name].to_numpy().astype(np.int64) for name in ("start", "end"))
        self.seconds = [self.keys[name].to_numpy() for name in ("start_seconds", "end_seconds")]
        self.rank = self._ranked(probe)

    def _ranked(self, probe: pa.Table) -> np.ndarray:
        """Ties of all else go by key, as the clips are in that order."""
        facts = {row["video"]: row for row in probe.select(["video", "width", "height", "bit_rate"]).to_pylist()}
        known = [facts.get(video, {}) for video in self.videos]
        pixels = np.array([(row.get("width") or 0) * (row.get("height") or 0) for row in known], np.int64)
        bit_rate = np.array([row.get("bit_rate") or 0 for row in known], np.int64)
        tenths = np.rint((self.seconds[1] - self.seconds[0]) * 10).astype(np.int64)
        order = np.lexsort([np.arange(len(tenths)), -bit_rate[self.video], -tenths, -pixels[self.video]])
        return order.argsort()

    def footage(self, hashes: pa.Table, min_quality: int) -> Footage:
        """The good frames of these videos, and which of them each clip has."""
        number = {video: i for i, video in enumerate(self.videos)}
        column = hashes["video"].combine_chunks().dictionary_encode()
        names = np.array([number.get(name, -1) for name in column.dictionary.to_pylist()], np.int64)
        video = names[column.indices.to_numpy(zero_copy_only=False)] if len(column) else np.empty(0, np.int64)
        ticks = hashes["tick"].to_numpy()
        good = np.flatnonzero((video >= 0) & (hashes["quality"].to_numpy() >= min_quality))
        order = good[np.lexsort([ticks[good], video[good]])]
        words = hashes_from_bytes(b"".join(hashes["hash"].to_pylist()))
        video, ticks = video[order], ticks[order]
        begins = np.searchsorted(video, np.arange(len(self.videos) + 1))
        first, last = np.empty(len(self.start), np.int64), np.empty(len(self.start), np.int64)
        for clip, (of, start, end) in enumerate(zip(self.video, self.start, self.end, strict=True)):
            low, high = begins[of], begins[of + 1]
            first[clip], last[clip] = low + np.searchsorted(ticks[low:high], [start, end])
        seconds = hashes["seconds"].to_numpy()[order]
        return Footage(words[order], seconds, video, first, last, self.rank)

    def same_packets(self, digests: pa.Table, min_share: float) -> Matches:
        """Clips at the same time of videos with equal coded pictures; each is compared with the best of its kind."""
        best_clip = np.full(len(self.videos), len(self.rank))
        np.minimum.at(best_clip, self.video, self.rank)
        number = {video: i for i, video in enumerate(self.videos)}
        kinds: dict[str, list[tuple[int, float]]] = {}
        for row in digests.select(["video", "digest", "start_seconds"]).to_pylist():
            if row["digest"] and row["video"] in number:
                kinds.setdefault(row["digest"], []).append((number[row["video"]], row["start_seconds"]))
        found: list[tuple[int, int, float, float, float]] = []
        for _, members in sorted(kinds.items()):
            centre, *others = sorted(members, key=lambda member: int(best_clip[member[0]]))
            for other in others:
                found += self._at_the_same_time(centre, other, min_share)
        a, b, shift, share_a, share_b = np.array(sorted(found), np.float64).reshape(-1, 5).T
        return Matches(a.astype(np.int64), b.astype(np.int64), shift, share_a, share_b, np.ones(len(a)))

    def _at_the_same_time(
        self, one: tuple[int, float], other: tuple[int, float], min_share: float
    ) -> Iterable[tuple[int, int, float, float, float]]:
        """(a, b, shift, share of a, share of b) of clips of two videos of which one covers `min_share` of the other."""
        (video, zero), (its_video, its_zero) = one, other
        starts, ends = (seconds - zero for seconds in self.seconds)
        its_starts, its_ends = (seconds - its_zero for seconds in self.seconds)
        its_clips = np.flatnonzero(self.video == its_video)
        for a in np.flatnonzero(self.video == video).tolist():
            shared = np.minimum(its_ends[its_clips], ends[a]) - np.maximum(its_starts[its_clips], starts[a])
            for b, both in zip(its_clips.tolist(), shared.tolist(), strict=True):
                share_a, share_b = both / (ends[a] - starts[a]), both / (its_ends[b] - its_starts[b])
                if max(share_a, share_b) >= min_share:
                    shift = its_zero - zero
                    yield (a, b, shift, share_a, share_b) if a < b else (b, a, -shift, share_b, share_a)

    def table(self, columns: pa.Schema, links: _Links, min_share: float, frames: np.ndarray) -> pa.Table:
        """One row per clip, sorted by key."""
        keys = self.keys.select(CLIP_KEY.names).to_pylist()
        groups, kept = links.components(), links.kept_by(min_share)
        by_packets = set(links.clip[links.by_packets].tolist())
        rows: list[dict[str, Any]] = []
        for clip, key in enumerate(keys):
            row = {**key, "item": 0, "group": None, "keeper": True, "frames": int(frames[clip])}
            if clip in groups:
                row["group"] = _group_name(keys[groups[clip]])
                row["level"] = PACKETS if clip in by_packets else PERCEPTUAL
            if (link := kept.get(clip)) is not None:
                other = keys[int(links.other[link])]
                row |= {f"other_{name}": other[name] for name in ("video", "start", "end")}
                row["keeper"], row["level"] = False, PACKETS if links.by_packets[link] else PERCEPTUAL
                row["matched"], row["similarity"] = float(links.share[link]), float(links.similarity[link])
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=pa.schema([*CLIP_KEY, *columns]))


def _group_name(first: Mapping[str, Any]) -> str:
    """From the key of the first member alone."""
    key = f"{first['video']}.{first['stream']}.{first['start']}-{first['end']}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]
