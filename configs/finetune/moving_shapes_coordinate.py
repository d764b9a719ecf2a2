"""Cross-model attention, debug size: two classifiers of motions learn to read each other, then to answer together.

Both begin with random weights here, so that it is quick; large recipes name trained ones in `part_weights`.

Run     internvideo train configs/finetune/moving_shapes_coordinate.py --out run
Cost    printed by `--estimate`
Expect  training loss from 2.8 (chance) to about 1.7, of clips that are learned by heart
"""

from dataclasses import replace

from internvideo.training.objectives import Coordinate
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_classify.py")
    return replace(
        base,
        model="internvideo-cma-b-debug",
        network=("masked.head_scale=1.0",),
        objective=Coordinate(classes=16),
        optimiser=replace(base.optimiser, rate=2e-3),
    )
