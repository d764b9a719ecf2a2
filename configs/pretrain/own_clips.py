"""Masked pre-training on your own clips, without their labels: what configs/finetune/own_clips.py may begin with.

Run     internvideo train configs/pretrain/own_clips.py corpora.clips.list=annotations.csv --out pretrained
Cost    printed by `--estimate`
Expect  a loss (squared error of pixels, 0 to 1) that falls; what it is good for: docs/results.md, "Real labelled clips"
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import MaskedPixels
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# The same views as in configs/finetune/own_clips.py.
VIEW = (
    *("frames=dense-2", "centre=follow", "short_side=64", "channels=motion", "interpolation=pillow-bilinear"),
    *("mean=0.45,0.5,0.1", "std=0.3,0.1,0.3"),
)
AUGMENT = Augment(
    frames="dense-2", crop="around", scale=(0.7, 1.4), ratio=(0.9, 1.1), shift=0.08, interpolation="pillow-bilinear"
)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="videomae-nano-8-pretrain",
        corpora=(CorpusRecipe(name="clips", reader="table", list=""),),
        objective=MaskedPixels(mean=(0.45, 0.5, 0.1), std=(0.3, 0.1, 0.3), hidden=0.75, normalise=False),
        preprocess=VIEW,
        augment=AUGMENT,
        batch=16,
        repeats=2,
        steps=400,
        optimiser=Optimiser(groups="videomae", rate=3e-3, weight_decay=0.05, betas=(0.9, 0.95)),
        schedule=Schedule(kind="viclip", warmup=1.0),
        clip=1.0,
        kept_gigabytes=2.0,
        log_every=10,
    )
