"""The bundled `viclip-tiny`: what moves how, what it is, in which order, and a sentence about it. Clips are drawn on
the fly; test combinations are never among them.

Run     internvideo train configs/pretrain/moving_shapes_tiny.py --out run
        what is bundled: torchrun --nproc-per-node 2 -m internvideo train ... (one thread each)
Cost    345,600 clips; 52 minutes on two shared cores
Expect  the loss falls from 10 to 1.2, with a step up where the lists change; 85 % R@1 among 200 (docs/results.md)
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import ContrastiveCaption
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny",
        # One after the other: what moves how; then what it is; then many at once that differ in one deed or their order
        corpora=(
            CorpusRecipe(
                name="motions",
                reader="drawn_shapes",
                list="moving_shapes",
                options={"clips": 500 * 128, "plot": "single", "says": "motion"},
            ),
            CorpusRecipe(name="any", reader="drawn_shapes", list="moving_shapes", options={"clips": 300 * 128}),
            CorpusRecipe(
                name="twins", reader="drawn_shapes", list="moving_shapes", options={"clips": 1900 * 128, "twins": 4}
            ),
        ),
        shuffle=False,
        held_out=CorpusRecipe(
            name="held out", reader="drawn_shapes", list="moving_shapes", options={"clips": 512, "split": "validation"}
        ),
        objective=ContrastiveCaption(),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # captions say left and right
        batch=128,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.03),
        clip=1.0,
        save_every=100,
        evaluate_every=200,
        workers=1,
    )
