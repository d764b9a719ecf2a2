"""Vectors as arrays that are searched: `index/<fingerprint8>/`, derived from one embedding operator, disposable.

One part per shard of the dataset: `shard-0007.vectors.npy` (n, D) float16, `.codes.npy` (n, D) uint8 and
`.rows.parquet`: keys of the rows, and how unrelated sentences score on each. A part is made again when its shard has
changed, so an update touches only shards with new, changed or forgotten videos. Files are mapped, not read.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.config import plain, restore
from internvideo.records import Preprocess, Space
from internvideo.store import durable, shards, toml_text
from internvideo.store.dataset import Dataset
from internvideo.store.values import SPAN_KEY, OperatorSpec, shard_name

FOLDER = "index"
SAMPLE = 20_000  # vectors that the code is fitted to
IDENTITY = b"made_from"
ROWS = pa.schema([*SPAN_KEY, ("usual", pa.float32()), ("spread", pa.float32())])


@dataclass(frozen=True)
class Coder:
    """Vectors as bytes, each dimension with its own middle and step: vector = middle + step (code - 128).

    The part of a score that depends on the row is then sum(query step code): bytes are compared as they are.
    """

    middle: np.ndarray  # (D,) float32
    step: np.ndarray  # (D,) float32

    @classmethod
    def fitted(cls, vectors: np.ndarray) -> "Coder":
        """To (n, D) vectors of the same kind."""
        wide = vectors.astype(np.float32)
        middle = wide.mean(axis=0) if len(wide) else np.zeros(vectors.shape[1], np.float32)
        reach = np.abs(wide - middle).max(axis=0, initial=1e-6)
        return cls(middle, reach / 127)

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """(n, D) -> (n, D) uint8."""
        codes = np.rint((vectors.astype(np.float32) - self.middle) / self.step)
        return np.asarray((np.clip(codes, -127, 127) + 128).astype(np.uint8))


@dataclass(frozen=True)
class Part:
    """One shard. vectors: (n, D) float16, codes: (n, D) uint8, both mapped; rows: `ROWS`."""

    vectors: np.ndarray
    codes: np.ndarray
    rows: pa.Table


class Arrays:
    """The search arrays of one embedding in a dataset. `update` makes them, `parts` are what there is."""

    def __init__(self, dataset: Dataset, spec: OperatorSpec) -> None:
        self.space = space_of(spec)
        self._dataset, self._spec = dataset, spec
        self.folder = dataset.path / FOLDER / spec.fingerprint[:8]

    def stale(self) -> list[int]:
        """Numbers of the shards that have changed since their part was made."""
        return [shard for shard in range(self._dataset.manifest.shards) if self._made_from(shard) != self._now(shard)]

    def update(self, sentences: Callable[[], np.ndarray] | None = None) -> int:
        """Bring all parts up to date; how many were made. Best done by the writer; any reader may.

        sentences: gives (S, D) vectors of unrelated sentences, asked for once per index; without it, scores of such
        sentences are not known here.
        """
        if not self.stale() and (sentences is None or self.knows_usual):
            return 0
        durable.make_folder(self.folder)
        coder, unrelated = self._settings(sentences)
        stale = self.stale()
        for shard in stale:
            self._make(shard, coder, unrelated)
        said = {"operator": self._spec.path, "model": self.space.model, "weights": self.space.weights}
        durable.write_atomic(self.folder / "index.toml", toml_text.dumps(said).encode("utf-8"))
        return len(stale)

    @property
    def knows_usual(self) -> bool:
        """Whether it is known how unrelated sentences score."""
        path = self.folder / "settings.npz"
        if not path.is_file():
            return False
        with np.load(path) as kept:
            return len(kept["unrelated"]) > 0

    def parts(self) -> Iterator[Part]:
        """In order of shards."""
        for shard in range(self._dataset.manifest.shards):
            if self._path(shard, "rows.parquet").is_file():
                vectors, codes = (np.load(self._path(shard, n), mmap_mode="c") for n in ("vectors.npy", "codes.npy"))
                yield Part(vectors, codes, pq.read_table(self._path(shard, "rows.parquet")))

    @cached_property
    def coder(self) -> Coder:
        """How the codes were made."""
        with np.load(self.folder / "settings.npz") as kept:
            return Coder(kept["middle"], kept["step"])

    def _settings(self, sentences: Callable[[], np.ndarray] | None) -> tuple[Coder, np.ndarray]:
        """What all parts of an index share; made with the first of them."""
        path = self.folder / "settings.npz"
        if path.is_file():
            with np.load(path) as kept:
                unrelated = kept["unrelated"]
            if len(unrelated) or sentences is None:
                return self.coder, unrelated
        for place in self.folder.glob("*.rows.parquet"):
            place.unlink()
        sample = np.concatenate([self._vectors(shard)[1][:SAMPLE] for shard in range(self._dataset.manifest.shards)])
        coder = Coder.fitted(sample[:: max(1, len(sample) // SAMPLE)])
        unrelated = np.empty((0, self.space.dimension), np.float32) if sentences is None else sentences()
        held = io.BytesIO()
        np.savez(held, middle=coder.middle, step=coder.step, unrelated=unrelated)
        durable.write_atomic(path, held.getvalue())
        return coder, unrelated

    def _make(self, shard: int, coder: Coder, unrelated: np.ndarray) -> None:
        """The rows come last: they say what the part was made from."""
        made_from = self._now(shard)
        keys, vectors = self._vectors(shard)
        usual, spread = np.zeros((2, len(vectors)), np.float32)
        if len(unrelated):
            for start in range(0, len(vectors), 8192):
                block = slice(start, start + 8192)
                scores = vectors[block].astype(np.float32) @ unrelated.T
                usual[block], spread[block] = scores.mean(axis=1), scores.std(axis=1)
        rows = keys.append_column("usual", pa.array(usual)).append_column("spread", pa.array(spread))
        rows = rows.cast(ROWS).replace_schema_metadata({IDENTITY: made_from})
        self._path(shard, "rows.parquet").unlink(missing_ok=True)
        for name, array in (("vectors.npy", vectors), ("codes.npy", coder.encode(vectors))):
            held = io.BytesIO()
            np.save(held, array)
            durable.write_atomic(self._path(shard, name), held.getvalue(), sync_parent=False)
        sink = pa.BufferOutputStream()
        pq.write_table(rows, sink)
        durable.write_atomic(self._path(shard, "rows.parquet"), bytes(sink.getvalue()))

    def _vectors(self, shard: int) -> tuple[pa.Table, np.ndarray]:
        """Keys and vectors of a shard, sorted by key."""
        path = self._shard(shard)
        names = [*SPAN_KEY.names, "vector"]
        if not path.is_file():
            return SPAN_KEY.empty_table(), np.empty((0, self.space.dimension), np.float16)
        rows = shards.read(path, self._spec.file_schema, names)
        flat = rows["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return rows.select(SPAN_KEY.names), flat.reshape(-1, self.space.dimension)

    def _shard(self, shard: int) -> Path:
        return self._dataset.path / "values" / self._spec.name / self._spec.key / shard_name(shard)

    def _path(self, shard: int, kind: str) -> Path:
        return self.folder / f"shard-{shard:04d}.{kind}"

    def _now(self, shard: int) -> bytes | None:
        """What a shard is now; None if it is not there."""
        try:
            facts = self._shard(shard).stat()
        except FileNotFoundError:
            return None
        return json.dumps([facts.st_size, facts.st_mtime_ns]).encode("ascii")

    def _made_from(self, shard: int) -> bytes | None:
        """What a shard was when its part was made; None if there is no part."""
        try:
            metadata = pq.read_schema(self._path(shard, "rows.parquet")).metadata or {}
        except (FileNotFoundError, pa.ArrowException):
            return None
        return metadata.get(IDENTITY)


def space_of(spec: OperatorSpec) -> Space:
    """Of an embedding operator."""
    found = restore(json.loads(spec.text)["parameters"]["space"], {"Space": Space, "Preprocess": Preprocess})
    assert isinstance(found, Space), plain(found)
    return found
