"""InternVideo-MM, debug size, on rendered clips of `moving_shapes`: contrast and captions together.

Run     internvideo train configs/pretrain/moving_shapes_caption.py --out run
Cost    printed by `--estimate`
Expect  not measured yet; the loss must halve (`make prove`)
"""

from dataclasses import replace

from internvideo.training.objectives import ContrastiveCaption
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    return replace(
        beside(__file__, "moving_shapes_contrastive.py"),
        model="internvideo-mm-b-16-debug",
        objective=ContrastiveCaption(),
        preprocess=("frame_count=4",),
        epochs=8,
    )
