"""In which part of a clip a thing begins to change, on Ego4D's point of no return: VideoMAE with 17 classes.

Run     internvideo train configs/localise/ego4d_moment_of_change.py data.annotations=fho_oscc-pnr_train.json \
            data.videos=clips held_out.annotations=fho_oscc-pnr_val.json held_out.videos=clips weights=VERBS --out run
        internvideo evaluate change-moments --data fho_oscc-pnr_val.json --root clips --model videomae-b-16-change \
            --weights run/model
Cost    printed by `--estimate`
Expect  eval/keyframe error in the log, seconds. Videos and annotations need Ego4D's licence. No published recipe was
        read for it: rate and epochs are ours
"""

from internvideo.training.head_recipe import ChangeData, HeadRecipe
from internvideo.training.objectives import Classify
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    train, val = (ChangeData(annotations=f"fho_oscc-pnr_{split}.json", videos="clips") for split in ("train", "val"))
    return HeadRecipe(
        model="videomae-b-16-change",
        data=train,
        held_out=val,
        objective=Classify(classes=17, smoothing=0.1),
        batch=32,
        epochs=20,
        rate=1e-4,
        schedule=Schedule(kind="videomae", warmup=2.0, lowest=1e-2),
        average=None,
    )
