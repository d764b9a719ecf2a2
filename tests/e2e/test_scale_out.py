"""Shares on several machines give the bytes of one local run, also when one of them is killed. (Ray: `test_kill`.)"""

import json
import subprocess
import sys
import time

import pytest

from tests.e2e.conftest import run_cli, value_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local(films, tmp_path_factory):
    dataset = tmp_path_factory.mktemp("local") / "dataset"
    run_cli("curate", films, "--out", dataset, "--workers", "2", check=1)  # 1: the world has broken files
    return dataset


def test_shares_of_the_work_merge_into_the_same_dataset(films, local, tmp_path):
    whole = tmp_path / "dataset"
    refused = run_cli("dataset", "merge", whole, check=2)
    assert "--shard" in refused.stderr
    running = [
        subprocess.Popen([*COMMAND, str(films), "--out", str(whole), "--shard", f"{i}/2"], stderr=subprocess.DEVNULL)
        for i in (1, 2)
    ]
    time.sleep(4)
    running[0].kill()  # a killed share is simply run again
    assert [one.wait() for one in running][1] in (0, 1)
    assert run_cli("curate", films, "--out", whole, "--shard", "1/2").returncode in (0, 1)
    run_cli("dataset", "merge", whole, check=1)
    assert value_files(whole) == value_files(local)
    same = [run_cli("dataset", "status", d, "--json", check=0).stdout for d in (whole, local)]
    a, b = map(json.loads, same)
    assert (a["views"], a["clip_sets"], a["videos"]) == (b["views"], b["clip_sets"], b["videos"])
    run_cli("dataset", "verify", whole, check=0)
    again = json.loads(run_cli("curate", films, "--out", whole, "--json", check=1).stdout)
    assert again["done_now"] == 0


COMMAND = [sys.executable, "-m", "internvideo", "curate"]
