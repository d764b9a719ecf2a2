"""The video tower of `viclip-tiny` learns what is what: shapes, colours, motions and speeds, each as classes.

Comparing alone cannot find what neither side tells yet: where two things look the same to one tower and their sentences
to the other, nothing asks either to tell them apart. Classes do, in a tenth of the clips.

Run     internvideo train configs/pretrain/moving_shapes_tiny_parts.py --out parts
Cost    102,400 clips; 9 minutes on two shared cores
Expect  of new drawn clips of training combinations: motions right in 94 %, colours 100, speeds 91, shapes 72; of other
        combinations 93, 100, 88 and 65
"""

from internvideo.datasets.augment import Augment
from internvideo.datasets.moving_shapes.listed import PARTS
from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.objectives import ClassifyParts
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

BATCH = 128


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny-classifier",
        corpora=(
            shapes("some", 300 * BATCH, seed=1),
            shapes("turning", 150 * BATCH, seed=2, motions=TURNING),
            shapes("more", 350 * BATCH, seed=3),
        ),
        shuffle=False,
        held_out=shapes("held out", 256, split="validation"),
        objective=ClassifyParts(parts=tuple(PARTS.values())),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # classes say left and right
        batch=BATCH,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.05),
        clip=1.0,
        save_every=50,
        evaluate_every=100,
        workers=1,
    )


def shapes(
    name: str, clips: int, *, split: str = "train", seed: int = 0, motions: tuple[str, ...] = ()
) -> CorpusRecipe:
    options = {"clips": clips, "plot": "single", "says": "parts", "split": split, "seed": seed, "motions": motions}
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=options)
