"""VideoMAE-H/16, fine-tuned on K710, then for three epochs on Kinetics-700.

Run     internvideo train configs/finetune/videomae_h_16_k710_k700.py --out runs/videomae_h_16_k710_k700
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Kinetics-700",
        reader="kinetics-700",
        list="data/kinetics-700/train.csv",
        root="data/kinetics-700/videos",
        options={"classes": "data/kinetics-700/classes.txt"},
        published=542_357,
    )
    base = beside(__file__, "videomae_h_16_k710_k400.py")
    return replace(
        base,
        relabel=("data/k710/classes.txt", "data/kinetics-700/classes.txt"),
        objective=replace(base.objective, classes=700),
        corpora=(corpus,),
    )
