"""The video tower of the bundled `viclip-tiny` with a head over boxes: colour, shape and motion of every thing at a
keyframe of the small world.

Run     internvideo train configs/localise/moving_shapes_spatial.py --out run
        internvideo evaluate spatial stride=6 --data moving_shapes --model viclip-tiny-boxes --weights run/model
Cost    printed by `--estimate`
Expect  frame-mAP@0.5 91 of the boxes given (docs/results.md)
"""

from internvideo.training.head_recipe import BoxData, HeadRecipe
from internvideo.training.recipe import Schedule
from internvideo.training.spatial import NameBoxes


def config() -> HeadRecipe:
    return HeadRecipe(
        model="viclip-tiny-boxes",
        weights="viclip-tiny",
        data=BoxData(annotations="moving_shapes", subset="train", clips=6000, stride=6, mirrored=False),
        held_out=BoxData(annotations="moving_shapes", subset="test", clips=200, stride=6, mirrored=False),
        objective=NameBoxes(shaken=0.05, per_box=False),
        batch=32,
        epochs=4,
        rate=5e-4,
        schedule=Schedule(kind="videomae", warmup=0.2, lowest=1e-2),
        average=0.99,
        evaluate_every=200,
        log_every=10,
    )
