"""What a curate run will cost, said before it starts: from file headers and a measured rate, without decoding."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from internvideo.curation.scan import Found
from internvideo.errors import InternVideoError
from internvideo.jobs.talk import columns, duration, size
from internvideo.video.probe import probe

SAMPLE = 200  # headers that are read; larger folders are extrapolated from evenly spread ones
# Decode, shots, scores and hashes of H.264 on one core of the reference machine (docs/results.md): a part that grows
# with the picture, and one that does not because everything is measured on pictures of 256 pixels.
ASSUMED_PIXELS_PER_SECOND = 600e6
ASSUMED_SECONDS_PER_FRAME = 0.0015
HASH_BYTES_PER_SECOND = 400e6
VALUE_BYTES_PER_SECOND_OF_VIDEO = 400  # rows of all operators together


@dataclass(frozen=True)
class Estimate:
    """Cost of the work: cpu_seconds in all, wall_seconds with `workers`; sizes in bytes."""

    files: int
    read_bytes: int
    seconds_of_video: float
    frames: int
    cpu_seconds: float
    wall_seconds: float
    workers: int
    written_bytes: int
    memory_bytes: int
    sampled: int  # headers read
    rate: str  # where the rate comes from

    def as_row(self) -> dict[str, int | float | str]:
        return asdict(self)


def estimate_cost(due: Sequence[Found], workers: int, *, frames_per_second: float | None = None) -> Estimate:
    """The cost of curating these files. frames_per_second: per core, as an earlier run measured it."""
    step = max(1, -(-len(due) // SAMPLE))
    sampled = pixels = frames = 0
    seconds = 0.0
    for place in due[::step]:
        try:
            facts = probe(os.fsdecode(place.path))
        except InternVideoError:
            continue
        sampled += 1
        length = facts.seconds or 0.0
        count = facts.header_frames or round(length * float(facts.average_fps or 25))
        seconds, frames, pixels = seconds + length, frames + count, pixels + count * facts.width * facts.height
    scale = len(due) / sampled if sampled else 0.0
    read = sum(place.stat[0] for place in due)
    if frames_per_second:
        decode = frames / frames_per_second
    else:
        decode = pixels / ASSUMED_PIXELS_PER_SECOND + frames * ASSUMED_SECONDS_PER_FRAME
    cpu = scale * decode + read / HASH_BYTES_PER_SECOND
    return Estimate(
        files=len(due),
        read_bytes=read,
        seconds_of_video=scale * seconds,
        frames=round(scale * frames),
        cpu_seconds=cpu,
        wall_seconds=cpu / max(1, min(workers, len(due))) + (0.7 if due else 0.0),
        workers=workers,
        written_bytes=round(scale * seconds * VALUE_BYTES_PER_SECOND_OF_VIDEO),
        memory_bytes=workers * (200 << 20) + (300 << 20),
        sampled=sampled,
        rate="measured here in an earlier run"
        if frames_per_second
        else "assumed; the next run uses what this one measures",
    )


def say_estimate(cost: Estimate) -> str:
    """The estimate as a few lines for people."""
    rows = [
        ("videos with work", f"{cost.files:,} ({size(cost.read_bytes)}, {duration(cost.seconds_of_video)} of video)"),
        ("frames to decode", f"{cost.frames:,}, once"),
        (
            "time",
            f"{duration(cost.cpu_seconds)} of CPU, about {duration(cost.wall_seconds)} with {cost.workers} workers",
        ),
        ("memory", f"about {size(cost.memory_bytes)}"),
        ("written", f"about {size(cost.written_bytes)} of values (no media)"),
        ("rate", cost.rate),
    ]
    return columns(rows)
