"""Motions of `moving_shapes` with an evidential head: sixteen known ones, four that are never shown.

Run     internvideo train configs/finetune/moving_shapes_open_set.py --out run
        internvideo evaluate open-set --data moving_shapes --model videomae-b-16-debug
            --weights run/model/model.safetensors data.size=64 data.seconds=1
Cost    printed by `--estimate`; rendering of the clips comes before
Expect  not measured yet
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Evidential
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def motions(name: str, **options: object) -> CorpusRecipe:
    small = {"size": 64, "seconds": 1, **options}
    return CorpusRecipe(name=name, reader="moving_shapes_motions", list="moving_shapes", options=small)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="videomae-b-16-debug",
        corpora=(motions("motions", clips=2048),),
        held_out=motions("held out", clips=160, split="validation"),
        objective=Evidential(classes=16),
        augment=Augment(crop="none", flip=0.0),  # a flip would turn left into right
        batch=64,
        epochs=40,
        optimiser=Optimiser(groups="videomae", rate=1e-3, weight_decay=0.05),
        schedule=Schedule(kind="videomae", warmup=2.0),
        clip=1.0,
    )
