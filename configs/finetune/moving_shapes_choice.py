"""Which of twelve sentences is true: a small ViCLIP on `moving_shapes` whose video tower recognises motions already.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out recognition
        internvideo train configs/finetune/moving_shapes_choice.py --out run
        internvideo evaluate multiple-choice data.asks=motion --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  98 % of 200 questions right, by guess 8 (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.objectives import Contrastive
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_recognition.py")

    def scenes(name: str, **options: object) -> CorpusRecipe:
        return replace(base.corpora[-1], name=name, options={**base.corpora[-1].options, **options})

    return replace(
        base,
        model="viclip-tiny",
        network=(*base.network, "captioner=none"),
        part_weights={"video": ("viclip-tiny-classifier", "recognition/model")},
        corpora=(scenes("deeds", clips=12_800, says="motion"), scenes("twins", clips=25_600, twins=4)),
        shuffle=False,  # one list after the other
        objective=Contrastive(),
    )
