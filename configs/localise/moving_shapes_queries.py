"""Moments that sentences ask for, in untrimmed videos of the small world, with features and words of viclip-tiny.

Run     python -m internvideo.datasets.moving_shapes.untrimmed shapes --train 96 --test 40
        internvideo features shapes/train shapes/test --model viclip-tiny --window 24 --stride 4 --out shapes/features
        internvideo train configs/localise/moving_shapes_queries.py --out run
        internvideo evaluate language-queries --data shapes/queries_test.json --root shapes/features \
            --model actionformer-queries-tiny --weights run/model
        internvideo localise shapes/test/test-00000.mp4 --model viclip-tiny --window 24 --stride 4 --head run/model \
            --head-model actionformer-queries-tiny --ask "a red circle moves left slowly"
Cost    printed by `--estimate`
Expect  eval/R@1,IoU=0.5 96.8 with 96 training and 40 test videos (docs/results.md)
"""

from internvideo.training.head_recipe import HeadRecipe, QueryData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    train, test = (
        QueryData(annotations=f"shapes/queries_{split}.json", features="shapes/features", text_model="viclip-tiny")
        for split in ("train", "test")
    )
    return HeadRecipe(
        model="actionformer-queries-tiny",
        data=train,
        held_out=test,
        objective=Localise(usual=40.0),
        batch=16,
        epochs=8,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=1e-2),
        average=0.99,
        evaluate_every=150,
    )
