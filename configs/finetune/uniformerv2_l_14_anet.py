"""UniFormerV2-L/14, trained on K710, then on the activities of ActivityNet, 16 frames.

Run     internvideo train configs/finetune/uniformerv2_l_14_anet.py --out runs/uniformerv2_l_14_anet
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="ActivityNet",
        reader="activitynet",
        list="data/activitynet/activitynet_v1-3_train_groundtruth.csv",
        root="data/activitynet/videos",
        options={"classes": "data/activitynet/activitynet_v1-3_action_label_mapping.json"},
        published=15_410,
    )
    base = beside(__file__, "uniformerv2_b_16_k400.py")
    return replace(
        base,
        model="uniformerv2-l-14",
        weights="runs/uniformerv2_l_14_k710",
        preprocess=("frame_count=16",),
        objective=replace(base.objective, classes=200),
        batch=64,
        processes=8,
        epochs=20,
        corpora=(corpus,),
        optimiser=replace(base.optimiser, rate=5e-6),
        schedule=Schedule(kind="videomae", warmup=5.0, start=0.2, lowest=0.2),
    )
