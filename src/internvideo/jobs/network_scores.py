"""The scores of a recipe that networks give: which network, which head, and the operators that carry them to workers.

Nothing is fetched here: what is missing is an error that names the command which fetches it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from internvideo.curation.aesthetic import Aesthetic, Judge
from internvideo.curation.embedding import Embedding
from internvideo.curation.match import Match, TextEncoder
from internvideo.curation.operator import Operator
from internvideo.curation.planner import LATER
from internvideo.curation.recipe import AestheticRecipe, CurateRecipe, MatchRecipe
from internvideo.curation.semantic import SemanticDuplicates
from internvideo.errors import InternVideoError, UsageError
from internvideo.jobs.embedder import ModelEmbedder, load, space_of_model
from internvideo.records import Space
from internvideo.store.best_caption import OPERATORS

if TYPE_CHECKING:
    from torch import nn

AUTO = "auto"
PICTURES = "clip-l-14"


def with_networks(recipe: CurateRecipe, *, quiet: bool) -> CurateRecipe:
    """The same recipe, in which what `match` and `aesthetic` ask for stands among the operators.

    Raises InternVideoError where weights are missing, UsageError where a head does not fit its network.
    """
    operators: list[Operator] = list(recipe.operators)
    whole = recipe.dataset_operators
    if recipe.match.model:
        texts = tuple(name for name in OPERATORS if name in LATER or any(name == one.name for one in operators))
        embedding, match = _match(recipe.match, texts, quiet)
        operators += [embedding, match]
        if recipe.views:
            whole = (*whole, SemanticDuplicates(embedding.name, recipe.views[0].clip_set))
    if recipe.aesthetic.head:
        operators.append(_aesthetic(recipe.aesthetic, quiet))
    once = tuple({operator.name: operator for operator in operators}.values())
    return replace(recipe, operators=once, dataset_operators=whole)


def not_made(lacking: Mapping[str, Sequence[str]]) -> str:
    """One line about views whose scores the recipe does not have."""
    ways = {"match": "match.model=clip-b-16", "aesthetic": "aesthetic.head=aesthetic-l-14"}
    told = (
        f"`{view}` (asks for {', '.join(ways.get(name, name) for name in names)})" for view, names in lacking.items()
    )
    return f"views that are not made: {', '.join(told)}"


def _match(recipe: MatchRecipe, texts: tuple[str, ...], quiet: bool) -> tuple[Operator, ...]:
    from internvideo.jobs.choice import choose_model, say_model

    name = None if recipe.model == AUTO else recipe.model
    model = choose_model(name, recipe.weights, precision=recipe.precision, device=recipe.device)
    space = space_of_model(model, recipe.precision)
    if not quiet:
        say_model(model)
    embedding = Embedding(space, ModelEmbedder(space, recipe.weights, recipe.device))
    return embedding, Match(space, TextReader(space, recipe.weights, recipe.device), texts)


@dataclass(frozen=True)
class TextReader:
    """Makes, in a worker process, what turns captions into vectors. weights: as `choose_model` takes them."""

    space: Space
    weights: str | None
    device: str | None = None

    def __call__(self) -> TextEncoder:
        from internvideo.jobs.prepare import encode_captions

        model = _loaded(self.space, self.weights, self.device)
        return lambda texts: encode_captions(model, texts)


@cache
def _loaded(space: Space, weights: str | None, device: str | None) -> "nn.Module":
    return load(space, weights, device)


def _aesthetic(recipe: AestheticRecipe, quiet: bool) -> Operator:
    from internvideo.jobs.choice import choose_model, say_model
    from internvideo.models.aesthetic_head import read_head
    from internvideo.models.fetch import weights_hash

    path = head_file(recipe.head)
    model = choose_model(picture_network(recipe), recipe.weights, device=recipe.device)
    space, head = space_of_model(model), read_head(path)
    if len(head.weight) != space.dimension:
        raise UsageError(
            f"the head {recipe.head} reads {len(head.weight)} numbers, {space.model} gives {space.dimension}",
            "aesthetic.model=NAME names the network that it was trained on",
        )
    if not quiet:
        say_model(model)
    how = replace(space.preprocess, frames="middle", frame_count=recipe.frames)
    space = replace(space, preprocess=how)
    return Aesthetic(space, weights_hash(path), PictureJudge(space, os.fspath(path), recipe.weights, recipe.device))


def picture_network(recipe: AestheticRecipe) -> str:
    """The name of the network whose vectors the head reads."""
    from internvideo.models.zoo import ZOO

    return recipe.model or (ZOO[recipe.head].head_of if recipe.head in ZOO else PICTURES)


def head_file(name: str) -> Path:
    """The file of a head: a path, or a name of the zoo that is in the cache."""
    from internvideo.models.fetch import local
    from internvideo.models.zoo import ZOO

    if Path(name).is_file():
        return Path(name)
    heads = [checkpoint.name for checkpoint in ZOO.values() if checkpoint.head_of]
    if name not in heads:
        raise UsageError(f"aesthetic.head: `{name}` is no file and no known head", f"known: {', '.join(heads)}")
    found = local(name)
    if found is None:
        raise InternVideoError(f"the head `{name}` is not here", f"`internvideo models fetch {name}`")
    return found


@dataclass(frozen=True)
class PictureJudge:
    """Makes, in a worker process, what scores the frames of clips, each alone."""

    space: Space
    head: str
    weights: str | None
    device: str | None = None

    def __call__(self) -> Judge:
        from internvideo.jobs.prepare import device_of
        from internvideo.jobs.shared_batches import SharedBatches
        from internvideo.models.aesthetic_head import read_head

        model, head = _loaded(self.space, self.weights, self.device), read_head(Path(self.head))
        batches = SharedBatches(model.encode_video, device_of(model))  # type: ignore[arg-type]  # typed as a Tensor

        def judge(clips: np.ndarray) -> np.ndarray:
            count, frames = clips.shape[0], clips.shape[2]
            pictures = (clip[:, t : t + 1] for clip in clips for t in range(frames))
            vectors = np.stack(list(batches(pictures)))
            scores: np.ndarray = head(vectors).reshape(count, frames)
            return scores

        return judge
