"""The dataset folder: values (Parquet per operator version), ledger (SQLite), views, judgements and removals.

Names are resolved on first use: a worker process that only needs a schema does not load the database engines.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from internvideo.store.dataset import Dataset as Dataset
    from internvideo.store.places import PLACES as PLACES
    from internvideo.store.places import FileRecord as FileRecord
    from internvideo.store.results import TRANSIENT as TRANSIENT
    from internvideo.store.results import Failure as Failure
    from internvideo.store.results import Result as Result
    from internvideo.store.results import State as State
    from internvideo.store.values import CLIP_KEY as CLIP_KEY
    from internvideo.store.values import SPAN_KEY as SPAN_KEY
    from internvideo.store.values import VIDEO_KEY as VIDEO_KEY
    from internvideo.store.values import WHOLE as WHOLE
    from internvideo.store.values import OperatorSpec as OperatorSpec
    from internvideo.store.values import shard_of as shard_of
    from internvideo.store.writer import Writer as Writer

_PUBLIC = {
    **dict.fromkeys(["CLIP_KEY", "SPAN_KEY", "VIDEO_KEY", "WHOLE", "OperatorSpec", "shard_of"], "values"),
    **dict.fromkeys(["TRANSIENT", "Failure", "Result", "State"], "results"),
    **dict.fromkeys(["PLACES", "FileRecord"], "places"),
    "Dataset": "dataset",
    "Writer": "writer",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"internvideo.store has no {name!r}; public names: {', '.join(sorted(_PUBLIC))}")
    return getattr(importlib.import_module(f"internvideo.store.{_PUBLIC[name]}"), name)
