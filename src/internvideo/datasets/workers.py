"""Who makes the items: this thread, or processes that survive what a broken file does to a decoder.

Each process has a thread here that waits for it and a block of shared memory that it writes clips to, so a clip is
copied once. A process that dies is replaced; its sample is tried once more and is then reported like any broken file.
"""

import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import TypeVar

import numpy as np

from internvideo.datasets.items import ClipRecipe, make
from internvideo.datasets.sample import Sample
from internvideo.errors import UsageError, VideoError
from internvideo.processes import single_threaded_maths
from internvideo.video.opening import display_name

R = TypeVar("R")
SILENCE = 300.0  # seconds after which a process that makes one item counts as dead
_STARTING = threading.Lock()


class CrashedReader(VideoError):
    """A worker process died twice while it read this file."""

    kind = "crashed"


class Workers:
    """`count` workers; 0: whoever calls `make`. processes: False for threads, which share one interpreter.

    Close it, or use it in a `with` statement.
    """

    def __init__(self, recipe: ClipRecipe, count: int, *, processes: bool = True) -> None:
        self._recipe, self._processes = recipe, processes and count > 0
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="item") if count else None
        self._local = threading.local()
        self._started: list[_Process] = []

    def submit(self, call: Callable[[], R]) -> "Future[R]":
        """Run `call`, which may use `make`, in a worker's thread; without workers here and now."""
        if self._pool is not None:
            return self._pool.submit(call)
        done: Future[R] = Future()
        try:
            done.set_result(call())
        except Exception as error:
            done.set_exception(error)
        return done

    def make(self, sample: Sample, key: Sequence[int], clips: np.ndarray, drawn: str | None = None) -> list[int]:
        """`items.make`, by the process of this thread if there are processes."""
        if not self._processes:
            return make(self._recipe, sample, key, clips, drawn)
        process: _Process | None = getattr(self._local, "process", None)
        if process is None:
            size = max(int(np.prod(self._recipe.shape(media))) for media in ("video", "image"))
            process = self._local.process = _Process(self._recipe, size)
            self._started.append(process)
        return process.make(sample, key, clips, drawn)

    def close(self) -> None:
        """Stop all workers; items under way are finished first."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        for process in self._started:
            process.close()
        self._started.clear()


class _Process:
    """A process that makes one item at a time into its block of `size` float32."""

    def __init__(self, recipe: ClipRecipe, size: int) -> None:
        self._recipe = recipe
        self._start()
        self._block = SharedMemory(create=True, size=4 * size)

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._recipe), daemon=True)
        with _STARTING, single_threaded_maths():
            self._process.start()
        theirs.close()
        try:
            self._pipe.recv()
        except (EOFError, OSError) as error:
            self._stop()
            raise UsageError(
                "a worker process ended before it began",
                'put what your script does below `if __name__ == "__main__":`, or use threads or no workers',
            ) from error

    def make(self, sample: Sample, key: Sequence[int], clips: np.ndarray, drawn: str | None) -> list[int]:
        for _ in range(2):
            try:
                self._pipe.send((self._block.name, sample, tuple(key), drawn))
                if not self._pipe.poll(SILENCE):
                    raise EOFError
                problem, text = self._pipe.recv()
            except (EOFError, OSError):
                self._stop()
                self._start()
                continue
            if problem is not None:
                raise problem
            made = np.ndarray(clips.shape, np.float32, self._block.buf)
            clips[...] = made
            ids: list[int] = text
            return ids
        raise CrashedReader(
            f"reading `{display_name(sample.path)}` ended a worker process twice", "take the file out of the list"
        )

    def _stop(self) -> None:
        self._pipe.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def close(self) -> None:
        self._stop()
        self._block.close()
        self._block.unlink()


def _serve(pipe: Connection, recipe: ClipRecipe) -> None:
    """The life of a worker process: until the other end of the pipe is closed."""
    pipe.send("ready")
    shared: SharedMemory | None = None
    try:
        while True:
            block, sample, key, drawn = pipe.recv()
            shared = shared or SharedMemory(block)
            clips = np.ndarray(recipe.shape(sample.media), np.float32, shared.buf)
            try:
                pipe.send((None, make(recipe, sample, key, clips, drawn)))
            except VideoError as problem:
                pipe.send((problem, []))
            except Exception:  # our mistake, not the file's
                pipe.send((RuntimeError(f"in a worker process:\n{traceback.format_exc()}"), []))
            del clips  # the block cannot be closed while something looks at it
    except (EOFError, OSError, KeyboardInterrupt):
        pass
    finally:
        if shared is not None:
            shared.close()
