"""What a curation run does: which operators, with which parameters, and which named subsets come out.

Recipes that have a name are in `presets`; a file in `configs/curate/` or of your own returns one from `config()`.
"""

from dataclasses import dataclass, field

from internvideo.curation.language.captioner import CaptionRecipe
from internvideo.curation.operator import DatasetOperator, Operator
from internvideo.curation.select import ViewRecipe


@dataclass(frozen=True, kw_only=True)
class MatchRecipe:
    """Vectors of clips, and how well captions match them (`match`). Off without a model.

    model: a network of videos and texts, or "auto": the best that is here. weights: see `internvideo index --help`.
    """

    model: str = ""
    weights: str | None = None
    precision: str = "fp32"
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class AestheticRecipe:
    """How beautiful frames are (`aesthetic`). Off without a head.

    head: a name such as aesthetic-l-14, or a file of LAION's form. model, weights: of pictures; by default the network
    that the head of that name belongs to, else clip-l-14. frames: of each clip, uniformly spaced.
    """

    head: str = ""
    model: str = ""
    weights: str | None = None
    frames: int = 4
    device: str | None = None


@dataclass(frozen=True, kw_only=True)
class CurateRecipe:
    """operators: per video, in any order. dataset_operators: after the last video. views: the first is the main one.

    match, aesthetic: scores by networks, which become operators when a run begins.
    text_overlay: how much writing covers (extra `ocr`). plugins: operators of other packages, by the names of their
    entry points, such as classifiers of nudity or faces.
    evaluation_sets: folders of videos, or fingerprints of them (`internvideo dataset fingerprints`): clips that show
    what they show are told, and left out of the views.
    captioning: captions by a model for the clips of one view; off until it is told where a model answers.
    shards: files per operator, fixed when the dataset is made; 4 to 16 thousand clips per shard are comfortable.
    """

    operators: tuple[Operator, ...]
    dataset_operators: tuple[DatasetOperator, ...] = ()
    views: tuple[ViewRecipe, ...] = ()
    match: MatchRecipe = field(default_factory=MatchRecipe)
    aesthetic: AestheticRecipe = field(default_factory=AestheticRecipe)
    captioning: CaptionRecipe = field(default_factory=CaptionRecipe)
    text_overlay: bool = False
    plugins: tuple[str, ...] = ()
    evaluation_sets: tuple[str, ...] = ()
    shards: int = 16
