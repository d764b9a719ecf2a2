"""VideoMAE-H/16, pre-trained on the mixture, fine-tuned on Kinetics-700 with one view per clip.

Run     internvideo train configs/finetune/videomae_h_16_k700.py --out runs/videomae_h_16_k700
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Kinetics-700",
        reader="kinetics-700",
        list="data/kinetics-700/train.csv",
        root="data/kinetics-700/videos",
        options={"classes": "data/kinetics-700/classes.txt"},
        published=542_357,
    )
    base = beside(__file__, "videomae_h_16_k400.py")
    return replace(
        base,
        objective=replace(base.objective, classes=700),
        repeats=1,
        epochs=75,
        corpora=(corpus,),
        optimiser=replace(base.optimiser, rate=3e-4),
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=0.00333),
    )
