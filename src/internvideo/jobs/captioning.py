"""Captions by a model: for the clips of a dataset, as the last and dearest step of curating, and for single videos."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from internvideo.curation.clip_tables import files_of
from internvideo.curation.language.captioner import CaptionRecipe, spec_of
from internvideo.curation.language.protocol import LanguageModel, RequestRejected
from internvideo.curation.language.stage import Made, caption, describe_file, due_work
from internvideo.curation.scan import Found
from internvideo.errors import UsageError, VideoError, nearest
from internvideo.jobs.language import ANSWERS, model_of, writing
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.talk import CountTalk, columns, note
from internvideo.store.dataset import Dataset
from internvideo.store.writer import Writer
from internvideo.video.opening import display_name


def caption_dataset(writer: Writer, dataset: Dataset, recipe: CaptionRecipe, *, quiet: bool) -> Made:
    """Describe the clips of the recipe's view that have no captions yet. Flush before."""
    if recipe.view is not None and recipe.view not in dataset.views():
        raise UsageError(f"captioning: there is no view `{recipe.view}`", nearest(recipe.view, dataset.views()))
    clips = dataset.view(recipe.view) if recipe.view is not None else dataset.clips(recipe.clip_set)
    files = {video: path for video, (path, _) in files_of(dataset).items()}
    model = _network(recipe)
    with writing(recipe, dataset.path / "cache" / ANSWERS, model) as who:
        spec = spec_of(recipe, who.model.identity)
        writer.register(spec)
        work = due_work(writer, spec, clips, files)
        total = sum(len(one.clips) for one in work)
        if not total:
            return Made()
        if not quiet:
            note(who.say_cost(f"{total:,} clips, at most {total * _questions(recipe):,} questions"))
        with CountTalk("captioning", "clips") as talk:
            made = caption(writer, who.model, recipe, work, (lambda *_: None) if quiet else talk)
        writer.flush()
        if not quiet:
            note(who.said(f"{made.clips:,} clips of {made.videos:,} videos described", made.stopped))
    return made


def _network(recipe: CaptionRecipe) -> LanguageModel | None:
    if not recipe.network:
        return None
    from internvideo.jobs.own_captions import OwnCaptioner  # loads torch, which few who curate need

    return OwnCaptioner(recipe.network, recipe.weights)


def _questions(recipe: CaptionRecipe) -> int:
    """About one clip, at most."""
    of_scale = {"coarse": 1, "fine": recipe.most_frames + 1, "clip": 1, "video": 0}
    return sum(of_scale[scale] for scale in recipe.scales)


def run_caption(videos: Sequence[str], recipe: CaptionRecipe, *, as_json: bool = False) -> int:
    """`internvideo caption`: print texts about whole videos. Returns the exit code; a broken video stops no other."""
    model = model_of(recipe, recipe.budget())
    places = find_videos(videos)
    failed = asyncio.run(_captioned(model, places, recipe, as_json))
    return 0 if not failed else 1 if failed < len(places) else 3


async def _captioned(model: LanguageModel, places: Sequence[Found], recipe: CaptionRecipe, as_json: bool) -> int:
    failed = 0
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
