"""ViCLIP-L/14 fine-tuned to find clips of ActivityNet Captions (a film by its paragraph) by text. Settings of the
InternVid paper, table 10.

Run     internvideo train configs/finetune/viclip_l_14_activitynet.py --out runs/viclip_l_14_activitynet
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_msrvtt.py")
    corpus = CorpusRecipe(
        name="activitynet",
        reader="activitynet-captions",
        list="data/activitynet/train.json",
        root="data/activitynet/videos",
        published=10_009,
    )
    return replace(
        base,
        network=("video.frames=12", "text.context=64", "video.drop_path=0.3"),
        corpora=(corpus,),
        steps=None,
        epochs=5,
        optimiser=replace(base.optimiser, rate=2e-5),
    )
