"""Frame shards: a few small pictures of every clip, decoded once and for all, in tar files.

Reading a clip back is one read of some hundred kilobytes and the decoding of small pictures, instead of seeking in and
decoding a film. A shard is an ordinary WebDataset: `<key>.000.jpg`, `<key>.001.jpg` ... and `<key>.json` (captions,
label, source, span). Beside it lies `shard-NNNNNN.parquet`, its list, which also says what could not be read.
Same list and options, same bytes.
"""

import io
import json
import os
import tarfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from internvideo.datasets.lists import BadList, json_file, record
from internvideo.datasets.pixels import FRAMES, frames_of
from internvideo.datasets.sample import Member, PathLike, Sample, Samples
from internvideo.datasets.table import parquet_rows
from internvideo.errors import StoreError, UsageError, VideoError
from internvideo.store import durable
from internvideo.store.faults import shown, told
from internvideo.video.resize import resize
from internvideo.video.sampling import middle
from internvideo.video.transforms import short_side_size

INDEX = "frames.json"  # what the shards were made from and how
FORMATS = {"jpeg": "jpg", "webp": "webp"}
Progress = Callable[[int, int, str], None]  # done, of how many, name of the last one

SCHEMA = pa.schema(
    [
        ("uid", pa.int64()),
        ("key", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("frames", pa.int32()),
        ("captions", pa.list_(pa.string())),
        ("label", pa.int32()),
        ("source", pa.string()),
        ("media", pa.string()),
        ("problem", pa.string()),  # why there are no pictures; null: there are
        ("soft", pa.map_(pa.int32(), pa.float64())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class FrameShardOptions:
    """frames: of each clip at most, the middles of equal parts. side: of the shorter side at most, in pixels."""

    frames: int = 16
    side: int = 256
    form: str = "jpeg"  # or "webp"
    quality: int = 85
    clips_per_shard: int = 1000

    def __post_init__(self) -> None:
        if self.form not in FORMATS:
            raise UsageError(f"unknown picture format `{self.form}`", f"known: {', '.join(FORMATS)}")
        if min(self.frames, self.side, self.clips_per_shard) < 1 or not 1 <= self.quality <= 100:
            raise UsageError(f"frame shards cannot be made with {self}", "numbers of at least 1, quality up to 100")


@dataclass(frozen=True)
class FrameShardSummary:
    """What was written. skipped: (key, reason) of clips that could not be read."""

    files: int
    clips: int
    bytes: int
    skipped: list[tuple[str, str]] = field(default_factory=list)


def write_frame_shards(
    samples: Samples,
    out: PathLike,
    options: FrameShardOptions = FrameShardOptions(),
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> FrameShardSummary:
    """Write the clips of a list to shards in the folder `out`, which is made.

    A killed run keeps its finished shards if it is started again with the same list and options. workers: clips that
    are read at a time (threads). Raises StoreError if `out` holds anything else or cannot be written.
    """
    folder = Path(out)
    _claim(folder, samples, options)
    made: list[dict[str, Any]] = []
    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="frames") as pool:
        for number, first in enumerate(range(0, len(samples), options.clips_per_shard)):
            part = range(first, min(first + options.clips_per_shard, len(samples)))
            made += _shard(folder / f"shard-{number:06d}.tar", samples, part, options, pool, progress)
    tars = sorted(folder.glob("shard-*.tar"))
    return FrameShardSummary(
        files=2 * len(tars) + 1,
        clips=sum(row["problem"] is None for row in made),
        bytes=sum(tar.stat().st_size for tar in tars),
        skipped=[(row["key"], row["problem"]) for row in made if row["problem"] is not None],
    )


def read_frame_shards(path: PathLike, root: PathLike | None = None, *, corpus: str = "") -> Samples:
    """The clips of a folder of frame shards: uids, captions, labels and sources of the list they were made from.

    root, corpus: not used; uids are kept. Raises BadList for a folder that is none or is not finished.
    """
    folder = Path(path)
    index = record(json_file(folder / INDEX), f"`{folder / INDEX}`")
    expected = -(-int(index.get("samples", 0)) // int(index.get("options", {}).get("clips_per_shard", 1)))
    lists = sorted(folder.glob("shard-*.parquet"))
    if len(lists) != expected:
        raise BadList(f"`{path}` has {len(lists)} of {expected} frame shards", "run the same export again")
    return Samples(sample for each in lists for sample in _listed(each))


def _listed(path: Path) -> Iterator[Sample]:
    tar = os.fspath(path.with_suffix(".tar"))
    for row in parquet_rows(path):
        if row["problem"] is None:
            place = Member(tar, row["offset"], row["size"], FRAMES).path
            captions = tuple(row["captions"])
            soft = tuple(row.get("soft") or ())
            yield Sample(row["uid"], place, None, captions, row["label"], row["source"], row["media"], soft)


def _claim(folder: Path, samples: Samples, options: FrameShardOptions) -> None:
    """Say what the folder is for; refuse one that is for something else."""
    wanted = {
        "format": "frames",
        "version": 1,
        "list": samples.hash,
        "samples": len(samples),
        "options": asdict(options),
    }
    text = json.dumps(wanted, indent=2).encode("ascii") + b"\n"
    durable.make_folder(folder)
    with told("list", folder):
        others = sorted(path.name for path in folder.iterdir() if not path.name.endswith(durable.TEMPORARY))
        known = (folder / INDEX).read_bytes() if INDEX in others else b""
    if others and known != text:
        held = "frame shards of another list or with other options" if known else f"`{shown(others[0])}`"
        raise StoreError(f"`{shown(folder)}` holds {held}", "name a new folder for the export")
    if not known:
        durable.write_atomic(folder / INDEX, text)


def _shard(
    tar: Path,
    samples: Samples,
    part: range,
    options: FrameShardOptions,
    pool: ThreadPoolExecutor,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """Write one shard unless it is there; the rows of its list."""
    index = tar.with_suffix(".parquet")
    if tar.is_file() and index.is_file():
        return list(parquet_rows(index))
    partial = tar.with_name(tar.name + durable.TEMPORARY)
    rows = []
    with told("write", partial), tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as file:
        for place, sample, pictures in _in_order(samples, part, options, pool):
            rows.append(_add(file, f"{place:09d}", sample, pictures, options))
            if progress is not None:
                progress(place + 1, len(samples), rows[-1]["key"])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), sink, compression="zstd")
    with told("write", tar):
        partial.replace(tar)
    durable.write_atomic(index, sink.getvalue().to_pybytes())  # last: with it the shard is finished
    return rows


def _in_order(
    samples: Samples, part: range, options: FrameShardOptions, pool: ThreadPoolExecutor
) -> Iterator[tuple[int, Sample, list[bytes] | str]]:
    """Pictures of each clip, or why there are none; a few clips are read ahead."""
    waiting: deque[tuple[int, Sample, Future[list[bytes] | str]]] = deque()
    ahead = 2 * (os.cpu_count() or 1)
    try:
        for place in part:
            sample = samples[place]
            waiting.append((place, sample, pool.submit(_pictures, sample, options)))
            if len(waiting) > ahead:
                first, read, done = waiting.popleft()
                yield first, read, done.result()
        while waiting:
            first, read, done = waiting.popleft()
            yield first, read, done.result()
    finally:
        for _, _, done in waiting:
            done.cancel()


def _pictures(sample: Sample, options: FrameShardOptions) -> list[bytes] | str:
    """Encoded frames of a clip; a clip with fewer than `options.frames` has all of its own."""
    try:
        frames = frames_of(sample, lambda count: middle(count, min(count, options.frames)))
    except VideoError as problem:
        return f"{problem.kind}: {problem.problem}"
    if min(frames.shape[1:3]) > options.side:
        frames = resize(frames, *short_side_size(frames, options.side), interpolation="bicubic")
    return [_encoded(frame, options) for frame in frames]


def _encoded(frame: np.ndarray, options: FrameShardOptions) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(frame).save(sink, options.form.upper(), quality=options.quality)
    return sink.getvalue()


def _add(
    file: tarfile.TarFile, key: str, sample: Sample, pictures: Sequence[bytes] | str, options: FrameShardOptions
) -> dict[str, Any]:
    """Append the members of a clip; its row in the list."""
    known: dict[str, Any] = {
        "captions": list(sample.captions),
        "label": sample.label,
        "source": _printable(sample.source),
    }
    known |= {"soft": sample.soft} if sample.soft else {}
    row = {"uid": sample.uid, "key": key, "media": sample.media, "problem": None, **known}
    if isinstance(pictures, str):
        return {**row, "offset": 0, "size": 0, "frames": 0, "problem": _printable(pictures)}
    offset = file.offset
    for number, data in enumerate(pictures):
        _member(file, f"{key}.{number:03d}.{FORMATS[options.form]}", data)
    size = file.offset - offset
    span = [sample.span.start, sample.span.end] if sample.span else None
    text = json.dumps({"uid": sample.uid, "span": span, **known}, ensure_ascii=False, sort_keys=True)
    _member(file, f"{key}.json", text.encode("utf-8"))
    return {**row, "offset": offset, "size": size, "frames": len(pictures)}


def _member(file: tarfile.TarFile, name: str, data: bytes) -> None:
    """Without owner and date."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), 0, 0o644
    file.addfile(member, io.BytesIO(data))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
