"""VideoMAE-H/16, pre-trained on the mixture, fine-tuned on the 710 classes of Kinetics 400, 600 and 700 together.

Run     internvideo train configs/finetune/videomae_h_16_k710.py --out runs/videomae_h_16_k710
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="K710",
        reader="kinetics-710",
        list="data/k710/train.csv",
        root="data/k710/videos",
        options={"classes": "data/k710/classes.txt"},
        published=658_000,
    )
    base = beside(__file__, "videomae_h_16_k400.py")
    return replace(
        base,
        objective=replace(base.objective, classes=710),
        epochs=40,
        corpora=(corpus,),
    )
