"""What a language model writes for a dataset survives kills: no text lost or doubled, no question paid for twice."""

import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.curation.endpoint_mock import asked_for, serving
from tests.e2e.conftest import run_cli, value_files

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")]
IN_FLIGHT = 2


def writes(body):
    """The same text for the same question, in the form that is asked for."""
    word = hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()[:8]
    long = f"{word}: a shape moves over the ground while the whole film plays and then another comes and goes again."
    turns = [{"question": f"What is {n} of {word}?", "answer": f"The shape of number {n}."} for n in range(3)]
    wanted = asked_for(body)
    return {wanted: turns if wanted == "turns" else long}


@pytest.fixture(scope="module")
def curated(films, tmp_path_factory):
    dataset = tmp_path_factory.mktemp("curated") / "dataset"
    run_cli("curate", films, "--out", dataset, "--workers", "1", check=1)  # 1: the world has broken files
    return dataset


def command(verb, films, dataset, mock):
    """The words of the verb, and its exit code."""
    pace = (f"endpoint.in_flight={IN_FLIGHT}", "endpoint.longest_pause=0.01")
    if verb == "curate":
        told = (f"captioning.endpoint.url={mock.url}", "captioning.endpoint.model=mock", "captioning.scales=coarse")
        return ("curate", films, "--out", dataset, "--workers", "1", *told, *(f"captioning.{one}" for one in pace)), 1
    more = ("--to", "fr") if verb == "translate" else ()
    return ("dataset", verb, dataset, "--endpoint", mock.url, "--llm", "mock", *more, *pace), 0


@pytest.mark.parametrize("verb", ["instruct", "translate", "curate"])
def test_a_killed_run_goes_on_and_asks_again_at_most_what_was_under_way(verb, films, curated, tmp_path, prove):
    with serving(caption=writes) as mock:
        shutil.copytree(curated, tmp_path / "straight")
        words, code = command(verb, films, tmp_path / "straight", mock)
        run_cli(*words, check=code)
        questions = len(mock.bodies)
    assert questions >= 5, "else no kill meets it at work"
    rng, kills, met, attempt = random.Random(verb), 20 if prove else 3, 0, 0
    while met < kills:
        dataset = tmp_path / f"killed {attempt}"
        shutil.copytree(curated, dataset)
        with serving(caption=writes, latency=0.1) as mock:
            words, code = command(verb, films, dataset, mock)
            hit = kill_now_and_then(words, mock, questions, rng)
            run_cli(*words, check=code)
            asked = Counter(json.dumps(body["messages"]) for body in mock.bodies)
        assert len(asked) == questions
        assert asked.total() - questions <= hit * IN_FLIGHT
        assert value_files(dataset) == value_files(tmp_path / "straight")
        run_cli("dataset", "verify", dataset, check=0)
        met, attempt = met + hit, attempt + 1
        assert attempt < 2 * kills, f"only {met} of {kills} kills met the verb at work"


def kill_now_and_then(words, mock, questions, rng):
    """Up to three kills of a run on one dataset; how many met it alive."""
    hit = 0
    for _ in range(3):
        enough = min(len(mock.bodies) + rng.randint(0, questions // 3), questions - 1)
        process = subprocess.Popen(
            [sys.executable, "-m", "internvideo", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and len(mock.bodies) < enough:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.0, 0.15))
        hit += process.poll() is None
        process.kill()
        process.wait()
    return hit
