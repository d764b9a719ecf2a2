"""`internvideo index`: a dataset that can be searched, made from folders of videos or brought up to date."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from internvideo.config import classes_of, override, restore
from internvideo.curation.embedding import Embedding
from internvideo.curation.presets import PRESETS
from internvideo.curation.recipe import CurateRecipe
from internvideo.curation.run import Listener
from internvideo.curation.scan import scan
from internvideo.errors import InternVideoError, UsageError
from internvideo.jobs.curate import recipe_of, run_recipe
from internvideo.jobs.embedder import LABORATORY, Asker, ModelEmbedder, load, space_of_model
from internvideo.jobs.summary import Summary
from internvideo.jobs.talk import duration, note
from internvideo.records import Space
from internvideo.search.arrays import Arrays, space_of
from internvideo.search.engine import Engine, build_graph, spaces_of
from internvideo.search.scan import GRAPH_PAYS, moved_queries, recall
from internvideo.store.dataset import Dataset

WATCH_SECONDS = 5.0
RECALL_QUERIES = 100
Folder = str | os.PathLike[str]


class AnotherIndex(UsageError):
    """The dataset is indexed with another network or preprocessing: vectors of two kinds are never mixed."""

    kind = "another-index"


@dataclass(frozen=True)
class Indexed:
    """What `index` did: the summary of the run, and what can be searched now."""

    summary: Summary
    space: Space | None  # None: words alone
    vectors: int
    parts: int  # of the search arrays that were made again
    graph: dict[str, float] | None = None  # recall and milliseconds per query, where an approximate index was made

    def as_row(self) -> dict[str, Any]:
        found = {"model": self.space.model if self.space else None, "weights": self.space.weights if self.space else ""}
        return {**self.summary.as_row(), **found, "vectors": self.vectors, "parts": self.parts, "graph": self.graph}


def index(
    folders: Sequence[Folder],
    out: Folder,
    *,
    model: str | None = None,
    weights: str | None = None,
    precision: str = "fp32",
    device: str | None = None,
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    beside: bool = False,
    graph: bool = False,
    workers: int | None = None,
    quiet: bool = False,
    listen: Listener | None = None,
) -> Indexed:
    """Make or update the dataset `out` so that it can be searched; only new and changed videos cost anything.

    model, weights: by default those the dataset was indexed with, else the best that are here; without any, words
    alone are indexed. recipe: of a new dataset; an existing one keeps its own. beside: make a second index with
    another model. graph: also make the approximate index (extra `ann`). listen: see `run_recipe`. Raises AnotherIndex,
    and what `curate` raises.
    """
    embedding = _embedding(out, model, weights, precision, device, beside, quiet)
    chosen = _recipe(out, recipe, overrides)
    vectors = () if embedding is None else (embedding,)
    summary = run_recipe(folders, out, chosen, vectors, workers=workers, quiet=quiet, listen=listen)
    dataset = Dataset(out)
    if embedding is None:
        return Indexed(summary, None, 0, 0)
    spec = dataset.operator(embedding.name)
    arrays = Arrays(dataset, spec)

    def unrelated() -> Any:
        return Asker(load(embedding.space, weights, device)).unrelated()

    parts = arrays.update(unrelated)
    count = sum(len(part.vectors) for part in arrays.parts())
    made = _graph(dataset, quiet) if graph else None
    if count >= GRAPH_PAYS and not graph and not quiet:
        note(f"{count:,} vectors: --graph makes an approximate index that answers sooner and says what it misses")
    return Indexed(summary, embedding.space, count, parts, made)


def watch(folders: Sequence[Folder], again: Callable[[], Indexed], tell: Callable[[Indexed], None]) -> None:
    """Index whenever files came, went or changed and then stood still for one look. Ends with Ctrl-C."""
    done = before = _state(folders)
    while True:
        time.sleep(WATCH_SECONDS)
        now = _state(folders)
        if now == before and now != done:
            done = now
            tell(again())
        before = now


def say_indexed(found: Indexed) -> str:
    """For people: what the run did, then what can be searched."""
    from internvideo.jobs.summary import say_summary

    lines = [say_summary(found.summary), ""]
    if found.space is None:
        lines.append("words only: no network is here; " + how_to_get_vectors())
    else:
        lines.append(f"{found.vectors:,} moments with vectors of {found.space.model}")
        if found.space.model == LABORATORY:
            lines.append(laboratory_notice())
    if found.graph is not None:
        lines.append(say_graph(found.graph))
    return "\n".join(lines)


def say_graph(graph: dict[str, float]) -> str:
    seconds, milliseconds = duration(graph["build_seconds"]), graph["milliseconds"]
    return f"approximate index: recall@10 {graph['recall']:.3f} against exact, {milliseconds:.2f} ms a query, {seconds}"


def how_to_get_vectors() -> str:
    return "`internvideo models fetch clip-b-16` fetches one that anybody may use, then index again"


def laboratory_notice() -> str:
    """What has to be said wherever the bundled network meets videos of people's own."""
    return (
        f"{LABORATORY} is a laboratory model: it knows coloured shapes and nothing else. On your own videos search by "
        f"words and by example works; for descriptions, {how_to_get_vectors()}"
    )


