"""Which of a clip's texts stands for it where only one is wanted: in a card, in a column, in a training sample.

A choice among texts that are there; makes none.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

# What a caption may be, best first: words about the clip itself, then about its whole video. Transcripts and titles
# are what is heard and what a video is called, not what is seen: they are captions only where that is asked for.
CAPTION_SCALES = ("clip", "video")
ALL_SCALES = (*CAPTION_SCALES, "transcript", "title")


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
