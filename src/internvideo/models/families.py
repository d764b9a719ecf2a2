"""What goes with a network but is not in it: how its clips are made, how its answers are read, who may use it.

`FAMILIES` says it for all checkpoints of a family; a `Card` for one network as it was loaded. No pixels, no files.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from internvideo.models.zoo import CLIP_LICENCE, UNIFORMER_LICENCE, UNSTATED, VICLIP_LICENCE
from internvideo.records import Licence, Preprocess

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF_MEAN, HALF_STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)

_VIDEOMAE = Preprocess(
    size=224,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    interpolation="opencv-bilinear",
    frames="videomae-dense-4",
    frame_count=16,
)

# What the published models were scored with, or what their demos do.
PREPROCESS: Mapping[str, Preprocess] = {
    "viclip": Preprocess(
        size=224, mean=IMAGENET_MEAN, std=IMAGENET_STD, resize="squash", antialias=False, frames="viclip"
    ),
    "viclip-demo": Preprocess(
        size=224,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        resize="squash",
        interpolation="opencv-bilinear",
        frames="viclip-demo",
    ),
    "videomae": _VIDEOMAE,
    "videomae-whole": replace(_VIDEOMAE, resize="squash", frames="middle"),  # places in the picture count
    "videomae-sparse": replace(_VIDEOMAE, frames="videomae-sparse"),  # Something-Something
    "internvideo-mm-demo": Preprocess(
        size=224,
        mean=CLIP_MEAN,
        std=CLIP_STD,
        short_side=256,
        interpolation="pillow-bilinear",
        frames="internvideo-mm-demo",
    ),
    "uniformerv2": Preprocess(
        size=224, mean=HALF_MEAN, std=HALF_STD, interpolation="bilinear", antialias=False, frames="uniformerv2"
    ),
    "clip": Preprocess(size=224, mean=CLIP_MEAN, std=CLIP_STD, interpolation="pillow-bicubic"),
    "moving-shapes": Preprocess(size=96, mean=IMAGENET_MEAN, std=IMAGENET_STD, resize="squash", frames="middle"),
}

AVA = Preprocess(  # published in levels of 255
    size=256,
    mean=(122.7717 / 255, 115.9465 / 255, 102.9801 / 255),
    std=(57.375 / 255,) * 3,
    interpolation="bilinear",
    antialias=False,
    frame_count=16,
)
NO_PIXELS = Preprocess(size=1, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), frame_count=1)  # of what reads features
OWN = Licence("Apache-2.0", "trained by this project on videos that it draws itself", commercial=True)
LABORATORY = (
    "a laboratory model: it has seen nothing but coloured shapes that move, and tells little about other videos; "
    "`internvideo models fetch clip-b-16` gets free weights that know the world"
)


@dataclass(frozen=True, slots=True)
class Family:
    """What all checkpoints of one family share."""

    name: str
    preprocess: Preprocess
    licence: Licence  # of the official weights
    context: int = 0  # text positions; 0: reads no text
    # How answers to several sentences about one label become one: the mean of "similarities", of "probabilities", or
    # of the sentences' "embeddings"; "": there are no sentences.
    ensemble: str = ""
    cleaning: Literal["none", "viclip"] = "none"  # of finished sentences: argument of `internvideo.text.prompts.fill`
    vocabulary: str = "clip"  # see `internvideo.text.words.vocabulary`
    overlong: Literal["raise", "truncate"] = "raise"  # what becomes of texts with more tokens than fit
    notice: str = ""  # what everybody who gets an answer must know


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("viclip", PREPROCESS["viclip"], VICLIP_LICENCE, 32, "similarities", "viclip", overlong="truncate"),
        Family(
            "viclip-tiny",
            PREPROCESS["moving-shapes"],
            OWN,
            32,
            "similarities",
            vocabulary="moving-shapes",
            notice=LABORATORY,
        ),
        Family("viclip-classifier", PREPROCESS["viclip"], VICLIP_LICENCE),
        Family("viclip-tiny-classifier", PREPROCESS["moving-shapes"], OWN, notice=LABORATORY),
        Family("viclip-tiny-boxes", PREPROCESS["moving-shapes"], Licence("no weights were published")),
        Family("viclip-nano", PREPROCESS["moving-shapes"], Licence("no weights were published")),
        Family("videomae", PREPROCESS["videomae"], UNSTATED),
        Family("internvideo-mm", PREPROCESS["internvideo-mm-demo"], UNSTATED, 77, "probabilities"),
        Family("uniformerv2", PREPROCESS["uniformerv2"], UNIFORMER_LICENCE),
        Family("internvideo-cma", PREPROCESS["videomae"], Licence("no weights were published")),
        Family("actionformer", NO_PIXELS, Licence("not stated; code MIT")),
        Family("actionformer-queries", NO_PIXELS, Licence("no weights were published"), 77, overlong="truncate"),
        Family(
            "actionformer-queries-tiny",
            NO_PIXELS,
            Licence("no weights were published"),
            32,
            vocabulary="moving-shapes",
            notice=LABORATORY,
        ),
        Family("navigator", NO_PIXELS, Licence("no weights were published")),
        Family("videomae-ava", AVA, UNSTATED),
        Family("videomae-whole", PREPROCESS["videomae-whole"], UNSTATED),
        Family("clip", PREPROCESS["clip"], CLIP_LICENCE, 77, "embeddings"),
    )
}


@dataclass(frozen=True, slots=True)
class Card:
    """What travels with one loaded network, as its attribute `card`."""

    name: str  # key of `MODELS`
    family: Family
    preprocess: Preprocess  # the family's, with size and frame count of this network
    licence: Licence
    weights: str  # SHA-256 of the file, in hex, or "random"
    source: str = ""  # file name, address or hub id; "" for random weights
    classes: tuple[str, ...] = ()  # names of what a class head answers, in order; () if nobody says


RANDOM = Licence("random weights")


class NonCommercialWeights(UserWarning):
    """The weights may not be used commercially."""


class NewHead(UserWarning):
    """The weights are those of a network that this one begins with: its head holds random numbers."""


def fitted(how: Preprocess, size: int, frames: int) -> Preprocess:
    """The same preprocessing for another network of the family: what is cut away stays the same share.

    frames: 0 keeps the count.

    >>> fitted(PREPROCESS["internvideo-mm-demo"], 112, 0).short_side
    128
    """
    short_side = round(how.short_side * size / how.size)
    return replace(how, size=size, short_side=short_side, frame_count=frames or how.frame_count)


def licence_facts(licence: Licence) -> dict[str, str]:
    """How a file of weights says its licence: for `weights.write_weights`, read back by `stated_licence`."""
    return {"licence": json.dumps(asdict(licence))}


def stated_licence(facts: Mapping[str, str]) -> Licence | None:
    """The licence that the header of a file of ours states, if it does."""
    try:
        return Licence(**json.loads(facts["licence"]))
    except (KeyError, TypeError, ValueError):
        return None
