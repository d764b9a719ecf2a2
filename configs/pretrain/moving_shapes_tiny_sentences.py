"""`viclip-tiny`, eighth and last stage: what the video tower has learned of spins comes to the sentences.

Run     internvideo train configs/pretrain/moving_shapes_tiny_sentences.py --out sentences
        after moving_shapes_tiny_rounds.py --out rounds, whose video tower is joined to the rest of spins/model
Cost    57,600 clips; 9 minutes on two shared cores
Expect  the loss of held-out clips (contrast and captions) ends at 0.65, their t2v_R@1 at 68
"""

from dataclasses import replace

from internvideo.datasets.moving_shapes.world import TURNING
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside

BATCH = 128


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_tiny_spins.py")
    return replace(
        base,
        weights="spins/model",
        part_weights={"video": ("viclip-tiny-classifier", "rounds/model")},
        corpora=tuple(
            shapes(name, steps, 150 + seed, options)
            for seed in range(1, 6)
            for name, steps, options in (
                ("spins", 25, {"plot": "single", "motions": TURNING[2:], "twins": 4, "balanced": True}),
                ("shapes", 25, {"twins": 4, "differ": "shapes"}),
                ("twins", 18, {"twins": 4}),
                ("orders", 11, {"plot": "in order", "twins": 2}),
                ("any", 11, {}),
            )
        ),
    )


def shapes(name: str, steps: int, seed: int, options: dict[str, object]) -> CorpusRecipe:
    what = {"clips": steps * BATCH, "seed": seed, "coded": True, **options}
    return CorpusRecipe(name=f"{name} {seed}", reader="drawn_shapes", list="moving_shapes", options=what)
