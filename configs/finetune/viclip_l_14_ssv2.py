"""ViCLIP-L/14's video tower fine-tuned on the classes of Something-Something V2, 16 frames, with UniFormerV2's
settings: the InternVid paper gives none. Classes say left and right, so nothing is flipped.

Run     internvideo train configs/finetune/viclip_l_14_ssv2.py --out runs/viclip_l_14_ssv2
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.objectives import Classify
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Something-Something V2",
        reader="something-v2",
        list="data/something-v2/train.json",
        root="data/something-v2/videos",
        options={"classes": "data/something-v2/labels.json"},
        published=168_913,
    )
    return replace(
        beside(__file__, "viclip_l_14_k400.py"),
        network=("video.frames=16", "video.drop_path=0.2", "head_dropout=0.5"),
        corpora=(corpus,),
        objective=Classify(classes=174),
        augment=AUGMENTS["uniformerv2-something"],
        repeats=2,
        parts=2,
        epochs=22,
        optimiser=Optimiser(groups="viclip", rate=2e-5, weight_decay=0.05),
        schedule=Schedule(kind="videomae", warmup=5.0, start=0.05, lowest=0.05),
    )
