"""The formats that lists are read from, by name: `READERS[name](list, root, **options)` -> `Samples`.

What the options of a format are is said by its function.
"""

from collections.abc import Callable, Mapping
from functools import partial

from internvideo.datasets.activitynet import read_activitynet_captions, read_activitynet_segments
from internvideo.datasets.curated import read_curated
from internvideo.datasets.didemo import read_didemo
from internvideo.datasets.folders import read_folders, read_labelled_list
from internvideo.datasets.frame_shards import read_frame_shards
from internvideo.datasets.image_lists import read_image_list
from internvideo.datasets.internvid import read_internvid
from internvideo.datasets.kinetics import read_kinetics
from internvideo.datasets.lsmdc import read_lsmdc
from internvideo.datasets.msrvtt import read_msrvtt
from internvideo.datasets.msvd import read_msvd
from internvideo.datasets.sample import Samples
from internvideo.datasets.something import read_something
from internvideo.datasets.table import read_table
from internvideo.datasets.vatex import read_vatex
from internvideo.datasets.viclip import read_viclip
from internvideo.datasets.webdataset import read_webdataset
from internvideo.datasets.webvid import read_webvid

READERS: Mapping[str, Callable[..., Samples]] = {
    "curated": read_curated,
    "frames": read_frame_shards,
    "webdataset": read_webdataset,
    "internvid": read_internvid,
    "table": read_table,
    "folders": read_folders,
    "labelled-list": read_labelled_list,
    "viclip": read_viclip,
    "webvid": read_webvid,
    "cc3m": partial(read_image_list, corpus="cc3m"),
    "cc12m": partial(read_image_list, corpus="cc12m"),
    "kinetics-400": partial(read_kinetics, corpus="kinetics-400"),
    "kinetics-600": partial(read_kinetics, corpus="kinetics-600"),
    "kinetics-700": partial(read_kinetics, corpus="kinetics-700"),
    "kinetics-710": partial(read_kinetics, corpus="kinetics-710"),
    "something-v1": partial(read_something, corpus="something-v1"),
    "something-v2": partial(read_something, corpus="something-v2"),
    "msrvtt": read_msrvtt,
    "msvd": read_msvd,
    "didemo": read_didemo,
    "activitynet": read_activitynet_segments,
    "activitynet-captions": read_activitynet_captions,
    "lsmdc": read_lsmdc,
    "vatex": read_vatex,
}
