"""ViCLIP-B/16 on the ten million clips of InternVid whose captions fit best (FLT): 90 % of the patches are dropped,
the text tower is CLIP's and frozen. Source: InternVid (Wang et al., 2023) and its released settings. First
`internvideo models fetch clip-b-16`; the list lies in data/internvid, its clips below data/internvid/videos.

Run     internvideo train configs/pretrain/viclip_b_16_flt.py --out runs/viclip_b_16_flt
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Contrastive
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

FLT = CorpusRecipe(
    name="InternVid-10M-FLT",
    reader="internvid",
    list="data/internvid/InternVid-10M-flt.jsonl",
    root="data/internvid/videos",
    published=10_647_458,
    least_words=2,
)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-b-16",
        weights="clip-b-16",
        network=("video.drop_path=0.1",),
        frozen=(r"^text\.",),
        corpora=(FLT,),
        objective=Contrastive(dropped=0.9),
        augment=AUGMENTS["viclip"],
        cleaning="viclip",
        batch=32_768,
        processes=64,
        epochs=10,
        optimiser=Optimiser(groups="viclip", rate=2e-4, weight_decay=0.2, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.5),
        precision="bf16",
        workers=8,
        save_every=200,
    )
