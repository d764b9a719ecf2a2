"""ViCLIP-L/14 fine-tuned to find clips of MSVD by text. Settings of the InternVid paper, table 10.

Run     internvideo train configs/finetune/viclip_l_14_msvd.py --out runs/viclip_l_14_msvd
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "viclip_l_14_msrvtt.py")
    corpus = CorpusRecipe(
        name="msvd",
        reader="msvd",
        list="data/msvd/captions.json",
        root="data/msvd/videos",
        options={"split": "data/msvd/train_list.txt"},
        published=1_200,
    )
    return replace(
        base,
        network=("video.frames=12", "text.context=150", "video.drop_path=0.2"),
        corpora=(corpus,),
        steps=3_811,  # 20 times through the captions of 1,200 clips
        optimiser=replace(base.optimiser, rate=5e-5),
    )
