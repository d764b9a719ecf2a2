"""VideoMAE-L/16, pre-trained on the mixture, fine-tuned on Kinetics-700.

Run     internvideo train configs/finetune/videomae_l_16_k700.py --out runs/videomae_l_16_k700
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
    base = beside(__file__, "videomae_l_16_k400.py")
    return replace(
        base,
        objective=replace(base.objective, classes=700),
        corpora=(corpus,),
    )
