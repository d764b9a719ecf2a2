"""Cross-model attention, debug size: two classifiers of motions learn to read each other, then to answer together.

Both begin with random weights here, so that it is quick; large recipes name trained ones in `part_weights`.

Run     internvideo train configs/finetune/moving_shapes_coordinate.py --out run
Cost    printed by `--estimate`
Expect  PENDING
"""

from dataclasses import replace

from internvideo.training.objectives import Coordinate
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    return replace(
        beside(__file__, "moving_shapes_classify.py"),
        model="internvideo-cma-b-debug",
        network=("masked.head_scale=1.0",),
        objective=Coordinate(classes=16),
    )
