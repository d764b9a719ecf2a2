"""ViCLIP, debug size, on rendered clips of `moving_shapes` and their captions: clips learn what is said of them.

Run     internvideo train configs/pretrain/moving_shapes_contrastive.py --out run
Cost    printed by `--estimate`; under two minutes on two cores, rendering included
Expect  training loss from about 12 to about 2 (3.5 is chance): the clips are learned by heart. 256 are too few to
        speak of others: the held-out loss stays above chance. More clips and epochs: `options` in this file
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Contrastive
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-b-16-debug",
        corpora=(CorpusRecipe(name="shapes", reader="moving_shapes", list="moving_shapes", options={"clips": 256}),),
        held_out=CorpusRecipe(
            name="held out", reader="moving_shapes", list="moving_shapes", options={"clips": 64, "split": "validation"}
        ),
        objective=Contrastive(),
        augment=Augment(crop="none", flip=0.0),  # captions say left and right
        kept_gigabytes=0.5,
        batch=32,
        epochs=12,
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.02, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=1.0),
        clip=1.0,
        save_every=40,
        evaluate_every=40,
    )
