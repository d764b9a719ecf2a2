"""What somebody without an engine would write: one process, one video after the other, Parquet files at the end.

    python benchmarks/curate_script.py passes|shared|index FOLDER OUT

passes: every operator that looks at frames opens and decodes the video for itself, as a chain of tools does. shared:
one pass for all. The operators, their parameters and what they compute are those of `internvideo curate`; the decoder
runs with as many threads as it likes. index: one pass for all that `internvideo index` does with `viclip-tiny`, which
computes on all cores, the clips of a video in batches. No ledger, no going on after a kill, no views but the main one.
"""

import hashlib
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.curation import worker
from internvideo.curation.embedding import Embedding
from internvideo.curation.planner import in_order, to_tell
from internvideo.curation.presets import DEFAULT, PRESETS
from internvideo.curation.worker import Curator, Known, Task, table_from_bytes
from internvideo.jobs.choice import choose_model
from internvideo.jobs.embedder import LABORATORY, ModelEmbedder, space_of_model
from internvideo.video.reader import open_video

worker.open_video = partial(open_video, threads=0)


def task(path: Path, due: tuple[str, ...], known: dict[str, Known]) -> Task:
    stat = path.stat()
    video = hashlib.sha256(path.read_bytes()).hexdigest()
    return Task(video, str(path).encode(), (stat.st_size, stat.st_mtime_ns, stat.st_ino), due, known)


def embedding() -> Embedding:
    space = space_of_model(choose_model(LABORATORY))
    return Embedding(space, ModelEmbedder(space, None))


def main() -> None:
    form, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    recipe = PRESETS["search"] if form == "index" else DEFAULT
    operators = in_order((*recipe.operators, *((embedding(),) if form == "index" else ())))
    curator = Curator(operators)
    tables: dict[str, list[pa.Table]] = {operator.name: [] for operator in operators}
    looking = [o.name for o in operators if o.frames.measures or o.frames.of_clips or getattr(o, "packets", False)]
    rest = [o.name for o in operators if o.name not in looking]
    for path in sorted(path for path in folder.iterdir() if path.suffix in {".mp4", ".mkv"}):
        known: dict[str, Known] = {}
        if form != "passes":
            turns = [tuple(o.name for o in operators)]
        else:
            turns = [(o.name,) for o in operators if o.name in looking or o.name in rest]
        for due in turns:
            told = {name: known[name] for name in to_tell(due, operators)}
            base = task(path, due, told)
            while (outcome := curator(base, lambda _: None)).split:  # a long video: its pieces, one after the other
                base = replace(
                    base, pieces=tuple(curator(replace(base, piece=p), lambda _: None).series for p in outcome.split)
                )
            for name, source, rows in outcome.rows:
                known[name] = Known(source, rows)
        for name, one in known.items():
            tables[name].append(table_from_bytes(one.rows))
    joined = {
        name: pa.concat_tables(parts).sort_by(
            [(k, "ascending") for k in parts[0].column_names if k in ("video", "start", "end", "item")]
        )
        for name, parts in tables.items()
        if parts
    }
    for operator in recipe.dataset_operators:
        if operator.name == "duplicates":
            joined[operator.name] = operator.process_all(joined)
    out.mkdir(parents=True, exist_ok=True)
    for name, table in joined.items():
        pq.write_table(table, out / f"{name}.parquet", compression="zstd")


if __name__ == "__main__":
    main()
