"""VideoMAE-B/16, pre-trained on the mixture, fine-tuned on the 200 activities of ActivityNet.

Run     internvideo train configs/finetune/videomae_b_16_anet.py --out runs/videomae_b_16_anet
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="ActivityNet",
        reader="activitynet",
        list="data/activitynet/activitynet_v1-3_train_groundtruth.csv",
        root="data/activitynet/videos",
        options={"classes": "data/activitynet/activitynet_v1-3_action_label_mapping.json"},
        published=15_410,
    )
    base = beside(__file__, "videomae_b_16_k400.py")
    return replace(
        base,
        objective=replace(base.objective, classes=200),
        batch=512,
        processes=16,
        corpora=(corpus,),
        optimiser=replace(base.optimiser, rate=1e-3),
    )
