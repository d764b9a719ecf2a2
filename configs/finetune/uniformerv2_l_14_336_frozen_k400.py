"""UniFormerV2-L/14 at 336 px on Kinetics-400 with CLIP's tower frozen.

Run     internvideo train configs/finetune/uniformerv2_l_14_336_frozen_k400.py --out
        runs/uniformerv2_l_14_336_frozen_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Kinetics-400",
        reader="kinetics-400",
        list="data/kinetics-400/train.csv",
        root="data/kinetics-400/videos",
        options={"classes": "data/kinetics-400/classes.txt"},
        published=240_436,
    )
    base = beside(__file__, "uniformerv2_l_14_336_frozen_k710.py")
    return replace(
        base,
        objective=replace(base.objective, classes=400),
        corpora=(corpus,),
    )
