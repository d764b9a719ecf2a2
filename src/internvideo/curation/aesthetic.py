"""How beautiful the frames of a clip are, by a head over a network's vectors of pictures."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Resources, Subject, clip_rows, resources_of
from internvideo.records import Space

AESTHETIC = "aesthetic"  # name of the operator
Judge = Callable[[np.ndarray], np.ndarray]  # (n, 3, T, size, size) float32, of one video -> (n, T) scores
JudgeFactory = Callable[[], Judge]


@dataclass(frozen=True)
class Aesthetic:
    """Scores of uniformly spaced frames, about 1 to 10: their mean, max and min.

    InternVid takes the maximum of four frames, other pipelines the minimum. space: of the network that sees the frames
    (its `preprocess` says how many); head: SHA-256 of the head's file. factory: picklable and hashable; called once
    per worker process, when the first video comes.
    """

    space: Space
    head: str
    factory: JudgeFactory = field(metadata={"beside": True})

    name: ClassVar[str] = AESTHETIC
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    columns: ClassVar[pa.Schema] = pa.schema([(name, pa.float32()) for name in ("mean", "max", "min")])

    @property
    def resources(self) -> Resources:
        return resources_of(self.factory)

    @property
    def frames(self) -> FrameRequest:
        return FrameRequest(network=self.space.preprocess)

    def process(self, subject: Subject) -> pa.Table:
        """One row per clip of this part of the video."""
        clips, pictures = subject.rows["clips"], subject.pictures
        if pictures is None or not len(pictures):
            return clip_rows(subject, self.columns, [])
        rows = [
            {"start": start, "end": end, "mean": float(each.mean()), "max": float(each.max()), "min": float(each.min())}
            for start, end, each in zip(
                clips["start"].to_pylist(), clips["end"].to_pylist(), _made(self.factory)(pictures), strict=True
            )
        ]
        return clip_rows(subject, self.columns, rows)


@cache
def _made(factory: JudgeFactory) -> Judge:
    return factory()
