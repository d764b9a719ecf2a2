"""A pyramid that reads words on Ego4D's natural-language queries, with CLIP's text tower.

Run     internvideo features CLIPS --model videomae-l-16 --weights VERBS --window 16 --stride 16 --out features
        internvideo train configs/localise/ego4d_queries.py data.annotations=nlq_train.json data.features=features \
            data.text_weights=clip-b-16 held_out.annotations=nlq_val.json held_out.features=features --out run
        internvideo evaluate language-queries submission=nlq.json --data nlq_val.json --root features \
            --model actionformer-queries --weights run/model
Cost    printed by `--estimate`
Expect  eval/score in the log: recall of the first window, the mean over tIoU 0.3 and 0.5. Videos and annotations need
        Ego4D's licence. The published recipe is not in the sources that were read: rate and length are ours
"""

from internvideo.training.head_recipe import HeadRecipe, QueryData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    train, val = (
        QueryData(annotations=f"nlq_{split}.json", features="features", text_model="clip-b-16")
        for split in ("train", "val")
    )
    return HeadRecipe(
        model="actionformer-queries",
        data=train,
        held_out=val,
        objective=Localise(usual=100.0),
        batch=8,
        epochs=15,
        rate=1e-4,
        schedule=Schedule(kind="videomae", warmup=3.0, lowest=1e-3),
    )
