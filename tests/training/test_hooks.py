"""What watches a run."""

import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from internvideo.errors import MissingExtra
from internvideo.training import trackers as tracking
from internvideo.training.checkpoint import LATEST, Checkpoints, State
from internvideo.training.hooks import Average, Evaluate, Log, LossScale, Meter, Progress, Save, measured_peak, memory
from internvideo.training.loop import Moment
from internvideo.training.optim import Group, adamw


def moment(step=1, steps=10, seconds=0.5, waited=0.1, **logs):
    return Moment(step, steps, clips=8, waited=waited, seconds=seconds, logs={"loss": 1.25, "norm": 2.0, **logs})


def test_the_average_follows_the_weights_and_copies_counters():
    model = torch.nn.BatchNorm1d(2)
    average = Average(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.num_batches_tracked.fill_(3)
    average(moment())
    torch.testing.assert_close(average.values["weight"], torch.full((2,), 1.1))
    assert average.values["num_batches_tracked"] == 3
    for _ in range(200):
        average(moment())
    torch.testing.assert_close(average.values["weight"], model.weight.detach())


@pytest.mark.parametrize("averaged", [False, True])
def test_evaluation_sees_the_right_weights_in_evaluation_mode_and_leaves_no_trace(averaged):
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout()).train()
    model[1].eval()
    average = Average(model, 0.9)
    average.values["0.weight"].fill_(5.0)
    own = model[0].weight.detach().clone()
    seen = []

    def evaluate(network):
        seen.append((network[0].weight.item(), network.training, torch.is_grad_enabled()))
        return {"R@1": 0.5}

    hook = Evaluate(model, evaluate, every=4, average=average if averaged else None)
    told = [moment(step) for step in range(1, 11)]
    for each in told:
        hook(each)
    assert [each.step for each in told if "eval/R@1" in each.logs] == [4, 8, 10]
    assert seen == [(5.0 if averaged else own.item(), False, False)] * 3
    assert torch.equal(model[0].weight, own)
    assert (model.training, model[0].training, model[1].training) == (True, True, False)


def test_evaluation_that_fails_gives_the_weights_back():
    model = torch.nn.Linear(1, 1)
    average = Average(model, 0.9)
    average.values["weight"].fill_(5.0)
    own = model.weight.detach().clone()
    with pytest.raises(ZeroDivisionError):
        Evaluate(model, lambda network: {"x": 1 / 0}, 1, average)(moment())
    assert torch.equal(model.weight, own)


def test_checkpoints_are_written_every_so_often_with_a_score_and_at_the_end(tmp_path, monkeypatch):
    model = torch.nn.Linear(1, 1)
    state = State(model, adamw(model, [Group(("weight", "bias"), 1.0, 0.0)]))
    saved = []
    monkeypatch.setattr(Checkpoints, "save", lambda self, state, score: saved.append((state.step, score)))
    hook = Save(Checkpoints(tmp_path), state, every=4, score="eval/R@1")
    for step in range(1, 11):
        hook(moment(step, **({"eval/R@1": 0.25} if step == 6 else {})))
    assert saved == [(4, None), (6, 0.25), (8, None), (10, None)]
    assert not (tmp_path / LATEST).exists()


def test_the_meter_measures_after_warming_up():
    meter = Meter(flops=1e9, peak=1e11)
    told = [moment(step, seconds=100.0 if step < 3 else 0.5) for step in range(1, 7)]
    for each in told:
        meter(each)
    assert "clips_per_s" not in told[1].logs
    last = told[-1].logs
    assert last["clips_per_s"] == pytest.approx(16.0)
    assert last["input_wait"] == pytest.approx(0.2)
    assert last["mfu"] == pytest.approx(0.16)
    assert last["seconds_left"] == pytest.approx(4 * 0.5)
    assert 0 < last["memory_bytes"] <= memory()


