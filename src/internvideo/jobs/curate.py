"""The main job: folders of raw videos in, a dataset of shots with scores, captions, groups and subsets out."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from internvideo.config import dump, load_recipe, override
from internvideo.curation.finish import make_views, run_dataset_operators
from internvideo.curation.language.captioner import NAME as MODEL_CAPTIONS
from internvideo.curation.language.instructions import NAME as INSTRUCTIONS
from internvideo.curation.language.translation import NAME as TRANSLATIONS
from internvideo.curation.operator import Operator
from internvideo.curation.planner import LATER
from internvideo.curation.presets import PRESETS
from internvideo.curation.recipe import CurateRecipe
from internvideo.curation.run import Listener, Progress, Run
from internvideo.curation.scan import Found, in_share, scan, whole_roots
from internvideo.curation.speech import SPOKEN, WORDS
from internvideo.errors import UsageError
from internvideo.jobs.captioning import caption_dataset
from internvideo.jobs.estimate import Estimate, estimate_cost, say_estimate
from internvideo.jobs.evaluation_sets import with_evaluation_sets
from internvideo.jobs.more_operators import with_more_operators
from internvideo.jobs.network_cost import looks_of, of_operators, of_recipe
from internvideo.jobs.network_scores import not_made, with_networks
from internvideo.jobs.summary import Summary, measured_rate, summarize, write_log
from internvideo.jobs.talk import ProgressTalk, note
from internvideo.records import EMBEDDING
from internvideo.store import durable
from internvideo.store.dataset import PARTS, Dataset
from internvideo.store.merge import part_folder, parts_of, take_over
from internvideo.store.places import PLACES
from internvideo.store.writer import Writer

Folder = str | os.PathLike[str]
Runner = Literal["local", "ray"]
BY_MODELS = (MODEL_CAPTIONS, INSTRUCTIONS, WORDS, SPOKEN, TRANSLATIONS)  # that no recipe has among its operators
SHARE = "share.json"  # in the folder of a part: with which recipe it is made


def recipe_of(name: str, overrides: Sequence[str]) -> CurateRecipe:
    """A preset or recipe file with overrides applied. Raises UsageError for anything that is not understood."""
    return override(load_recipe(name, PRESETS, CurateRecipe), overrides)


def curate(
    folders: Sequence[Folder],
    out: Folder,
    *,
    recipe: str = "default",
    overrides: Sequence[str] = (),
    workers: int | None = None,
    runner: Runner = "local",
    shard: str | None = None,
    quiet: bool = False,
) -> Summary:
    """Make or update the dataset `out` from all videos below `folders`. Running it again does only what is due.

    runner: "ray" hands the work to a Ray cluster: the one of RAY_ADDRESS, else one on this machine. shard: "i/n", only
    share i of n of the files, into a part of the dataset that `merge` joins later; shares may run at the same time.
    Raises UsageError (unknown recipe, override or folder) and StoreError (dataset busy, disk full, read-only ...).
    """
    chosen = recipe_of(recipe, overrides)
    found = list(scan(folders))
    if not found:
        raise _no_videos(folders)
    if shard is None:
        dataset = _opened(out, chosen.shards)
        return _bring_up_to_date(dataset, chosen, folders, found, chosen, workers, runner, quiet)
    index, count = share_of(shard)
    found = [place for place in found if in_share(place, index, count)]
    dataset = _begun(Path(out), index, count, recipe, overrides, chosen.shards)
    apart = replace(chosen, dataset_operators=(), views=(), evaluation_sets=())  # those need all shares
    return _bring_up_to_date(dataset, apart, folders, found, chosen, workers, runner, quiet)


def run_recipe(
    folders: Sequence[Folder],
    out: Folder,
    recipe: CurateRecipe,
    vectors: Sequence[Operator],
    *,
    workers: int | None = None,
    quiet: bool = False,
    listen: Listener | None = None,
) -> Summary:
    """`curate` by a recipe at hand. vectors: embeddings to make as well, which the dataset's recipe does not name.

    listen: hears of progress, and may end the run by raising; what has come back is kept.
    """
    found = list(scan(folders))
    if not found:
        raise _no_videos(folders)
    doing = replace(recipe, operators=(*recipe.operators, *vectors))
    return _bring_up_to_date(
        _opened(out, recipe.shards), doing, folders, found, recipe, workers, "local", quiet, listen
    )


def merge(out: Folder, *, quiet: bool = False) -> Summary:
    """Join the parts that runs with `shard` made into the dataset, then group and choose over all of it.

    A part leaves the folder when the dataset has all of it. Raises UsageError if there are none or their recipes
    differ, DatasetBusy while one is still being made.
    """
    began, parts = time.monotonic(), [Dataset(path) for path in parts_of(Path(out))]
    if not parts:
        raise UsageError(
            f"no parts in {out}", "`internvideo curate FOLDER --out DATASET --shard 1/4` makes one of four"
        )
    recipe = _common_recipe(parts)
    _tell_missing(parts, quiet)
    dataset, taken = _opened(out, parts[0].manifest.shards), 0
    chosen = _completed(recipe, dataset, quiet)
    with dataset.writer() as writer, ProgressTalk(quiet=quiet) as talk:
        _prepare(writer, dataset, recipe, chosen)
        for part in parts:
            with part.writer():  # nobody works on it now, and all of it is in its shards
                taken += take_over(writer, part, tell=talk.phase)
            writer.flush()
        taken += run_dataset_operators(writer, chosen.operators, chosen.dataset_operators, talk.phase)
        make_views(writer, dataset, chosen.views, talk.phase)
    for part in parts:
        durable.remove(part.path)
    if not any((Path(out) / PARTS).iterdir()):
        durable.remove(Path(out) / PARTS)
    progress = Progress(files=dataset.status().files)
    summary = summarize(dataset, chosen, progress, time.monotonic() - began, taken)
    write_log(dataset, summary, recipe, 1)
    return summary


def estimate(
    folders: Sequence[Folder],
    out: Folder,
    *,
    recipe: str = "default",
    overrides: Sequence[str] = (),
    workers: int | None = None,
    shard: str | None = None,
) -> Estimate:
    """What `curate` would cost. Writes nothing."""
    chosen = recipe_of(recipe, overrides)
    found = [place for place in scan(folders) if place.problem is None]
    if shard is not None:
        index, count = share_of(shard)
        found = [place for place in found if in_share(place, index, count)]
    dataset = Dataset(out) if Dataset.exists(out) else None
    done = dataset.places() if dataset is not None else {}
    due = [place for place in found if done.get((place.root, place.relative)) != place.stat]
    fresh = {place.path for place in due}
    return estimate_cost(
        due,
        workers or os.cpu_count() or 1,
        frames_per_second=measured_rate(dataset) if dataset is not None else None,
        looks=looks_of(of_recipe(chosen), chosen.operators, dataset.operators() if dataset is not None else {}),
        known=[place for place in found if place.path not in fresh],
    )


def share_of(shard: str) -> tuple[int, int]:
    """
    >>> share_of("2/8")
    (2, 8)
    """
    index, _, count = shard.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise UsageError(f"`{shard}` is no share", "write i/n with i from 1 to n, for example --shard 2/8")
    return int(index), int(count)


def _bring_up_to_date(
    dataset: Dataset,
    doing: CurateRecipe,
    folders: Sequence[Folder],
    found: Sequence[Found],
    recipe: CurateRecipe,
    workers: int | None,
    runner: Runner,
    quiet: bool,
    listen: Listener | None = None,
) -> Summary:
    """Compute what is due of `doing`; `recipe` is what the dataset is said to be made with."""
    count, began = workers or os.cpu_count() or 1, time.monotonic()
    doing = _completed(doing, dataset, quiet)
    with dataset.writer() as writer:
        _prepare(writer, dataset, recipe, doing)
        once = partial(_pass, writer, dataset, doing, found, whole_roots(folders, found), count, runner, quiet, listen)
        progress, ran = once()
        if doing.captioning.on and doing.views:
            made = caption_dataset(writer, dataset, doing.captioning, quiet=quiet)
            ran += made.videos
            if made.videos:  # now what reads captions; and rules may ask for what was said
                again, ran_again = once()
                progress, ran = replace(progress, done=progress.done + again.done), ran + ran_again
    seconds = time.monotonic() - began
    summary = summarize(dataset, doing, progress, seconds, progress.done + ran)
    write_log(dataset, summary, recipe, count)
    return summary


def _completed(recipe: CurateRecipe, dataset: Dataset, quiet: bool) -> CurateRecipe:
    """All that a recipe only names becomes operators: networks, plug-ins, evaluation sets."""
    recipe = with_networks(with_more_operators(recipe), quiet=quiet)
    return with_evaluation_sets(recipe, dataset.path, quiet=quiet)


def _pass(
    writer: Writer,
    dataset: Dataset,
    doing: CurateRecipe,
    found: Sequence[Found],
    roots: Sequence[bytes],
    workers: int,
    runner: Runner,
    quiet: bool,
    listen: Listener | None,
) -> tuple[Progress, int]:
    """All that is due now: videos, then the whole dataset, then views. How many dataset operators ran."""
    before = dataset.operators()
    later = {name: spec for name, spec in before.items() if name in LATER}
    networks = [] if quiet else of_operators(doing.operators)
    with ProgressTalk(quiet=quiet) as talk:

        def tell(progress: Progress) -> None:
            talk(progress)
            if listen is not None:
                listen(progress)

        with Run(writer, doing.operators, workers=workers, tell=tell, runner=runner, later=later) as run:
            unread = run.unread(found)
            if not quiet and (unread or any(one.operator not in before for one in networks)):
                looks = looks_of(networks, doing.operators, before)
                fresh = {place.path for place in unread}
                known = [place for place in found if place.path not in fresh and place.problem is None]
                rate = measured_rate(dataset)
                note(say_estimate(estimate_cost(unread, workers, frames_per_second=rate, looks=looks, known=known)))
            progress = run.go(found, roots)
        ran = run_dataset_operators(writer, doing.operators, doing.dataset_operators, talk.phase)
        lacking = make_views(writer, dataset, doing.views, talk.phase)
    if lacking and not quiet:
        note(not_made(lacking))
    return progress, ran


def _no_videos(folders: Sequence[Folder]) -> UsageError:
    where = ", ".join(str(folder) for folder in folders)
    return UsageError(f"no videos below {where}", "files are recognised by their suffix, such as .mp4")


def _opened(out: Folder, shards: int) -> Dataset:
    return Dataset(out) if Dataset.exists(out) else Dataset.create(out, shards=shards)


def _prepare(writer: Writer, dataset: Dataset, recipe: CurateRecipe, doing: CurateRecipe) -> None:
    """Note the recipe; operators that it does not have are current no more, but for vectors of other runs."""
    writer.set_recipe(dump(recipe))
    named = {one.name for one in doing.operators} | {one.name for one in doing.dataset_operators}
    named |= {PLACES.name, *BY_MODELS}
    writer.retire(*(name for name in dataset.operators() if name not in named and not name.startswith(EMBEDDING)))


def _begun(out: Path, index: int, count: int, recipe: str, overrides: Sequence[str], shards: int) -> Dataset:
    """The part for one share. A new one begins with what the dataset knows of its videos."""
    whole = Dataset(out) if Dataset.exists(out) else None
    part = _opened(part_folder(out, index, count), whole.manifest.shards if whole else shards)
    if whole is not None and not (part.path / SHARE).is_file():
        sizes = whole.rows(PLACES).select(["video", "bytes"]).to_pylist()
        mine = {row["video"] for row in sizes if in_share(Found(b"", b"", (row["bytes"] or 0, 0, 0)), index, count)}
        with part.writer() as writer:
            for video, reason in whole.withheld().items():
                writer.withhold(video, date="", reason=reason)
            take_over(writer, whole, mine)
    made = {"recipe": recipe, "overrides": list(overrides)}
    durable.write_atomic(part.path / SHARE, json.dumps(made).encode("utf-8"))
    return part


def _common_recipe(parts: Sequence[Dataset]) -> CurateRecipe:
    """The recipe that all parts were made with, loaded again. Raises UsageError if it is not one and the same."""
    made = [json.loads((part.path / SHARE).read_text("utf-8")) for part in parts]
    texts = {part.manifest.recipe for part in parts}
    if len(texts) > 1:
        told = ", ".join(
            f"{part.path.name}: {one['recipe']} {one['overrides']}" for part, one in zip(parts, made, strict=True)
        )
        raise UsageError(f"the parts were made with different recipes: {told}", "run them again with the same one")
    recipe = recipe_of(made[0]["recipe"], made[0]["overrides"])
    if dump(recipe) not in texts:
        raise UsageError(
            f"the recipe `{made[0]['recipe']}` has changed since the parts were made", "run the parts again with it"
        )
    return recipe


def _tell_missing(parts: Sequence[Dataset], quiet: bool) -> None:
    there = {part.path.name for part in parts}
    counts = sorted({int(name.rpartition("-")[2]) for name in there})
    missing = [f"{i}/{n}" for n in counts for i in range(1, n + 1) if f"{i}-of-{n}" not in there]
    if missing and not quiet:
        note(f"not there: {', '.join(missing)}; the rest is merged, and they can be merged later")
