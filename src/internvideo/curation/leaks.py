"""Which clips show what a video of an evaluation set shows, by fingerprints: hashes of its frames, never its pixels.

The same comparison as for near-duplicates, so re-encoded, resized and trimmed copies are found, mirrored ones are not.
Nothing is removed: views leave these clips out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.duplicates import SetClips
from internvideo.curation.operator import Grain
from internvideo.curation.sequence_match import MIN_QUALITY, Footage, Matches, matching_clips
from internvideo.errors import pick
from internvideo.ops.hashing import hashes_from_bytes
from internvideo.store.values import CLIP_KEY

LEAKS = "leaks"
# One row per sampled frame: the name of its video, when it is shown, its hash (32 bytes), how much there is to see.
FINGERPRINTS = pa.schema(
    [("name", pa.string()), ("seconds", pa.float64()), ("hash", pa.binary()), ("quality", pa.int16())]
)


@dataclass(frozen=True)
class Fingerprints:
    """An evaluation set. name: for people; digest: SHA-256 of its rows; rows: as `FINGERPRINTS`, sorted."""

    name: str
    digest: str
    rows: pa.Table = field(metadata={"beside": True}, compare=False)


@dataclass(frozen=True)
class Leaks:
    """One row per clip that shows at least `min_share` of a video of an evaluation set, or the reverse.

    evaluation_set, evaluation_video: the one that it has most of; share: of the frames of the clip that this video
    shows; covered: share of the video's frames that the clip shows; similarity: of these frames (1: equal hashes).
    The other fields are as in `NearDuplicates`.
    """

    sets: tuple[Fingerprints, ...] = ()
    clip_set: str = "shots"
    min_share: float = 0.6
    min_frames: int = 3
    min_quality: int = MIN_QUALITY
    bucket_limit: int = 128

    name: ClassVar[str] = LEAKS
    version: ClassVar[int] = 2
    grain: ClassVar[Grain] = "clip"
    optional: ClassVar[tuple[str, ...]] = ()
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            ("evaluation_set", pa.string()),
            ("evaluation_video", pa.string()),
            ("share", pa.float64()),
            ("covered", pa.float64()),
            ("similarity", pa.float64()),
        ]
    )

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.clip_set, "frame_hashes", "probe")

    def process_all(self, rows: Mapping[str, pa.Table]) -> pa.Table:
        """See the class. rows: the clip set by its name, `frame_hashes` and `probe`."""
        schema = pa.schema([*CLIP_KEY, *self.columns])
        if not any(one.rows.num_rows for one in self.sets):
            return schema.empty_table()
        clips = SetClips(pick(rows, self.clip_set, "clip set"), rows["probe"])
        ours = _with_whole_videos(clips.footage(rows["frame_hashes"], self.min_quality), len(clips.videos))
        names, spans, theirs = _footage(self.sets, self.min_quality)
        count = len(ours.first)
        found = matching_clips(
            _side_by_side(ours, theirs),
            min_share=self.min_share,
            min_frames=self.min_frames,
            bucket_limit=self.bucket_limit,
            kin=np.repeat([0, 1], [count, len(theirs.first)]),
        )  # a is always ours: our clips have the smaller numbers
        clip, other, share, covered, similarity = self._per_clip(clips, found, spans, count)
        order = np.lexsort([other, -similarity, -np.maximum(share, covered), clip])
        order = order[np.r_[True, np.diff(clip[order]) != 0][: len(order)]]
        keys = clips.keys.select(CLIP_KEY.names).take(pa.array(clip[order]))
        which = [names[number] for number in other[order].tolist()]
        columns = [
            [name for name, _ in which],
            [video for _, video in which],
            *(np.minimum(column[order], 1.0) for column in (share, covered, similarity)),
        ]
        return pa.table([*keys.columns, *map(pa.array, columns)], schema=schema)

    def _per_clip(self, clips: SetClips, found: Matches, spans: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
        """(clip, video of the sets, share, covered, similarity), each (M,): matches of clips, and of whole videos.

        Where a whole video matches, each clip that lies within what both show leaks, be its own pictures ever so flat.
        """
        own = found.a < len(clips.rank)
        rows = [(found.a[own], found.b[own] - count, found.share_a[own], found.share_b[own], found.similarity[own])]
        for match in np.flatnonzero(~own).tolist():
            video, other = int(found.a[match]) - len(clips.rank), int(found.b[match]) - count
            mine = np.flatnonzero(clips.video == video)
            starts, ends = (seconds[mine] for seconds in clips.seconds)
            low, high = spans[other] - found.shift[match]
            share = (np.minimum(ends, high) - np.maximum(starts, low)) / (ends - starts)
            inside = share >= self.min_share
            size = int(inside.sum())
            facts = (other, None, found.share_b[match], found.similarity[match])
            columns = [share[inside] if fact is None else np.full(size, fact) for fact in facts]
            rows.append((mine[inside], *columns))
        return tuple(np.concatenate(column) for column in zip(*rows, strict=True))


def _with_whole_videos(footage: Footage, videos: int) -> Footage:
    """The same clips, then every video as one more clip."""
    bounds = np.searchsorted(footage.video, np.arange(videos + 1))
    return Footage(
        footage.hashes,
        footage.seconds,
        footage.video,
        np.concatenate([footage.first, bounds[:-1]]),
        np.concatenate([footage.last, bounds[1:]]),
        np.concatenate([footage.rank + videos, np.arange(videos)]),
    )


def _footage(sets: Sequence[Fingerprints], min_quality: int) -> tuple[list[tuple[str, str]], np.ndarray, Footage]:
    """(set, name) of every video of the sets; (V, 2) seconds of its first and last frame, flat ones too; its frames.

    Each video is one clip, all are of the best rank.
    """
    names: list[tuple[str, str]] = []
    lengths: dict[tuple[str, str], tuple[float, float]] = {}
    hashes, seconds, video = [np.empty((0, 4), np.uint64)], [np.empty(0)], [np.empty(0, np.int64)]
    for one in sets:
        good = one.rows.filter(pc.greater_equal(one.rows["quality"], min_quality))
        order = good["name"].combine_chunks().dictionary_encode()
        hashes.append(hashes_from_bytes(b"".join(good["hash"].to_pylist())))
        seconds.append(good["seconds"].to_numpy())
        video.append(len(names) + order.indices.to_numpy().astype(np.int64))
        names += [(one.name, name) for name in order.dictionary.to_pylist()]
        bounds_of = one.rows.group_by("name").aggregate([("seconds", "min"), ("seconds", "max")])
        columns = (bounds_of[column].to_pylist() for column in ("name", "seconds_min", "seconds_max"))
        lengths |= {(one.name, name): (low, high) for name, low, high in zip(*columns, strict=True)}
    numbers = np.concatenate(video)
    bounds = np.searchsorted(numbers, np.arange(len(names) + 1))
    rank = np.arange(len(names))
    spans = np.array([lengths[name] for name in names], np.float64).reshape(-1, 2)
    return (
        names,
        spans,
        Footage(np.concatenate(hashes), np.concatenate(seconds), numbers, bounds[:-1], bounds[1:], rank),
    )


def _side_by_side(ours: Footage, theirs: Footage) -> Footage:
    """Both in one, theirs after ours, and the more wanted: where very many clips look alike they are not missed."""
    frames, videos = len(ours.seconds), int(ours.video.max(initial=-1)) + 1
    return Footage(
        hashes=np.concatenate([ours.hashes, theirs.hashes]),
        seconds=np.concatenate([ours.seconds, theirs.seconds]),
        video=np.concatenate([ours.video, theirs.video + videos]),
        first=np.concatenate([ours.first, theirs.first + frames]),
        last=np.concatenate([ours.last, theirs.last + frames]),
        rank=np.concatenate([ours.rank + len(theirs.rank), theirs.rank]),
    )
