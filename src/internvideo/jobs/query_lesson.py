"""What a head for questions in words learns from: features of clips, questions, and the windows that answer them."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from torch import nn

from internvideo.datasets.ego4d import WordQuery, read_word_queries
from internvideo.datasets.feature_folder import FeatureFolder, Features
from internvideo.errors import UsageError
from internvideo.jobs.asking import Network
from internvideo.jobs.head_networks import head_network
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import note
from internvideo.jobs.temporal_lesson import feature_folder
from internvideo.models import load_model
from internvideo.models.query_head import QueryHead
from internvideo.tasks.predictions import Record
from internvideo.tasks.queries import LanguageQueries, query_problems, word_ids
from internvideo.tasks.task import Example
from internvideo.training.head_recipe import HeadRecipe, QueryData
from internvideo.training.localisation import Sequence1D, cropped, sequence_batch


class QueryLesson:
    """Questions that have an answer inside their clip, and whose clip has features."""

    def __init__(self, recipe: HeadRecipe) -> None:
        assert isinstance(recipe.data, QueryData)
        self.recipe, self.data = recipe, recipe.data
        self.folder = feature_folder(self.data)
        self.queries = _usable(self.data, self.folder)
        self.samples = len(self.queries)
        facts = [(each.clip, each.text, each.window) for each in self.queries]
        self.listed = hashlib.sha256(repr((facts, self.folder.made_by)).encode()).hexdigest()
        self._read: dict[str, Features] = {}
        self.held: LanguageQueries | None = None
        if isinstance(recipe.held_out, QueryData):
            folder = feature_folder(recipe.held_out)
            self.held = LanguageQueries(queries=_usable(recipe.held_out, folder), folder=folder)

    def network(self) -> nn.Module:
        """Reads as many channels as the features have; its text tower is that of another network."""
        network = cast(QueryHead, head_network(self.recipe, channels_of_base=self.folder.width()))
        if self.recipe.weights is None and self.data.text_model:
            tower = getattr(load_model(self.data.text_model, self.data.text_weights), "text", None)
            if tower is None or tower.config != network.config.text:
                raise UsageError(
                    f"the text tower of `{self.data.text_model}` is not that of `{self.recipe.model}`",
                    "actionformer-queries reads with clip-b-16, actionformer-queries-tiny with viclip-tiny",
                )
            network.text.load_state_dict(tower.state_dict())
        return network

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        head = cast(QueryHead, network)
        asked = [self.queries[number] for number in numbers]
        steps, shares, kept = head.config.base.steps, self.data.crop, self.data.kept
        chosen = [
            cropped(self._sequence(each), steps, rng, shares, kept) for each, rng in zip(asked, rngs, strict=True)
        ]
        text = word_ids([each.text for each in asked], head, card_of(head).family)
        return {**sequence_batch(chosen, head.base), "text": text}

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """`score`: mean recall of the first window in percent."""
        if self.held is None:
            return {}
        asked, found = Network(network), dict[str, Record]()
        examples: list[Example] = list(self.held.examples)
        found = {record.id: record for record in self.held.predict(asked, examples)}
        metrics = self.held.score(found).metrics
        return {"score": metrics["mean R@1"], **{name: metrics[name] for name in ("R@1,IoU=0.3", "R@1,IoU=0.5")}}

    def _sequence(self, query: WordQuery) -> Sequence1D:
        if query.clip not in self._read:
            self._read[query.clip] = self.folder.read(query.clip, query.seconds)
        features = self._read[query.clip]
        window = np.clip(np.array([query.window]), 0, query.seconds)
        return Sequence1D(features.rows, features.grid.steps(window), np.zeros(1, np.int64))


def _usable(data: QueryData, folder: FeatureFolder) -> list[WordQuery]:
    queries = [each for each in read_word_queries(data.annotations) if data.subset in ("", each.split)]
    for problem in query_problems(queries):
        note(f"{problem}; what is outside is cut off, what is empty left out")
    missing = set(folder.missing({each.clip for each in queries}))
    if missing:
        note(f"{len(missing):,} clips have no features: {', '.join(sorted(missing)[:5])}")
    kept = []
    for each in queries:
        start, end = each.window or (0.0, 0.0)
        if each.clip not in missing and max(start, 0.0) < min(end, each.seconds):
            kept.append(each)
    if not kept:
        raise UsageError(
            f"none of {len(queries):,} questions of `{data.annotations}` has an answer and features",
            "does the folder of features belong to this list? is a prefix missing?",
        )
    return kept
