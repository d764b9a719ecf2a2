"""The loop: schedule, order, resuming."""

import pytest
import torch
from torch import nn

from internvideo.errors import InternVideoError
from internvideo.training.hooks import NaNGuard
from internvideo.training.learner import Learner
from internvideo.training.loop import train
from internvideo.training.objectives import Classify
from internvideo.training.optim import Group, adamw, trainable, viclip_groups
from tests.training.small import batch_of, learner_of, steps_of


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(12, 3)

    def forward(self, video):
        return self.head(video.flatten(1))


def learn(model, *, batches=None, schedule=lambda step: 1.0, steps=6, clip=None, hooks=(), start=0, guard=None):
    groups = [Group(("head.weight",), 0.1, 0.0), Group(("head.bias",), 0.2, 0.0)]
    optimizer = adamw(model, groups)
    train(
        Learner(model, Classify(classes=3)),
        batches or whole_epochs,
        optimizer,
        schedule,
        steps=steps,
        steps_per_epoch=4,
        guard=guard or NaNGuard(print),
        start=start,
        clip=clip,
        hooks=hooks,
    )
    return optimizer


def batch(number):
    generator = torch.Generator().manual_seed(number)
    return {
        "video": torch.randn(4, 3, 1, 2, 2, generator=generator),
        "label": torch.randint(3, (4,), generator=generator),
        "uid": torch.arange(4) + 10 * number,
    }


def whole_epochs(epoch, first):
    return (batch(100 * epoch + step) for step in range(first, 4))


def test_the_loop_is_short():
    import ast
    import inspect

    body = ast.parse(inspect.getsource(train)).body[0]
    assert body.end_lineno - body.lineno < 40


def test_every_group_learns_at_its_rate_times_the_schedule_and_data_come_in_order():
    asked, rates = [], []
    optimizer = None

    def batches(epoch, first):
        for step in range(first, 4):
            asked.append((epoch, step))
            yield batch(step)

    model = Linear()
    optimizer = learn(model, batches=batches, schedule=lambda step: 1.0 / (step + 1), hooks=[rates.append])
    assert asked == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    assert [group["lr"] for group in optimizer.param_groups] == [0.1 / 6, 0.2 / 6]
    assert [moment.step for moment in rates] == [1, 2, 3, 4, 5, 6]
    assert all(moment.clips == 4 and 0 <= moment.waited <= moment.seconds for moment in rates)


def test_a_run_begins_in_the_middle_of_an_epoch():
    asked = []

    def batches(epoch, first):
        asked.append((epoch, first))
        return whole_epochs(epoch, first)

    learn(Linear(), batches=batches, start=6, steps=9)
    assert asked == [(1, 2), (2, 0)]


def test_gradients_are_clipped_to_the_norm_and_the_log_says_what_it_was():
    seen = []
    model = Linear()

    def hook(moment):
        seen.append((moment.logs["norm"], torch.cat([p.grad.flatten() for p in model.parameters()]).norm()))

    learn(model, clip=0.01, steps=2, hooks=[hook])
    for norm, after in seen:
        assert norm > 0.1
        assert after.item() == pytest.approx(0.01, rel=1e-3)


def test_data_that_end_too_early_are_an_error():
    with pytest.raises(InternVideoError, match="ended before its step 2"):
        learn(Linear(), batches=lambda epoch, first: iter([batch(0), batch(1)]))


def test_too_little_memory_says_what_to_lower(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = Linear()
    monkeypatch.setattr(model, "forward", full)
    with pytest.raises(InternVideoError, match="no memory for 4 clips at once"):
        learn(model)


def poisoned(epoch, first):
    for step in range(first, 4):
        made = batch(100 * epoch + step)
        if step in (1, 2):
            made["video"][step, 0, 0, 0, 0] = torch.nan
        yield made


def test_steps_that_are_not_finite_change_nothing_and_name_their_samples():
    told, weights = [], []
    model = Linear()
    guard = NaNGuard(told.append)
    learn(
        model,
        batches=poisoned,
        steps=4,
        guard=guard,
        hooks=[lambda m: weights.append(model.head.weight.detach().clone())],
    )
    assert guard.skipped == [1, 2]
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
    assert not torch.equal(weights[2], weights[3])
    assert told[0] == "step 1 left out, 1 so far: pixels that are not finite in samples 11"
    assert "samples 22" in told[1]


def test_a_run_that_stays_not_finite_ends():
    model = Linear()
    with torch.no_grad():
        model.head.weight.fill_(torch.inf)
    with pytest.raises(InternVideoError, match="3 steps in a row"):
        learn(model, guard=NaNGuard(lambda text: None, most=3))


def test_a_resumed_run_has_the_numbers_of_an_uninterrupted_one(tmp_path):
    straight = steps_of(tmp_path / "a", 7, kind="dropped", log=tmp_path / "a.jsonl")
    steps_of(tmp_path / "b", 5, kind="dropped", log=tmp_path / "b.jsonl", every=3)  # saved at 3 and at its end
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write('{"step": 6, "loss": 0.0}\n{"step": 7, "lo')  # a killed run got further than its checkpoint
    resumed = steps_of(tmp_path / "b", 7, kind="dropped", log=tmp_path / "b.jsonl")
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()


@pytest.mark.parametrize("kind", ["contrastive", "sigmoid", "caption", "classify", "coordinate", "masked", "dropped"])
def test_every_objective_learns_a_batch_by_heart(kind):
    learner, same, losses = learner_of(kind), batch_of(kind), []
    same["uid"] = torch.arange(len(same["video"]))
    if kind == "masked":  # noise that is hidden cannot be told; waves can
        same["video"] = torch.sin(torch.arange(64.0) / 3).expand_as(same["video"])
    optimizer = adamw(learner.model, viclip_groups(trainable(learner.model), rate=3e-3, weight_decay=0.0))
    train(
        learner,
        lambda epoch, first: iter([same]),
        optimizer,
        lambda step: 1.0,
        steps=80 if kind == "masked" else 40,
        steps_per_epoch=1,
        guard=NaNGuard(print),
        clip=1.0,
        hooks=[lambda moment: losses.append(moment.logs["loss"])],
    )
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
