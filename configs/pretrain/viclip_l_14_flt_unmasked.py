"""The last stage of ViCLIP-L/14 on InternVid-10M-FLT: half an epoch with all patches, from the masked stage. What
comes out is merged half and half with CLIP (WiSE-FT), as the published scores are.

Run     internvideo train configs/pretrain/viclip_l_14_flt_unmasked.py --out runs/viclip_l_14_flt_unmasked
Cost    printed by `--estimate`, and in docs/recipes.md
Expect  not measured here
"""

from dataclasses import replace

from internvideo.training.objectives import Contrastive
from internvideo.training.recipe import Optimiser, Schedule, TrainRecipe, beside


def config() -> TrainRecipe:
    return replace(
        beside(__file__, "viclip_l_14_flt.py"),
        weights="runs/viclip_l_14_flt",
        merge=0.5,
        merge_with="clip-l-14",
        objective=Contrastive(),
        batch=2048,
        epochs=0.5,
        optimiser=Optimiser(groups="viclip", rate=4e-6, weight_decay=0.2, betas=(0.9, 0.98)),
        schedule=Schedule(kind="viclip", warmup=0.1),
    )
