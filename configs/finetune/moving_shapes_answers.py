"""Questions about `moving_shapes`, answered from a vocabulary of 66 by a small InternVideo-MM with its caption decoder.

Run     internvideo train configs/finetune/moving_shapes_answers.py --out run
        internvideo evaluate question-answering --data moving_shapes --model internvideo-mm-b-16-answer-debug
            --weights run/model/model.safetensors data.size=64 data.seconds=1
Cost    printed by `--estimate`; rendering of the clips comes before
Expect  not measured yet
"""

from internvideo.datasets.augment import Augment
from internvideo.training.objectives import Answer
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def questions(name: str, **options: object) -> CorpusRecipe:
    small = {"size": 64, "seconds": 1, **options}
    return CorpusRecipe(name=name, reader="moving_shapes_answers", list="moving_shapes", options=small)


def config() -> TrainRecipe:
    return TrainRecipe(
        model="internvideo-mm-b-16-answer-debug",
        corpora=(questions("questions", clips=1024),),
        held_out=questions("held out", clips=64, split="validation"),
        objective=Answer(classes=66),
        augment=Augment(crop="none", flip=0.0),  # answers say left and right
        batch=64,
        epochs=30,
        optimiser=Optimiser(groups="viclip", rate=1e-3, weight_decay=0.01, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=1.0),
        clip=1.0,
    )