def test_the_log_is_one_json_line_per_step_and_holds_no_nan(tmp_path):
    log = Log(tmp_path / "log.jsonl", every=2)
    for step in range(1, 6):
        log(moment(step, 5, **({"norm": float("nan")} if step == 4 else {})))
    log(moment(7, **{"eval/x": 1.0}))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5, 7]
    assert [line["norm"] for line in lines] == [2.0, None, 2.0, 2.0]


def test_progress_says_speed_share_wait_and_memory():
    said = []
    progress = Progress(lambda *what: said.append(what), seconds=1000)
    for step in range(1, 11):
        progress(moment(step, clips_per_s=1234.5, mfu=0.456, input_wait=0.031, memory_bytes=2.5e9))
    assert said == [
        (1, 10, "loss 1.25, 1,234.5 clips/s, 46% of peak, 3% waiting, 2.5 GB"),
        (10, 10, "loss 1.25, 1,234.5 clips/s, 46% of peak, 3% waiting, 2.5 GB"),
    ]


def test_the_measured_peak_is_a_speed():
    assert 1e8 < measured_peak(torch.device("cpu"), size=128) < 1e15


def test_the_scale_of_the_loss_halves_where_a_gradient_overflows_and_grows_again():
    learner = SimpleNamespace(loss_scale=1.0)
    counted = []
    scale = LossScale(learner, lambda step, batch, logs: bool(counted.append(step)) or True, patience=3)
    assert learner.loss_scale == 65536
    overflow, fine = {"loss": 1.0, "norm": math.inf}, {"loss": 1.0, "norm": 1.0}
    assert not scale(0, {}, overflow)
    assert not scale(1, {}, overflow)
    assert learner.loss_scale == 16384
    assert counted == []
    assert all(scale(step, {}, fine) for step in (2, 3, 4, 5))
    assert (learner.loss_scale, scale.good, counted) == (32768, 1, [2, 3, 4, 5])
    other = LossScale(SimpleNamespace(loss_scale=1.0), lambda *_: True)
    other.restore(scale.facts())
    assert other.facts() == scale.facts()
    learner.loss_scale = 1.0
    scale(6, {}, overflow)
    assert counted[-1] == 6  # nothing left to halve: a matter for the guard
    scale(7, {}, {"loss": math.nan, "norm": math.nan})
    assert counted[-1] == 7


def test_tensorboard_shows_the_numbers_of_the_log_and_hides_those_of_a_killed_run(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for start, steps in ((0, (1, 2, 3, 4)), (2, (3, 4, 5))):
        (hook,) = tracking.trackers(("tensorboard",), tmp_path, start=start, every=2, recipe={})
        for step in steps:
            hook(moment(step, steps=5, rate=10.0 * step + start, bad=math.nan))
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["loss", "norm", "rate"]
    assert [(event.step, event.value) for event in events.Scalars("rate")] == [(2, 20.0), (4, 42.0), (5, 52.0)]


def test_weights_and_biases_gets_the_same_numbers_in_the_same_run_after_a_resume(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(log=lambda numbers, step: calls.append((step, numbers)), finish=lambda: calls.append("end"))
    fake = SimpleNamespace(init=lambda **given: calls.append(given) or run)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for _ in range(2):
        (hook,) = tracking.trackers(("wandb",), tmp_path / "run", start=0, every=1, recipe={"batch": 4})
    hook(moment(9, steps=10))
    hook(moment(10, steps=10, **{"eval/loss": 0.5}))
    assert calls[0] == calls[1]
    assert calls[0]["config"] == {"batch": 4} and calls[0]["resume"] == "allow"
    assert calls[2] == (9, {"loss": 1.25, "norm": 2.0})
    assert calls[3:] == [(10, {"loss": 1.25, "norm": 2.0, "eval/loss": 0.5}), "end"]


def test_a_log_whose_package_is_missing_names_the_extra(tmp_path, monkeypatch):
    for name, extra in (("tensorboard", "train"), ("wandb", "wandb")):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtra, match=rf"internvideo\[{extra}\]"):
            tracking.trackers((name,), tmp_path, start=0, every=1, recipe={})
