"""Natural-language queries: when in a clip the answer to a question is seen (Ego4D). Recall of the first windows.

A head that reads words (`models.query_head`) looks at features that were extracted before. Source: Ego4D's episodic
memory benchmark; InternVideo's solutions to its challenges of 2022.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from internvideo.config import override
from internvideo.datasets.ego4d import WordQuery, read_word_queries
from internvideo.datasets.feature_folder import FeatureFolder
from internvideo.datasets.sample import Sample, uid_of
from internvideo.errors import UsageError
from internvideo.metrics.moments import moment_recall
from internvideo.models.families import Family
from internvideo.models.query_head import QueryHead
from internvideo.ops.spans import Decoding, Grid
from internvideo.ops.suppression import Suppression
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Record, Segments, shown
from internvideo.tasks.submissions import write_word_queries
from internvideo.tasks.task import Asked, Example, Marks, OneAnswer
from internvideo.tasks.temporal import features_of, find_segments
from internvideo.text.words import vocabulary

WINDOWS = Suppression(sigma=0.75, per_class=False, most=5)  # the challenge takes five windows of each question


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How windows are found. prefix, fps, stride, window: of the features, as of `tasks.temporal.Finding`.

    submission: file to write for the challenge's server; "": none.
    """

    prefix: str = ""
    fps: float = 0.0
    stride: float = 0.0
    window: float = 0.0
    decoding: Decoding = field(default_factory=Decoding)
    suppression: Suppression = WINDOWS
    submission: str = ""


@dataclass(frozen=True, kw_only=True)
class LanguageQueries(OneAnswer):
    """Predictions: windows of each question, best first."""

    queries: Sequence[WordQuery]
    folder: FeatureFolder | None = None  # None: only marks
    protocol: Asking = field(default_factory=Asking)
    name: str = "language-queries"
    family: str = "segments"

    @property
    def examples(self) -> Sequence[Example]:
        return [
            Example(each.name, Sample(uid_of("queries", each.clip), self._path(each.clip), source=each.clip),
                    (each.text,), truth=each.window and list(each.window))
            for each in self.queries
        ]  # fmt: skip

    def _path(self, clip: str) -> str:
        path = self.folder.path(clip) if self.folder else None
        return str(path) if path else f"{clip}.npy"

    def predict(self, asked: Asked, examples: Sequence[Example]) -> Iterator[Record]:
        network, how = asked.network, self.protocol
        if not isinstance(network, QueryHead) or self.folder is None:
            raise UsageError(
                f"`{asked.card.name}` reads no questions about features" if self.folder else "no features were given",
                "--model actionformer-queries... and --root FOLDER, as `internvideo features` writes it",
            )
        by_name = asked.once("queries by name", lambda: {each.name: each for each in self.queries})
        for example in examples:
            query = by_name[example.id]
            features = features_of(self.folder, query.clip, query.seconds, network.config.base.channels)
            words = word_ids([query.text], network, asked.card.family)[0]
            found = find_segments(network, features, query.seconds, how.decoding, how.suppression, words)
            yield Segments(example.id, *found)

    def score(self, predictions: Mapping[str, Record]) -> Marks:
        found = {id: one for id, one in predictions.items() if isinstance(one, Segments)}
        notes = query_problems(self.queries)
        if self.protocol.submission:
            write_word_queries(self.protocol.submission, self.queries, found)
            notes.append(f"the file for the server is `{self.protocol.submission}`")
        truths: dict[object, np.ndarray] = {
            each.name: np.array(each.window) for each in self.queries if each.window is not None
        }
        if not truths:
            return Marks(metrics={}, notes=(*notes, "the list has no answers: there is nothing to mark"))
        best: dict[object, np.ndarray] = {}
        for id, one in found.items():
            best[id] = one.spans[np.argsort(-one.scores, kind="stable")]
        metrics: dict[str, Any] = {name: 100 * value for name, value in moment_recall(best, truths).items()}
        return Marks(metrics={**metrics, "queries": len(truths)}, notes=notes)


def word_ids(texts: Sequence[str], network: QueryHead, family: Family) -> torch.Tensor:
    """(B, L) int64, zero padded: as many places as the text tower has; longer questions are cut."""
    words = vocabulary(family.vocabulary)
    return torch.from_numpy(words(list(texts), network.config.text.context, "truncate"))


def query_problems(queries: Sequence[WordQuery]) -> list[str]:
    """What is wrong with windows, a line per kind with counts and the first cases."""
    told = []
    given = [(each, *each.window) for each in queries if each.window is not None]
    empty = [f"{each.name} [{start:g}, {end:g}]" for each, start, end in given if end <= start]
    beyond = [
        f"{each.name} [{start:g}, {end:g}] of {each.seconds:g} s"
        for each, start, end in given
        if start < 0 or end > each.seconds + 1.0
    ]
    for what, cases in (("are empty", empty), ("leave the clip", beyond)):
        if cases:
            told.append(f"{len(cases):,} windows {what}: {shown(cases)}")
    return told


def language_queries(data: Data, options: Sequence[str] = (), *, paper: bool = False) -> LanguageQueries:
    """The task over `nlq_*.json` (`--data`) and a folder of features (`--root`)."""
    protocol = override(Asking(), options)
    queries = [each for each in read_word_queries(Path(data.place)) if data.split in ("", each.split)]
    if not queries:
        raise UsageError(f"`{data.place}` has no questions" + (f" of `{data.split}`" if data.split else ""))
    grid = Grid(fps=protocol.fps, stride=protocol.stride, window=protocol.window) if protocol.fps else None
    folder = FeatureFolder(data.root, prefix=protocol.prefix, grid=grid) if data.root else None
    return LanguageQueries(queries=queries, folder=folder, protocol=protocol)
