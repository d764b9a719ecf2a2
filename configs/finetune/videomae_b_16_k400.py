"""VideoMAE-B/16, pre-trained on the mixture, fine-tuned on Kinetics-400 with Mixup, CutMix, RandAugment, erasing,
label smoothing, two views per clip and rates that fall from layer to layer.

Run     internvideo train configs/finetune/videomae_b_16_k400.py --out runs/videomae_b_16_k400
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Kinetics-400",
        reader="kinetics-400",
        list="data/kinetics-400/train.csv",
        root="data/kinetics-400/videos",
        options={"classes": "data/kinetics-400/classes.txt"},
        published=240_436,
    )
    return TrainRecipe(
        model="videomae-b-16",
        weights="runs/videomae_b_16_hybrid",
        network=("encoder.drop_path=0.1",),
        corpora=(corpus,),
        objective=Classify(classes=400, smoothing=0.1, mixup=0.8, cutmix=1.0),
        augment=AUGMENTS["videomae-finetune"],
        batch=1024,
        repeats=2,
        processes=32,
        epochs=100,
        optimiser=Optimiser(groups="videomae", rate=2e-3, weight_decay=0.05, layer_decay=0.75),
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=1e-3),
        precision="bf16",
        workers=8,
    )
