"""Which of a clip's texts stands for it where only one is wanted: in a card, in a column, in a training sample.

A choice among texts that are there; makes none.
"""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from internvideo.store.dataset import Dataset
from internvideo.store.values import CLIP_KEY

# What a caption may be, best first: words about the clip itself (those of several frames before those of one), then
# about its whole video. Transcripts and titles are what is heard and what a video is called, not what is seen, and
# `frame` is one moment of a clip: they are captions only where that is asked for.
CAPTION_SCALES = ("clip", "fine", "coarse", "video")
ALL_SCALES = (*CAPTION_SCALES, "frame", "transcript", "title")
OPERATORS = ("captions", "model_captions")  # who gives texts: files beside the videos, then models that see
HEARD = ("spoken", "translations")  # and those that listen and translate: transcripts only
_LATER = 100_000  # items of the second kind of texts begin here
TEXTS = pa.schema(
    [
        *CLIP_KEY,
        ("text", pa.string()),
        ("scale", pa.string()),
        ("origin", pa.string()),
        ("language", pa.string()),
        ("covers", pa.float64()),
    ]
)


def texts_of(dataset: Dataset, videos: Collection[str] | None = None) -> pa.Table:
    """All texts about the clips of a dataset (or of some videos of it), `TEXTS`: those of people have smaller items."""
    tables = [TEXTS.empty_table()]
    current = dataset.operators()
    for place, name in enumerate((*OPERATORS, *HEARD)):
        if name in current:
            rows = dataset.rows(name, videos)
            columns = [
                rows[field.name].cast(field.type)
                if field.name in rows.column_names
                else pa.nulls(len(rows), field.type)
                for field in TEXTS
            ]
            found = pa.table(columns, schema=TEXTS)
            shifted = pc.add(found["item"], pa.scalar(place * _LATER, pa.int32()))
            tables.append(found.set_column(TEXTS.get_field_index("item"), TEXTS.field("item"), shifted))
    return pa.concat_tables(tables)


def best_first(captions: pa.Table, scales: Sequence[str] = ALL_SCALES) -> pa.Table:
    """The rows of these scales, sorted by clip, and of each clip the best first.

    captions: `clip`, `item`, `text`, `scale`, and `covers` (share of the clip that the text is about) where it is
    known. The best is of the first scale in `scales`, then the one that covers most of the clip, then the first item.
    Rows without text are left out.
    """
    rank = pc.index_in(captions["scale"], value_set=pa.array(scales, pa.string()))
    covers = captions["covers"] if "covers" in captions.column_names else pa.nulls(captions.num_rows, pa.float64())
    ranked = captions.append_column("__rank", rank).append_column("__covers", pc.fill_null(covers, 0.0))
    ranked = ranked.filter(
        pc.and_(pc.is_valid(rank), pc.fill_null(pc.greater(pc.utf8_length(captions["text"]), 0), False))
    )
    order = [("clip", "ascending"), ("__rank", "ascending"), ("__covers", "descending"), ("item", "ascending")]
    return ranked.sort_by(order).drop_columns(["__rank", "__covers"])


def best(captions: pa.Table, scales: Sequence[str] = CAPTION_SCALES) -> dict[str, int]:
    """Clip name -> row of `best_first(captions, scales)` that is its best caption."""
    found: dict[str, int] = {}
    for row, clip in enumerate(best_first(captions, scales)["clip"].to_pylist()):
        found.setdefault(clip, row)
    return found
