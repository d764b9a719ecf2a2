"""Boxes of objects that change, on Ego4D's state-change object detection: VideoMAE over single pictures, queries.

Run     internvideo train configs/localise/ego4d_changes.py data.annotations=scod_train.json data.pictures=pictures \
            held_out.annotations=scod_val.json held_out.pictures=pictures weights=VERBS --out run
        internvideo evaluate changed-objects submission=scod.json --data scod_val.json --root pictures \
            --model videomae-b-16-boxes --weights run/model
Cost    printed by `--estimate`
Expect  eval/AP in the log. Pictures and annotations need Ego4D's licence. The published detector has five scales, 900
        queries and Swin-L; this one stands in for it, so rate, epochs and queries are ours
"""

from internvideo.training.egocentric import DetectBoxes
from internvideo.training.head_recipe import HeadRecipe, PictureData
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    train, val = (PictureData(annotations=f"scod_{split}.json", pictures="pictures") for split in ("train", "val"))
    return HeadRecipe(
        model="videomae-b-16-boxes",
        data=train,
        held_out=val,
        objective=DetectBoxes(),
        batch=16,
        epochs=50,
        rate=1e-4,
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=1e-2),
        average=None,
        clip=0.1,
    )
