"""InternVideo-MM-B/16, as L/14 is trained (no settings of B were published).

Run     internvideo train configs/pretrain/internvideo_mm_b_16.py --out runs/internvideo_mm_b_16
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "internvideo_mm_l_14.py")
    return replace(base, model="internvideo-mm-b-16-caption", weights="clip-b-16")
