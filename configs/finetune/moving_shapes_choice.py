"""Which of twelve sentences is true: a small ViCLIP from scratch on `moving_shapes`; what moves how, then who does it.

Run     internvideo train configs/finetune/moving_shapes_choice.py --out run
        internvideo evaluate multiple-choice data.asks=motion --data moving_shapes --model run
Cost    printed by `--estimate`
Expect  not measured yet
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Contrastive
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# As in moving_shapes_recognition.py: one token per place for all of the time, sixteen frames of 48 pixels.
NETWORK = (
    *("video.frames=16", "video.tubelet=16", "video.size=48", "video.patch=6"),
    *("video.heads=4", "video.width=128", "video.depth=4", "text.heads=4", "text.width=128", "text.depth=2"),
    "captioner=none",
)


def scenes(name: str, **options: object) -> CorpusRecipe:
    return CorpusRecipe(
        name=name, reader="drawn_shapes", list="moving_shapes", options={"plot": "single", "size": 48, **options}
    )


def config() -> TrainRecipe:
    return TrainRecipe(
        model="viclip-tiny",
        network=NETWORK,
        corpora=(scenes("motions", clips=51_200, says="motion"), scenes("twins", clips=25_600, twins=4)),
        shuffle=False,  # one list after the other
        held_out=scenes("held out", clips=256, split="validation"),
        objective=Contrastive(),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # captions say left and right
        batch=64,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.05, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup_steps=50),
        clip=1.0,
        workers=1,
        save_every=200,
        evaluate_every=200,
    )
