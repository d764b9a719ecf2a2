"""Questions about what the one thing of a scene of `moving_shapes` does, and how fast, answered from a vocabulary of 66
by a small InternVideo-MM with its caption decoder, whose video tower recognises motions already.

Run     internvideo train configs/finetune/moving_shapes_frames.py --out frames
        internvideo train configs/finetune/moving_shapes_answers.py --out run
        internvideo evaluate question-answering --data moving_shapes data.plot=single --model run
Cost    printed by `--estimate`
Expect  97 % of 400 questions right, from questions alone 31 (docs/results.md)
"""

from dataclasses import replace

from internvideo.training.objectives import Answer
from internvideo.training.recipe import CorpusRecipe, TrainRecipe, beside


def config() -> TrainRecipe:
    base = beside(__file__, "moving_shapes_frames.py")
    *_, spins, motions = base.corpora
    tower = tuple(option.replace("frames.", "base.video.") for option in base.network if option.startswith("frames."))

    def questions(corpus: CorpusRecipe, **options: object) -> CorpusRecipe:
        return replace(corpus, options={**corpus.options, "says": "question", **options})

    assert base.held_out is not None
    return replace(
        base,
        model="internvideo-mm-b-16-answer-debug",
        part_weights={"base.video": ("uniformerv2-b-16-debug", "frames/model")},
        network=(
            *(*tower, "dropout=0.1", "base.captioner.video_width=128"),
            *("base.captioner.queries=32", "base.captioner.depth=2"),
        ),
        corpora=(questions(motions, clips=25_600), questions(spins, clips=6_400)),
        shuffle=True,
        held_out=questions(base.held_out),
        objective=Answer(classes=66),
        optimiser=replace(base.optimiser, rate=5e-4, weight_decay=0.01),
        workers=1,
    )
