"""VideoMAE, debug size, on rendered clips of `moving_shapes`: three of four cubes are hidden and filled in.

Run     internvideo train configs/pretrain/moving_shapes_masked.py --out run
Cost    printed by `--estimate`; under two minutes on two cores, rendering included
Expect  the loss (squared error of pixels, 0 to 1) falls from 0.2 to below 0.01; see curves.png in the folder of the run
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import MaskedPixels
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    return TrainRecipe(
        model="videomae-b-16-pretrain-debug",
        network=("clip.size=96",),  # as large as clips are
        corpora=(CorpusRecipe(name="shapes", reader="moving_shapes", list="moving_shapes", options={"clips": 256}),),
        # 36 places per slot: one of ten would be too few. Pixels themselves as targets: colours are learned first
        objective=MaskedPixels(hidden=0.75, normalise=False),
        augment=Augment(crop="none"),
        kept_gigabytes=0.5,
        batch=32,
        epochs=10,
        optimiser=Optimiser(groups="videomae", rate=3e-3, weight_decay=0.05, betas=(0.9, 0.95)),
        schedule=Schedule(kind="videomae", warmup=2.0),
        average=0.98,
        workers=1,
        save_every=40,
    )
