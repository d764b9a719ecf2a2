"""Motions of `moving_shapes` with an evidential head, behind the tower that recognises them: sixteen known ones, and
four that are never shown.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out recognition
        internvideo train configs/finetune/moving_shapes_open_set.py --out run
        internvideo evaluate open-set --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  docs/results.md, "Tasks learned on moving_shapes"
"""

from dataclasses import replace

from internvideo.training.objectives import Evidential
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_recognition.py")
    return replace(
        base,
        part_weights={"video": ("viclip-tiny-classifier", "recognition/model")},
        corpora=base.corpora[-24:],  # at their size
        objective=Evidential(classes=16),
        optimiser=replace(base.optimiser, rate=5e-4),
    )
