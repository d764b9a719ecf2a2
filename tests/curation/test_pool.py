"""The supervised pool: results come back, and whatever kills a worker costs one task at most."""

import os
import signal
import time

import pytest

from internvideo.curation.pool import Pool
from internvideo.errors import InternVideoError, NotAVideo


def square(task, progress):
    progress(1)
    if task == "crash":
        os.abort()
    if task == "leave":
        os._exit(3)
    if task == "hang":
        time.sleep(60)
    if task == "bad video":
        raise NotAVideo("these are not pictures", "try another")
    if task == "bug":
        raise KeyError("oops")
    if task == "slow":
        time.sleep(1.0)
        return "slow"
    return task * task


def make_square():
    return square


def make_nothing():
    raise RuntimeError("no model")


def collect(pool, tasks):
    for task in tasks:
        pool.submit(task)
    return [event for event in pool.events() if event.what != "progress"]


def test_every_task_comes_back_once():
    with Pool(make_square, 2) as pool:
        events = collect(pool, range(30))
    assert sorted(event.value for event in events) == [n * n for n in range(30)]


@pytest.mark.parametrize(("poison", "how"), [("crash", "signal 6"), ("leave", "exit code 3")])
def test_a_task_that_kills_its_worker_is_named_and_the_rest_is_done(poison, how):
    with Pool(make_square, 2) as pool:
        events = collect(pool, [1, 2, poison, 3, 4])
    died = [event for event in events if event.what == "died"]
    assert [(event.task, event.value, event.outside) for event in died] == [(poison, how, False)]
    assert sorted(event.value for event in events if event.what == "done") == [1, 4, 9, 16]


def test_a_silent_worker_is_killed_and_its_task_named():
    with Pool(make_square, 1, silence=1.0) as pool:
        events = collect(pool, ["hang", 5])
    assert [(event.what, event.task) for event in events] == [("died", "hang"), ("done", 5)]
    assert events[0].value == "silent for 1 s"


def test_an_exception_fails_its_task_only_and_says_its_kind():
    with Pool(make_square, 1) as pool:
        events = collect(pool, ["bad video", "bug", 6])
    assert events[0].value == ("not-a-video", "these are not pictures")
    assert events[1].value[0] == "internal" and "KeyError" in events[1].value[1]
    assert events[2].value == 36


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_kill_from_outside_is_told_apart_from_a_crash():
    with Pool(make_square, 1) as pool:
        pool.submit(2)
        assert next(iter(pool.events())).value == 4
        pool.submit("slow")
        events = pool.events()
        next(
            event
            for event in events
            if event.what == "progress" or os.kill(pool.process_ids[0], signal.SIGKILL) is None
        )
        rest = [event for event in events if event.what == "died"]
    assert [(event.task, event.outside) for event in rest] in ([("slow", True)], [])


def test_tasks_may_be_added_while_others_come_back():
    with Pool(make_square, 2) as pool:
        pool.submit(2)
        seen = []
        for event in pool.events():
            if event.what == "done":
                seen.append(event.value)
                if event.value < 1000:
                    pool.submit(event.value, first=True)
    assert seen == [4, 16, 256, 65536]


def test_workers_that_cannot_start_are_an_error_not_a_loop(capfd):
    with pytest.raises(InternVideoError, match="do not start"), Pool(make_nothing, 1) as pool:
        collect(pool, [1])
    assert "no model" in capfd.readouterr().err
