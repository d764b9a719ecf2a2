"""InternVideo-MM-L/14: contrast and captions, clips and pictures in turns, from CLIP. What the InternVideo paper says:
14,336 clips or 86,016 pictures a step, 400,000 steps; the launch files were not released. The estimate takes every
step as one of clips.

Run     internvideo train configs/pretrain/internvideo_mm_l_14.py --out runs/internvideo_mm_l_14
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import ContrastiveCaption
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

CORPORA = (
    CorpusRecipe(name="WebVid-2M", reader="webvid", list="data/webvid/2M.csv", published=2_500_000),
    CorpusRecipe(name="WebVid-10M", reader="webvid", list="data/webvid/10M.csv", published=10_700_000),
    CorpusRecipe(name="HowTo100M", reader="table", list="data/howto100m/clips.parquet", published=136_000_000),
    CorpusRecipe(name="LAION", reader="table", list="data/laion/100M.parquet", published=100_000_000),  # pictures
)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="internvideo-mm-l-14-caption",
        weights="clip-l-14",
        merge=0.5,
        corpora=CORPORA,
        objective=ContrastiveCaption(),
        augment=AUGMENTS["internvideo-mm"],
        batch=14_336,
        image_batch=86_016,
        alternate=True,
        processes=128,
        steps=400_000,
        optimiser=Optimiser(
            groups="viclip",
            rate=8e-5,
            weight_decay=0.2,
            betas=(0.9, 0.98),
            eps=1e-6,
            undecayed=(r"positions$", r"_token$", r"embedding\.weight$", r"^captioner\.queries$"),
        ),
        schedule=Schedule(kind="viclip", warmup_steps=4000),
        precision="bf16",
        recompute=True,
        workers=8,
    )
