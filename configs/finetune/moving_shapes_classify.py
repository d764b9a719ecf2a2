"""A VideoMAE classifier, debug size, on the motions of single shapes of `moving_shapes`, from random weights.

Run     internvideo train configs/finetune/moving_shapes_classify.py --out run
Cost    printed by `--estimate`
Expect  training loss from 2.8 (chance) to about 0.6: 128 clips are learned by heart and say nothing of others, so the
        held-out accuracy stays near chance (6 %). More clips and epochs: `options` in this file
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    return TrainRecipe(
        model="videomae-b-16-debug",
        network=("clip.size=96", "head_scale=1.0"),  # as large as clips are
        corpora=(
            CorpusRecipe(
                name="shapes",
                reader="moving_shapes",
                list="moving_shapes",
                options={"clips": 128, "plot": "single"},
            ),
        ),
        held_out=CorpusRecipe(
            name="held out",
            reader="moving_shapes",
            list="moving_shapes",
            options={"clips": 64, "plot": "single", "split": "validation"},
        ),
        objective=Classify(classes=16),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # classes say left and right
        kept_gigabytes=0.5,
        batch=32,
        epochs=60,
        optimiser=Optimiser(groups="videomae", rate=5e-3, weight_decay=0.05),
        schedule=Schedule(kind="videomae", warmup=1.0),
        clip=1.0,
        save_every=80,
        evaluate_every=80,
    )
