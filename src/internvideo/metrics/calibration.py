"""Whether probabilities mean what they say, and the one number that mends them: the temperature.

A model is calibrated if of all answers given with 80 % about 80 % are right. Dividing logits by a temperature keeps the
order of the classes and moves all probabilities towards 1/K (above 1) or towards 0 and 1 (below 1). Source: Guo et al.,
2017, "On Calibration of Modern Neural Networks". numpy only. Log-probabilities are logits too.
"""

from dataclasses import dataclass

import numpy as np

COLDEST, HOTTEST = 1e-3, 1e3  # temperatures that are looked at


def log_softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(..., K) -> (..., K) float64 log-probabilities of logits / temperature.

    >>> np.exp(log_softmax(np.array([0.0, np.log(3.0)]))).round(2).tolist()
    [0.25, 0.75]
    """
    if not temperature > 0:
        raise ValueError(f"a temperature is over 0, got {temperature}")
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=-1, keepdims=True)))


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean of -log p(right class): (N, K), (N,) integers. Knowing nothing costs log(K)."""
    _check(logits, labels)
    return float(-np.take_along_axis(log_softmax(logits, temperature), labels[:, None], axis=1).mean())


@dataclass(frozen=True)
class Reliability:
    """Per bin of confidence: rows, mean confidence and accuracy, (bins,), 0 in empty ones; and the mean gap."""

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray
    error: float  # expected calibration error, in [0, 1]


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> Reliability:
    """Rows in equal intervals (low, high] of confidence: (N,) in [0, 1], (N,) bool."""
    if bins < 1:
        raise ValueError(f"at least one bin is needed, got {bins}")
    places = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = [np.bincount(places, weights=values, minlength=bins) for values in (confidence, right)]
    means = [total / np.maximum(counts, 1) for total in sums]
    return Reliability(counts, means[0], means[1], float(np.abs(sums[1] - sums[0]).sum() / len(confidence)))


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, in [0, 1]: (N, K), (N,) integers.

    Confidence is the largest probability, accuracy the share of rows where it is the right class (of equal ones the
    first counts). Bins as in `reliability`; a bin counts by its rows.
    """
    _check(probabilities, labels)
    return reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, bins).error


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature at which the right classes are most likely: (N, K) logits, (N,) integers -> in [0.001, 1000].

    The likelihood is concave in 1 / temperature, so there is one best value; it lies at an end of the range where
    every answer is right (0.001), or where the answers are worse than guessing (1000).
    """
    _check(logits, labels)
    scores = np.asarray(logits, np.float64)
    own = float(np.take_along_axis(scores, labels[:, None], axis=1).mean())

    def slope(sharpness: float) -> float:
        """Of the negative log-likelihood over 1 / temperature; it never falls."""
        return float((np.exp(log_softmax(scores, 1 / sharpness)) * scores).sum(axis=1).mean()) - own

    low, high = np.log(1 / HOTTEST), np.log(1 / COLDEST)
    if slope(np.exp(low)) >= 0:
        return HOTTEST
    if slope(np.exp(high)) <= 0:
        return COLDEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(np.exp(middle)) < 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def _check(scores: np.ndarray, labels: np.ndarray) -> None:
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(f"expected (N, K) scores and (N,) labels, N > 0, got {scores.shape} and {labels.shape}")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels must lie in [0, {scores.shape[1]}), got {labels.min()} to {labels.max()}")
