"""Marking against the formulas of the published evaluations, written out here, in turns.

    python benchmarks/metrics.py            # retrieval 1,000 x 1,000 both ways; a million answers of 101 classes
    python benchmarks/metrics.py --quick    # a tenth, two rounds

Retrieval: sort every row and look where the own value stands (CLIP4Clip). Classification: sort the classes of every
row (MMAction2). Numbers must be identical before anything is timed; scores have no ties, where the formulas differ by
rule. A ratio is the median over rounds of baseline / ours, both taken a moment apart; goal 4.
"""

import argparse
import sys

import numpy as np

from internvideo.metrics.classification import top_k
from internvideo.metrics.ranking import rank_summary, ranks_of
from pairing import circumstances, compared, paired, write

GOAL = 4.0
CLASSES = 101


def sorted_retrieval(similarity: np.ndarray) -> dict[str, float]:
    """The published formula."""
    ordered = np.sort(-similarity, axis=1)
    own = np.diag(-similarity)[:, None]
    ranks = np.where((ordered - own) == 0)[1]
    found = {f"R@{k}": float(np.sum(ranks < k)) * 100 / len(ranks) for k in (1, 5, 10)}
    return {**found, "MedR": float(np.median(ranks)) + 1, "MeanR": float(np.mean(ranks)) + 1}


def counted_retrieval(similarity: np.ndarray) -> dict[str, float]:
    return rank_summary(ranks_of(similarity))


def sorted_classes(scores: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """The published formula, a tenth of the rows at a time so that the table of places fits into memory."""
    right = dict.fromkeys((1, 5), 0)
    for part, own in zip(np.array_split(scores, 10), np.array_split(labels, 10), strict=True):
        best = np.argsort(part, axis=1)[:, ::-1]
        for k in right:
            right[k] += int((best[:, :k] == own[:, None]).any(axis=1).sum())
    return {k: 100.0 * count / len(labels) for k, count in right.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    random = np.random.default_rng(0)
    similarity = random.normal(size=(1000, 1000)) + 2 * np.eye(1000)
    scores = random.random((100_000 if quick else 1_000_000, CLASSES), np.float32)
    labels = random.integers(0, CLASSES, len(scores))
    scores[np.arange(len(scores)), labels] += 0.5 * random.random(len(scores), np.float32)
    both = (similarity, similarity.T)
    assert [sorted_retrieval(s) for s in both] == [counted_retrieval(s) for s in both], "the numbers differ"
    ours, theirs = top_k(scores, labels), sorted_classes(scores, labels)
    assert all(abs(ours[k] - theirs[k]) < 1e-9 for k in theirs), f"the numbers differ: {ours} {theirs}"
    rounds = 2 if quick else 5
    rows = []
    for name, calls in {
        "retrieval 1,000 x 1,000, both ways": {
            "sorted": lambda: [sorted_retrieval(s) for s in both],
            "counted": lambda: [counted_retrieval(s) for s in both],
        },
        f"top-1 and top-5 of {len(scores):,} answers": {
            "sorted": lambda: sorted_classes(scores, labels),
            "counted": lambda: top_k(scores, labels),
        },
    }.items():
        row = compared(name, paired(calls, rounds), "sorted", "counted", GOAL)
        rows.append(row)
        print("{row}: {ours_s} s, sorted {baseline_s} s, {ratio} x (CPU {cpu_ratio} x, goal {target} x)".format(**row))
    write("metrics-quick" if quick else "metrics", [{**circumstances(), **row} for row in rows])
    return 0 if quick or all(float(str(row["cpu_ratio"])) >= GOAL for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
