"""`internvideo train` killed with -9 at any instant, and started again: the same losses, the same weights."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.datasets.worlds import films

KILLS = 20 if os.environ.get("INTERNVIDEO_PROVE") else 3
STEPS = 30
RECIPE = """
from internvideo.datasets.augment import Augment
from internvideo.training.objectives import MaskedPixels
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe


def config():
    films = CorpusRecipe(name="films", reader="table", list={films!r})
    return TrainRecipe(
        model="videomae-b-16-pretrain-debug", corpora=(films,), held_out=films, objective=MaskedPixels(hidden=0.75),
        augment=Augment(frames="jittered", scale=(0.5, 1.0)), batch=4, steps={steps}, average=0.9, workers=1,
        optimiser=Optimiser(groups="videomae", rate=2e-3), schedule=Schedule(kind="videomae", warmup=1.0), clip=1.0,
        save_every=1, evaluate_every=10,
    )
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
]


def start(recipe, out):
    command = [sys.executable, "-m", "internvideo", "train", str(recipe), "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


def finish(process):
    error = process.communicate(timeout=600)[1]
    assert process.returncode == 0, error.decode()[-2000:]


def steps_done(out):
    log = out / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def killed_while(process, out, rng, *, saving):
    """Kill after a random step, or then while the next checkpoint is being written; whether the run was alive."""
    target = rng.randrange(steps_done(out), STEPS - 4)
    while process.poll() is None and steps_done(out) < target:
        time.sleep(0.002)
    written = out / "checkpoints"
    while saving and process.poll() is None and not list(written.glob("*.tmp*")):
        pass
    time.sleep(0 if saving else rng.uniform(0, 0.05))
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


def outcome(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    numbers = [(line["step"], line["loss"], line["norm"], line.get("eval/loss")) for line in lines]
    files = ("checkpoints/latest.safetensors", "model/model.safetensors")
    return numbers, [(out / name).read_bytes() for name in files]


def test_killed_at_any_instant_a_run_ends_as_if_it_had_not_been(tmp_path):
    films(tmp_path / "films", 8)
    rows = [json.dumps({"file": f"{number}.mp4"}) for number in range(8)]
    (tmp_path / "films" / "films.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    recipe = tmp_path / "recipe.py"
    recipe.write_text(RECIPE.format(films=str(tmp_path / "films" / "films.jsonl"), steps=STEPS), "utf-8")
    finish(start(recipe, tmp_path / "straight"))
    expected = outcome(tmp_path / "straight")
    assert len(expected[0]) == STEPS
    rng, out, kills, saving = random.Random(0), tmp_path / "killed", 0, 0
    while kills < KILLS:
        process = start(recipe, out)
        aimed = kills % 2 == 0
        if killed_while(process, out, rng, saving=aimed):
            kills, saving = kills + 1, saving + bool(list((out / "checkpoints").glob("*.tmp*")))
        if steps_done(out) >= STEPS - 5 or kills == KILLS:
            finish(start(recipe, out))
            assert outcome(out) == expected
            out = Path(f"{out}+")
    assert saving, "no kill met a checkpoint that was being written"
