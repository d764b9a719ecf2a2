"""Soft suppression, matching and nDTW against their formulas written as loops, and localisation of an hour of features.

python benchmarks/localisation.py        # results are compared first; times in turns, A-B-A-B, medians
"""

import json
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from internvideo.metrics.detection import Regions, detection_ap, overlaps
from internvideo.metrics.navigation import warping_costs
from internvideo.models.temporal_head import TEMPORAL_THUMOS, TemporalHead, pad
from internvideo.ops.spans import Decoding, decode
from internvideo.ops.suppression import Suppression, soft_suppression, suppress

SEGMENTS, PATHS, HOUR = 10_000, 1_000, 6_750


def main() -> None:
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    compare("soft suppression of 10,000 segments", *suppression_pair(rng))
    compare("matching of 10,000 predictions, 10 overlaps", *matching_pair(rng))
    compare("nDTW of 1,000 paths", *warping_pair(rng))
    hour()


def compare(name: str, ours: Callable[[], np.ndarray], loops: Callable[[], np.ndarray], rounds: int = 3) -> None:
    np.testing.assert_allclose(ours(), loops(), rtol=1e-6, atol=1e-9)
    times: dict[str, list[float]] = {"ours": [], "loops": []}
    for _ in range(rounds):
        for key, run in (("ours", ours), ("loops", loops)):
            began = time.perf_counter()
            run()
            times[key].append(time.perf_counter() - began)
    middle = {key: statistics.median(values) for key, values in times.items()}
    spread = {key: [round(min(values), 4), round(max(values), 4)] for key, values in times.items()}
    ratio = round(middle["loops"] / middle["ours"], 1)
    print(json.dumps({"what": name, "ours_s": round(middle["ours"], 4), "loops_s": round(middle["loops"], 4),
                      "times_faster": ratio, "spread_s": spread}))  # fmt: skip


def suppression_pair(rng: np.random.Generator) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    start = rng.uniform(0, 3600, SEGMENTS)
    segments = np.stack([start, start + rng.uniform(1, 60, SEGMENTS)], 1)
    scores = rng.permutation(SEGMENTS) / SEGMENTS

    def loops(most: int = 200) -> np.ndarray:
        """The published loop: after each choice the scores of all others, one by one."""
        left = dict(enumerate(scores.tolist()))
        rows = segments.tolist()
        kept = []
        while left and len(kept) < most:
            best = max(left, key=left.__getitem__)
            kept.append(left.pop(best))
            a, b = rows[best]
            for other in list(left):
                c, d = rows[other]
                shared = min(b, d) - max(a, c)
                if shared > 0:
                    near = shared / (b - a + d - c + 2e-6 - shared)
                    left[other] *= math.exp(-near * near / 0.5)
                    if left[other] < 0.001:
                        del left[other]
        return np.array(kept)

    return lambda: soft_suppression(segments, scores, 0.5, 0.001, 200)[1], loops


def matching_pair(rng: np.random.Generator) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    def table(count: int, scored: bool) -> Regions:
        start = rng.uniform(0, 200, count)
        bounds = np.stack([start, start + rng.uniform(2, 40, count)], 1)
        scores = rng.permutation(count) / count if scored else np.zeros(0)
        return Regions(rng.integers(0, 200, count), rng.integers(0, 20, count), bounds, scores)

    predictions, truths = table(SEGMENTS, True), table(3000, False)
    thresholds = np.arange(0.5, 1.0, 0.05)

    def loops() -> np.ndarray:
        """ActivityNet's evaluation: class by class, prediction by prediction, overlap by overlap."""
        result = []
        for label in np.unique(truths.labels):
            mine, own = np.flatnonzero(predictions.labels == label), np.flatnonzero(truths.labels == label)
            mine = mine[np.argsort(-predictions.scores[mine], kind="stable")]
            right = np.zeros((len(thresholds), len(mine)), bool)
            taken = [set() for _ in thresholds]
            for place, row in enumerate(mine):
                there = own[truths.groups[own] == predictions.groups[row]]
                near = overlaps(truths.bounds[there], predictions.bounds[row])
                for number, threshold in enumerate(thresholds):
                    for candidate in np.argsort(-near, kind="stable"):
                        if near[candidate] < threshold:
                            break
                        if there[candidate] not in taken[number]:
                            taken[number].add(there[candidate])
                            right[number, place] = True
                            break
            found = []
            for row in right:
                precision = np.cumsum(row) / np.arange(1, len(row) + 1)
                highest = np.maximum.accumulate(precision[::-1])[::-1]
                found.append((highest * row).sum() / len(own))
            result.append(found)
        return np.array(result)

    return lambda: detection_ap(predictions, truths, thresholds.tolist())[1], loops


def warping_pair(rng: np.random.Generator) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    paths, truths = ([rng.normal(size=(n, 3)).cumsum(0) for n in rng.integers(20, 60, PATHS)] for _ in range(2))

    def loops() -> np.ndarray:
        """The recursion, cell by cell."""
        costs = []
        for path, truth in zip(paths, truths, strict=True):
            rows, columns = path.tolist(), truth.tolist()
            above = [0.0] + [math.inf] * len(columns)
            for one in rows:
                here = [math.inf]
                for place, other in enumerate(columns):
                    here.append(math.dist(one, other) + min(above[place + 1], here[place], above[place]))
                above = here
            costs.append(above[-1])
        return np.array(costs)

    return lambda: warping_costs(paths, truths), loops


@torch.inference_mode()
def hour() -> None:
    torch.manual_seed(0)
    network = TemporalHead(TEMPORAL_THUMOS).eval()
    features = torch.randn(TEMPORAL_THUMOS.channels, HOUR)
    for precision in (torch.float32, torch.bfloat16):
        taken, used = [], []
        for _ in range(4):
            began, busy = time.perf_counter(), time.process_time()
            batch, mask = pad([features], network.config)
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                found = network(batch, mask)
            of_one = [[each[0] for each in column] for column in (found.logits, found.offsets)]
            points = network.points(batch.shape[-1])
            segments = decode(points, *of_one, [each[0, 0] for each in found.masks], Decoding(lowest=0.0))
            suppress(*segments, Suppression())
            taken.append(time.perf_counter() - began)
            used.append(time.process_time() - busy)
        print(json.dumps({"what": f"localisation of {HOUR} steps, {str(precision)[6:]}, 2 threads",
                          "seconds": round(statistics.median(taken[1:]), 3),
                          "cpu_s": round(statistics.median(used[1:]), 3),
                          "spread_s": [round(min(taken[1:]), 3), round(max(taken[1:]), 3)]}))  # fmt: skip


if __name__ == "__main__":
    main()
