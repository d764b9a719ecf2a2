"""Shots by the adaptive detector and fades, all cheap scores, near-duplicates, sidecar captions; view `default`.

Run     internvideo curate FOLDER --out DATASET --recipe configs/curate/default.py
Cost    printed by `--estimate` before the run and measured by it; see docs/results.md
Expect  the funnel at the end of the run, and `internvideo dataset report DATASET`
"""

from internvideo.curation.presets import DEFAULT
from internvideo.curation.recipe import CurateRecipe


def config() -> CurateRecipe:
    return DEFAULT
