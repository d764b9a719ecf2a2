"""Captions by a model: for the clips of a dataset, as the last and dearest step of curating, and for single videos."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from internvideo.curation.clip_tables import files_of
from internvideo.curation.language.answers import AnswerStore, Remembering
from internvideo.curation.language.captioner import CaptionRecipe, spec_of
from internvideo.curation.language.endpoint import Endpoint
from internvideo.curation.language.protocol import Budget, RequestRejected
from internvideo.curation.language.stage import Made, caption, describe_file, due_work
from internvideo.curation.scan import Found
from internvideo.errors import UsageError, VideoError, nearest
from internvideo.jobs.lanes import find_videos
from internvideo.jobs.talk import CountTalk, columns, note
from internvideo.store.dataset import Dataset
from internvideo.store.writer import Writer
from internvideo.video.opening import display_name

ANSWERS = "answers.sqlite"  # in the dataset's `cache/`


def budget_of(recipe: CaptionRecipe) -> Budget:
    return Budget(recipe.token_budget, recipe.money_budget, recipe.prompt_price, recipe.answer_price)


def caption_dataset(writer: Writer, dataset: Dataset, recipe: CaptionRecipe, *, quiet: bool) -> Made:
    """Describe the clips of the recipe's view that have no captions yet. Flush before."""
    if recipe.view is not None and recipe.view not in dataset.views():
        raise UsageError(f"captioning: there is no view `{recipe.view}`", nearest(recipe.view, dataset.views()))
    clips = dataset.view(recipe.view) if recipe.view is not None else dataset.clips(recipe.clip_set)
    files = {video: path for video, (path, _) in files_of(dataset).items()}
    budget, endpoint_recipe = budget_of(recipe), recipe.endpoint
    with AnswerStore(dataset.path / "cache" / ANSWERS) as answers:
        endpoint = Endpoint(endpoint_recipe, budget)
        model = Remembering(endpoint, answers)
        answers.charge(budget, model.identity)
        spec = spec_of(recipe, model.identity)
        writer.register(spec)
        work = due_work(writer, spec, clips, files)
        total = sum(len(one.clips) for one in work)
        if not total:
            return Made()
        if not quiet:
            note(say_cost(recipe, total, budget))
        with CountTalk("captioning", "clips") as talk:
            made = caption(writer, model, recipe, work, (lambda *_: None) if quiet else talk)
        writer.flush()
        if not quiet:
            note(_said(made, model, endpoint, budget))
    return made


def say_cost(recipe: CaptionRecipe, clips: int, budget: Budget) -> str:
    """What asking about so many clips takes at most, said before it begins."""
    frames = recipe.most_frames
    per_clip = {"coarse": 1, "fine": frames + 1, "clip": 1, "video": 0}
    questions = clips * sum(per_clip[scale] for scale in recipe.scales)
    rows = [
        ("captions", f"{clips:,} clips, at most {questions:,} questions to {recipe.endpoint.model}"),
        ("endpoint", f"{recipe.endpoint.url}, {recipe.endpoint.in_flight} at once"),
        ("spent before", f"{budget.spent_tokens:,} tokens" + (f", {budget.spent_money:,.4g}" if budget.money else "")),
    ]
    limits = [f"{budget.tokens:,} tokens"] if budget.tokens is not None else []
    limits += [f"{budget.money:,.6g} of money"] if budget.money is not None else []
    rows.append(("budget", " and ".join(limits) or "none: captioning.token_budget=1000000 sets one"))
    return columns(rows)


def _said(made: Made, model: Remembering, endpoint: Endpoint, budget: Budget) -> str:
    again = ", ".join(f"{count:,} x {why}" for why, count in sorted(endpoint.counts.retried.items()))
    lines = [
        f"{made.clips:,} clips of {made.videos:,} videos described; {model.asked:,} questions asked, "
        f"{model.found:,} answered before; {budget.spent_tokens:,} tokens in all"
    ]
    lines += [f"asked again: {again}"] if again else []
    lines += [f"stopped: {made.stopped}"] if made.stopped else []
    return "\n".join(lines)


def run_caption(videos: Sequence[str], recipe: CaptionRecipe, *, as_json: bool = False) -> int:
    """`internvideo caption`: print texts about whole videos. Returns the exit code; a broken video stops no other."""
    if not recipe.on:
        raise UsageError(
            "no model to ask",
            "--endpoint http://127.0.0.1:8000/v1 --llm NAME names one that vLLM, Ollama, llama.cpp or a host serves",
        )
    places = find_videos(videos)
    failed = asyncio.run(_captioned(places, recipe, as_json))
    return 0 if not failed else 1 if failed < len(places) else 3


async def _captioned(places: Sequence[Found], recipe: CaptionRecipe, as_json: bool) -> int:
    failed, model = 0, Endpoint(recipe.endpoint, budget_of(recipe))
    try:
        for place in places:
            path = Path(os.fsdecode(place.path))
            try:
                if place.problem is not None:
                    raise place.problem
                rows = await describe_file(model, recipe, path)
            except (VideoError, RequestRejected) as error:
                failed += 1
                note(f"{display_name(path)}: {error.kind}: {error.problem}")
                continue
            if as_json:
                print(json.dumps({"video": display_name(path), "captions": rows}, ensure_ascii=False), flush=True)
            else:
                shown = [(f"  {row['scale']}", row["text"] or f"({row['finish']})") for row in rows]
                print("\n".join([display_name(path), columns(shown)]), flush=True)
    finally:
        await model.close()
    return failed
