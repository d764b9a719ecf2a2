"""Attentive probe: the bundled `viclip-tiny` stays as it is; a learned query and a class head read its tokens.

Run     internvideo train configs/finetune/moving_shapes_probe.py --out run
        internvideo evaluate recognition --data moving_shapes --model run
        the linear probe, a class head on the class token: network=attentive=false
Cost    printed by `--estimate`
Expect  99 % of 160 test files right, either way (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.recipe import TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_recognition.py")
    return replace(
        base,
        weights="viclip-tiny",
        network=("attentive=true",),
        frozen=("^video",),
        preprocess=(),
        corpora=(replace(base.corpora[-1], options={"plot": "single", "coded": True, "clips": 16_000}),),
    )
