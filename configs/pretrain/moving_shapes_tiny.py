"""The bundled `viclip-tiny`: what moves how, what it is, in which order, and a sentence about it. Clips are drawn on
the fly; test combinations are never among them.

Run     internvideo train configs/pretrain/moving_shapes_tiny.py --out run
        after moving_shapes_tiny_parts.py --out parts, where its video tower has learned what is what
        what is bundled went on: moving_shapes_tiny_twins.py, _coded.py, _spins.py, _marks.py, _rounds.py,
        _sentences.py, all of them by
        torchrun --nproc-per-node 2 -m internvideo train ... (one thread each)
Cost    352,000 clips; 45 minutes on two shared cores
Expect  the contrastive loss of the lists `twins` falls from 1.6 to 0.45, of `orders` from 1.5 to 0.05
"""

from internvideo.datasets.augment import Augment
from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.objectives import ContrastiveCaption
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

BATCH = 128


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny",
        part_weights={"video": ("viclip-tiny-classifier", "parts/model")},
        # Sentences about one thing; then in turns things that share all colours and shapes and differ in one deed or in
        # their order, what turns, and everything
        corpora=(
            shapes("singles", 150, 0, {"plot": "single"}),
            *(
                shapes(name, steps, seed, options)
                for seed in range(1, 27)
                for name, steps, options in (
                    ("twins", 45, {"twins": 4}),
                    ("orders", 25, {"plot": "in order", "twins": 2}),
                    ("turning", 10, {"plot": "single", "motions": TURNING}),
                    ("any", 20, {}),
                )
            ),
        ),
        shuffle=False,
        held_out=CorpusRecipe(
            name="held out", reader="drawn_shapes", list="moving_shapes", options={"clips": 512, "split": "validation"}
        ),
        objective=ContrastiveCaption(),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # captions say left and right
        batch=BATCH,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=8e-4, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.03),
        clip=1.0,
        save_every=100,
        evaluate_every=200,
        workers=1,
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": 10 + seed, **options}
    return CorpusRecipe(name=f"{name} {seed}", reader="drawn_shapes", list="moving_shapes", options=what)
