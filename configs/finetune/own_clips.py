"""Your own clips, in a table or in folders of classes: a small video transformer behind convolutions, from scratch.

Run     internvideo train configs/finetune/own_clips.py corpora.clips.list=annotations.csv --out run
        internvideo evaluate recognition clips=5 sampling=dense stride=2 --data other.csv --model run --out answers
Cost    printed by `--estimate`
Expect  docs/results.md, "Real labelled clips"
More    corpora.clips.options.unless.fold=3 leaves a part of the table out, corpora.clips.reader=folders reads a folder
        per class: see docs/guides/own-clips.md; after masked pre-training: configs/finetune/own_clips_pretrained.py
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# Squares around what moves, of half of the picture's height; brightness and its change instead of colours: with few
# clips, a network would learn by heart where they were taken.
VIEW = (
    *("frames=dense-2", "centre=follow", "short_side=64", "channels=motion", "interpolation=pillow-bilinear"),
    *("mean=0.45,0.5,0.1", "std=0.3,0.1,0.3"),
)
AUGMENT = Augment(
    frames="dense-2", crop="around", scale=(0.7, 1.4), ratio=(0.9, 1.1), shift=0.08, interpolation="pillow-bilinear"
)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-nano",
        corpora=(CorpusRecipe(name="clips", reader="table", list=""),),
        objective=Classify(classes=0, smoothing=0.05),
        preprocess=("resize=short-side", *VIEW),
        augment=AUGMENT,
        batch=8,
        repeats=2,
        steps=1500,
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.05),
        schedule=Schedule(kind="viclip", warmup=1.0),
        average=0.99,
        clip=1.0,
        kept_gigabytes=2.0,
        log_every=10,
    )
