"""Evidential losses: closed forms and laws; all variants against the published code are in tests/parity."""

import math

import pytest
import torch

from internvideo.errors import UsageError
from internvideo.ops.evidence import annealing, dirichlet, evidence_loss, from_no_evidence, uncertainty


def test_closed_forms_of_101_classes():
    alpha = dirichlet(torch.zeros(1, 101))
    assert evidence_loss(alpha, torch.tensor([3]))["fit"].item() == pytest.approx(math.log(101), abs=1e-5)
    assert uncertainty(alpha).item() == 0.5
    sure = torch.full((1, 101), -10.0)
    sure[0, 7] = 10
    alpha = dirichlet(sure)
    assert uncertainty(alpha).item() == pytest.approx(0.0045645, abs=1e-6)
    assert (alpha / alpha.sum())[0, 7].item() == pytest.approx(0.9954805, abs=1e-6)
    assert evidence_loss(alpha, torch.tensor([7]))["fit"].item() == pytest.approx(0.0045297, abs=1e-6)


def test_without_evidence_all_is_uncertain_and_nothing_diverges():
    alpha = dirichlet(torch.full((2, 5), -3.0), "relu")
    assert uncertainty(alpha).tolist() == [1, 1]
    torch.testing.assert_close(from_no_evidence(alpha), torch.zeros(2), atol=1e-6, rtol=0)


def test_divergence_equals_that_of_torch_distributions():
    alpha = 1 + 5 * torch.rand(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours = from_no_evidence(alpha)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Dirichlet(alpha), torch.distributions.Dirichlet(torch.ones_like(alpha))
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("fit", ["log", "digamma", "mse", "cross_entropy"])
def test_evidence_for_the_right_class_costs_less(fit):
    good, bad = dirichlet(torch.tensor([[2.0, 0, 0]])), dirichlet(torch.tensor([[0.0, 2, 0]]))
    label = torch.tensor([0])
    costs = [sum(evidence_loss(a, label, fit, divergence=True).values()).item() for a in (good, bad)]
    assert costs[0] < costs[1]


@pytest.mark.parametrize("size", [9.99, 10.0, 50.0])
def test_gradients_are_finite_where_evidence_is_cut(size):
    logits = torch.tensor([[size, -size, 0.0]], requires_grad=True)
    terms = evidence_loss(dirichlet(logits), torch.tensor([1]), divergence=True, calibration="joint")
    sum(terms.values()).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_annealing_reaches_one():
    assert [annealing(epoch, 50, "step") for epoch in (0, 5, 10, 50)] == [0, 0.5, 1, 1]
    assert [round(annealing(epoch, 50), 4) for epoch in (0, 25, 50)] == [0.01, 0.1, 1.0]


def test_unknown_variants_are_refused():
    with pytest.raises(UsageError, match="unknown evidence `tanh`"):
        dirichlet(torch.zeros(1, 2), "tanh")
    with pytest.raises(UsageError, match="unknown fit `l1`"):
        evidence_loss(torch.ones(1, 2), torch.tensor([0]), "l1")
