"""What the training of a head does: data of its task, network, objective, optimiser, schedule.

A head learns from what is at hand in one process: cached features, boxes, or walks in a graph.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from internvideo.errors import UsageError
from internvideo.training.objectives import Objective
from internvideo.training.recipe import Schedule, check_types


@dataclass(frozen=True, kw_only=True)
class TemporalData:
    """Segments of actions in features. annotations: see `datasets.timelines.read_timelines`; features: a folder."""

    annotations: str
    features: str
    subset: str = "training"
    classes: str = ""  # file of class names in order; "": as the annotations say
    prefix: str = ""  # of the arrays' names, such as v_
    fps: float = 0.0  # of the features' grid, where nothing beside them tells it (then with stride and window)
    stride: float = 0.0  # frames
    window: float = 0.0
    agnostic: bool = False  # all classes are one: which it is comes from scores of the whole video
    stretched: bool = False  # every video becomes as many steps as the network has (FineAction)
    crop: tuple[float, float] | None = (0.9, 1.0)  # share of the steps that is looked at
    kept: float = 0.5  # segments of which so much is inside a crop stay


@dataclass(frozen=True, kw_only=True)
class QueryData(TemporalData):
    """Moments that sentences ask for. annotations: Ego4D's `nlq_*.json`; features: a folder.

    text_model, text_weights: whose text tower is taken over; it does not learn.
    """

    subset: str = ""
    text_model: str = ""
    text_weights: str | None = None


@dataclass(frozen=True, kw_only=True)
class WalkData:
    """Walks in graphs. episodes, graphs, features: files of Room-to-Room; without episodes the small world is drawn."""

    episodes: str = ""
    graphs: str = ""  # folder of <scan>_connectivity.json
    features: str = ""  # folder of <scan>.npz
    world_graphs: int = 60
    world_episodes: int = 1500
    world_seed: int = 0


@dataclass(frozen=True, kw_only=True)
class BoxData:
    """Persons at keyframes. annotations: AVA's CSV; videos: folder of files named after the videos.

    annotations="moving_shapes": clips of the small world, rendered where they are not there; subset: of its splits.
    """

    annotations: str
    videos: str = ""
    subset: str = ""
    clips: int = 0
    labels: str = ""  # label map (pbtxt): the classes that count
    offset: float = 0.0  # second of the list at which a file begins
    stride: int = 4  # frames between those that are looked at
    mirrored: bool = True  # at random
    crop: int = 0  # pixels of a square that is cut out at random; 0: whole pictures
    colours: tuple[float, float, float] = (0.0, 0.0, 0.0)  # most that hue (degrees), saturation and value (shares) move
    keep: bool = False  # decoded clips in memory


@dataclass(frozen=True, kw_only=True)
class HandData:
    """Ego4D's future hands. annotations: `fho_hands_*.json`; videos: folder of `<clip>_<last frame>.mp4`."""

    annotations: str
    videos: str


@dataclass(frozen=True, kw_only=True)
class ChangeData:
    """Ego4D's point of no return. annotations: `fho_oscc-pnr_*.json`; videos: folder of clips or of whole videos."""

    annotations: str
    videos: str


@dataclass(frozen=True, kw_only=True)
class ContactData:
    """Ego4D's short-term anticipation. annotations: `fho_sta_*.json`; videos: folder of `<video>.mp4`.

    detections: boxes of a detector with nouns, learned from beside the annotated ones; least: of their scores.
    """

    annotations: str
    videos: str
    detections: str = ""
    least: float = 0.0
    stride: int = 2  # frames between those that are looked at


@dataclass(frozen=True, kw_only=True)
class PictureData:
    """Boxes in pictures, such as Ego4D's state-change objects. annotations: COCO's JSON; pictures: their folder."""

    annotations: str
    pictures: str


HeadData: TypeAlias = TemporalData | QueryData | WalkData | BoxData | HandData | ChangeData | ContactData | PictureData


@dataclass(frozen=True, kw_only=True)
class HeadRecipe:
    """A whole run of a head."""

    model: str  # a key of `models.MODELS`
    data: HeadData
    objective: Objective
    batch: int
    epochs: float
    rate: float  # highest learning rate of AdamW
    schedule: Schedule = field(default_factory=lambda: Schedule(kind="videomae", warmup=5.0, lowest=1e-4))
    weight_decay: float = 0.05  # of the weights of layers; not of biases, norms and scales
    held_out: HeadData | None = None  # what evaluation looks at
    weights: str | None = None  # to begin with; None: random
    network: tuple[str, ...] = ()  # changes of the network's configuration, such as "steps=768"
    average: float | None = 0.999  # decay per step of the moving average of weights, which is what is saved
    clip: float | None = 1.0  # longest gradient
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = 0
    log_every: int = 1  # steps
    save_every: int = 500
    evaluate_every: int = 500

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("batch", "epochs", "rate", "log_every", "save_every", "evaluate_every"):
            value: Any = getattr(self, name)
            if not 0 < value < math.inf:
                raise UsageError(f"`{name}` is {value}", "give a number over 0")
        if self.average is not None and not 0 < self.average < 1:
            raise UsageError(f"`average` is {self.average}", "a decay is over 0 and below 1, such as 0.999")
