"""UniFormerV2-B/16, trained on K710, then on Moments in Time, 8 frames.

Run     internvideo train configs/finetune/uniformerv2_b_16_mit.py --out runs/uniformerv2_b_16_mit
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Moments in Time",
        reader="labelled-list",
        list="data/moments/train.csv",
        root="data/moments/videos",
        options={"separator": ","},
        published=802_264,
    )
    base = beside(__file__, "uniformerv2_b_16_k400.py")
    return replace(
        base,
        weights="runs/uniformerv2_b_16_k710",
        objective=replace(base.objective, classes=339),
        batch=512,
        epochs=24,
        corpora=(corpus,),
        optimiser=replace(base.optimiser, rate=2e-5),
        schedule=Schedule(kind="videomae", warmup=5.0, start=0.05, lowest=0.05),
    )
