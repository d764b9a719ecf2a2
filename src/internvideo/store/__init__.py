"""The dataset folder: values (Parquet per operator version), ledger (SQLite), views, judgements and removals."""

from internvideo.store.dataset import Dataset
from internvideo.store.places import PLACES, FileRecord
from internvideo.store.results import TRANSIENT, Failure, Result, State
from internvideo.store.values import CLIP_KEY, SPAN_KEY, VIDEO_KEY, WHOLE, OperatorSpec, shard_of
from internvideo.store.writer import Writer

__all__ = [
    "CLIP_KEY",
    "PLACES",
    "SPAN_KEY",
    "TRANSIENT",
    "VIDEO_KEY",
    "WHOLE",
    "Dataset",
    "Failure",
    "FileRecord",
    "OperatorSpec",
    "Result",
    "State",
    "Writer",
    "shard_of",
]
