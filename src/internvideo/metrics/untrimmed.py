"""Untrimmed classification as ActivityNet's challenge marks it: which actions occur in a long video. numpy only."""

from collections.abc import Mapping, Sequence

import numpy as np

from internvideo.metrics.detection import average_precision

Guesses = Mapping[str, Sequence[tuple[str, float]]]  # video -> labels with scores


def untrimmed_scores(guesses: Guesses, truths: Mapping[str, Sequence[str]], k: int = 1) -> dict[str, float]:
    """mAP over the labels that occur; hit@k, the share of videos with a true label among their k best guesses; and the
    mean share of a video's labels that are (average hit@k): all in [0, 1].

    truths: video -> its labels, repeated ones count once. A video without guesses is missed. Equal scores stay in the
    order given.
    """
    if not truths:
        raise ValueError("there are no videos to mark")
    rows = [(label, score, video) for video, given in guesses.items() for label, score in given]
    scores = np.array([score for _, score, _ in rows])
    per_label: dict[str, list[bool]] = {}
    seen: set[tuple[str, str]] = set()
    for place in np.argsort(-scores, kind="stable").tolist():
        label, _, video = rows[place]
        right = label in truths.get(video, ()) and (label, video) not in seen
        seen.add((label, video))
        per_label.setdefault(label, []).append(right)
    positives: dict[str, int] = {}
    for labels in truths.values():
        for label in set(labels):
            positives[label] = positives.get(label, 0) + 1
    precision = [float(average_precision(np.array(per_label.get(label, [False])), n)) for label, n in positives.items()]
    shares = []
    for video, labels in truths.items():
        best = sorted(guesses.get(video, ()), key=lambda guess: -guess[1])[:k]
        shares.append(len(set(labels) & {label for label, _ in best}) / len(set(labels)))
    found = np.array(shares)
    return {"mAP": float(np.mean(precision)), "hit": float((found > 0).mean()), "average hit": float(found.mean())}
