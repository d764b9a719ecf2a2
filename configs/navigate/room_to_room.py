"""The navigation policy of InternVideo's paper on Room-to-Room graphs, with features of frozen VideoMAE and CLIP.

Run     internvideo train configs/navigate/room_to_room.py data.episodes=R2R_train.json data.graphs=connectivity \
            data.features=features held_out.episodes=R2R_val_unseen.json held_out.graphs=connectivity \
            held_out.features=features --out run
Cost    printed by `--estimate`
Expect  eval/SR, eval/SPL and eval/nDTW of unseen houses. The paper walks in continuous houses; see docs/guides
"""

from internvideo.training.head_recipe import HeadRecipe, WalkData
from internvideo.training.navigation import Imitate
from internvideo.training.recipe import Schedule


def config() -> HeadRecipe:
    return HeadRecipe(
        model="navigator-b",
        data=WalkData(episodes="R2R_train.json", graphs="connectivity", features="features"),
        held_out=WalkData(episodes="R2R_val_unseen.json", graphs="connectivity", features="features"),
        objective=Imitate(share=0.75, every=2000),
        batch=48,
        epochs=34,
        rate=3e-5,
        schedule=Schedule(kind="videomae", warmup=1.0, lowest=0.01),
        clip=40.0,
        average=None,
    )
