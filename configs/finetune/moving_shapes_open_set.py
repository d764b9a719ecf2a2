"""Motions of `moving_shapes` with an evidential head, behind the tower that recognises them: sixteen known ones, and
four that are never shown.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out recognition
        internvideo train configs/finetune/moving_shapes_open_set.py --out run
        internvideo evaluate open-set --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  AUROC 94, closed-set accuracy 99 (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.objectives import Evidential
from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_recognition.py")
    # What goes from one motion to another is none of them: so there is something that shall leave no evidence.
    last = base.corpora[-1].options
    mixed = replace(base.corpora[-1], name="mixed", options={**last, "mixed": True, "clips": 6_144})
    shown = replace(mixed, name="motions", options={**last, "clips": 18_432})
    return replace(
        base,
        part_weights={"video": ("viclip-tiny-classifier", "recognition/model")},
        corpora=(shown, mixed),
        shuffle=True,
        objective=Evidential(classes=16, outsiders=True),
        optimiser=replace(base.optimiser, rate=5e-4),
    )
