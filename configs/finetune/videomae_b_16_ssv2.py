"""VideoMAE-B/16, pre-trained on Something-Something V2, fine-tuned on it: frames from the whole clip, nothing flipped.

Run     internvideo train configs/finetune/videomae_b_16_ssv2.py --out runs/videomae_b_16_ssv2
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.recipe import CorpusRecipe, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Something-Something V2",
        reader="something-v2",
        list="data/something-v2/train.json",
        root="data/something-v2/videos",
        options={"classes": "data/something-v2/labels.json"},
        published=168_913,
    )
    base = beside(__file__, "videomae_b_16_k400.py")
    return replace(
        base,
        weights="runs/videomae_b_16_pretrain_ssv2",
        preprocess=("frames=videomae-sparse",),
        objective=replace(base.objective, classes=174),
        augment=AUGMENTS["videomae-finetune-something"],
        batch=512,
        processes=16,
        epochs=25,
        corpora=(corpus,),
        optimiser=replace(base.optimiser, rate=2e-3, layer_decay=0.65),
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=0.0005),
    )
