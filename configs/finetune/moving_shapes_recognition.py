"""Motions of `moving_shapes`, learned from scratch by a small video transformer behind convolutions. Clips are drawn,
none comes twice.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out run
        internvideo evaluate recognition --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  92 % of the test files right: which way something spins is a guess (docs/results.md)
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# Sixteen frames: of eight, a star that turns quickly seems to turn the other way.
NETWORK = ("video.frames=16", "video.tubelet=16", "video.size=64", "video.depth=4")


def motions(name: str, **options: object) -> CorpusRecipe:
    drawn = {"plot": "single", "size": 64, "coded": True, **options}  # it is marked on files
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=drawn)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny-classifier",
        network=NETWORK,
        corpora=(motions("motions", clips=51_200),),
        held_out=motions("held out", clips=320, split="validation"),
        objective=Classify(classes=16),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # classes say left and right
        batch=64,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup_steps=50),
        clip=1.0,
        workers=2,
        evaluate_every=200,
        save_every=200,
    )
