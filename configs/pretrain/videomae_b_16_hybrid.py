"""VideoMAE-B/16 on the mixture of InternVideo (UnlabeledHybrid): K710, Something-Something V2, AVA, and 250,000 clips
each of WebVid and of your own. Nine of ten cubes are hidden in tubes. Every second frame of Something-Something is
drawn, every fourth of the others.

Run     internvideo train configs/pretrain/videomae_b_16_hybrid.py --out runs/videomae_b_16_hybrid
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import MaskedPixels
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

HYBRID = (
    CorpusRecipe(name="K710", reader="labelled-list", list="data/k710/pretrain.txt", published=658_000),
    CorpusRecipe(
        name="Something-Something V2",
        reader="labelled-list",
        list="data/something-v2/pretrain.txt",
        published=168_913,
        frames="videomae-pretrain-2",
    ),
    CorpusRecipe(name="AVA", reader="labelled-list", list="data/ava/pretrain.txt", published=21_000),
    CorpusRecipe(name="WebVid", reader="webvid", list="data/webvid/250k.csv", published=250_000),
    CorpusRecipe(name="own", reader="table", list="data/own/clips.csv", published=250_000),
)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="videomae-b-16-pretrain",
        corpora=HYBRID,
        objective=MaskedPixels(hidden=0.9),
        augment=AUGMENTS["videomae-pretrain"],
        batch=2048,
        processes=32,
        epochs=801,
        optimiser=Optimiser(groups="videomae", rate=1.2e-3, weight_decay=0.05, betas=(0.9, 0.95)),
        schedule=Schedule(kind="videomae", warmup=40.0, lowest=1 / 15),
        precision="bf16",
        workers=8,
        save_every=2000,
    )
