"""ActionFormer on FineAction, as InternVideo's paper trains it: one class, every video stretched to 192 steps.

Run     as configs/localise/activitynet.py, with benchmark=fineaction stretched=true and that model
Cost    printed by `--estimate`
Expect  eval/mAP in the log: of segments without classes, the mean over tIoU 0.5 to 0.95
"""

from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    annotations, features = "annotations_gt.json", "features"
    return HeadRecipe(
        model="actionformer-fineaction",
        data=TemporalData(annotations=annotations, features=features, agnostic=True, stretched=True),
        held_out=TemporalData(
            annotations=annotations, features=features, agnostic=True, stretched=True, subset="validation"
        ),
        objective=Localise(usual=200.0, smoothing=0.1, balance=2.0),
        batch=16,
        epochs=25,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=1e-5),
    )
