"""Vector search, exact, by bytes and by graph (extra `ann`), against NumPy, faiss, usearch and LanceDB.

Run     python benchmarks/search.py [--rows 100000] [--data clustered random] [--rounds 5] [--no-graphs]
Gives   JSON lines and a table: milliseconds per query, recall@10 against the exact answer, seconds to build.
How     one thread for all (OMP_NUM_THREADS), queries in turns (A-B-A-B). Every exact index is compared with NumPy's
        answer first. Clustered: 1 centre per 100 rows and noise of its size, nearer to embeddings; random: independent
        directions, in which no graph can find its way. Peers run in .venv-bench, default and tuned.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from internvideo.search.arrays import Coder
from internvideo.search.scan import Bytes, Exact, Graph
from pairing import Peer, Seconds, circumstances, median, paired, spread, write

WIDTH, COUNT, QUERIES = 512, 10, 40
PEERS = (  # name, kind, ef (0: as it comes)
    ("faiss flat", "faiss-flat", 0),
    ("faiss HNSW default", "faiss-hnsw", 0),
    ("faiss HNSW tuned", "faiss-hnsw", 128),
    ("usearch default", "usearch", 0),
    ("usearch tuned", "usearch", 128),
    ("LanceDB default", "lancedb", 0),
    ("LanceDB tuned", "lancedb", 128),
)


def made(kind: str, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) float32 unit vectors that float16 can hold, and queries near some of them."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    if kind == "clustered":
        centres = rng.standard_normal((rows // 100, WIDTH), dtype=np.float32)
        vectors += centres[rng.integers(len(centres), size=rows)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float16).astype(np.float32)
    queries = vectors[rng.integers(rows, size=QUERIES)] + rng.normal(0, 0.5 / WIDTH**0.5, (QUERIES, WIDTH)).astype(
        np.float32
    )
    if kind == "random":
        queries = rng.standard_normal((QUERIES, WIDTH), dtype=np.float32)
    return vectors, queries / np.linalg.norm(queries, axis=1, keepdims=True)


def measure(kind: str, rows: int, rounds: int, graphs: bool) -> list[dict[str, object]]:
    vectors, queries = made(kind, rows)
    half = vectors.astype(np.float16)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "x.npy", vectors)
        np.save(folder / "q.npy", queries)
        true = [set(np.argpartition(-(vectors @ query), COUNT)[:COUNT].tolist()) for query in queries]
        del vectors
        np.save(folder / "x16.npy", half)
        mapped = np.load(folder / "x16.npy", mmap_mode="c")
        built: dict[str, float] = {}
        ours = our_scans(mapped, folder, graphs, built)
        answers = {name: [scan.best(query, COUNT)[0] for query in queries] for name, scan in ours.items()}
        calls = {
            name: (lambda scan=scan: [scan.best(query, COUNT) for query in queries]) for name, scan in ours.items()
        }
        peers = {"NumPy fp32": opened("numpy", 0, folder, built, "NumPy fp32")}
        for name, peer, ef in PEERS if graphs else PEERS[:1]:
            peers[name] = opened(peer, ef, folder, built, name)
        for name, peer in peers.items():
            answers[name] = peer.ask(queries=str(folder / "q.npy"), count=COUNT)["rows"]
            calls[name] = lambda peer=peer: peer.seconds(queries=str(folder / "q.npy"), count=COUNT)
        taken = paired(calls, rounds, warm=True)
        for peer in peers.values():
            peer.__exit__()
    found = []
    base = median(taken["NumPy fp32"], "wall")
    for name, seconds in taken.items():
        share = np.mean([len(t & {int(row) for row in a}) / COUNT for t, a in zip(true, answers[name], strict=True)])
        if name in ("internvideo exact", "faiss flat", "NumPy fp32"):
            assert share >= 0.999, (name, share)
        found.append(
            {
                "data": kind, "rows": rows, "index": name, "ms": round(1000 * median(seconds, "wall") / QUERIES, 3),
                "cpu_ms": round(1000 * median(seconds) / QUERIES, 3), "spread": round(spread(seconds, "wall"), 2),
                "recall@10": round(float(share), 4), "times NumPy": round(base / median(seconds, "wall"), 2),
                "build_s": round(built.get(name, 0.0), 1),
            }
        )  # fmt: skip
    return found


def our_scans(half: np.ndarray, folder: Path, graphs: bool, built: dict[str, float]) -> dict[str, object]:
    import faiss
    import torch

    threads = int(os.environ["OMP_NUM_THREADS"])
    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    exact = Exact([half])
    coder = Coder.fitted(half[:: max(1, len(half) // 20_000)])
    began = time.perf_counter()
    codes = np.concatenate([coder.encode(half[at : at + 50_000]) for at in range(0, len(half), 50_000)])
    ours = {"internvideo exact": exact, "internvideo bytes": Bytes(exact, [codes], coder)}
    built["internvideo bytes"] = time.perf_counter() - began
    if graphs:
        began = time.perf_counter()
        ours["internvideo graph"] = Graph.build(exact, [half], coder, folder / "graph")
        built["internvideo graph"] = time.perf_counter() - began
    return ours


def opened(kind: str, ef: int, folder: Path, built: dict[str, float], name: str) -> Peer:
    peer = Peer(Path(__file__).parent / "search_peer.py")
    taken: Seconds = peer.seconds(build=kind, vectors=str(folder / "x.npy"), ef=ef)
    built[name] = taken.wall
    print(f"built {name}: {taken.wall:.1f} s", file=sys.stderr, flush=True)
    return peer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--data", nargs="+", default=["clustered", "random"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-graphs", action="store_true")
    given = parser.parse_args()
    found = [
        row
        for rows in given.rows
        for kind in given.data
        for row in measure(kind, rows, given.rounds, not given.no_graphs)
    ]
    write(f"search-{'-'.join(map(str, given.rows))}", [{**row, **circumstances()} for row in found])
    for row in found:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
