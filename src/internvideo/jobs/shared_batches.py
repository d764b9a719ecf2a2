"""One network that many lanes ask: on an accelerator clips of several videos share batches.

On a CPU each lane computes its clips itself, one at a time: it is as fast there, and no answer depends on what else is
in a run. An accelerator would mostly wait for single clips. See docs/decisions/0041.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")

BATCH = 16  # clips at once on an accelerator
_END = object()


class SharedBatches:
    """Clips in, the answers of `network` out, to any number of threads.

    A batch has `size` clips of one shape. A smaller one is computed only when every lane at work waits for an answer:
    so batches are as full as the lanes can make them, and nothing waits for ever. At most 2 * `size` clips wait for
    their turn, and one more per lane, beside those that are computed.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], device: torch.device, size: int | None = None) -> None:
        """size: by default 1 on a CPU and `BATCH` elsewhere. With 1 every lane computes by itself."""
        self._network, self._device = network, device
        self.size = size or (1 if device.type == "cpu" else BATCH)
        self._change = threading.Condition()
        self._queues = dict[tuple[int, ...], list[tuple[Future[np.ndarray], np.ndarray]]]()  # by shape
        self._stand = dict[Future[np.ndarray], bool]()  # what lanes stand still for; whether only until there is room
        self._at_work = 0  # lanes that may ask for more
        self._computing = False
        self._pool = ThreadPoolExecutor(1)

    @property
    def lanes(self) -> int:
        """How many videos at once. On an accelerator twice a batch: half of them are decoded while the others wait."""
        cores = torch.get_num_threads()
        return cores if self.size == 1 else max(cores, 2 * self.size)

    def __call__(self, clips: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The answer to each clip, in order: float32 arrays. Clips are made while the network computes.

        Raises what the network raised for this clip, and what `clips` raises.
        """
        if self.size == 1:
            for clip in ahead(np.stack([clip]) for clip in clips):
                yield self._compute(clip)[0]
            return
        mine = deque[Future[np.ndarray]]()
        try:
            for clip in clips:
                mine.append(self._ask(clip))
                while mine and self._await(mine[0], more=True):
                    yield mine[0].result()
                    mine.popleft()
            while mine:
                self._await(mine[0], more=False)
                yield mine[0].result()
                mine.popleft()
        finally:
            self._withdraw(mine)

    def counter(self, lanes: int) -> Callable[[int], None]:
        """For one run over videos in so many lanes: to be told how many more of them wait or are at work, or fewer."""
        videos = 0

        def change(by: int) -> None:
            nonlocal videos
            with self._change:
                self._at_work += max(0, min(lanes, videos + by)) - max(0, min(lanes, videos))
                videos += by
                self._start()

        return change

    def _ask(self, clip: np.ndarray) -> "Future[np.ndarray]":
        future = Future[np.ndarray]()
        with self._change:
            self._queues.setdefault(clip.shape, []).append((future, clip))
            self._start()
        return future

    def _await(self, future: "Future[np.ndarray]", *, more: bool) -> bool:
        """Stand still until there is an answer, or for a lane with `more` clips until there is room; is it there?"""
        with self._change:
            while not (future.done() or (more and not self._full())):
                self._stand[future] = more
                self._start()
                self._change.wait()
            self._stand.pop(future, None)
            return future.done()

    def _withdraw(self, mine: "Sequence[Future[np.ndarray]]") -> None:
        with self._change:
            for future in mine:
                self._stand.pop(future, None)
            for queue in self._queues.values() if mine else ():
                queue[:] = [(future, clip) for future, clip in queue if future not in mine]

    def _start(self) -> None:
        """Whenever something changed; holding the lock."""
        if not self._computing and (batch := self._next()):
            self._computing = True
            self._pool.submit(self._work, batch)

    def _next(self) -> "list[tuple[Future[np.ndarray], np.ndarray]]":
        """The clips to compute now, if any; holding the lock."""
        queue = max(self._queues.values(), key=len, default=[])
        if len(queue) < self.size:
            full = self._full()
            if sum(full or not more for more in self._stand.values()) < max(1, self._at_work):
                return []
        batch, queue[:] = queue[: self.size], queue[self.size :]
        self._queues = {shape: clips for shape, clips in self._queues.items() if clips}
        return batch

    def _full(self) -> bool:
        return sum(map(len, self._queues.values())) >= 2 * self.size

    def _work(self, batch: "list[tuple[Future[np.ndarray], np.ndarray]]") -> None:
        while batch:
            answers = self._answers([clip for _, clip in batch])
            with self._change:
                for (future, _), answer in zip(batch, answers, strict=True):
                    self._stand.pop(future, None)
                    if isinstance(answer, BaseException):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
                batch = self._next()
                self._computing = bool(batch)
                self._change.notify_all()

    def _answers(self, clips: list[np.ndarray]) -> list[np.ndarray | BaseException]:
        """Of each clip what the network says, or what it raises."""
        try:
            return [row for row, _ in zip(self._compute(np.stack(clips)), clips, strict=True)]
        except BaseException as problem:  # whatever it is, a lane waits to hear of it
            if len(clips) == 1:
                return [problem]
        half = len(clips) // 2  # one of them may be to blame, or they are too many for the memory
        return self._answers(clips[:half]) + self._answers(clips[half:])

    def _compute(self, batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():  # holds for one thread, and not over a `yield`
            return self._network(torch.from_numpy(batch).to(self._device)).float().cpu().numpy()


def ahead(items: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The same items, at most `depth` of them made in advance, by one thread of their own."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, items, _END) for _ in range(depth))
        while (item := waiting.popleft().result()) is not _END:
            yield item  # type: ignore[misc]  # the end was told apart above
            waiting.append(pool.submit(next, items, _END))
