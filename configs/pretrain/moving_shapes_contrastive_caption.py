"""InternVideo-MM, debug size, on rendered clips of `moving_shapes`: contrast and captions together.

Run     internvideo train configs/pretrain/moving_shapes_contrastive_caption.py --out run
Cost    printed by `--estimate`
Expect  training loss (both together) from 15.8 to about 6.5 in two minutes on two cores; on held-out clips captions
        cost 3.9 per token, and 7.8 % of captions find their clip among 64 (chance is 1.6 %)
"""

from dataclasses import replace

from internvideo.training.objectives import ContrastiveCaption
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_contrastive.py")
    return replace(
        base,
        model="internvideo-mm-b-16-debug",
        objective=ContrastiveCaption(),
        preprocess=("frame_count=4",),
        optimiser=replace(base.optimiser, rate=3e-3),
        epochs=8,
    )
