"""Checks of the family `uniformerv2`."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from internvideo.models import uniformerv2
from internvideo.models.uniformerv2 import RENAMES, UniFormerV2
from tests.parity.parity_cases import Answer, Case, Limit
from tests.parity.parity_models import check_shapes, loaded, ours, shapes_of

CLOSE = Limit(absolute=2e-5)


def forward(case: Case) -> Iterator[Answer]:
    meta = case.meta
    own = ours(case.below("w."), RENAMES)
    config = uniformerv2.infer_config(shapes_of(own))
    frames = replace(
        config.frames, heads=meta["heads"], global_heads=meta["ext_heads"], global_layers=tuple(meta["ret"])
    )
    network = loaded(UniFormerV2(replace(config, frames=frames)), own)
    assert frames.halve_time == meta["down"]
    assert frames.mix_frames != meta["frozen"]
    assert frames.local_parts == (0 if meta["no_lmhra"] else 2 if meta["double"] else 1)
    with torch.no_grad():
        yield Answer("pre_head", network.encode_video(case["in.video"]), CLOSE)
        yield Answer("logits", network(case["in.video"]), CLOSE)


def shapes(case: Case) -> Iterator[Answer]:
    yield from check_shapes(case, lambda known: UniFormerV2(uniformerv2.infer_config(known)), RENAMES)


KINDS = {"full": forward, "only_global": forward, "single_lmhra": forward, "shapes": shapes}
