"""ActionFormer on untrimmed videos of the small world: which of 16 motions when, in features of viclip-tiny.

Run     python -m internvideo.datasets.moving_shapes.untrimmed shapes --train 96 --test 40
        internvideo features shapes/train shapes/test --model viclip-tiny --window 24 --stride 4 --out shapes/features
        internvideo train configs/localise/moving_shapes_temporal.py --out run
        internvideo evaluate temporal --data shapes/segments.json --split test --root shapes/features \
            --model actionformer-thumos14 --weights run/model
Cost    printed by `--estimate`
Expect  docs/results.md, "Localisation and navigation"
"""

from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    data = TemporalData(annotations="shapes/segments.json", features="shapes/features", subset="train")
    return HeadRecipe(
        model="actionformer-thumos14",
        data=data,
        held_out=TemporalData(annotations=data.annotations, features=data.features, subset="test"),
        objective=Localise(usual=100.0),
        network=("windows=7,7,7,7,-1", "width=128", "steps=192"),  # in this order every step is possible
        batch=8,
        epochs=60,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=3.0, lowest=1e-2),
        average=0.99,
        evaluate_every=300,
    )
