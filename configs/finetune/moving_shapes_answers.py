"""Questions about what the one thing of a scene of `moving_shapes` does, and how fast, answered from a vocabulary of 66
by a small InternVideo-MM with its caption decoder, from scratch.

Run     internvideo train configs/finetune/moving_shapes_answers.py --out run
        internvideo evaluate question-answering --data moving_shapes data.plot=single --model run
Cost    printed by `--estimate`
Expect  not measured yet
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Answer
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

# As in moving_shapes_recognition.py: one token per place for all of the time, sixteen frames of 48 pixels.
NETWORK = (
    *("base.video.size=48", "base.video.tubelet=16", "base.video.patch=6", "base.video.depth=4", "base.video.heads=4"),
    *("base.video.width=128", "base.video.global_layers=2,3", "base.video.global_heads=4", "dropout=0.1"),
    *("base.video.global_dropout=0.0", "base.captioner.video_width=128", "base.captioner.queries=32"),
    *("base.captioner.depth=2",),
)


def questions(name: str, **options: object) -> CorpusRecipe:
    small = {"says": "question", "plot": "single", "size": 48, **options}
    return CorpusRecipe(name=name, reader="drawn_shapes", list="moving_shapes", options=small)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="internvideo-mm-b-16-answer-debug",
        network=NETWORK,
        preprocess=("frame_count=16", "frames=middle", "short_side=48"),
        corpora=(questions("questions", clips=64_000),),
        held_out=questions("held out", clips=320, split="validation"),
        objective=Answer(classes=66),
        augment=Augment(frames="middle", crop="none", flip=0.0),  # answers say left and right
        batch=64,
        epochs=1,
        precision="bf16",
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.01, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup_steps=50),
        clip=1.0,
        workers=1,
        save_every=200,
        evaluate_every=200,
    )
