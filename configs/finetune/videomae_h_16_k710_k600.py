"""VideoMAE-H/16, fine-tuned on K710, then for three epochs on Kinetics-600.

Run     internvideo train configs/finetune/videomae_h_16_k710_k600.py --out runs/videomae_h_16_k710_k600
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Kinetics-600",
        reader="kinetics-600",
        list="data/kinetics-600/train.csv",
        root="data/kinetics-600/videos",
        options={"classes": "data/kinetics-600/classes.txt"},
        published=383_393,
    )
    base = beside(__file__, "videomae_h_16_k710_k400.py")
    return replace(
        base,
        relabel=("data/k710/classes.txt", "data/kinetics-600/classes.txt"),
        objective=replace(base.objective, classes=600),
        corpora=(corpus,),
    )
