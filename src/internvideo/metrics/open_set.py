"""How well a model tells what it knows from what it does not: unknown is the positive answer, uncertainty its score.

Source: the evaluation of DEAR (Bao et al., 2021), which InternVideo (Wang et al., 2022) uses; its quirks are named
switches. numpy only.
"""

from dataclasses import dataclass

import numpy as np

from internvideo.metrics.calibration import reliability


def auroc(known: np.ndarray, unknown: np.ndarray) -> float:
    """Probability that an unknown sample is more uncertain than a known one, ties half: (N,), (M,) -> [0, 1].

    >>> auroc(np.array([0.1, 0.2, 0.3, 0.6]), np.array([0.25, 0.7, 0.8, 0.9]))
    0.875
    """
    order = np.sort(known)
    below, upto = np.searchsorted(order, unknown), np.searchsorted(order, unknown, side="right")
    return float((below + upto).mean() / 2 / len(known))


def thresholded_auroc(known: np.ndarray, unknown: np.ndarray, threshold: float) -> float:
    """The published number: AUROC of the decision `uncertainty > threshold`, which is the mean of both hit rates."""
    return auroc((known > threshold).astype(float), (unknown > threshold).astype(float))


def threshold_at(training: np.ndarray, share: float = 0.95) -> float:
    """The least uncertainty that is not exceeded by `share` of the training samples: (N,)."""
    if not 0 < share <= 1 or not len(training):
        raise ValueError(f"a share in (0, 1] of at least one sample, got {share} of {len(training)}")
    return float(np.sort(training)[int(np.ceil(share * len(training) - 1e-9)) - 1])


