"""What a curate run will cost, said before it starts: from file headers, measured rates and the operations of
networks, without decoding.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

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
ASSUMED_FLOPS = 100e9  # of a network, per second and core, in fp32; a core of the reference machine reaches 190e9
SHOT_SECONDS = 11.7  # InternVid, mean


@dataclass(frozen=True)
class Look:
    """A network that looks at clips. clips: per second of video; flops: per clip.

    device: what it computes on; only the time of processors is estimated. done: for all files that were read before.
    """

    model: str
    clips: float
    flops: float
    device: str = "cpu"
    done: bool = False


@dataclass(frozen=True)
class Estimate:
    """Cost of the work: cpu_seconds in all, wall_seconds with `workers`; sizes in bytes. networks: what each does."""

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
    networks: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def estimate_cost(
    due: Sequence[Found],
    workers: int,
    *,
    frames_per_second: float | None = None,
    looks: Sequence[Look] = (),
    known: Sequence[Found] = (),
) -> Estimate:
    """The cost of curating these files. frames_per_second: per core, as an earlier run measured it.

    looks: of networks, at the due files and, if they are new to the dataset, at the `known` ones.
    """
    sampled, seconds, frames, pixels = _sampled(due)
    scale = len(due) / sampled if sampled else 0.0
    read = sum(place.stat[0] for place in due)
    again, old, *_ = _sampled(known) if not all(look.done for look in looks) else (0, 0.0)
    networks, operations, looked_at = [], 0.0, len(due) + bool(again) * len(known)
    for look in looks:
        clips = look.clips * (scale * seconds + (len(known) / again * old if again and not look.done else 0.0))
        if not clips:
            continue
        timed = look.device == "cpu" and not (look.done and frames_per_second)  # else the rate has it
        operations += clips * look.flops * timed
        networks.append(f"{look.model}: {clips:,.0f} clips, {clips * look.flops / 1e12:,.3g} TFLOP on {look.device}")
    if frames_per_second:
        decode = frames / frames_per_second
    else:
        decode = pixels / ASSUMED_PIXELS_PER_SECOND + frames * ASSUMED_SECONDS_PER_FRAME
    cpu = scale * decode + read / HASH_BYTES_PER_SECOND + operations / ASSUMED_FLOPS
    return Estimate(
        files=len(due),
        read_bytes=read,
        seconds_of_video=scale * seconds,
        frames=round(scale * frames),
        cpu_seconds=cpu,
        wall_seconds=cpu / max(1, min(workers, looked_at)) + (0.7 if looked_at else 0.0),
        workers=workers,
        written_bytes=round(scale * seconds * VALUE_BYTES_PER_SECOND_OF_VIDEO),
        memory_bytes=workers * (200 << 20) + (300 << 20),
        sampled=sampled,
        rate="measured here in an earlier run"
        if frames_per_second
        else "assumed; the next run uses what this one measures",
        networks=tuple(networks),
    )


def _sampled(places: Sequence[Found]) -> tuple[int, float, int, int]:
    """Of evenly spread files whose headers can be read: how many, their seconds, frames and pixels."""
    sampled = pixels = frames = 0
    seconds = 0.0
    for place in places[:: max(1, -(-len(places) // SAMPLE))]:
        try:
            facts = probe(os.fsdecode(place.path))
        except InternVideoError:
            continue
        sampled += 1
        length = facts.seconds or 0.0
        count = facts.header_frames or round(length * float(facts.average_fps or 25))
        seconds, frames, pixels = seconds + length, frames + count, pixels + count * facts.width * facts.height
    return sampled, seconds, frames, pixels


def say_estimate(cost: Estimate) -> str:
    """The estimate as a few lines for people."""
    rows = [
        ("videos with work", f"{cost.files:,} ({size(cost.read_bytes)}, {duration(cost.seconds_of_video)} of video)"),
        ("frames to decode", f"{cost.frames:,}, once"),
        (
            "time",
            f"{duration(cost.cpu_seconds)} of CPU, about {duration(cost.wall_seconds)} with {cost.workers} workers",
        ),
        *(("network", network) for network in cost.networks),
        ("memory", f"about {size(cost.memory_bytes)}"),
        ("written", f"about {size(cost.written_bytes)} of values (no media)"),
        ("rate", cost.rate),
    ]
    return columns(rows)
