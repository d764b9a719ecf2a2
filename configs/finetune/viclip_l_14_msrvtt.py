"""ViCLIP-L/14 fine-tuned to find clips of MSR-VTT by text (1k-A split). Settings of the InternVid paper, table 10; its
matching loss was never released, so the contrast is all there is.

Run     internvideo train configs/finetune/viclip_l_14_msrvtt.py --out runs/viclip_l_14_msrvtt
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Contrastive
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="msrvtt",
        reader="msrvtt",
        list="data/msrvtt/MSRVTT_data.json",
        root="data/msrvtt/videos",
        options={"split": "data/msrvtt/MSRVTT_train.9k.csv"},
        published=9_000,
    )
    return TrainRecipe(
        model="viclip-l-14",
        weights="runs/viclip_l_14_flt_unmasked",
        network=("video.frames=12", "text.context=32", "video.drop_path=0.3"),
        corpora=(corpus,),
        objective=Contrastive(),
        augment=AUGMENTS["viclip"],
        cleaning="viclip",
        batch=256,
        parts=2,
        processes=8,
        steps=4_921,  # 7 times through the 20 captions of 9,000 clips
        optimiser=Optimiser(groups="viclip", rate=2e-5, weight_decay=0.02),
        schedule=Schedule(kind="viclip", warmup=1.0),
        precision="bf16",
        workers=8,
    )
