"""Motions of `moving_shapes`, learned from scratch by a small video transformer behind convolutions. Clips are drawn,
none comes twice.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out run
        internvideo evaluate recognition --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  98 % of 160 test files right, by guess 6 (docs/results.md)
"""

from collections.abc import Iterator

from internvideo.datasets.augment import Augment
from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# Sixteen frames: of eight, a star that turns quickly seems to turn the other way.
NETWORK = ("video.frames=16", "video.tubelet=16", "video.size=80", "video.depth=4")
# Which way something spins is told by a mark of few pixels: it is found where it is large, and where what a thing looks
# like does not tell it, then followed to where it is small. Before that all motions, of which spins stay a guess.
SPINS = {"motions": TURNING[2:], "balanced": True}
ENLARGED = (2.5,) * 6 + (1.9,) * 3 + (1.5,) * 3 + (1.2,) * 3 + (1.0,) * 12


def lists() -> Iterator[CorpusRecipe]:
    """One after the other."""
    yield motions("motions", clips=12_800)
    for seed, times in enumerate(ENLARGED, start=1):
        yield motions(f"spins {seed}", clips=1_536, enlarged=times, seed=seed, **SPINS)
        yield motions(f"motions {seed}", clips=512, seed=seed)


def motions(name: str, **options: object) -> CorpusRecipe:
    drawn = {"plot": "single", "size": 80, "coded": True, **options}  # it is marked on files
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=drawn)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny-classifier",
        network=NETWORK,
        corpora=tuple(lists()),
        shuffle=False,
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
