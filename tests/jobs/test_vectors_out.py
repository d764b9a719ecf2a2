"""Vectors that leave the dataset are the ones in it, and the database finds what search finds."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from internvideo.jobs.export import export
from internvideo.search.engine import Engine
from tests.search.colours import EMBEDDING, indexed, vector, world


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    return indexed(world(folder / "films"), folder / "dataset")


def test_the_parquet_file_holds_every_moment_with_its_vector(dataset, tmp_path):
    found = export(dataset.path, "vectors", tmp_path)
    table = pq.read_table(tmp_path / "moments.parquet")
    engine = Engine(dataset, dataset.operator(EMBEDDING.name))
    assert found["clips"] == table.num_rows == len(engine.moments)
    assert table.schema.metadata[b"model"] == b"colours"
    row = table.slice(3, 1).to_pylist()[0]
    assert (
        np.array_equal(np.array(row["vector"], np.float32), engine.vector_of(3))
        and row["clip"] == engine.moments.clip(3).name
    )
    assert "A red wall in Lisbon" in table["text"].to_pylist()


def test_qdrant_finds_what_search_finds(dataset, tmp_path):
    qdrant = pytest.importorskip("qdrant_client")
    for _ in range(2):  # the second time replaces
        found = export(dataset.path, "qdrant", tmp_path / "db")
    client = qdrant.QdrantClient(path=str(tmp_path / "db"))
    (collection,) = client.get_collections().collections
    assert client.count(collection.name).count == found["clips"]
    best = client.query_points(collection.name, query=vector("blue").tolist(), limit=3).points
    engine = Engine(dataset, dataset.operator(EMBEDDING.name), fast=False)
    assert best[0].score == pytest.approx(engine.exact.best(vector("blue"), 1)[1][0], abs=1e-3)
    assert best[0].payload["name"] in ("one.mp4", "three.mp4")
    client.close()


def test_what_is_forgotten_leaves_the_copies_too(tmp_path):
    from internvideo.jobs.upkeep import forget

    dataset = indexed(world(tmp_path / "films"), tmp_path / "dataset")
    qdrant = pytest.importorskip("qdrant_client")
    for form in ("vectors", "qdrant"):
        export(dataset.path, form, tmp_path / form)
    forget(dataset.path, ["one.mp4"], quiet=True)
    assert "one.mp4" not in pq.read_table(tmp_path / "vectors" / "moments.parquet")["name"].to_pylist()
    export(dataset.path, "qdrant", tmp_path / "qdrant")
    client = qdrant.QdrantClient(path=str(tmp_path / "qdrant"))
    (collection,) = client.get_collections().collections
    points, _ = client.scroll(collection.name, limit=1000)
    assert points and all(point.payload["name"] != "one.mp4" for point in points)
    client.close()
