"""Many videos through one piece of work: done side by side, given back in order.

On a CPU the videos themselves are what runs side by side: a lane per core decodes and computes one video after the
other with one thread, so no core waits for another. A single video gets all cores. Answers depend on neither. Where an
accelerator computes, lanes decode and share its batches.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from internvideo.errors import VideoError
from internvideo.jobs.shared_batches import SharedBatches

T = TypeVar("T")
R = TypeVar("R")


class Stopped(Exception):
    """Nobody waits for this any more."""


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
