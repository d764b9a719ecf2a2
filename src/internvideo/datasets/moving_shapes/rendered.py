"""Scenes as files in a folder that says which they are: rendered once, found again later."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from internvideo import distributed
from internvideo.datasets.moving_shapes.world import VERSION, Scene
from internvideo.datasets.moving_shapes.write import write_clips


def rendered(folder: Path, name: str, scenes: Sequence[Scene], *, size: int = 96) -> tuple[Path, list[dict[str, Any]]]:
    """The folder of the clips below `folder`, and the rows of its `clips.jsonl` (see `write_clips`), in order.

    The folder is named after `name`, the size and a hash of the scenes, so another list or world never takes its place.
    """
    digest = hashlib.sha256("\n".join([str(VERSION), *(repr(scene) for scene in scenes)]).encode()).hexdigest()
    place = folder / f"{name}-{len(scenes)}-{size}px-{digest[:8]}"
    if not (place / "clips.jsonl").is_file():
        if distributed.is_main():
            write_clips(place, scenes, size=size)
        distributed.barrier()
    lines = (place / "clips.jsonl").read_text("utf-8").splitlines()
    return place, [json.loads(line) for line in lines]
