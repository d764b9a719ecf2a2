"""Vector indexes of others, as `search.py` asks them: one JSON request per line, one JSON answer per line.

{"build": "faiss-hnsw", "vectors": "x.npy", "ef": 64}  ->  {"wall": s, "cpu": s}
{"queries": "q.npy", "count": 10}                       ->  {"wall": s, "cpu": s, "rows": [[...], ...]}
"""

import json
import os
import sys
import tempfile
import time

import numpy as np

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))


class Numpy:
    def __init__(self, vectors, ef):
        self.vectors = vectors

    def ask(self, query, count):
        scores = self.vectors @ query
        best = np.argpartition(-scores, count)[:count]
        return best[np.argsort(-scores[best])]


class Faiss:
    def __init__(self, vectors, ef):
        import faiss

        faiss.omp_set_num_threads(THREADS)
        self.index = self.make(faiss, vectors.shape[1], ef)
        if not self.index.is_trained:
            self.index.train(vectors[:100_000])
        self.index.add(vectors)

    def ask(self, query, count):
        return self.index.search(query[None], count)[1][0]


class FaissFlat(Faiss):
    def make(self, faiss, width, ef):
        return faiss.IndexFlatIP(width)


class FaissHNSW(Faiss):
    def make(self, faiss, width, ef):
        index = faiss.IndexHNSWFlat(width, 32, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction, index.hnsw.efSearch = (40, 16) if ef == 0 else (120, ef)
        return index


class USearch:
    def __init__(self, vectors, ef):
        from usearch.index import Index

        more = {} if ef == 0 else {"connectivity": 32, "expansion_add": 120, "expansion_search": ef}
        self.index = Index(ndim=vectors.shape[1], metric="ip", dtype="f16", **more)
        self.index.add(np.arange(len(vectors)), vectors, threads=THREADS)

    def ask(self, query, count):
        return self.index.search(query, count).keys


class Lance:
    def __init__(self, vectors, ef):
        import lancedb
        import pyarrow as pa

        self.folder = tempfile.TemporaryDirectory()
        flat = pa.array(vectors.ravel())
        table = pa.table(
            {"row": np.arange(len(vectors)), "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])}
        )
        self.table = lancedb.connect(self.folder.name).create_table("t", table)
        self.ef = ef
        if ef:
            self.table.create_index(metric="dot", vector_column_name="vector", index_type="IVF_HNSW_SQ")
        else:
            self.table.create_index(metric="dot", vector_column_name="vector")

    def ask(self, query, count):
        asked = self.table.search(query).distance_type("dot").limit(count).select(["row"])
        if self.ef:
            asked = asked.ef(self.ef).nprobes(4)
        return asked.to_arrow()["row"].to_numpy()


KINDS = {"numpy": Numpy, "faiss-flat": FaissFlat, "faiss-hnsw": FaissHNSW, "usearch": USearch, "lancedb": Lance}
index = None
for line in sys.stdin:
    request = json.loads(line)
    wall, cpu, more = time.perf_counter(), time.process_time(), {}
    if "build" in request:
        vectors = np.load(request["vectors"], mmap_mode="r")  # what an index needs of them it copies
        wall, cpu = time.perf_counter(), time.process_time()
        index = KINDS[request["build"]](vectors, request.get("ef", 0))
    else:
        queries = np.load(request["queries"])
        wall, cpu = time.perf_counter(), time.process_time()
        rows = [index.ask(query, request["count"]) for query in queries]
        more = {"rows": [[int(one) for one in row] for row in rows]}
    print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, **more}), flush=True)
