"""Killed at any instant and started again, a run leaves the bytes of an uninterrupted one."""

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


def start(films: Path, dataset: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "internvideo", "curate", str(films), "--out", str(dataset), "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def workers_of(pid: int) -> list[int]:
    """Process ids of the spawned workers of a driver, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if parent == pid and b"spawn_main" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except (OSError, ValueError, IndexError):
                continue
    return found


@pytest.fixture(scope="module")
def uninterrupted(films, tmp_path_factory):
    dataset = tmp_path_factory.mktemp("straight") / "dataset"
    began = time.monotonic()
    run_cli("curate", films, "--out", dataset, "--workers", "2", check=1)  # 1: the world has broken files
    return value_files(dataset), time.monotonic() - began


def check(dataset: Path, expected: dict[str, bytes]) -> None:
    """Byte-identical values, a folder that verifies, nobody set aside."""
    assert value_files(dataset) == expected
    run_cli("dataset", "verify", dataset, check=0)
    status = json.loads(run_cli("dataset", "status", dataset, "--json", check=0).stdout)
    assert sum(one["quarantined"] for one in status["operators"]) == 0


def test_a_killed_driver_loses_nothing(films, uninterrupted, tmp_path, prove):
    expected, seconds = uninterrupted
    rng = random.Random(1)
    for attempt in range(50 if prove else 5):
        dataset = tmp_path / f"dataset-{attempt}"
        driver = start(films, dataset)
        time.sleep(rng.uniform(0.2, seconds))
        if rng.random() < 0.5:
            os.killpg(driver.pid, signal.SIGKILL)  # the workers with it
        else:
            driver.kill()
        driver.wait()
        if (dataset / "dataset.toml").exists():
            run_cli("dataset", "verify", dataset, check=0)
        run_cli("curate", films, "--out", dataset, "--workers", "2", check=1)
        check(dataset, expected)


def test_killed_workers_lose_nothing_and_no_video_is_blamed(films, uninterrupted, tmp_path, prove):
    expected, seconds = uninterrupted
    rng = random.Random(2)
    kills, wanted = 0, 50 if prove else 5
    for attempt in range(6 * wanted):  # a run may end before its turn to be hurt has come
        dataset = tmp_path / f"dataset-{attempt}"
        driver = start(films, dataset)
        while not workers_of(driver.pid) and driver.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.4 * seconds))  # from a worker's first moment on, start-up included
        victims = workers_of(driver.pid)
        if victims:
            os.kill(rng.choice(victims), signal.SIGKILL)
            kills += 1
        assert driver.wait() == 1
        check(dataset, expected)
        if kills == wanted:
            return
    raise AssertionError(f"only {kills} of {wanted} kills met a worker")
