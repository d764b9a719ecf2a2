"""What comes after the last video: operators that see the whole dataset, then the named subsets."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.config import plain
from internvideo.curation.clip_tables import columns_of
from internvideo.curation.operator import DatasetOperator, Operator
from internvideo.curation.planner import reads, spec_of
from internvideo.curation.select import Selection, ViewRecipe, one_by_one, select
from internvideo.store.columns import Columns
from internvideo.store.dataset import Dataset
from internvideo.store.places import PLACES
from internvideo.store.values import WHOLE, OperatorSpec
from internvideo.store.writer import Writer


def run_dataset_operators(
    writer: Writer,
    operators: Sequence[Operator],
    dataset_operators: Sequence[DatasetOperator],
    tell: Callable[[str], None],
) -> int:
    """Run those whose input is not the one they last saw; how many ran. Call after `writer.flush()`."""
    everyone: list[Operator | DatasetOperator] = [*operators, *dataset_operators]
    specs = {operator.name: spec_of(operator) for operator in everyone}
    writer.register(*specs.values())
    specs[PLACES.name] = PLACES
    ran = 0
    for operator in dataset_operators:
        names = sorted({*reads(operator, everyone), *(name for name in operator.optional if name in specs)})
        source = _digest_of_shards(writer, [specs[name] for name in names])
        state = writer.state(WHOLE, specs[operator.name])
        if state is not None and state.state == "done" and state.input == source:
            continue
        tell(operator.name)
        rows: dict[str, pa.Table] = {name: writer.rows(specs[name]).drop_columns(["input"]) for name in names}
        writer.replace_all(specs[operator.name], operator.process_all(rows), source)
        writer.flush()
        ran += 1
    return ran


def _digest_of_shards(writer: Writer, specs: Sequence[OperatorSpec]) -> str:
    """What a dataset operator will see: shards are equal for equal rows, so their bytes stand for the rows."""
    digest = hashlib.sha256()
    for spec in specs:
        for path in sorted((writer.folder / "values" / spec.name / spec.key).glob("shard-*.parquet")):
            digest.update(f"{spec.path}/{path.name}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def make_views(
    writer: Writer, dataset: Dataset, recipes: Sequence[ViewRecipe], tell: Callable[[str], None]
) -> dict[str, tuple[str, ...]]:
    """Choose and store the named subsets. Nothing is computed again, so changing a threshold costs seconds.

    View -> operators: those that were not made because these have no values.
    """
    tables: dict[str, Columns] = {}
    there, lacking = dataset.operators(), dict[str, tuple[str, ...]]()
    for recipe in recipes:
        if missing := tuple(name for name in recipe.asks if name not in there):
            lacking[recipe.name] = missing
            continue
        tell(f"view {recipe.name}")
        if recipe.clip_set not in tables:
            tables[recipe.clip_set] = with_seconds(columns_of(dataset, recipe.clip_set))
        table = tables[recipe.clip_set]
        for one in one_by_one(table, recipe):
            selection = select(table, one)
            writer.save_view(one.name, selection.ids, describe(one, selection))
    return lacking


def with_seconds(clips: Columns) -> Columns:
    """The same clips with their length, a column that rules can name."""
    return clips.having("seconds", pa.float64(), lambda: pc.subtract(clips["end_seconds"], clips["start_seconds"]))


def describe(recipe: ViewRecipe, selection: Selection) -> Mapping[str, Any]:
    """What stands beside the ids of a view: how they were chosen, and the funnel."""
    funnel = [
        {"rule": rule, "in": came, "kept": kept, "unknown": unknown} for rule, came, kept, unknown in selection.funnel
    ]
    return {"recipe": _without_nothing(plain(recipe)), "clip_set": recipe.clip_set, "funnel": funnel}


def _without_nothing(value: Any) -> Any:
    """TOML has no null: what is not set is left out."""
    if isinstance(value, dict):
        return {name: _without_nothing(item) for name, item in value.items() if item is not None}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value
