"""Semantic duplicates against a comparison of all with all, and groups against walking along the links."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.curation.operator import SPAN_COLUMNS
from internvideo.curation.semantic import SemanticDuplicates, clustered, groups_at, most_alike
from internvideo.store.values import CLIP_KEY, VIDEO_KEY


def unit(rng, count, width=6, kinds=4):
    """(N, D) float32 of unit length around a few directions."""
    centres = rng.normal(size=(kinds, width))
    vectors = centres[rng.integers(0, kinds, count)] + 0.2 * rng.normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=20)
@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 99))
def test_each_row_finds_the_better_row_of_its_cluster_that_is_most_alike(count, clusters, seed):
    rng = np.random.default_rng(seed)
    vectors, cluster, rank = unit(rng, count), rng.integers(0, clusters, count), rng.permutation(count)
    similarity, other = most_alike(vectors, cluster, rank)
    for row in range(count):
        better = [o for o in range(count) if cluster[o] == cluster[row] and rank[o] < rank[row]]
        if not better:
            assert other[row] == -1 and np.isnan(similarity[row])
            continue
        cosines = [float(vectors[o] @ vectors[row]) for o in better]
        assert np.isclose(similarity[row], max(cosines), atol=1e-5)
        assert np.isclose(float(vectors[other[row]] @ vectors[row]), max(cosines), atol=1e-5) and other[row] in better


@settings(max_examples=20)
@given(st.integers(1, 40), st.floats(-1, 1), st.integers(0, 99))
def test_groups_are_found_by_walking_to_better_rows(count, threshold, seed):
    rng = np.random.default_rng(seed)
    similarity, other = most_alike(unit(rng, count), np.zeros(count, np.int64), rng.permutation(count))
    for row, keeper in enumerate(groups_at(similarity, other, threshold).tolist()):
        while similarity[row] > threshold:
            row = other[row]
        assert keeper == row


def test_clusters_depend_on_vectors_and_seed_alone_and_hold_what_is_alike():
    rng = np.random.default_rng(3)
    centres = np.eye(8)[:5]
    kind = np.repeat(np.arange(5), 40)
    vectors = centres[kind] + 0.05 * rng.normal(size=(200, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    found = clustered(vectors, 5, seed=1)
    assert np.array_equal(found, clustered(vectors, 5, seed=1))
    assert all(len(np.unique(found[kind == one])) == 1 for one in range(5)), "what is alike lies together"
    assert np.array_equal(clustered(vectors, 1, 0), np.zeros(200)) and len(clustered(vectors[:0], 3, 0)) == 0


def test_rows_name_the_better_clip_and_nothing_is_left_out():
    videos = [format(n, "064x") for n in range(4)]
    spans = [{"video": v, "stream": 0, "start": 0, "end": 10, "item": 0} for v in videos]
    shots = [{**key, "start_seconds": 0.0, "end_seconds": 1.0, "frames": 9} for key in spans]
    vectors = [[1, 0], [1, 0], [0.6, 0.8], [0, 1]]
    probe = [{"video": v, "item": 0, "width": 10 * (n + 1), "height": 10, "bit_rate": 1} for n, v in enumerate(videos)]
    facts = [("width", pa.int32()), ("height", pa.int32()), ("bit_rate", pa.int64())]
    rows = {
        "shots": pa.Table.from_pylist(shots, schema=pa.schema([*CLIP_KEY, *SPAN_COLUMNS])),
        "embedding-toy": pa.Table.from_pylist(
            [{**key, "vector": v} for key, v in zip(spans, vectors, strict=True)],
            schema=pa.schema([*CLIP_KEY, ("vector", pa.list_(pa.float16(), 2))]),
        ),
        "probe": pa.Table.from_pylist(probe, schema=pa.schema([*VIDEO_KEY, *facts])),
    }
    found = SemanticDuplicates("embedding-toy").process_all(rows).to_pylist()
    assert [row["other_video"] for row in found] == [videos[1], videos[2], videos[3], None], (
        "larger pictures are better"
    )
    assert np.allclose([row["similarity"] for row in found[:3]], [1.0, 0.6, 0.8], atol=1e-3)
    assert found[3]["similarity"] is None and {row["cluster"] for row in found} == {0}
