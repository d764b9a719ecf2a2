"""One small indexed dataset for all tests that only look."""

import pytest

from internvideo.search.engine import Engine
from internvideo.store.dataset import Dataset
from tests.search.colours import EMBEDDING, indexed, world


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    return world(tmp_path_factory.mktemp("colours"))


@pytest.fixture(scope="session")
def dataset(films, tmp_path_factory) -> Dataset:
    return indexed(films, tmp_path_factory.mktemp("indexed") / "dataset")


@pytest.fixture(scope="session")
def engine(dataset):
    return Engine(dataset, dataset.operator(EMBEDDING.name))
