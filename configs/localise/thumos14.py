"""ActionFormer on THUMOS14, as InternVideo's paper trains it: 20 classes, windows of 19 steps, 2,304 steps.

Run     internvideo features VIDEOS --model videomae-h-16 --window 16 --stride 4 --out features
        internvideo train configs/localise/thumos14.py data.annotations=thumos14.json data.features=features \
            held_out.annotations=thumos14.json held_out.features=features --out run
Cost    printed by `--estimate`
Expect  eval/mAP in the log: the mean over tIoU 0.3 to 0.7 on the test videos. The papers chose the best epoch on them;
        here `model` is the network at the end, and that one is `checkpoints/best.safetensors`
"""

from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    return HeadRecipe(
        model="actionformer-thumos14",
        data=TemporalData(annotations="thumos14.json", features="features", subset="validation"),
        held_out=TemporalData(annotations="thumos14.json", features="features", subset="test"),
        objective=Localise(usual=100.0),
        batch=2,
        epochs=50,
        rate=1e-4,
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=1e-4),
    )
