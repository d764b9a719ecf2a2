"""Batches in parts give the gradients of the whole."""

import shutil

import pytest
import torch
import torch._dynamo

from internvideo.training.learner import Learner, compile_blocks, learn_from, recompute_blocks, split
from tests.training.small import KINDS, batch_of, learned, learner_of


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, right in expected.items():
        limit = 1e-5 * float(right.abs().max()) + 1e-7
        torch.testing.assert_close(found[name], right, rtol=1e-4, atol=limit, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [2, 8])
def test_parts_give_the_gradients_of_the_whole_batch(kind, parts):
    assert_same(learned(kind, parts=parts), learned(kind))


def test_parts_of_random_masks_are_seen_twice_with_the_same_masks():
    """Else vectors and the direction in which they should move would not belong together: compare with one graph."""
    learner, batch = learner_of("dropped"), batch_of("dropped")
    learn_from(learner, batch, (0, 5), 2)
    found = {name: value.grad.clone() for name, value in learner.model.named_parameters()}
    learner.zero_grad()
    seen = [
        learner(part, (0, 5, number), lambda _, own, look: look.vectors) for number, part in enumerate(split(batch, 2))
    ]
    vectors = [torch.cat(several) for several in zip(*seen, strict=True)]
    learner.objective.compare(learner.model, vectors, batch)[0].backward()
    assert_same(found, {name: value.grad for name, value in learner.model.named_parameters()})


def test_the_same_seed_draws_the_same_and_leaves_the_world_alone():
    learner, batch = learner_of("mixed"), batch_of("mixed")
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    first, again, other = (learn_from(learner, batch, (0, step))["loss"] for step in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.rand(3), expected)


def test_dropout_is_drawn_from_the_seed_and_anew_in_every_step():
    learner, batch = learner_of("classify"), batch_of("classify")
    learner.model.head_dropout.p = 0.5
    losses = []
    for world, step in ((1, 1), (2, 1), (1, 2)):
        torch.manual_seed(world)
        losses.append(learn_from(learner, batch, (0, step))["loss"].item())
    assert losses[0] == losses[1] != losses[2]


def test_a_batch_that_does_not_divide_is_refused_and_what_is_no_tensor_is_in_all_parts():
    with pytest.raises(ValueError, match="does not divide into 3"):
        split(batch_of("classify"), 3)
    parts = split(batch_of("classify"), 4)
    assert [part["media"] for part in parts] == ["video"] * 4
    assert torch.equal(torch.cat([part["video"] for part in parts]), batch_of("classify")["video"])


def test_recomputed_blocks_give_the_same():
    learner, batch = learner_of("classify"), batch_of("classify")
    learn_from(learner, batch, (0,))
    expected = {name: value.grad.clone() for name, value in learner.model.named_parameters()}
    learner.zero_grad()
    recompute_blocks(learner.model)
    learn_from(learner, batch, (0,))
    assert_same({name: value.grad for name, value in learner.model.named_parameters()}, expected)


def test_compiling_touches_blocks_only_and_no_names(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compiled.append(self))
    learner = learner_of("contrastive")
    before = set(learner.state_dict())
    compile_blocks(learner.model)
    assert len(compiled) == len(learner.model.video.blocks) + len(learner.model.text.blocks)
    assert set(learner.state_dict()) == before


def check_compiled(kind, backend):
    torch._dynamo.reset()
    plain, learner, batch = learner_of(kind), learner_of(kind), batch_of(kind)
    compile_blocks(learner.model, backend)
    for each in (plain, learner):
        learn_from(each, batch, (0,))
    counted = torch._dynamo.utils.counters
    assert counted["stats"]["unique_graphs"] and not counted["graph_break"]
    found, expected = ({n: p.grad for n, p in each.model.named_parameters()} for each in (learner, plain))
    assert_same(found, expected)


def test_compiled_blocks_give_the_same():
    """As PyTorch's compiler reads them; what it makes of them is for `make slow`."""
    check_compiled("classify", "eager")


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on CPUs")
def test_blocks_in_compiled_code_give_the_same():
    check_compiled("classify", "inductor")


def test_frozen_parts_get_no_gradient_and_stay_in_evaluation():
    learner = learner_of("contrastive")
    learner.model.text.requires_grad_(False)
    module = Learner(learner.model, learner.objective).train()
    learn_from(module, batch_of("contrastive"), (0,), 2)
    assert all(value.grad is None for value in learner.model.text.parameters())
    assert not learner.model.text.training
    assert learner.model.video.training
