"""A served dataset of many moments: from start to first answer, 95th percentile of queries over HTTP, memory.

Run     python benchmarks/serve.py [--moments 100000] [--queries 300] [--model viclip-b-16-debug]
Gives   JSON lines. The dataset is written here: random vectors, a caption per moment, no video files.
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from internvideo.curation.captions import Captions
from internvideo.curation.embedding import Embedding
from internvideo.curation.planner import spec_of
from internvideo.curation.segmenters import Shots
from internvideo.jobs.choice import choose_model
from internvideo.jobs.embedder import Asker, ModelEmbedder, space_of_model
from internvideo.search.arrays import Arrays
from internvideo.store.dataset import Dataset
from internvideo.store.places import FileRecord
from internvideo.store.results import Result
from internvideo.store.values import CLIP_KEY
from pairing import circumstances, write

PER_VIDEO = 200
SAID, SAID_OF_ALL = ("scale", "origin", "language"), ("clip", "made", "en")
TEXT = "red blue green circle dog cat runs falls city night sea tree car train snow hand face table door light"
WORDS = TEXT.split(" ")


def dataset_of(moments: int, model: str) -> Path:
    """A dataset as `internvideo index` leaves it, kept in benchmarks/out."""
    folder = Path(__file__).parent / "out" / f"served-{moments}-{model}"
    if folder.is_dir():
        return folder
    network = choose_model(model)
    space = space_of_model(network)
    embedding = Embedding(space, ModelEmbedder(space, None))
    specs = {"shots": spec_of(Shots()), "captions": spec_of(Captions()), "vectors": spec_of(embedding)}
    rng = np.random.default_rng(0)
    dataset = Dataset.create(folder)
    with dataset.writer() as writer:
        writer.register(*specs.values())
        for number in range(moments // PER_VIDEO):
            video = f"{number:08x}{rng.integers(1 << 62):056x}"
            writer.remember(FileRecord(b"/nowhere", b"film-%d.mp4" % number, 1, number, number, 1), video)
            writer.commit(video, [Result(specs[name], "", table) for name, table in rows(rng, video, space).items()])
            if writer.pending_bytes > 64 << 20:
                writer.flush()
    Arrays(dataset, dataset.operator(embedding.name)).update(Asker(network).unrelated)
    return folder


def rows(rng: np.random.Generator, video: str, space) -> dict[str, pa.Table]:
    starts = np.arange(PER_VIDEO) * 4000
    key = pa.table({"video": [video] * PER_VIDEO, "stream": np.zeros(PER_VIDEO, np.int16), "start": starts,
                    "end": starts + 4000, "item": np.zeros(PER_VIDEO, np.int32)}).cast(CLIP_KEY)  # fmt: skip
    vectors = rng.normal(size=(PER_VIDEO, space.dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    flat = pa.array(vectors.astype(np.float16).ravel())
    texts = [" ".join(rng.choice(WORDS, 8)) for _ in range(PER_VIDEO)]
    seconds = starts / 1000
    shots = {"start_seconds": seconds, "end_seconds": seconds + 4, "frames": np.full(PER_VIDEO, 100, np.int32)}
    whole = np.ones(PER_VIDEO)
    said = {"text": texts, **{name: [word] * PER_VIDEO for name, word in zip(SAID, SAID_OF_ALL, strict=True)}}
    said |= {"inside": whole, "covers": whole}
    return {
        "shots": with_columns(key, shots),
        "captions": with_columns(key, said),
        "vectors": key.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, space.dimension)),
    }


def with_columns(table: pa.Table, columns) -> pa.Table:
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return table


def resident(pid: int) -> float:
    """Megabytes of memory: (all, without mapped files)."""
    lines = dict(line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return tuple(int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--model", default="viclip-b-16-debug")
    parser.add_argument("--starts", type=int, default=3)
    given = parser.parse_args()
    folder = dataset_of(given.moments, given.model)
    found = []
    for _ in range(given.starts):
        began = time.perf_counter()
        command = [sys.executable, "-m", "internvideo", "serve", str(folder), "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            address = server.stdout.readline().strip().removeprefix("http://").rstrip("/")
            connection = http.client.HTTPConnection(address)
            ask(connection, "a red circle moves left")
            first = time.perf_counter() - began
            rng = np.random.default_rng(1)
            taken = []
            for _ in range(given.queries):
                text = " ".join(rng.choice(WORDS, 4))
                at = time.perf_counter()
                ask(connection, text)
                taken.append(1000 * (time.perf_counter() - at))
                time.sleep(0.02)  # the server lets a client ask 60 times a second
            memory = resident(server.pid)
            server.terminate()
        cuts = statistics.quantiles(taken, n=20)
        row = {"moments": given.moments, "model": given.model, "first answer, s": round(first, 2),
               "p50 ms": round(statistics.median(taken), 1), "p95 ms": round(cuts[18], 1),
               "resident MB": round(memory[0]), "without mapped files MB": round(memory[1])}  # fmt: skip
        found.append(row)
        print(json.dumps(row), flush=True)
    write("serve", [{**row, **circumstances()} for row in found])


def ask(connection: http.client.HTTPConnection, text: str) -> None:
    connection.request("POST", "/search", json.dumps({"text": text}), {"content-type": "application/json"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 200 and "hits" in body, body


if __name__ == "__main__":
    main()
