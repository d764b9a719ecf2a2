"""Checks of the family `open_set`."""

from collections.abc import Iterator

import numpy as np

from internvideo.metrics.calibration import reliability
from internvideo.metrics.open_set import (
    Answers,
    accuracy_versus_uncertainty,
    area_under_pr,
    auroc,
    calibration_parts,
    disagreement,
    fpr_at,
    open_f1_curve,
    thresholded_auroc,
)
from internvideo.ops.evidence import annealing, dirichlet, evidence_loss, uncertainty
from tests.parity.parity_cases import Answer, Case, Limit

METRIC = Limit(absolute=1e-6)
LOSS = Limit(absolute=1e-5, relative=1e-5)
NAMES = {"loss_cls": "fit", "loss_var": "variance", "loss_kl": "divergence", "loss_avu": "calibration"}
PARTS = {"closedset": "closed set", "openset_multi": "open set", "openset_bin": "known or unknown"}


def binary(name: str, known: np.ndarray, unknown: np.ndarray, threshold: float, stored: dict) -> Iterator[Answer]:
    if threshold > 0:
        known, unknown = (known > threshold).astype(float), (unknown > threshold).astype(float)
    yield Answer(f"{name}.auroc", auroc(known, unknown), METRIC, stored["auroc"])
    yield Answer(f"{name}.aupr", area_under_pr(known, unknown), METRIC, stored["aupr"])
    yield Answer(f"{name}.fpr95", fpr_at(known, unknown, nearest=True), METRIC, stored["fpr95"])


def metrics(case: Case) -> Iterator[Answer]:
    stored = case.json
    array = {key: np.array(value) for key, value in stored.items() if isinstance(value, list)}
    known, unknown = (Answers(array[f"{p}_pred"], array[f"{p}_label"], array[f"{p}_unctt"]) for p in ("ind", "ood"))
    threshold, classes = stored["threshold"], stored["ind_ncls"]
    right = float((known.answers == known.labels).mean())
    yield from curve(known, unknown, threshold, classes, stored["openness"])
    for key, value in stored["eval_uncertainty"].items():
        yield Answer(f"eval_uncertainty.{key}.acc", right, METRIC, value["acc"])
        yield from binary(f"eval_uncertainty.{key}", known.uncertainty, unknown.uncertainty, float(key), value)
    for key, value in stored["eval_confidence"].items():
        guesses = array["ind_softmax"].argmax(1)
        yield Answer(f"{key}.acc", float((guesses == known.labels).mean()), METRIC, value["acc"])
        doubts = [1 - array[f"{part}_softmax"].max(1) for part in ("ind", "ood")]
        yield from binary(f"eval_confidence.{key}", *doubts, float(key.rpartition("_")[2]), value)
    confidence = np.r_[array["ind_conf"], array["ood_conf"]]
    parts = calibration_parts(known, unknown, threshold, classes)
    for key, value in stored["calibration"].items():
        part = parts[PARTS[key]]
        bins = reliability(1 - part.uncertainty, part.answers == part.labels, len(value["bin_acc"]))
        yield Answer(f"{key}.ece", bins.error, METRIC, value["ece"])
        yield Answer(f"{key}.bin_acc", bins.accuracy, METRIC, value["bin_acc"])
        yield Answer(f"{key}.bin_edges", np.arange(len(bins.counts)) / len(bins.counts), METRIC, value["bin_edges"])
        found = accuracy_versus_uncertainty(part, confidence[: len(part.labels)])
        yield Answer(f"{key}.eavuc", found, METRIC, value["eavuc"])
    entropy, bald = disagreement(array["mc_predictions"])
    yield Answer("Entropy", entropy, METRIC, stored["mc_uncertainty"]["Entropy"])
    yield Answer("BALD", bald, METRIC, stored["mc_uncertainty"]["BALD"])


def curve(known: Answers, unknown: Answers, threshold: float, classes: int, stored: dict) -> Iterator[Answer]:
    found = open_f1_curve(known, unknown, threshold, classes)
    decision = thresholded_auroc(known.uncertainty, unknown.uncertainty, threshold)
    for key, value in {
        "acc": float((known.answers == known.labels).mean()),
        "aupr": decision,  # the published name of it
        "macro_F1_list": found.f1,
        "std_list": found.deviation,
        "openness_list": 100 * found.openness,
        "open_maF1_mean": found.mean,
        "open_maF1_std": found.mean_deviation,
    }.items():
        yield Answer(f"openness.{key}", value, METRIC, stored[key])


def losses(case: Case) -> Iterator[Answer]:
    labels = case["in.target"]
    for how in case.meta["cases"]:
        name = f"{how['case']}."
        logits = case["in.logits"].clone().requires_grad_()
        alpha = dirichlet(logits, how["evidence"])
        coefficient = annealing(how["epoch"], how["total_epoch"], how["annealing_method"])
        kind = ("disentangled" if how["disentangle"] else "joint") if how["with_avuloss"] else ""
        terms = evidence_loss(
            alpha, labels, how["loss_type"], coefficient=coefficient, divergence=how["with_kldiv"], calibration=kind
        )
        for key, ours in NAMES.items():
            if f"out.{name}{key}" in case.tensors:
                stored = case[f"out.{name}{key}"]
                yield Answer(f"{name}{key}", terms.pop(ours).detach().reshape(stored.shape), LOSS)
        assert not terms, f"{name}: not stored: {sorted(terms)}"
        total = sum(
            (term.mean() for term in evidence_loss(
                alpha, labels, how["loss_type"], coefficient=coefficient, divergence=how["with_kldiv"],
                calibration=kind).values()),
        )  # fmt: skip
        total.backward()
        evidence, right = (alpha - 1).sum(1).detach(), logits.argmax(1) == labels
        yield Answer(f"{name}total", total, LOSS)
        yield Answer(f"{name}grad", logits.grad, LOSS)
        yield Answer(f"{name}lambda", coefficient, LOSS)
        yield Answer(f"{name}uncertainty", uncertainty(alpha)[:, None], LOSS)
        yield Answer(f"{name}evidence_succ", evidence[right].mean() if right.any() else 0.0, LOSS)
        yield Answer(f"{name}evidence_fail", evidence[~right].mean() if (~right).any() else 0.0, LOSS)


KINDS = {"evidence_loss": losses, "metrics": metrics}
