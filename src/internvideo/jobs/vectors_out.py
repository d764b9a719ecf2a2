"""Vectors and what filters need of them, out of a dataset: one Parquet file, or a Qdrant database.

The Parquet file is what `datasets.load_dataset("parquet", ...)` and Embedding Atlas read: a row per moment with its
text, place, facts and vector. Qdrant takes an address, or a folder for its embedded mode (extra `vectors`).
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.curation.export.data import ExportSummary
from internvideo.errors import InternVideoError, MissingExtra, UsageError
from internvideo.search.engine import Engine, spaces_of
from internvideo.store import durable
from internvideo.store.dataset import Dataset

BATCH = 256
NAMES = uuid.UUID("6f3d2f0e-5b64-4d0e-9f0b-4a1f6f2b8a51")  # ids of points are named in this space: the same every time
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Source:
    """A dataset's moments with vectors, a batch of rows at a time."""

    engine: Engine
    fingerprint: str

    @classmethod
    def of(cls, dataset: Dataset) -> "Source":
        """Raises UsageError for a dataset without vectors."""
        specs = spaces_of(dataset)
        if not specs:
            raise UsageError("this dataset has no vectors", "`internvideo index FOLDER --out DATASET` makes them")
        return cls(Engine(dataset, specs[0], fast=False), specs[0].fingerprint)

    @property
    def rows(self) -> list[int]:
        """Moments that are shown and have a vector."""
        engine = self.engine
        return [row for row in range(len(engine.moments)) if not engine.moments.hidden[row] and engine.has_vector(row)]

    def batches(self, progress: Progress | None) -> Iterator[list[dict[str, Any]]]:
        rows = self.rows
        for at in range(0, len(rows), BATCH):
            yield [self._row(row) for row in rows[at : at + BATCH]]
            if progress is not None:
                progress(min(at + BATCH, len(rows)), len(rows), "")

    def _row(self, row: int) -> dict[str, Any]:
        moments, facts = self.engine.moments, self.engine.moments.facts(row)
        span = moments.span(row)
        texts = [text.text for text in self.engine.words.of(row)]
        return {
            "clip": moments.clip(row).name,
            "video": facts.video,
            "name": facts.name,
            "start": span.start,
            "end": span.end,
            "is_shot": bool(moments.is_shot[row]),
            "text": texts[0] if texts else "",
            "texts": texts,
            "title": facts.title,
            "licence": facts.licence,
            "language": facts.language,
            "upload_date": facts.upload_date,
            "vector": self.engine.vector_of(row),
        }


def export_parquet(dataset: Dataset, out: Path, progress: Progress | None = None) -> ExportSummary:
    """`out/moments.parquet`; the space of its vectors stands in the file's metadata."""
    source = Source.of(dataset)
    space = source.engine.space
    assert space is not None  # a source has vectors
    about = {"model": space.model, "weights": space.weights, "fingerprint": source.fingerprint}
    strings = ("clip", "video", "name", "text", "title", "licence", "language", "upload_date")
    schema = pa.schema(
        [
            *((name, pa.string()) for name in strings),
            ("start", pa.float64()),
            ("end", pa.float64()),
            ("is_shot", pa.bool_()),
            ("texts", pa.list_(pa.string())),
            ("vector", pa.list_(pa.float32(), space.dimension)),
        ],
        metadata=about,
    )
    sink, count = pa.BufferOutputStream(), 0
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for batch in source.batches(progress):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    data = bytes(sink.getvalue())
    durable.make_folder(out)
    durable.write_atomic(out / "moments.parquet", data)
    return ExportSummary(clips=count, files=1, bytes=len(data))


def export_qdrant(dataset: Dataset, out: str, progress: Progress | None = None) -> ExportSummary:
    """A collection named by the first digits of the fingerprint, so that spaces never mix. Again: replaces, and
    removes videos that are withheld.

    out: an http address, or a folder. Raises MissingExtra, and InternVideoError where the database refuses.
    """
    try:
        from qdrant_client import QdrantClient, models
    except ImportError:
        raise MissingExtra("qdrant-client", "vectors") from None
    source = Source.of(dataset)
    space = source.engine.space
    assert space is not None
    name, count = f"internvideo-{source.fingerprint[:8]}", 0
    try:
        client = QdrantClient(url=out) if out.startswith(("http://", "https://")) else QdrantClient(path=out)
        if not client.collection_exists(name):
            size = models.VectorParams(size=space.dimension, distance=models.Distance.COSINE)
            client.create_collection(name, vectors_config=size)
        for batch in source.batches(progress):
            points = [
                models.PointStruct(
                    id=str(uuid.uuid5(NAMES, row["clip"])),
                    vector=row["vector"].tolist(),
                    payload={key: value for key, value in row.items() if key != "vector"},
                )
                for row in batch
            ]
            client.upsert(name, points)
            count += len(points)
        forgotten = models.FieldCondition(key="video", match=models.MatchAny(any=sorted(dataset.withheld())))
        if dataset.withheld():
            client.delete(name, models.FilterSelector(filter=models.Filter(must=[forgotten])))
        client.close()
    except (OSError, ValueError, RuntimeError) as error:
        raise InternVideoError(f"Qdrant at `{out}` refuses: {error}", "check the address or the folder") from error
    return ExportSummary(clips=count, files=0, bytes=0)
