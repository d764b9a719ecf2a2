"""VideoMAE with a head over boxes on clips of the small world: colour, shape and motion of every thing at a keyframe.

Run     internvideo train configs/localise/moving_shapes_spatial.py --out run
        internvideo evaluate spatial stride=5 --data moving_shapes --model videomae-tiny-12-ava --weights run/model
Cost    printed by `--estimate`
Expect  not measured here
"""

from internvideo.training.head_recipe import BoxData, HeadRecipe
from internvideo.training.recipe import Schedule
from internvideo.training.spatial import NameBoxes


def config() -> HeadRecipe:
    return HeadRecipe(
        model="videomae-tiny-12-ava",
        data=BoxData(annotations="moving_shapes", subset="train", clips=6000, stride=5, mirrored=False),
        held_out=BoxData(annotations="moving_shapes", subset="test", clips=200, stride=5, mirrored=False),
        objective=NameBoxes(shaken=0.05, per_box=False),
        batch=32,
        epochs=12,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=1e-2),
        average=0.99,
        evaluate_every=200,
        log_every=10,
    )
