"""A small real dataset: two films on disk, two clips of each, texts, and a view of the second film."""

import hashlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa

from internvideo.curation.captions import Captions
from internvideo.curation.facts import Probe
from internvideo.records import Licence
from internvideo.store import CLIP_KEY, Dataset, FileRecord, OperatorSpec, Result
from internvideo.store.values import VIDEO_KEY
from internvideo.video.reader import open_video
from internvideo.video.render import write_video

SPAN = [("start_seconds", pa.float64()), ("end_seconds", pa.float64()), ("frames", pa.int32())]
SHOTS = OperatorSpec("shots", 1, "clip", {}, pa.schema([*CLIP_KEY, *SPAN]), segmenter=True)
PROBE = OperatorSpec("probe", 1, "video", {}, pa.schema([*VIDEO_KEY, *Probe.columns]))
DOUBLES = OperatorSpec(
    "duplicates",
    1,
    "dataset",
    {},
    pa.schema([*CLIP_KEY, ("group", pa.string()), ("keeper", pa.bool_()), ("similarity", pa.float64())]),
)
CAPTIONS = OperatorSpec("captions", 1, "clip", {}, pa.schema([*CLIP_KEY, *Captions.columns]))


def fill(dataset: Dataset, folder: Path) -> list[str]:
    """Two films with two clips each, four texts for every first clip, and a view of the second film."""
    videos = []
    with dataset.writer() as writer:
        writer.register(SHOTS, PROBE, CAPTIONS, DOUBLES)
        for number in range(2):
            path = folder / f"film {number}.mp4"
            write_video(path, [np.full((48, 64, 3), 9 * t, np.uint8) for t in range(20)], fps=Fraction(25))
            video = hashlib.sha256(path.read_bytes() + bytes([number])).hexdigest()
            with open_video(path) as opened:
                step, base = int(opened.ticks[1] - opened.ticks[0]), opened.time_base
            spans = [(0, 10 * step), (10 * step, 20 * step)]
            key = {"video": video, "stream": 0, "item": 0}
            shots = [
                {
                    **key,
                    "start": a,
                    "end": b,
                    "start_seconds": float(a * base),
                    "end_seconds": float(b * base),
                    "frames": 10,
                }
                for a, b in spans
            ]
            said = [("title", "A title"), ("video", "the whole film"), ("clip", "about it"), ("transcript", "hello")]
            texts = [
                {
                    **key,
                    "start": 0,
                    "end": 10 * step,
                    "item": item,
                    "text": text,
                    "scale": scale,
                    "origin": "o",
                    "language": "",
                }
                for item, (scale, text) in enumerate(said)
            ]
            facts = [{"video": video, "item": 0, "stream": 0, "width": 64, "height": 48, "time_base": str(base)}]
            licence = Licence("CC0-1.0") if number else None
            writer.remember(FileRecord.of(folder, Path(path.name)), video, source=f"channel {number}", licence=licence)
            tables = [(SHOTS, shots), (PROBE, facts), (CAPTIONS, texts)]
            writer.commit(
                video, [Result(spec, "", pa.Table.from_pylist(rows, schema=spec.schema)) for spec, rows in tables]
            )
            videos.append(video)
        first = {"stream": 0, "start": shots[0]["start"], "end": shots[0]["end"], "item": 0, "group": "g"}
        doubles = [
            {**first, "video": video, "keeper": not number, "similarity": 0.9 if number else None}
            for number, video in enumerate(videos)
        ]
        writer.replace_all(DOUBLES, pa.Table.from_pylist(doubles, schema=DOUBLES.schema), "")
        writer.flush()
        keys = pa.table({name: [shots[0][name], shots[1][name]] for name in ("video", "stream", "start", "end")})
        funnel = [{"rule": "it moves", "in": 4, "kept": 2, "unknown": 0}]
        writer.save_view("second", keys, {"clip_set": "shots", "funnel": funnel})
    return videos
