"""Which clips are copies of each other, and which copy to keep. Groups only: nothing is ever removed here.

Equal files are one video already. Above that there are two levels: `packets`, videos whose coded pictures are equal
(the same stream in another container), and `perceptual`, clips that show the same pictures in the same order.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Subject, video_rows
from internvideo.curation.sequence_match import Footage, Matches, matching_clips
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
        [("tick", pa.int64()), ("seconds", pa.float64()), ("hash", pa.binary(32)), ("quality", pa.int16())]
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
            "hash": pa.array(hashes_to_bytes(series.columns["words"]), pa.binary(32)),
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
    min_quality: int = 50
    bucket_limit: int = 128
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips", "frame_hashes", "packet_digest", "probe")
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
        clips = _Clips(pick(rows, self.clip_set, "clip set"), rows["probe"])
        footage = clips.footage(rows["frame_hashes"], self.min_quality)
        found = matching_clips(
            footage, min_share=self.min_share, min_frames=self.min_frames, bucket_limit=self.bucket_limit
        )
        edges = _edges(found, PERCEPTUAL)
        edges |= _edges(clips.same_packets(rows["packet_digest"], self.min_share), PACKETS)
        groups, kept = _components(edges), _keepers(edges, clips.rank, self.min_share)
        return clips.table(self.columns, edges, groups, kept, footage.last - footage.first)


@dataclass(frozen=True)
class _Edge:
    """What clip `a` and clip `b` (a < b) have in common. shares: of the frames of a and of b that the other shows."""

    shares: tuple[float, float]
    similarity: float
    level: str

    def share_of(self, clip: int, other: int) -> float:
        return self.shares[clip > other]


_Edges = dict[tuple[int, int], _Edge]


def _edges(found: Matches, level: str) -> _Edges:
    columns = (found.a, found.b, found.share_a, found.share_b, found.similarity)
    return {
        (a, b): _Edge((share_a, share_b), similarity, level)
        for a, b, share_a, share_b, similarity in zip(*(column.tolist() for column in columns), strict=True)
    }


def _components(edges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Clip -> smallest clip that it is joined to, directly or through others; only clips that have an edge."""
    root: dict[int, int] = {}

    def find(clip: int) -> int:
        while (up := root.setdefault(clip, clip)) != clip:
            root[clip] = root[up]
            clip = up
        return clip

    for a, b in edges:
        one, other = sorted((find(a), find(b)))
        root[other] = one
    return {clip: find(clip) for clip in sorted(root)}


def _keepers(edges: _Edges, rank: np.ndarray, min_share: float) -> dict[int, int | None]:
    """Clip -> the keeper that shows most of it, or None if it is a keeper itself. Best clips first, so each clip is
    judged against keepers only and never dropped for one that is dropped too."""
    beside: dict[int, list[int]] = {}
    for a, b in edges:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    kept: dict[int, int | None] = {}
    for clip in sorted(beside, key=lambda clip: int(rank[clip])):
        shown = [
            (-share, int(rank[other]), other)
            for other in beside[clip]
            if other in kept
            and kept[other] is None
            and (share := edges[min(clip, other), max(clip, other)].share_of(clip, other)) >= min_share
        ]
        kept[clip] = min(shown)[2] if shown else None
    return kept


class _Clips:
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

    def table(
        self,
        columns: pa.Schema,
        edges: _Edges,
        groups: Mapping[int, int],
        kept: Mapping[int, int | None],
        frames: np.ndarray,
    ) -> pa.Table:
        """One row per clip, sorted by key."""
        keys = self.keys.select(CLIP_KEY.names).to_pylist()
        levels: dict[int, str] = {}
        for (a, b), edge in edges.items():
            for clip in (a, b):
                levels[clip] = edge.level if levels.get(clip) != PACKETS else PACKETS
        rows: list[dict[str, Any]] = []
        for clip, key in enumerate(keys):
            row = {**key, "item": 0, "group": None, "keeper": True, "frames": int(frames[clip])}
            if clip in groups:
                row |= {"group": _group_name(keys[groups[clip]]), "level": levels[clip]}
            if (other := kept.get(clip)) is not None:
                edge = edges[min(clip, other), max(clip, other)]
                row |= {f"other_{name}": keys[other][name] for name in ("video", "start", "end")}
                row |= {"keeper": False, "level": edge.level, "similarity": edge.similarity}
                row["matched"] = min(1.0, edge.share_of(clip, other))
            rows.append(row)
        return pa.Table.from_pylist(rows, schema=pa.schema([*CLIP_KEY, *columns]))


def _group_name(first: Mapping[str, Any]) -> str:
    """From the key of the first member alone."""
    key = f"{first['video']}.{first['stream']}.{first['start']}-{first['end']}"
    return hashlib.sha256(key.encode()).hexdigest()[:16]
