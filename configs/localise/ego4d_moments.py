"""ActionFormer on Ego4D's moment queries: 110 classes, features of a VideoMAE-L that learned verbs of narrations.

Run     internvideo features CLIPS --model videomae-l-16 --weights VERBS --window 16 --stride 16 --out features
        internvideo train configs/localise/ego4d_moments.py data.annotations=moments_train.json data.features=features \
            held_out.annotations=moments_val.json held_out.features=features --out run
        internvideo evaluate temporal benchmark=moments --data moments_val.json --root features \
            --model actionformer-moments --weights run/model
Cost    printed by `--estimate`
Expect  eval/mAP in the log: the mean over tIoU 0.1 to 0.5. Videos and annotations need Ego4D's licence. The published
        recipe of this track is not in the sources that were read: rate and length are those of THUMOS14
"""

from dataclasses import replace

from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.recipe import beside


def config() -> HeadRecipe:
    return replace(
        beside(__file__, "thumos14.py"),
        model="actionformer-moments",
        data=TemporalData(annotations="moments_train.json", features="features", subset="train"),
        held_out=TemporalData(annotations="moments_val.json", features="features", subset="val"),
    )
