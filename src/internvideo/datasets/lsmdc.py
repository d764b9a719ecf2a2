"""LSMDC: cut clips of films with the sentence of the audio description.

Lines without header, separated by tabs: clip name, start and end (aligned), start and end (extracted), sentence. Clips
lie in a folder per film: `<film>/<film>_<HH.MM.SS.mmm>-<HH.MM.SS.mmm>.avi`.
"""

from internvideo.datasets.lists import csv_rows, joined
from internvideo.datasets.sample import PathLike, Sample, Samples, uid_of

COLUMNS = ("clip", "start_aligned", "end_aligned", "start_extracted", "end_extracted", "sentence")


def read_lsmdc(path: PathLike, root: PathLike, *, suffix: str = ".avi", corpus: str = "lsmdc") -> Samples:
    """One sample per clip; `source` is the film. Blind test lists have no sentence: their samples have no caption."""
    return Samples(
        Sample(
            uid_of(corpus, row["clip"]),
            joined(root, f"{film_of(row['clip'])}/{row['clip']}{suffix}"),
            captions=(row["sentence"],) if row["sentence"].strip() else (),
            source=film_of(row["clip"]),
        )
        for row in csv_rows(path, COLUMNS, delimiter="\t", header=False)
    )


def film_of(clip: str) -> str:
    """The film that a clip is named after.

    >>> film_of("0001_American_Beauty_00.00.51.926-00.00.54.129")
    '0001_American_Beauty'
    """
    return clip.rpartition("_")[0]
