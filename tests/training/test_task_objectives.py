"""Objectives of tasks: evidence, answers, boxes."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from internvideo.errors import UsageError
from internvideo.models import MODELS
from internvideo.models.box_detector import DETECTOR_DEBUG, BoxDetector
from internvideo.models.video_answer import VideoAnswer
from internvideo.ops.evidence import annealing, from_no_evidence
from internvideo.text.tokenizer import tokenizer
from internvideo.training.egocentric import DetectBoxes
from internvideo.training.learner import Learner
from internvideo.training.objectives import Answer, Classify, Evidential

RNG = np.random.default_rng(0)


class Fixed(nn.Module):
    """Logits that do not depend on the video."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, video):
        return self.logits.expand(len(video), -1)


def batch(labels, step=0):
    return {"video": torch.zeros(len(labels), 3, 1, 2, 2), "label": torch.tensor(labels), "step": step}


def test_no_evidence_costs_the_logarithm_of_the_classes():
    look = Evidential(classes=5).look(Fixed([0.0] * 5), batch([1, 3]), RNG)
    assert look.loss.item() == pytest.approx(math.log(5)) and look.logs["uncertainty"].item() == 0.5


def test_the_divergence_grows_with_the_steps():
    wrong = Fixed([3.0, 0.0, 0.0])
    objective = Evidential(classes=3, divergence=True, annealed=100)
    found = [objective.look(wrong, batch([1], step), RNG).loss.item() for step in (0, 50, 100, 1000)]
    plain = Evidential(classes=3).look(wrong, batch([1]), RNG).loss.item()
    full = found[2] - plain
    expected = [plain + full * annealing(step, 100) for step in (0, 50, 100, 100)]
    assert found == pytest.approx(expected, rel=1e-5)
    learner = Learner(wrong, objective)
    assert learner(batch([1]), (7, 50))[0].item() == pytest.approx(found[1])


def test_evidence_refuses_soft_labels():
    with pytest.raises(UsageError, match="one class per clip"):
        Evidential(classes=3).look(Fixed([0.0] * 3), {**batch([1]), "soft": torch.tensor([[0.5, 0.5]])}, RNG)


def test_samples_without_a_class_shall_leave_no_evidence():
    objective = Evidential(classes=3, outsiders=True, divergence=True)
    model = Fixed([2.0, 0.0, -1.0])
    alpha = torch.tensor([[2.0, 0.0, -1.0]]).exp() + 1
    told = objective.look(model, batch([0, 2]), RNG).loss.item()
    without = from_no_evidence(alpha).item()
    assert objective.look(model, batch([-1, -1]), RNG).loss.item() == pytest.approx(without, rel=1e-5)
    mixed = objective.look(model, batch([0, -1, 2, -1]), RNG)
    assert mixed.loss.item() == pytest.approx((told + without) / 2, rel=1e-5) and mixed.logs["accuracy"] == 0.5
    optimiser = torch.optim.SGD(model.parameters(), 1.0)
    for _ in range(500):
        optimiser.zero_grad()
        objective.look(model, batch([-1]), RNG).loss.backward()
        optimiser.step()
    assert objective.look(model, batch([-1]), RNG).logs["uncertainty"] > 0.9


def test_shares_of_classes_are_learned_as_they_are_told():
    model, objective, shares = Fixed([0.0, 0.0, 0.0, 0.0]), Classify(classes=4), torch.tensor([[0.7, 0.2, 0.1]])
    optimiser = torch.optim.SGD(model.parameters(), 1.0)
    for _ in range(500):
        optimiser.zero_grad()
        objective.look(model, {**batch([0]), "soft": shares}, RNG).loss.backward()
        optimiser.step()
    torch.testing.assert_close(model.logits.detach().softmax(0)[:3], shares[0], atol=5e-3, rtol=0)


def test_evidence_is_learned_for_the_right_class():
    model, objective = Fixed([0.0, 0.0, 0.0]), Evidential(classes=3)
    optimiser = torch.optim.SGD(model.parameters(), 1.0)
    for _ in range(50):
        optimiser.zero_grad()
        objective.look(model, batch([2]), RNG).loss.backward()
        optimiser.step()
    look = objective.look(model, batch([2]), RNG)
    assert look.logs["accuracy"] == 1 and look.logs["uncertainty"] < 0.35 and look.loss < 0.1


@pytest.mark.slow
def test_questions_are_learned_by_heart():
    torch.manual_seed(0)
    model = MODELS["internvideo-mm-b-16-answer-debug"]()
    assert isinstance(model, VideoAnswer)
    questions = ["what is it doing", "is it slow or quick", "which one moves", "which is first", "what is hit"]
    given = {
        "video": torch.randn(4, 3, 2, 64, 64).repeat_interleave(5, 0),
        "text": torch.from_numpy(tokenizer()(questions * 4, 12, "truncate")),
        "label": torch.randint(0, 66, (20,)),
    }
    objective = Answer(classes=66)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    model.train()
    for _ in range(80):
        optimiser.zero_grad()
        objective.look(model, given, RNG).loss.backward()
        optimiser.step()
    model.eval()
    assert objective.look(model, given, RNG).logs["accuracy"] == 1


@pytest.mark.slow
def test_boxes_of_four_pictures_are_learned_by_heart():
    """The query that is surest has the box, in each picture: as with all such queries that takes its time."""
    torch.manual_seed(0)
    network, steps, rate = BoxDetector(DETECTOR_DEBUG), 1500, 3e-3
    pictures = torch.zeros(4, 3, 1, 64, 64)
    for number in range(4):
        pictures[number, :, :, 8 + 8 * number : 24 + 8 * number, 4 + 12 * number : 16 + 12 * number] = 0.8
    corners = [(4 + 12 * n, 8 + 8 * n, 16 + 12 * n, 24 + 8 * n) for n in range(4)]
    given = {
        "video": pictures,
        "boxes": torch.tensor(corners) / 64,
        "owner": torch.arange(4),
        "kinds": torch.zeros(4).long(),
    }
    optimizer = torch.optim.AdamW(network.parameters(), rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min(1, (step + 1) / 20) * (1 + math.cos(math.pi * step / steps)) / 2
        optimizer.zero_grad()
        DetectBoxes().look(network, given, RNG).loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        logits, boxes = network.eval()(pictures)
    surest = logits[..., 0].argmax(1)
    torch.testing.assert_close(boxes[torch.arange(4), surest], given["boxes"], atol=0.02, rtol=0)
    assert (logits[..., 0].sigmoid().sort(1).values[:, :-1] < 0.5).all()
