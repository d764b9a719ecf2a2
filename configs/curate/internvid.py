"""The cuts and the DIV subset of the InternVid paper (content detector, threshold 27; clips of 2 s and more).

Run     internvideo curate FOLDER --out DATASET --recipe configs/curate/internvid.py
Cost    printed by `--estimate` before the run and measured by it; see docs/results.md
Expect  view `div`: each source video has equal mass, whatever its number of clips
"""

from internvideo.curation.presets import INTERNVID
from internvideo.curation.recipe import CurateRecipe


def config() -> CurateRecipe:
    return INTERNVID
