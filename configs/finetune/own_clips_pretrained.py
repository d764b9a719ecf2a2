"""Your own clips after masked pre-training without labels: the same views as own_clips.py, a small VideoMAE.

Run     internvideo train configs/pretrain/own_clips.py corpora.clips.list=annotations.csv --out pretrained
        internvideo train configs/finetune/own_clips_pretrained.py corpora.clips.list=annotations.csv --out run
Cost    printed by `--estimate`
Expect  docs/results.md, "Real labelled clips"; without pre-training: weights=""
"""

from dataclasses import replace

from internvideo.training.recipe import Optimiser, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "own_clips.py")
    return replace(
        base,
        model="videomae-nano-8",
        weights="pretrained",
        steps=3000,  # after 1,000 a network still named a fifth of its own distorted training clips wrongly
        optimiser=Optimiser(groups="videomae", rate=2e-3, weight_decay=0.05),
    )
