"""How well the captions of a clip say what is seen in it, by any network that knows videos and texts.

The cosine of InternVid's UMT-SIM (section 3.3 there). Vectors of the clips are those that `embedding` has stored, so
nothing is decoded again when captions come later.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from internvideo.curation.operator import FrameRequest, Grain, Resources, Subject, clip_rows, resources_of
from internvideo.records import Space
from internvideo.store.best_caption import CAPTION_SCALES, OPERATORS

MATCH = "match"  # name of the operator
TextEncoder = Callable[[Sequence[str]], np.ndarray]  # (n, D) float32, unit length; NaN for a text it cannot read
TextEncoderFactory = Callable[[], TextEncoder]


@dataclass(frozen=True)
class Match:
    """One row per caption of a clip, the one that fits best first: its item is 0, so it is the one that views see.

    cosine: of the vectors of clip and caption, [-1, 1]; null for a text of which the network knows no word. scale:
    of the caption. by, text_item: which operator has it, under which item. Texts that do not say what is seen
    (transcripts, titles, single frames) are not compared. texts: the operators that have captions.

    factory: picklable and hashable; called once per worker process, when the first captions come.
    """

    space: Space
    factory: TextEncoderFactory = field(metadata={"beside": True})
    texts: tuple[str, ...] = OPERATORS

    name: ClassVar[str] = MATCH
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    frames: ClassVar[FrameRequest] = FrameRequest()
    columns: ClassVar[pa.Schema] = pa.schema(
        [("cosine", pa.float32()), ("scale", pa.string()), ("by", pa.string()), ("text_item", pa.int32())]
    )

    @property
    def resources(self) -> Resources:
        return resources_of(self.factory)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.space.operator, *self.texts)

    def process(self, subject: Subject) -> pa.Table:
        captions = list(_captions(subject))
        texts = list(dict.fromkeys(caption["text"] for caption in captions))
        if not texts:
            return clip_rows(subject, self.columns, [])
        number = {text: place for place, text in enumerate(texts)}
        vectors, rows = _made(self.factory)(texts), _vectors(subject.rows[self.space.operator])
        found: dict[tuple[int, int], list[dict[str, Any]]] = {}
        for caption in captions:
            span = caption["start"], caption["end"]
            if span in rows:
                cosine = float(rows[span] @ vectors[number[caption["text"]]])
                known = None if math.isnan(cosine) else cosine
                found.setdefault(span, []).append({"cosine": known, **caption})
        return clip_rows(subject, self.columns, list(_numbered(found.values())))


def _captions(subject: Subject) -> Iterator[dict[str, Any]]:
    """Captions of the clips, in the order of operators, clips and items."""
    for operator in OPERATORS:
        if (table := subject.rows.get(operator)) is not None:
            kept = table.filter(pc.is_in(table["scale"], value_set=pa.array(CAPTION_SCALES)))
            for row in kept.select(["start", "end", "item", "text", "scale"]).to_pylist():
                if row["text"]:
                    yield {**row, "by": operator, "text_item": row["item"]}


def _vectors(table: pa.Table) -> dict[tuple[int, int], np.ndarray]:
    width = table.schema.field("vector").type.list_size
    vectors = table["vector"].combine_chunks().flatten().to_numpy().astype(np.float32).reshape(-1, width)
    return dict(zip(zip(table["start"].to_pylist(), table["end"].to_pylist(), strict=True), vectors, strict=True))


def _numbered(clips: Any) -> Iterator[dict[str, Any]]:
    for captions in clips:
        captions.sort(key=lambda caption: -math.inf if caption["cosine"] is None else caption["cosine"], reverse=True)
        for item, caption in enumerate(captions):
            row = {name: value for name, value in caption.items() if name != "text"}
            yield {**row, "item": item}


@cache
def _made(factory: TextEncoderFactory) -> TextEncoder:
    return factory()