def roc_points(known: np.ndarray, unknown: np.ndarray, *, corners: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate at every threshold, from strict to lax, beginning at (0, 0).

    corners: leave out points on straight lines, as scikit-learn does by default.
    """
    false, true = _counts(known, unknown)
    if corners and len(false) > 2:
        kept = np.r_[True, (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0), True]
        false, true = false[kept], true[kept]
    return np.r_[0, false] / len(known), np.r_[0, true] / len(unknown)


def fpr_at(known: np.ndarray, unknown: np.ndarray, recall: float = 0.95, *, nearest: bool = False) -> float:
    """Share of known samples that are called unknown when `recall` of the unknown ones are: [0, 1].

    nearest: the published rule, the corner of the ROC curve whose recall is nearest, also if it is below.
    """
    false, true = roc_points(known, unknown, corners=nearest)
    if nearest:
        return float(false[np.argmin(np.abs(true - recall))])
    return float(false[np.argmax(true >= recall - 1e-12)])


def area_under_pr(known: np.ndarray, unknown: np.ndarray) -> float:
    """Area under precision over recall by trapezoids (not average precision), as published: [0, 1]."""
    false, true = _counts(known, unknown)
    recall, precision = np.r_[0, true] / len(unknown), np.r_[1, true / (true + false)]
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


def _counts(known: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many known and unknown samples are at least as uncertain as each value, from the largest on."""
    if not len(known) or not len(unknown):
        raise ValueError("both known and unknown samples are needed")
    scores = np.r_[known, unknown]
    positive = np.r_[np.zeros(len(known)), np.ones(len(unknown))]
    order = np.argsort(-scores, kind="stable")
    last = np.r_[np.nonzero(np.diff(scores[order]))[0], len(scores) - 1]
    true = np.cumsum(positive[order])[last]
    return last + 1 - true, true


def openness(known_classes: int, unknown_classes: int) -> float:
    """1 - sqrt(2 K / (2 K + U)), in [0, 1).

    >>> round(openness(101, 51), 6), round(openness(101, 305), 6)
    (0.106457, 0.368793)
    """
    return float(1 - np.sqrt(2 * known_classes / (2 * known_classes + unknown_classes)))


def macro_f1(answers: np.ndarray, labels: np.ndarray) -> float:
    """Mean F1 over the classes that occur in answers or labels: (N,), (N,) non-negative integers -> [0, 1]."""
    size = int(max(answers.max(), labels.max())) + 1
    right = np.bincount(labels[answers == labels], minlength=size)
    total = np.bincount(answers, minlength=size) + np.bincount(labels, minlength=size)
    return float((2 * right[total > 0] / total[total > 0]).mean())


@dataclass(frozen=True)
class Curve:
    """Open-set macro F1 over openness: one value per number of unknown classes, from none.

    openness, f1, deviation: (U + 1,); mean, mean_deviation: weighted by openness, as published.
    """

    openness: np.ndarray
    f1: np.ndarray
    deviation: np.ndarray
    mean: float
    mean_deviation: float


@dataclass(frozen=True)
class Answers:
    """Closed-set answers and uncertainties of one part: answers, labels (N,) integers; uncertainty (N,)."""

    answers: np.ndarray
    labels: np.ndarray
    uncertainty: np.ndarray


def open_f1_curve(
    known: Answers, unknown: Answers, threshold: float, classes: int, *, draws: int = 10, seed: int = 123
) -> Curve:
    """Answers above the threshold become the class "unknown" (number `classes`); macro F1 over growing openness.

    For each number of unknown classes the mean of `draws` random choices of them (seed 123, as published). The point
    without any unknown class has weight 0 in the mean.
    """
    random = np.random.RandomState(seed)
    names = int(unknown.labels.max()) + 1
    of_class = [np.where(unknown.labels == name)[0] for name in range(names)]
    rejected = [np.where(part.uncertainty > threshold, classes, part.answers) for part in (known, unknown)]
    steps, means, deviations = [0.0], [macro_f1(rejected[0], known.labels)], [0.0]
    for count in range(1, names + 1):
        found = np.zeros(draws, np.float32)
        for draw in range(draws):
            rows = np.concatenate([of_class[name] for name in random.choice(names, count, replace=False)])
            labels = np.r_[known.labels, np.full(len(rows), classes)]
            found[draw] = macro_f1(np.r_[rejected[0], rejected[1][rows]], labels)
        steps.append(openness(classes, count))
        means.append(float(found.mean()))
        deviations.append(float(found.std()))
    weights = np.array(steps) / sum(steps)
    mean, deviation = (float(weights @ values) for values in (means, deviations))
    return Curve(np.array(steps), np.array(means), np.array(deviations), mean, deviation)


def open_calibration(
    known: Answers, unknown: Answers, threshold: float, classes: int, bins: int = 15
) -> dict[str, float]:
    """Expected calibration error with confidence 1 - uncertainty, in [0, 1]: of the known samples; of all, with
    "unknown" as one more class; and of the decision known or unknown."""
    return {name: reliability(1 - part.uncertainty, part.answers == part.labels, bins).error
            for name, part in calibration_parts(known, unknown, threshold, classes).items()}  # fmt: skip


def calibration_parts(known: Answers, unknown: Answers, threshold: float, classes: int) -> dict[str, Answers]:
    """The three sets of answers that are looked at: closed set, open set, binary. An uncertainty equal to the threshold
    is not above it."""
    uncertainty = np.r_[known.uncertainty, unknown.uncertainty]
    above = uncertainty > threshold
    labels = np.r_[known.labels, np.full(len(unknown.labels), classes)]
    several = np.where(above, classes, np.r_[known.answers, unknown.answers])
    return {
        "closed set": known,
        "open set": Answers(several, labels, uncertainty),
        "known or unknown": Answers(above.astype(np.int64), (labels == classes).astype(np.int64), uncertainty),
    }


def accuracy_versus_uncertainty(part: Answers, confidence: np.ndarray, eps: float = 1e-10) -> float:
    """EAvUC: what is right should be certain, what is wrong should not. Lower is better.

    Sum over right answers of -c log(1 - u), and over wrong ones of -(1 - c) log u; c, (N,), is the confidence.
    """
    right, u = part.answers == part.labels, part.uncertainty
    return float(np.sum(np.where(right, -confidence * np.log(1 - u + eps), -(1 - confidence) * np.log(u + eps))))


def disagreement(passes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty of several passes with dropout: (N, K, P) probabilities -> entropy of the mean (N,), and what of it
    is disagreement (BALD, N), in nats."""
    total = _entropy(passes.mean(axis=2))
    return total, total - _entropy(passes, axis=1).mean(axis=1)


def _entropy(probabilities: np.ndarray, axis: int = 1) -> np.ndarray:
    safe = np.where(probabilities > 0, probabilities, 1.0)
    return np.asarray(-(probabilities * np.log(safe)).sum(axis=axis))
