"""The main job: folders of raw videos in, a dataset of shots with scores, captions, groups and subsets out."""

import os
import time
from collections.abc import Sequence

from internvideo.config import dump, load_recipe, override
from internvideo.curation.finish import make_views, run_dataset_operators
from internvideo.curation.recipe import PRESETS, CurateRecipe
from internvideo.curation.run import Run
from internvideo.curation.scan import scan, whole_roots
from internvideo.errors import UsageError
from internvideo.jobs.estimate import Estimate, estimate_cost, say_estimate
from internvideo.jobs.summary import Summary, measured_rate, summarize, write_log
from internvideo.jobs.talk import ProgressTalk, note
from internvideo.store.dataset import Dataset
from internvideo.store.places import PLACES


def recipe_of(name: str, overrides: Sequence[str]) -> CurateRecipe:
    """A preset or recipe file with overrides applied. Raises UsageError for anything that is not understood."""
    return override(load_recipe(name, PRESETS, CurateRecipe), overrides)


def curate(
    folders: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    recipe: str = "default",
    overrides: Sequence[str] = (),
    workers: int | None = None,
    quiet: bool = False,
) -> Summary:
    """Make or update the dataset `out` from all videos below `folders`. Running it again does only what is due.

    Raises UsageError (unknown recipe, override or folder) and StoreError (dataset busy, disk full, read-only ...).
    """
    chosen = recipe_of(recipe, overrides)
    count = workers or os.cpu_count() or 1
    found = list(scan(folders))
    if not found:
        where = ", ".join(str(folder) for folder in folders)
        raise UsageError(f"no videos below {where}", "files are recognised by their suffix, such as .mp4")
    dataset = Dataset(out) if Dataset.exists(out) else Dataset.create(out, shards=chosen.shards)
    began = time.monotonic()
    with dataset.writer() as writer:
        writer.set_recipe(dump(chosen))
        named = {one.name for one in chosen.operators} | {one.name for one in chosen.dataset_operators}
        writer.retire(*(name for name in dataset.operators() if name not in named and name != PLACES.name))
        with ProgressTalk(quiet=quiet) as talk:
            with Run(writer, chosen.operators, workers=count, tell=talk) as run:
                unread = run.unread(found)
                if unread and not quiet:
                    note(say_estimate(estimate_cost(unread, count, frames_per_second=measured_rate(dataset))))
                progress = run.go(found, whole_roots(folders, found))
            ran = run_dataset_operators(writer, chosen.operators, chosen.dataset_operators, talk.phase)
            make_views(writer, dataset, chosen.views, talk.phase)
    seconds = time.monotonic() - began
    summary = summarize(dataset, chosen, progress, seconds, progress.done + ran)
    write_log(dataset, summary, chosen, count)
    return summary


def estimate(
    folders: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    recipe: str = "default",
    overrides: Sequence[str] = (),
    workers: int | None = None,
) -> Estimate:
    """What `curate` would cost. Writes nothing."""
    recipe_of(recipe, overrides)
    found = [place for place in scan(folders) if place.problem is None]
    dataset = Dataset(out) if Dataset.exists(out) else None
    if dataset is not None:
        done = dataset.places()
        found = [place for place in found if done.get((place.root, place.relative)) != place.stat]
    rate = measured_rate(dataset) if dataset is not None else None
    return estimate_cost(found, workers or os.cpu_count() or 1, frames_per_second=rate)
