"""UniFormerV2-B/16 from CLIP on Something-Something V2, 16 frames: local parts in every block, eight global blocks,
time halved. Nothing is flipped.

Run     internvideo train configs/finetune/uniformerv2_b_16_ssv2.py --out runs/uniformerv2_b_16_ssv2
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.datasets.augment import AUGMENTS
from internvideo.training.recipe import CorpusRecipe, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    corpus = CorpusRecipe(
        name="Something-Something V2",
        reader="something-v2",
        list="data/something-v2/train.json",
        root="data/something-v2/videos",
        options={"classes": "data/something-v2/labels.json"},
        published=168_913,
    )
    base = beside(__file__, "uniformerv2_b_16_k400.py")
    return replace(
        base,
        network=(
            "frames.global_layers=4,5,6,7,8,9,10,11",
            "frames.local_parts=2",
            "frames.halve_time=true",
            "frames.drop_path=0.2",
            "frames.global_drop_path=0.4",
        ),
        preprocess=("frame_count=16",),
        objective=replace(base.objective, classes=174),
        augment=AUGMENTS["uniformerv2-something"],
        repeats=2,
        epochs=22,
        corpora=(corpus,),
        optimiser=replace(base.optimiser, rate=4e-5),
        schedule=Schedule(kind="videomae", warmup=5.0, start=0.025, lowest=0.025),
    )
