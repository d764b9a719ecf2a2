"""The sentences around class names: templates of the published zero-shot evaluations.

A template holds `{}` once, where the class name goes. How the answers to several templates become one score is the
model family's affair: ViCLIP averages similarities, InternVideo-MM averages probabilities.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from internvideo.errors import UsageError
from internvideo.text.cleaning import clean_caption

Cleaning = Literal["none", "viclip"]

# ActionCLIP (Wang et al., 2021), used by ViCLIP and InternVideo-MM for Kinetics.
ACTION = (
    "a photo of action {}",
    "a picture of action {}",
    "Human action of {}",
    "{}, an action",
    "{} this is an action",
    "{}, a video of action",
    "Playing action of {}",
    "{}",
    "Playing a kind of action, {}",
    "Doing a kind of action, {}",
    "Look, the human is {}",
    "Can you recognize the action of {}?",
    "Video classification of {}",
    "A video of {}",
    "The man is {}",
    "The woman is {}",
)

_DOING = ("", " using", " doing", " during", " performing", " practicing")
_SHOWN = ("photo", "video", "example", "demonstration")

# CLIP (Radford et al., 2021), prompts of Kinetics-700; "a example" is the published spelling.
KINETICS = tuple(f"a {shown} of {who}{{}}." for shown in _SHOWN for who in ("", *(f"a person{d} " for d in _DOING)))

# CLIP, prompts of UCF101.
_WHO = [f"{one} person{doing}" for doing in _DOING for one in ("a", "the")]
UCF101 = tuple(f"a {shown} of {who} {{}}." for who in _WHO for shown in _SHOWN)

PROMPTS: Mapping[str, tuple[str, ...]] = {"action": ACTION, "kinetics": KINETICS, "ucf101": UCF101, "name": ("{}",)}


def fill(templates: Sequence[str], names: Sequence[str], cleaning: Cleaning = "none") -> list[list[str]]:
    """Every template with every class name: one list per template, in the order of the names.

    cleaning: "viclip" cleans the finished sentences as ViCLIP's evaluation does, so that "Can you ...?" loses its
    question mark. Raises UsageError for a template without exactly one `{}`.

    >>> fill(["a photo of {}.", "{}, an action"], ["sky-diving"], cleaning="viclip")
    [['a photo of sky diving'], ['sky diving an action']]
    """
    for template in templates:
        if template.count("{}") != 1:
            raise UsageError(f"the template {template!r} must hold {{}} once", "write it like `a video of {}`")
    sentences = [[template.replace("{}", name) for name in names] for template in templates]
    return [[clean_caption(text) for text in row] for row in sentences] if cleaning == "viclip" else sentences


def sentence_vectors(
    read: Callable[[Sequence[str]], np.ndarray], templates: Sequence[str], names: Sequence[str], cleaning: Cleaning
) -> np.ndarray:
    """Every class name in every template, read once: (P, K, D) float64, for `metrics.ensembles`.

    read: n sentences -> (n, D). cleaning: as in `fill`.
    """
    rows = fill(templates, names, cleaning)
    sentences = list(dict.fromkeys(sentence for row in rows for sentence in row))
    vectors = dict(zip(sentences, read(sentences).astype(np.float64), strict=True))
    return np.array([[vectors[sentence] for sentence in row] for row in rows])
