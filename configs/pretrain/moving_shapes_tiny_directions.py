"""The video tower of `viclip-tiny` learns the motions as classes, those first that a comparison with sentences missed.

Comparing alone cannot find what neither side tells yet: where both directions of a circle look the same to one tower,
nothing asks the other one to tell them apart. Classes do.

Run     internvideo train configs/pretrain/moving_shapes_tiny_directions.py --out directions weights=run/model
        after configs/pretrain/moving_shapes_tiny.py --out run; without `weights=` from what is bundled
Cost    35,200 clips; 35 to 43 a second on two shared cores, 13 minutes or more
Expect  after 400 steps, on encoded clips of the validation split, four turning motions: circles right in 87 % (slow)
        and 72 % (fast), spins in 85 % and 35 %; the list after that holds all motions again
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

CIRCLING = ("circle clockwise", "circle counter-clockwise")
SPINNING = ("spin clockwise", "spin counter-clockwise")


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny-classifier",
        weights="viclip-tiny",
        corpora=(
            motions("circling", 120 * 64, CIRCLING),
            motions("turning", 300 * 64, CIRCLING + SPINNING),
            motions("all", 130 * 64, ()),
        ),
        shuffle=False,
        held_out=CorpusRecipe(
            name="held out",
            reader="drawn_shapes",
            list="moving_shapes",
            options={"clips": 256, "plot": "single", "split": "validation"},
        ),
        objective=Classify(classes=16),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # classes say left and right
        batch=64,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=5e-4, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.03),
        clip=1.0,
        save_every=50,
        evaluate_every=150,
        workers=1,
    )


def motions(name: str, clips: int, which: tuple[str, ...]) -> CorpusRecipe:
    options = {"clips": clips, "plot": "single", "seed": 1, "motions": which}
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=options)
