"""Killed at any instant and started again, a run leaves the bytes of an uninterrupted one: here and on Ray."""

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import run_cli, value_files

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]
no_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")

# How a runner is asked for, and which of the processes below its driver do the work.
RUNNERS = {
    "local": (["--workers", "2"], (b"spawn_main",)),
    "ray": (["--runner", "ray", "--workers", "2"], (b"ray::Executor", b"spawn_main")),
}
both_runners = pytest.mark.parametrize("runner", ["local", pytest.param("ray", marks=no_ray)])


def start(films: Path, dataset: Path, runner: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "internvideo", "curate", str(films), "--out", str(dataset), *RUNNERS[runner][0]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def workers_of(pid: int, words: tuple[bytes, ...]) -> list[int]:
    """Process ids below a driver, at any depth, whose command has one of `words`; from /proc."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_bytes()
            except (OSError, ValueError, IndexError):
                continue
    below, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in below} - below
        below, grown = below | more, bool(more)
    return [one for one in sorted(below) if any(word in commands.get(one, b"") for word in words)]


@pytest.fixture(scope="module")
def uninterrupted(films, tmp_path_factory):
    """The values of a local run; both runners have to leave them."""
    dataset = tmp_path_factory.mktemp("straight") / "dataset"
    run_cli("curate", films, "--out", dataset, "--workers", "2", check=1)  # 1: the world has broken files
    return value_files(dataset)


@pytest.fixture(scope="module")
def seconds(films, tmp_path_factory):
    """How long a whole run takes, and how long it has workers, by runner; measured when first asked for."""
    known: dict[str, tuple[float, float]] = {}

    def of(runner: str) -> tuple[float, float]:
        if runner not in known:
            began, at_work = time.monotonic(), []
            driver = start(films, tmp_path_factory.mktemp("timed") / "dataset", runner)
            while driver.poll() is None:
                at_work += [time.monotonic()] if workers_of(driver.pid, RUNNERS[runner][1]) else []
                time.sleep(0.02)
            known[runner] = time.monotonic() - began, at_work[-1] - at_work[0]
        return known[runner]

    return of


def check(dataset: Path, expected: dict[str, bytes]) -> None:
    """Byte-identical values, a folder that verifies, nobody set aside."""
    assert value_files(dataset) == expected
    run_cli("dataset", "verify", dataset, check=0)
    status = json.loads(run_cli("dataset", "status", dataset, "--json", check=0).stdout)
    assert sum(one["quarantined"] for one in status["operators"]) == 0


@both_runners
def test_a_killed_driver_loses_nothing(films, uninterrupted, seconds, runner, tmp_path, prove):
    rng = random.Random(1)
    for attempt in range(50 if prove else 5):
        dataset = tmp_path / f"dataset-{attempt}"
        driver = start(films, dataset, runner)
        time.sleep(rng.uniform(0.2, seconds(runner)[0]))
        if rng.random() < 0.5:
            os.killpg(driver.pid, signal.SIGKILL)  # the workers with it
        else:
            driver.kill()
        driver.wait()
        if (dataset / "dataset.toml").exists():
            run_cli("dataset", "verify", dataset, check=0)
        run_cli("curate", films, "--out", dataset, *RUNNERS[runner][0], check=1)
        check(dataset, uninterrupted)


@both_runners
def test_killed_workers_lose_nothing_and_no_video_is_blamed(films, uninterrupted, seconds, runner, tmp_path, prove):
    rng, words = random.Random(2), RUNNERS[runner][1]
    kills, wanted, longest = 0, 50 if prove else 5, seconds(runner)[1]
    for attempt in range(6 * wanted):  # a run may end before its turn to be hurt has come
        dataset = tmp_path / f"dataset-{attempt}"
        driver = start(films, dataset, runner)
        while not workers_of(driver.pid, words) and driver.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, longest))  # from a worker's first moment on, start-up included
        victims = workers_of(driver.pid, words)
        if victims:
            os.kill(rng.choice(victims), signal.SIGKILL)
            kills += 1
        else:
            longest *= 0.8  # the machine has become faster
        assert driver.wait() == 1
        check(dataset, uninterrupted)
        if kills == wanted:
            return
    raise AssertionError(f"only {kills} of {wanted} kills met a worker")