def _embedding(
    out: Folder,
    model: str | None,
    weights: str | None,
    precision: str,
    device: str | None,
    beside: bool,
    quiet: bool,
) -> Embedding | None:
    """What to embed with; None if there is no network."""
    from internvideo.jobs.choice import choose_model, say_model

    dataset = Dataset(out) if Dataset.exists(out) else None
    there = [space_of(spec) for spec in spaces_of(dataset)] if dataset is not None else []
    if there and model is None and weights is None:
        return Embedding(there[0], ModelEmbedder(there[0], None, device))
    try:
        network = choose_model(model, weights, precision=precision, device=device)
    except InternVideoError as error:
        if model is not None or weights is not None or isinstance(error, UsageError):
            raise
        try:
            network = choose_model(LABORATORY, device=device)
        except InternVideoError:
            if not quiet:
                note(f"no network is here, so words alone are indexed; {how_to_get_vectors()}")
            return None
    space = space_of_model(network, precision)
    if there and space not in there and not beside:
        raise AnotherIndex(
            f"`{out}` is indexed with {_named(there[0])}, not with {_named(space)}",
            "leave --model out to go on with it, or add --beside: a second index beside the old one",
        )
    if not quiet:
        say_model(network)
    return Embedding(space, ModelEmbedder(space, weights, device))


def _named(space: Space) -> str:
    return f"{space.model} ({space.weights[:12]}, {space.precision}, {space.preprocess.size} pixels)"


def _recipe(out: Folder, name: str | None, overrides: Sequence[str]) -> CurateRecipe:
    """The recipe of the dataset that is there, else the one that was asked for."""
    text = Dataset(out).manifest.recipe if Dataset.exists(out) else ""
    if name is not None or not text:
        return recipe_of(name or "search", overrides)
    try:
        found = restore(json.loads(text), {k: v for preset in PRESETS.values() for k, v in classes_of(preset).items()})
    except (UsageError, ValueError) as error:
        raise UsageError(
            f"the recipe of `{out}` has parts of its own ({error})", "name its file with --recipe"
        ) from error
    assert isinstance(found, CurateRecipe)
    return override(found, overrides)


def _graph(dataset: Dataset, quiet: bool) -> dict[str, float]:
    """Make the approximate index and compare it with exact search on moved vectors of the dataset."""
    spec = spaces_of(dataset)[0]
    engine = Engine(dataset, spec, fast=False)
    exact = engine.exact
    if not quiet:
        note("building the approximate index")
    began = time.monotonic()
    graph = build_graph(engine, dataset, spec)
    seconds = time.monotonic() - began
    share, each = recall(graph, exact, moved_queries(exact, RECALL_QUERIES, seed=1))  # others than it was tuned on
    return {"recall": round(share, 4), "milliseconds": round(1000 * each, 3), "build_seconds": round(seconds, 1)}


def _state(folders: Sequence[Folder]) -> dict[bytes, tuple[int, int, int]]:
    return {place.path: place.stat for place in scan(folders)}
