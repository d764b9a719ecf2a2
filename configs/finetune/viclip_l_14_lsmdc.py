"""ViCLIP-L/14 fine-tuned to find clips of LSMDC by text. Settings of the InternVid paper, table 10.

Run     internvideo train configs/finetune/viclip_l_14_lsmdc.py --out runs/viclip_l_14_lsmdc
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_msrvtt.py")
    corpus = CorpusRecipe(
        name="lsmdc",
        reader="lsmdc",
        list="data/lsmdc/LSMDC16_annos_training.csv",
        root="data/lsmdc/videos",
        published=101_055,
    )
    return replace(
        base,
        network=("video.frames=12", "text.context=64", "video.drop_path=0.3"),
        corpora=(corpus,),
        steps=None,
        epochs=10,
        optimiser=replace(base.optimiser, rate=4e-5),
    )
