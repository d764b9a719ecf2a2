"""Motions of `moving_shapes` with an evidential head, from scratch: sixteen known ones, four that are never shown.

Run     internvideo train configs/finetune/moving_shapes_open_set.py --out run
        internvideo evaluate open-set --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  AUROC 87, closed-set accuracy 92 (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.objectives import Evidential
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    return replace(beside(__file__, "moving_shapes_recognition.py"), objective=Evidential(classes=16))
