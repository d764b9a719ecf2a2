"""Motions of `moving_shapes`, learned from scratch by a small video transformer that looks around what moves. Clips are
drawn, none comes twice.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out run
        internvideo evaluate recognition --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  89 % of the test files right: which way something turns is not always learned (docs/results.md)
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# Half of the picture around the mean place of all change, as brightness, its change and the size of that: which way
# something turns is told by where around the middle what changes, and when; four tokens hold all of it. Sixteen frames:
# of eight, a star that turns quickly seems to turn the other way.
NETWORK = ("video.frames=16", "video.tubelet=16", "video.size=48", "video.patch=24", "video.depth=3")
VIEW = (
    *("resize=short-side", "centre=motion", "short_side=96", "channels=motion"),
    *("mean=0.45,0.5,0.1", "std=0.3,0.1,0.3"),
)


def motions(name: str, **options: object) -> CorpusRecipe:
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options={"plot": "single", **options})


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny-classifier",
        network=NETWORK,
        preprocess=VIEW,
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
