"""Motions of `moving_shapes`, learned as in `moving_shapes_recognition.py` by a UniFormerV2: the tower that
InternVideo-MM looks through, so that questions about motions can begin from it.

Run     internvideo train configs/finetune/moving_shapes_frames.py --out run
        internvideo evaluate recognition --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  99 % of 160 test files right, by guess 6 (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside

# One token per place for all of the time, behind convolutions.
TOWER = (
    *("size=80", "tubelet=16", "patch=16", "patches=convolutional", "depth=4", "heads=4", "width=128"),
    *("global_layers=2,3", "global_heads=4", "global_dropout=0.0"),
)


def config() -> TrainRecipe:
    return replace(
        beside(__file__, "moving_shapes_recognition.py"),
        model="uniformerv2-b-16-debug",
        network=(*(f"frames.{option}" for option in TOWER), "head_dropout=0.0"),
        preprocess=("frame_count=16", "frames=middle", "short_side=80"),
    )
