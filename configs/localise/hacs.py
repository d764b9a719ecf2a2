"""ActionFormer on HACS segments, as InternVideo's paper trains it: one class, 2,304 steps.

Run     as configs/localise/activitynet.py, with benchmark=hacs and the model actionformer-hacs
Cost    printed by `--estimate`
Expect  eval/mAP in the log: of segments without classes, the mean over tIoU 0.5 to 0.95
"""

from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    annotations, features = "HACS_segments_v1.1.1.json", "features"
    return HeadRecipe(
        model="actionformer-hacs",
        data=TemporalData(annotations=annotations, features=features, agnostic=True),
        held_out=TemporalData(annotations=annotations, features=features, agnostic=True, subset="validation"),
        objective=Localise(usual=400.0, smoothing=0.1),
        batch=16,
        epochs=25,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=1e-5),
    )
