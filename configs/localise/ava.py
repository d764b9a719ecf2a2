"""VideoMAE with a linear head over boxes on AVA 2.2, as InternVideo's paper trains it.

Run     internvideo train configs/localise/ava.py data.annotations=ava_train_v2.2.csv data.videos=videos \
            data.labels=ava_action_list_v2.2_for_activitynet_2019.pbtxt held_out.annotations=ava_val_v2.2.csv \
            held_out.videos=videos held_out.labels=ava_action_list_v2.2_for_activitynet_2019.pbtxt \
            weights=K710-FINE-TUNED --out run
Cost    printed by `--estimate`
Expect  eval/frame-mAP of the annotated boxes; with boxes of a detector: `internvideo evaluate spatial persons=FILE`.
        Squares of 224 pixels, mirrored, hue, saturation and value shifted as published (its 20 read as degrees)
"""

from internvideo.training.head_recipe import BoxData, HeadRecipe
from internvideo.training.recipe import Schedule
from internvideo.training.spatial import NameBoxes


def config() -> HeadRecipe:
    return HeadRecipe(
        model="videomae-b-16-ava",
        data=BoxData(annotations="ava_train_v2.2.csv", videos="videos", crop=224, colours=(20.0, 0.1, 0.1)),
        held_out=BoxData(annotations="ava_val_v2.2.csv", videos="videos", mirrored=False),
        objective=NameBoxes(),
        network=("base.encoder.drop_path=0.2",),
        batch=8,
        epochs=30,
        rate=8e-6,
        schedule=Schedule(kind="videomae", warmup=2.0, lowest=0.01),
        average=None,
    )
