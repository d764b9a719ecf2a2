"""internvideo: curate, pre-train, evaluate and search video. The public names, resolved on first use."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from internvideo.jobs.classify import classify as classify
    from internvideo.jobs.curate import curate as curate
    from internvideo.jobs.features import features as features
    from internvideo.jobs.index import index as index
    from internvideo.jobs.prepare import prepare as prepare
    from internvideo.jobs.prepare import tokenize as tokenize
    from internvideo.jobs.search import search as search
    from internvideo.models import load_model as load_model
    from internvideo.records import Hit as Hit
    from internvideo.store.dataset import Dataset as Dataset
    from internvideo.video.probe import probe as probe
    from internvideo.video.reader import open_video as open_video

__version__ = "0.1.0"

_PUBLIC = {
    "open_video": "internvideo.video.reader",
    "probe": "internvideo.video.probe",
    "prepare": "internvideo.jobs.prepare",
    "tokenize": "internvideo.jobs.prepare",
    "load_model": "internvideo.models",
    "curate": "internvideo.jobs.curate",
    "classify": "internvideo.jobs.classify",
    "features": "internvideo.jobs.features",
    "index": "internvideo.jobs.index",
    "search": "internvideo.jobs.search",
    "Hit": "internvideo.records",
    "Dataset": "internvideo.store.dataset",
}
__all__ = [
    "Dataset",
    "Hit",
    "__version__",
    "classify",
    "curate",
    "features",
    "index",
    "load_model",
    "open_video",
    "prepare",
    "probe",
    "search",
    "tokenize",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"internvideo has no {name!r}; public names: {', '.join(sorted(_PUBLIC))}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
