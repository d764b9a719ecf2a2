"""A wider caption decoder on the finished towers of `viclip-tiny`, which stay as they are.

Run     internvideo train configs/pretrain/moving_shapes_tiny_captions.py --out captions weights=run/model
        after configs/pretrain/moving_shapes_tiny.py --out run
Cost    57,000 clips; about twelve minutes on two shared cores
Expect  the caption loss falls from 4.6 to 0.7 within 130 steps and stays near that: few captions are exactly right,
        because the towers do not see shapes (decision 40)
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import ContrastiveCaption
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny",
        weights="run/model",
        network=("captioner.heads=2", "captioner.depth=2", "captioner.queries=16"),
        frozen=("^video", "^text", "^temperature"),
        corpora=(CorpusRecipe(name="any", reader="drawn_shapes", list="moving_shapes", options={"clips": 448 * 128}),),
        shuffle=False,
        objective=ContrastiveCaption(),
        augment=Augment(frames="middle", crop="none", flip=0.0),
        batch=128,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=2e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.05),
        clip=1.0,
        save_every=100,
        workers=1,
    )
