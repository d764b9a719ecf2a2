"""What a curation run does: which operators, with which parameters, and which named subsets come out.

`PRESETS` are the recipes that have a name; a file in `configs/curate/` or of your own returns one from `config()`.
"""

from dataclasses import dataclass, field, replace

from internvideo.curation.captions import Captions, CaptionStatistics, Imported, Transcript
from internvideo.curation.duplicates import FrameHashes, NearDuplicates, PacketDigest
from internvideo.curation.facts import Decoding, Probe
from internvideo.curation.language.captioner import CaptionRecipe
from internvideo.curation.operator import DatasetOperator, Operator
from internvideo.curation.scores import Bars, Colour, Exposure, Motion, Sharpness, Stillness
from internvideo.curation.segmenters import Shots, Windows
from internvideo.curation.select import DEFAULT_VIEWS, INTERNVID_VIEWS, ViewRecipe
from internvideo.curation.sidecars import Sidecars


@dataclass(frozen=True, kw_only=True)
class CurateRecipe:
    """operators: per video, in any order. dataset_operators: after the last video. views: the first is the main one.

    captioning: captions by a model for the clips of one view; off until it is told where a model answers.
    shards: files per operator, fixed when the dataset is made; 4 to 16 thousand clips per shard are comfortable.
    """

    operators: tuple[Operator, ...]
    dataset_operators: tuple[DatasetOperator, ...] = ()
    views: tuple[ViewRecipe, ...] = ()
    captioning: CaptionRecipe = field(default_factory=CaptionRecipe)
    shards: int = 16


DEFAULT = CurateRecipe(
    operators=(
        Probe(),
        Decoding(),
        Shots(),
        Windows(),
        Imported(),
        Motion(),
        Exposure(),
        Bars(),
        Stillness(),
        Sharpness(),
        Colour(),
        FrameHashes(),
        PacketDigest(),
        Sidecars(),
        Captions(),
        Transcript(),
        CaptionStatistics(),
    ),
    dataset_operators=(NearDuplicates(),),
    views=DEFAULT_VIEWS,
)

INTERNVID = replace(
    DEFAULT,
    operators=tuple(
        Shots(detector="content", threshold=27.0) if operator.name == "shots" else operator
        for operator in DEFAULT.operators
    ),
    views=INTERNVID_VIEWS,
)

SEARCH = CurateRecipe(  # what `internvideo index` makes of new folders, beside vectors
    operators=(
        Probe(),
        Decoding(),
        Shots(),
        Windows(),
        Windows(name="windows-12s", seconds=12.0, stride=6.0),
        Imported(),
        Sidecars(),
        Captions(),
        Transcript(),
    )
)

PRESETS = {"default": DEFAULT, "internvid": INTERNVID, "search": SEARCH}
