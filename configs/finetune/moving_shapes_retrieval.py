"""Retrieval on `moving_shapes`: the network of multiple choice, which knows what single things do, fine-tuned on whole
scenes and on twins that only deeds and order tell apart.

Run     internvideo train configs/finetune/moving_shapes_recognition.py --out recognition
        internvideo train configs/finetune/moving_shapes_choice.py --out choice
        internvideo train configs/finetune/moving_shapes_retrieval.py --out run
        internvideo evaluate retrieval --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  text to video R@1 38 among 200, 16 before (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_choice.py")

    def scenes(name: str, **options: object) -> CorpusRecipe:
        drawn = {"size": 80, "coded": True, **options}
        return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=drawn)

    return replace(
        base,
        weights="choice/model",
        part_weights={},
        corpora=(scenes("any", clips=12_800), scenes("twins", clips=19_200, twins=4)),
        held_out=scenes("held out", clips=512, split="validation"),
        batch=128,
        optimiser=replace(base.optimiser, rate=5e-4),
        evaluate_every=100,
    )
