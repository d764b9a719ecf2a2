"""Checkpoints: whole or not there, strict about what they are of."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from internvideo.errors import InternVideoError
from internvideo.models.weights import WeightsError, read_facts
from internvideo.store import durable
from internvideo.training.checkpoint import BEST, LATEST, Checkpoints, RunChanged, State, weights_of
from internvideo.training.optim import Group, adamw

ROOT = Path(__file__).parents[2]


def state_of(seed=0, width=3, steps=2):
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.BatchNorm1d(width))
    optimizer = adamw(model, [Group(tuple(name for name, _ in model.named_parameters()), 0.1, 0.0)])
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    for _ in range(steps):
        model(torch.randn(5, 4)).square().sum().backward()
        optimizer.step()
    average = {name: value.clone() + 1 for name, value in model.state_dict().items()}
    return State(model, optimizer, average, step=7, seed=5)


def assert_same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_everything_comes_back(tmp_path):
    state, fresh = state_of(), state_of(seed=1, steps=0)
    Checkpoints(tmp_path).save(state)
    fresh.step = fresh.seed = 0
    assert Checkpoints(tmp_path).resume(fresh)
    assert_same(fresh.tensors(), state.tensors())
    assert (fresh.step, fresh.seed) == (7, 5)
    assert len([name for name in fresh.tensors() if name.startswith("optimizer.")]) == 4 * 3


def test_without_a_checkpoint_nothing_happens(tmp_path):
    state = state_of()
    before = {name: value.clone() for name, value in state.tensors().items()}
    assert not Checkpoints(tmp_path / "nowhere").resume(state)
    assert_same(state.tensors(), before)


def test_equal_states_are_equal_files(tmp_path):
    for name in "ab":
        Checkpoints(tmp_path / name, {"data": "x", "recipe": "y"}).save(state_of())
    assert (tmp_path / "a" / LATEST).read_bytes() == (tmp_path / "b" / LATEST).read_bytes()


def test_the_best_score_is_kept_apart(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step, score in enumerate([0.5, 0.9, 0.7, None]):
        checkpoints.save(replace(state_of(), step=step), score)
    assert read_facts(tmp_path / BEST)["step"] == "1"
    assert read_facts(tmp_path / LATEST)["step"] == "3"


def test_the_weights_alone_can_be_taken_averaged_or_not(tmp_path):
    state = state_of()
    Checkpoints(tmp_path).save(state)
    assert_same(weights_of(tmp_path / LATEST), state.average)
    assert_same(weights_of(tmp_path / LATEST, average=False), state.model.state_dict())


def test_a_changed_run_is_refused_by_name_unless_it_is_meant(tmp_path):
    Checkpoints(tmp_path, {"data": "a", "recipe": "b"}).save(state_of())
    other = Checkpoints(tmp_path, {"data": "c", "recipe": "b"})
    with pytest.raises(RunChanged, match="other values of: data"):
        other.resume(state_of())
    assert other.resume(state_of(), changed=True)


def test_another_model_is_refused_and_names_the_first_difference(tmp_path):
    Checkpoints(tmp_path).save(state_of())
    with pytest.raises(InternVideoError, match=r"of another model.*`0.weight`"):
        Checkpoints(tmp_path).resume(state_of(width=5))


def test_a_file_that_is_no_checkpoint_is_an_error(tmp_path):
    (tmp_path / LATEST).write_bytes(b"nonsense")
    with pytest.raises(InternVideoError):
        Checkpoints(tmp_path).resume(state_of())


class Stop(BaseException):
    pass


@pytest.mark.parametrize(
    "where", ["rename latest.safetensors", "renamed latest.safetensors", "rename best.safetensors"]
)
def test_stopped_anywhere_while_saving_one_of_both_states_is_there_whole(tmp_path, monkeypatch, where):
    before, after = state_of(), replace(state_of(seed=2), step=8)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(before, 0.1)

    def stop(name):
        if name == where:
            raise Stop

    monkeypatch.setattr(durable, "step", stop)
    with pytest.raises(Stop):
        checkpoints.save(after, 0.2)
    monkeypatch.setattr(durable, "step", lambda name: None)
    resumed = state_of(seed=3)
    assert checkpoints.resume(resumed)
    assert_same(resumed.tensors(), (before if where == "rename latest.safetensors" else after).tensors())
    assert weights_of(tmp_path / BEST)
    checkpoints.save(after, 0.2)  # what was left over is no hindrance
    assert read_facts(tmp_path / BEST)["step"] == "8"
    assert sorted(path.name for path in tmp_path.iterdir()) == [BEST, LATEST]


FULL = """
import resource, sys
from pathlib import Path
from internvideo.errors import InternVideoError
from internvideo.training.checkpoint import Checkpoints
from tests.training.test_checkpoint import state_of
state = state_of(width=int(sys.argv[2]))
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
try:
    Checkpoints(Path(sys.argv[1])).save(state)
except InternVideoError as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_is_told_and_the_previous_checkpoint_stays(tmp_path):
    state = state_of(width=200)
    Checkpoints(tmp_path).save(state)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), "200"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 7, done.stderr
    assert "cannot write" in done.stdout or "no space" in done.stdout
    fresh = state_of(seed=1, width=200)
    assert Checkpoints(tmp_path).resume(fresh)
    assert_same(fresh.tensors(), state.tensors())
    assert [path.name for path in tmp_path.iterdir()] == [LATEST]


def test_what_cannot_be_written_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((InternVideoError, WeightsError)):
        Checkpoints(tmp_path / "file" / "below").save(state_of())
