"""Vectors of clips, made by any network that knows videos and texts: what search compares with a query."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Resources, Subject, resources_of
from internvideo.records import Space
from internvideo.store.values import CLIP_KEY

Embedder = Callable[[np.ndarray], np.ndarray]  # (n, 3, T, size, size) float32, of one video -> (n, D) float32
EmbedderFactory = Callable[[], Embedder]


@dataclass(frozen=True)
class Embedding:
    """A unit vector per clip, kept as float16.

    factory: picklable and hashable; called once per worker process, when the first video comes.
    """

    space: Space
    factory: EmbedderFactory = field(metadata={"beside": True})

    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)

    @property
    def name(self) -> str:
        return self.space.operator

    @property
    def resources(self) -> Resources:
        return resources_of(self.factory)

    @property
    def frames(self) -> FrameRequest:
        return FrameRequest(network=self.space.preprocess)

    @property
    def columns(self) -> pa.Schema:
        return pa.schema([("vector", pa.list_(pa.float16(), self.space.dimension))])

    def process(self, subject: Subject) -> pa.Table:
        """One row per clip of this part of the video."""
        clips, pictures = subject.rows["clips"], subject.pictures
        if pictures is None or not len(pictures):
            return pa.schema([*CLIP_KEY, *self.columns]).empty_table()
        vectors = _made(self.factory)(pictures)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        flat = pa.array(vectors.astype(np.float16).ravel())
        return pa.table(
            {
                **{name: clips[name] for name in CLIP_KEY.names[:4]},
                "item": pa.array(np.zeros(len(vectors), np.int32)),
                "vector": pa.FixedSizeListArray.from_arrays(flat, self.space.dimension),
            },
            schema=pa.schema([*CLIP_KEY, *self.columns]),
        )


@cache
def _made(factory: EmbedderFactory) -> Embedder:
    return factory()
