"""One sample to what a batch holds of it: clips and token ids. Without torch, so that worker processes start quickly.

Everything random comes from a key: the same sample and key give the same numbers in every process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from internvideo.datasets.augment import FRAME_DRAWS, Augment, augmented
from internvideo.datasets.pixels import Kept, frames_of
from internvideo.datasets.sample import Media, Sample
from internvideo.errors import UsageError, pick
from internvideo.records import Preprocess
from internvideo.text.cleaning import clean_caption
from internvideo.text.words import vocabulary
from internvideo.video.sampling import FRAME_POLICIES
from internvideo.video.transforms import preprocess

LETTERS = 64  # more than any token has


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipRecipe:
    """How samples become tensors. preprocess: what the model wants; size, frames, mean and deviation hold always."""

    preprocess: Preprocess
    augment: Augment | None = None  # None: evaluation, nothing is drawn, the first caption counts
    context: int = 0  # text positions; 0: no text. Longer captions are cut
    vocabulary: str = "clip"  # see `text.words.vocabulary`
    cleaning: str = "none"  # or "viclip": `text.cleaning.clean_caption` before the tokenizer
    repeats: int = 1  # training views per sample, of the same frames: decoded once (repeated augmentation)
    kept_bytes: int = 0  # of decoded frames that each process may keep in memory

    def __post_init__(self) -> None:
        if self.repeats < 1 or (self.repeats > 1 and self.augment is None):
            raise UsageError(f"{self.repeats} repeats of a clip need an augmentation", "repeats=1")
        if self.cleaning not in ("none", "viclip"):
            raise UsageError(f"unknown cleaning `{self.cleaning}`", 'cleaning="none" or "viclip"')

    def shape(self, media: Media) -> tuple[int, int, int, int, int]:
        """Of the clips of one sample: (repeats, 3, T, size, size)."""
        frames = 1 if media == "image" else self.preprocess.frame_count
        return self.repeats, 3, frames, self.preprocess.size, self.preprocess.size


def make(
    recipe: ClipRecipe, sample: Sample, key: Sequence[int], clips: np.ndarray, frames_drawn: str | None = None
) -> list[int]:
    """Fill `clips` (`recipe.shape`, float32) and give the token ids (`context` of them). Raises a `VideoError`.

    frames_drawn: a key of `FRAME_DRAWS`, if training views of this sample are not drawn as the recipe says.
    """
    rng = np.random.default_rng(list(key))
    text = _caption(recipe, sample, rng) if recipe.context else []
    read = _kept(recipe.kept_bytes).frames_of if recipe.kept_bytes else frames_of
    frames = read(sample, partial(_choose, recipe, rng, frames_drawn))
    for clip in clips:
        if recipe.augment is None:
            clip[...] = preprocess(frames, recipe.preprocess)
        else:
            clip[...] = augmented(frames, recipe.preprocess, recipe.augment, rng)
    return text


@lru_cache(maxsize=1)
def _kept(limit: int) -> Kept:
    """Of this process."""
    return Kept(limit)


def _choose(recipe: ClipRecipe, rng: np.random.Generator, drawn: str | None, num_frames: int) -> Sequence[int]:
    count = recipe.preprocess.frame_count
    if recipe.augment is None:
        return pick(FRAME_POLICIES, recipe.preprocess.frames, "frame policy")(num_frames, count)
    return FRAME_DRAWS[drawn or recipe.augment.frames](num_frames, count, rng)


def _caption(recipe: ClipRecipe, sample: Sample, rng: np.random.Generator) -> list[int]:
    """Token ids of one of its captions."""
    which = 0 if recipe.augment is None else int(rng.integers(len(sample.captions)))
    text = sample.captions[which]
    text = clean_caption(text) if recipe.cleaning == "viclip" else text
    text = text[: LETTERS * recipe.context]  # what comes behind is cut anyway; words without end take minutes
    ids: list[int] = vocabulary(recipe.vocabulary)([text], recipe.context, "truncate")[0].tolist()
    return ids
