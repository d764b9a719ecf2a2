"""Where both hands will be, on Ego4D's future hands: VideoMAE with twenty numbers as its answer.

Run     internvideo train configs/localise/ego4d_hands.py data.annotations=fho_hands_train.json data.videos=clips \
            held_out.annotations=fho_hands_val.json held_out.videos=clips weights=VERBS --out run
        internvideo evaluate future-hands submission=hands.json --data fho_hands_val.json --root clips \
            --model videomae-b-16-hands --weights run/model
Cost    printed by `--estimate`
Expect  eval/M.Disp in the log, pixels. Videos and annotations need Ego4D's licence. The published network is a
        UniFormer-B on 320 pixels; rates, epochs and warm-up are its
"""

from internvideo.training.egocentric import ForetellHands
from internvideo.training.head_recipe import HandData, HeadRecipe
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    return HeadRecipe(
        model="videomae-b-16-hands",
        data=HandData(annotations="fho_hands_train.json", videos="clips"),
        held_out=HandData(annotations="fho_hands_val.json", videos="clips"),
        objective=ForetellHands(),
        batch=128,
        epochs=30,
        rate=1e-3,
        schedule=Schedule(kind="videomae", warmup=5.0, lowest=1e-3),
        average=None,
    )
