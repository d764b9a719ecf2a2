"""Motions of `moving_shapes` with an evidential head, from scratch: sixteen known ones, four that are never shown.

Run     internvideo train configs/finetune/moving_shapes_open_set.py --out run
        internvideo evaluate open-set --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  AUROC 85, closed-set accuracy 88: which way something turns is not learned (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.objectives import Evidential
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside

# One token per place of the whole picture for all of the time, sixteen frames of 48 pixels.
NETWORK = (
    *("video.frames=16", "video.tubelet=16", "video.size=48", "video.patch=6"),
    *("video.heads=4", "video.width=128", "video.depth=4"),
)


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_recognition.py")

    def small(corpus: CorpusRecipe, **options: object) -> CorpusRecipe:
        return replace(corpus, options={**corpus.options, "size": 48, **options})

    assert base.held_out is not None
    return replace(
        base,
        network=NETWORK,
        preprocess=(),
        corpora=(small(base.corpora[0], clips=64_000),),
        held_out=small(base.held_out),
        objective=Evidential(classes=16),
        workers=1,
    )
