"""Fingerprints of evaluation sets: taken from folders and datasets, kept in a file, and compared with a dataset."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from internvideo.curation.leaks import FINGERPRINTS, LEAKS, Fingerprints, Leaks
from internvideo.curation.recipe import CurateRecipe
from internvideo.errors import UsageError
from internvideo.jobs.talk import columns
from internvideo.store import durable
from internvideo.store.dataset import Dataset
from internvideo.store.places import PLACES

Folder = str | os.PathLike[str]
SCRATCH = "evaluation-"  # datasets of folders, in the `cache/` of the dataset they are compared with


def with_evaluation_sets(recipe: CurateRecipe, out: Folder, *, quiet: bool) -> CurateRecipe:
    """The same recipe, in which the leak check knows the fingerprints of its evaluation sets."""
    if not recipe.evaluation_sets:
        return recipe
    sets = tuple(fingerprints(source, Path(out) / "cache", quiet=quiet) for source in recipe.evaluation_sets)
    check = next((one for one in recipe.dataset_operators if isinstance(one, Leaks)), Leaks())
    others = tuple(one for one in recipe.dataset_operators if one.name != LEAKS)
    return replace(recipe, dataset_operators=(*others, replace(check, sets=sets)))


def fingerprints(source: Folder, scratch: Path, *, quiet: bool = False) -> Fingerprints:
    """Of a file that `write_fingerprints` wrote, a dataset, or a folder of videos.

    A folder is read once: what is known of it is kept in a dataset below `scratch`. Raises UsageError for others.
    """
    path = Path(source)
    if path.is_file():
        return _named(path.stem, _read(path))
    if Dataset.exists(path):
        return _named(path.name, _of_dataset(Dataset(path)))
    if not path.is_dir():
        raise UsageError(f"no evaluation set at {path}", "name a folder of videos, a dataset or a file of fingerprints")
    from internvideo.curation.presets import FINGERPRINTS as RECIPE
    from internvideo.jobs.curate import run_recipe

    place = scratch / (SCRATCH + hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16])
    run_recipe([path], place, RECIPE, (), quiet=quiet)
    return _named(path.resolve().name, _of_dataset(Dataset(place)))


def write_fingerprints(source: Folder, out: Folder, *, quiet: bool = False) -> dict[str, Any]:
    """Keep the fingerprints of an evaluation set in a Parquet file: it holds hashes, no pictures."""
    found = fingerprints(source, Path(f"{out}.videos"), quiet=quiet)
    if not found.rows.num_rows:
        raise UsageError(f"no frames in {source}", "name a folder of videos or a dataset")
    sink = pa.BufferOutputStream()
    pq.write_table(found.rows, sink, compression="zstd")
    durable.write_atomic(Path(out), bytes(sink.getvalue()))
    durable.remove(Path(f"{out}.videos"))
    videos = len(found.rows["name"].unique())
    return {"out": str(out), "videos": videos, "frames": found.rows.num_rows, "digest": found.digest}


def leaks(folder: Folder, against: Sequence[Folder], *, clip_set: str = "shots", quiet: bool = False) -> dict[str, Any]:
    """Clips of a dataset that show what evaluation sets show. Writes nothing into its values."""
    dataset = Dataset(folder)
    sets = tuple(fingerprints(source, dataset.path / "cache", quiet=quiet) for source in against)
    check = Leaks(sets=sets, clip_set=clip_set)
    found = check.process_all({name: dataset.rows(name) for name in check.needs})
    places: dict[str, str] = {}
    for row in dataset.rows(PLACES).select(["video", "place"]).to_pylist():
        places.setdefault(row["video"], row["place"] or row["video"])
    seconds = _seconds(dataset, clip_set)
    rows = [
        {**row, "place": places.get(row["video"], row["video"]), "seconds": seconds[_key(row)]}
        for row in found.to_pylist()
    ]
    compared = {one.name: len(one.rows["name"].unique()) for one in sets}
    return {"dataset": str(folder), "sets": compared, "clips": dataset.clips(clip_set).num_rows, "leaks": rows}


def say_leaks(found: dict[str, Any]) -> str:
    named = ", ".join(f"{name} ({count:,} videos)" for name, count in found["sets"].items())
    lines = [f"{len(found['leaks']):,} of {found['clips']:,} clips show what {named} shows"]
    lines.append(columns(
        [
            (f"  {row['place']} {row['seconds'][0]:.2f}-{row['seconds'][1]:.2f} s", f"{row['share']:.0%}",
             f"of it is in {row['evaluation_set']}/{row['evaluation_video']}", f"alike {row['similarity']:.3f}")
            for row in found["leaks"]
        ]
    ))  # fmt: skip
    if found["leaks"]:
        lines.append("`internvideo curate ... evaluation_sets=PATH` leaves them out of the views")
    return "\n".join(line for line in lines if line)


def _key(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["video"], row["start"], row["end"]


def _seconds(dataset: Dataset, clip_set: str) -> dict[tuple[str, int, int], tuple[float, float]]:
    names = ["video", "start", "end", "start_seconds", "end_seconds"]
    rows = dataset.clips(clip_set).select(names).to_pylist()
    return {_key(row): (row["start_seconds"], row["end_seconds"]) for row in rows}


def _of_dataset(dataset: Dataset) -> pa.Table:
    """Videos by the shortest name under which they lie."""
    names: dict[str, str] = {}
    for row in dataset.rows(PLACES).select(["video", "path"]).to_pylist():
        shown = os.fsencode(row["path"] or b"").decode("utf-8", "backslashreplace") or row["video"]
        names[row["video"]] = min(names.get(row["video"], shown), shown, key=lambda name: (len(name), name))
    rows = dataset.rows("frame_hashes")
    named = pa.array([names[video] for video in rows["video"].to_pylist()], pa.string())
    table = rows.select(["seconds", "hash", "quality"]).add_column(0, "name", named)
    return table.cast(FINGERPRINTS).sort_by([("name", "ascending"), ("seconds", "ascending")])


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
        if any(len(one) != 32 for one in table["hash"].to_pylist()):
            raise ValueError("hashes have 32 bytes")
        return (
            table.select(FINGERPRINTS.names)
            .cast(FINGERPRINTS)
            .sort_by([("name", "ascending"), ("seconds", "ascending")])
        )
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(
            f"{path} holds no fingerprints: {reason}",
            "`internvideo dataset fingerprints FOLDER --out FILE` writes them",
        ) from error


def _named(name: str, rows: pa.Table) -> Fingerprints:
    rows = rows.combine_chunks()
    digest = hashlib.sha256()
    for column in ("name", "seconds", "hash", "quality"):
        digest.update(repr(rows[column].to_pylist()).encode())
    return Fingerprints(name, digest.hexdigest(), rows)
