"""ViCLIP-L/14 fine-tuned to find clips of DiDeMo (a film by its paragraph) by text. Settings of the InternVid paper,
table 10.

Run     internvideo train configs/finetune/viclip_l_14_didemo.py --out runs/viclip_l_14_didemo
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_msrvtt.py")
    corpus = CorpusRecipe(
        name="didemo",
        reader="didemo",
        list="data/didemo/train_data.json",
        root="data/didemo/videos",
        published=8_394,
    )
    return replace(
        base,
        network=("video.frames=12", "text.context=96", "video.drop_path=0.2"),
        corpora=(corpus,),
        steps=None,
        epochs=8,
        optimiser=replace(base.optimiser, rate=4e-5),
    )
