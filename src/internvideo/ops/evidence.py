"""Evidential deep learning: a class head whose outputs are evidence, with a Dirichlet distribution over the classes.

Source: Sensoy et al., 2018, and DEAR (Bao et al., 2021), whose variants these are; InternVideo (Wang et al., 2022) uses
"log" with exponential evidence and neither KL nor AvU terms. Stateless.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from internvideo.errors import UsageError

Evidence = Literal["exp", "relu", "softplus"]
Fit = Literal["log", "digamma", "mse", "cross_entropy"]
Annealing = Literal["step", "exp"]
EPS = 1e-10


def dirichlet(logits: Tensor, evidence: Evidence = "exp") -> Tensor:
    """Concentrations alpha = evidence + 1: (B, K) logits -> (B, K) >= 1. "exp" limits logits to [-10, 10] first."""
    if evidence == "exp":
        return logits.clamp(-10, 10).exp() + 1
    if evidence not in ("relu", "softplus"):
        raise UsageError(f"unknown evidence `{evidence}`", "exp, relu or softplus")
    return (F.relu(logits) if evidence == "relu" else F.softplus(logits)) + 1


def uncertainty(alpha: Tensor) -> Tensor:
    """K / sum of alpha: (B, K) -> (B,) in (0, 1]; 1 without any evidence. Probabilities are alpha / sum."""
    return alpha.shape[-1] / alpha.sum(-1)


def annealing(epoch: float, total: float, how: Annealing = "exp") -> float:
    """The weight of the KL and AvU terms: from 0 to 1 in ten epochs ("step"), or from 0.01 to 1 in all ("exp").

    >>> [round(annealing(epoch, 50), 6) for epoch in (0, 25, 50)]
    [0.01, 0.1, 1.0]
    """
    return min(1.0, epoch / 10) if how == "step" else 0.01 * math.exp(-math.log(0.01) * epoch / total)


def evidence_loss(
    alpha: Tensor,
    labels: Tensor,
    fit: Fit = "log",
    *,
    coefficient: float = 1.0,
    divergence: bool = False,
    calibration: Literal["", "joint", "disentangled"] = "",
) -> dict[str, Tensor]:
    """The terms of the loss, (B,) each; their sum is the loss of each sample. With no evidence "log" costs log(K).

    fit "log": log S - log alpha_y; "digamma": the same of digammas; "mse": squared error of alpha / S, and its
    variance; "cross_entropy": as "log", always with variance and divergence. divergence: KL of what speaks for wrong
    classes from no evidence, times `coefficient` (of `annealing`). calibration: the AvU term of DEAR ("log" and
    "digamma" only).
    """
    wanted = F.one_hot(labels, alpha.shape[-1]).to(alpha.dtype)
    total = alpha.sum(-1)
    own = alpha.gather(-1, labels[:, None])[:, 0]
    terms: dict[str, Tensor] = {}
    if fit == "mse":
        terms["fit"] = (wanted - alpha / total[:, None]).square().sum(-1)
    elif fit == "digamma":
        terms["fit"] = torch.digamma(total) - torch.digamma(own)
    elif fit in ("log", "cross_entropy"):
        terms["fit"] = total.log() - own.log()
    else:
        raise UsageError(f"unknown fit `{fit}`", "log, digamma, mse or cross_entropy")
    if fit in ("mse", "cross_entropy"):
        rest = total[:, None]
        terms["variance"] = (alpha * (rest - alpha) / (rest * rest * (rest + 1))).sum(-1)
    if divergence or fit == "cross_entropy":
        terms["divergence"] = coefficient * from_no_evidence((alpha - 1) * (1 - wanted) + 1)
    if calibration and fit in ("log", "digamma"):
        terms["calibration"] = accuracy_versus_uncertainty(alpha, labels, coefficient, calibration == "disentangled")
    return terms


def from_no_evidence(alpha: Tensor) -> Tensor:
    """KL divergence of Dirichlet(alpha) from the uniform one: (B, K) -> (B,)."""
    total, classes = alpha.sum(-1), alpha.shape[-1]
    constant = torch.lgamma(total) - torch.lgamma(alpha).sum(-1) - math.lgamma(classes)
    return constant + ((alpha - 1) * (torch.digamma(alpha) - torch.digamma(total)[:, None])).sum(-1)


def accuracy_versus_uncertainty(alpha: Tensor, labels: Tensor, coefficient: float, disentangled: bool) -> Tensor:
    """Right answers should be certain, wrong ones uncertain: (B, K), (B,) -> (B,)."""
    share, answers = (alpha / alpha.sum(-1, keepdim=True)).max(-1)
    u, right = uncertainty(alpha), answers == labels
    if disentangled:
        certain, doubtful = -(share * (1 - u) + EPS).log(), -((1 - share) * u + EPS).log()
    else:
        certain, doubtful = -share * (1 - u + EPS).log(), -(1 - share) * (u + EPS).log()
    weight = torch.tensor(coefficient, dtype=alpha.dtype, device=alpha.device)
    return torch.where(right, weight * certain, (1 - weight) * doubtful)
