"""ActionFormer on ActivityNet-1.3, as InternVideo's paper trains it: one class, which action it is comes from outside.

Run     internvideo features VIDEOS --model videomae-h-16 --window 16 --stride 16 --out features
        internvideo train configs/localise/activitynet.py data.annotations=activity_net.v1-3.min.json \
            data.features=features held_out.annotations=activity_net.v1-3.min.json held_out.features=features --out run
        internvideo evaluate temporal benchmark=activitynet class_scores=scores.json --data activity_net.v1-3.min.json \
            --split validation --root features --model actionformer-activitynet --weights run/model
Cost    printed by `--estimate`
Expect  eval/mAP in the log: of segments without classes, the mean over tIoU 0.5 to 0.95
"""

from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    data = TemporalData(annotations="activity_net.v1-3.min.json", features="features", prefix="v_", agnostic=True)
    return HeadRecipe(
        model="actionformer-activitynet",
        data=data,
        held_out=TemporalData(
            annotations=data.annotations, features="features", prefix="v_", agnostic=True, subset="validation"
        ),
        objective=Localise(usual=400.0, smoothing=0.1),
        batch=8,
        epochs=15,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=1e-5),
    )
