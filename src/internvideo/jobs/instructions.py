"""Instruction data for a dataset: written by a language model from its texts, checked, kept as values."""

import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from internvideo.curation.export.data import from_dataset
from internvideo.curation.language.instructions import NAME, InstructionRecipe, Told, instruct, spec_of, told_of
from internvideo.curation.language.stage import is_due
from internvideo.curation.language.text_stage import Rows, TextWork, ask_about
from internvideo.errors import UsageError
from internvideo.jobs.dataset import main_view
from internvideo.jobs.language import ANSWERS, writing
from internvideo.jobs.talk import CountTalk, columns, note
from internvideo.store.dataset import Dataset

Folder = str | os.PathLike[str]


def make_instructions(folder: Folder, recipe: InstructionRecipe, *, quiet: bool = False) -> dict[str, Any]:
    """Write what is due for the clips of the recipe's view; what came of it. Running it again asks only what is new.

    Raises UsageError if no clip has any text, and EndpointRefuses.
    """
    dataset = Dataset(Path(folder))
    view = recipe.view or main_view(dataset)
    clip_set = str(dataset.view_description(view)["clip_set"]) if view is not None else "shots"
    told = told_of(from_dataset(dataset, view, clip_set), recipe.grain)
    if not told:
        raise UsageError(
            f"no clip of {view or clip_set} has a caption or a transcript",
            "put texts beside the videos, or caption them first: docs/guides/captions.md",
        )
    with dataset.writer() as writer, writing(recipe, dataset.path / "cache" / ANSWERS) as who:
        spec = spec_of(recipe, who.model.identity)
        writer.register(spec)
        work = [TextWork(video, _digest(units), units) for video, units in told.items()]
        work = [one for one in work if is_due(writer, spec, one.video, one.input)]
        units = sum(len(one.units) for one in work)
        if units and not quiet:
            most = 2 * len(recipe.kinds)
            note(who.say_cost(f"{units:,} stretches of video, {len(recipe.kinds)} to {most} each"))

        async def answer(one: TextWork[Told], unit: Told) -> Rows:
            return await instruct(who.model, recipe, one.video, unit)

        with CountTalk("instructions", recipe.grain + "s") as talk:
            at_once = recipe.at_once
            made = ask_about(
                writer, spec, who.model, work, answer, at_once=at_once, tell=(lambda *_: None) if quiet else talk
            )
        writer.flush()
        if units and not quiet:
            note(who.said(f"{made.clips:,} stretches of {made.videos:,} videos written about", made.stopped))
    rows = dataset.rows(NAME)
    refused = Counter(problem for problem in rows["problem"].to_pylist() if problem)
    return {
        "dataset": str(folder),
        "view": view,
        "written": made.clips,
        "failed": made.failed,
        "stopped": made.stopped,
        "kinds": dict(Counter(rows.filter(pc.equal(rows["problem"], ""))["kind"].to_pylist())),
        "refused": dict(refused),
    }


def say_instructions(found: dict[str, Any]) -> str:
    rows = [(kind, f"{count:,}") for kind, count in sorted(found["kinds"].items())]
    rows += [(f"refused: {why}", f"{count:,}") for why, count in sorted(found["refused"].items())]
    rows += [(f"failed: {video[:12]}", why) for video, why in sorted(found["failed"].items())]
    rows += [("stopped", found["stopped"])] if found["stopped"] else []
    return columns(rows)


def _digest(units: list[Told]) -> str:
    told = repr([(unit.stream, unit.start, unit.end, unit.context) for unit in units])
    return hashlib.sha256(told.encode("utf-8")).hexdigest()[:16]
