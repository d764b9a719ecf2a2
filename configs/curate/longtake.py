"""Clips of 10 s and more without a cut in which much moves; slow transitions count as cuts (LVD-2M's idea).

Run     internvideo curate FOLDER --out DATASET --recipe configs/curate/longtake.py
Cost    printed by `--estimate` before the run and measured by it; see docs/results.md
Expect  view `longtake`; with `captioning.endpoint.url=...` captions of frames five seconds apart, merged
"""

from internvideo.curation.presets import LONGTAKE
from internvideo.curation.recipe import CurateRecipe


def config() -> CurateRecipe:
    return LONGTAKE
