"""Operators small enough to know what they must give, and ones that misbehave on purpose. Importable by workers."""

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import SPAN_COLUMNS, FrameRequest, clip_rows, video_rows
from internvideo.records import Preprocess
from internvideo.video.render import write_video


@dataclass(frozen=True)
class Halves:
    """Segmenter: two clips, before and after the middle frame."""

    name: str = "shots"
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "clip"
    segmenter: ClassVar[bool] = True
    needs: ClassVar[tuple] = ()
    frames: ClassVar[FrameRequest] = FrameRequest(measures=("clock",))
    columns: ClassVar[pa.Schema] = SPAN_COLUMNS

    def process(self, subject):
        ticks = subject.series["clock"].ticks
        middle, end = int(ticks[len(ticks) // 2]), int(ticks[-1]) + 1
        spans = [(int(ticks[0]), middle), (middle, end)]
        return clip_rows(
            subject,
            self.columns,
            [
                {
                    "start": start,
                    "end": stop,
                    "start_seconds": subject.seconds(start),
                    "end_seconds": subject.seconds(stop),
                    "frames": len(subject.series["clock"].within(start, stop).ticks),
                }
                for start, stop in spans
            ],
        )


@dataclass(frozen=True)
class Brightness:
    """Mean of the pictures that the planner hands out, per clip."""

    name: str = "brightness"
    scale: float = 1.0
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "clip"
    needs: ClassVar[tuple] = ("clips",)
    frames: ClassVar[FrameRequest] = FrameRequest(per_clip=3, size=16)
    columns: ClassVar[pa.Schema] = pa.schema([("mean", pa.float64())])

    def process(self, subject):
        clips = subject.rows["clips"].to_pylist()
        means = [float(pictures.mean()) * self.scale for pictures in subject.pictures]
        return clip_rows(
            subject,
            self.columns,
            [{"start": c["start"], "end": c["end"], "mean": m} for c, m in zip(clips, means, strict=True)],
        )


@dataclass(frozen=True)
class Glimpse:
    """Mean of what a network would see of every clip; fails if it is told to."""

    name: str
    how: Preprocess
    fails: bool = False
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "clip"
    needs: ClassVar[tuple] = ("clips",)
    columns: ClassVar[pa.Schema] = pa.schema([("mean", pa.float64())])

    @property
    def frames(self):
        return FrameRequest(network=self.how)

    def process(self, subject):
        if self.fails:
            raise RuntimeError("no network here")
        clips = subject.rows["clips"].to_pylist()
        rows = [
            {"start": c["start"], "end": c["end"], "mean": float(p.mean())}
            for c, p in zip(clips, subject.pictures, strict=True)
        ]
        return clip_rows(subject, self.columns, rows)


@dataclass(frozen=True)
class Trap:
    """Does what the word in `name.txt` beside the video says; a folder counts how often it was asked."""

    log: str
    name: str = "trap"
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "video"
    needs: ClassVar[tuple] = ("side",)
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema([("word", pa.string())])

    def process(self, subject):
        word = subject.side.get(".txt", b"").decode()
        Path(self.log, f"{word}-{time.monotonic_ns()}").touch()
        if word == "abort":
            os.abort()
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "bug":
            raise ZeroDivisionError("nobody is perfect")
        return video_rows(subject, self.columns, [{"word": word}])


@dataclass(frozen=True)
class Meddler:
    """Changes or removes a file, once, while the first video is being read."""

    target: str
    deed: str  # "append", "grow" (each time it is asked) or "remove"
    name: str = "meddler"
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "video"
    needs: ClassVar[tuple] = ()
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema([("present", pa.bool_())])

    def process(self, subject):
        target, done = Path(self.target), Path(self.target + ".deed")
        if self.deed == "grow" or not done.exists():
            done.touch()
            if self.deed == "remove":
                target.unlink()
            else:
                with target.open("ab") as file:
                    file.write(b"\0" * 16)
        return video_rows(subject, self.columns, [{"present": True}])


def grey_film(path, levels=(0, 100, 200), frames=10, fps=10):
    """A film of grey pictures, `frames` of each level, with a key frame every 5."""
    pictures = (np.full((48, 64, 3), level, np.uint8) for level in levels for _ in range(frames))
    write_video(path, pictures, fps=Fraction(fps), gop=5)
    return path


@dataclass(frozen=True)
class Everything:
    """One digest over all measures that exist: whatever differs anywhere shows."""

    name: str = "everything"
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "video"
    needs: ClassVar[tuple] = ()
    columns: ClassVar[pa.Schema] = pa.schema([("measure", pa.string()), ("digest", pa.string())])

    @property
    def frames(self):
        from internvideo.curation.measures import MEASURES

        return FrameRequest(measures=tuple(sorted(MEASURES)))

    def process(self, subject):
        rows = []
        for name, series in sorted(subject.series.items()):
            digest = hashlib.sha256(series.ticks.tobytes())
            for column, values in sorted(series.columns.items()):
                digest.update(column.encode() + values.tobytes())
            rows.append({"measure": name, "digest": digest.hexdigest()})
        return video_rows(subject, self.columns, rows)


@dataclass(frozen=True)
class Listener:
    """Counts words of captions that a later stage has made, beside the brightness that an operator gave."""

    name: str = "listener"
    version: ClassVar[int] = 1
    grain: ClassVar[str] = "video"
    needs: ClassVar[tuple] = ("brightness", "model_captions")
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema([("texts", pa.int32()), ("clips", pa.int32())])

    def process(self, subject):
        later = subject.rows.get("model_captions")
        counts = {"texts": 0 if later is None else later.num_rows, "clips": subject.rows["brightness"].num_rows}
        return video_rows(subject, self.columns, [counts])
