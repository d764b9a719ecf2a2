"""Many videos through one piece of work: found by file, folder or pattern, done side by side, given back in order.

On a CPU the videos themselves are what runs side by side: a lane per core decodes and computes one video after the
other with one thread, so no core waits for another. A single video gets all cores. Answers depend on neither. Where an
accelerator computes, lanes decode and share its batches.
"""

# Names may be patterns, bytes, or too long for any file:
# ruff: noqa: PTH100, PTH110, PTH120, PTH207

import glob
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import torch

from internvideo.curation.scan import Found, scan
from internvideo.errors import MissingVideo, UsageError, VideoError
from internvideo.jobs.shared_batches import SharedBatches
from internvideo.video.opening import PathLike, display_name

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Nobody waits for this any more."""


def find_videos(words: Sequence[PathLike]) -> list[Found]:
    """Videos named by files, folders (with all below) and patterns such as `clips/**/*.mp4`, each once, in order.

    What is named but not there is found too, with its problem. Raises UsageError if there is nothing at all.
    """
    found: dict[bytes, Found] = {}
    for word in map(os.fsdecode, words):
        if os.path.lexists(word):
            places = _at(word)
        else:
            matches = sorted(glob.glob(word, recursive=True)) or [word]
            begin = os.path.dirname(re.split(r"[*?[]", word)[0])  # the folder that a pattern begins in
            root = os.fsencode(os.path.abspath(begin))
            places = [_below(root, place) for match in matches for place in _at(match)]
        found |= {place.path: place for place in places if place.path not in found}
    if not found:
        where = ", ".join(map(display_name, words))
        raise UsageError(f"no videos below {where}", "files are recognised by their suffix, such as .mp4")
    return list(found.values())


def _below(root: bytes, place: Found) -> Found:
    return replace(place, root=root, relative=os.path.relpath(place.path, root).replace(os.fsencode(os.sep), b"/"))


def _at(path: str) -> list[Found]:
    if os.path.exists(path):
        return list(scan([path]))
    root, name = os.path.split(os.path.abspath(os.fsencode(path)))
    problem = MissingVideo(f"there is no file `{display_name(path)}`", "check the path or the pattern")
    return [Found(root, name, problem=problem)]


def each_video(
    items: Sequence[T],
    work: Callable[[T, Callable[[], None]], R],
    lanes: int | None = None,
    batches: SharedBatches | None = None,
) -> Iterator[tuple[T, R | VideoError]]:
    """`work` on every item, side by side; (item, what it gave or the `VideoError` it raised), in order of the items.

    work: gets an item and a function to call now and then, which raises where nobody waits any more. lanes: how many
    at once, by default as many as torch uses threads; those threads are shared out among the lanes. batches: what the
    work asks, if anything; it then says how many lanes are best.
    """
    cores = torch.get_num_threads()
    lanes = max(1, min(lanes or (batches.lanes if batches else cores), len(items)))
    stop = threading.Event()
    count = batches.counter(lanes) if batches else lambda _: None

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def run(item: T) -> R | VideoError:
        try:
            check()
            return work(item, check)
        except VideoError as problem:
            return problem

    torch.set_num_threads(max(1, cores // lanes))  # threads that begin now take it over
    waiting: deque[Future[R | VideoError]] = deque()
    pool = ThreadPoolExecutor(lanes)
    try:
        for place, item in enumerate(items):
            room = min(2 * lanes, len(items) - place) - len(waiting)
            count(room)  # before the first of them begins
            for _ in range(room):
                waiting.append(pool.submit(run, items[place + len(waiting)]))
                waiting[-1].add_done_callback(lambda _: count(-1))
            yield item, waiting.popleft().result()
    finally:
        stop.set()
        count(-len(items))  # nobody waits for a full batch any more
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)
