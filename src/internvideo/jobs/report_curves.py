"""The curves of an evaluation's report: reliability, openness, uncertainty, recall. Knows no task and no network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from internvideo.jobs.curves import Panel, Points, draw_panels
from internvideo.metrics.calibration import reliability

STEPS = 60  # points of a line


def draw_report(tables: Mapping[str, Any], path: Path, title: str = "") -> bool:
    """Write a picture of what the tables of a task's marks allow; whether there was anything."""
    panels: list[Panel] = []
    if "confidence" in tables:
        panels.append(_reliability(tables["confidence"], tables["right"]))
    if "ranks" in tables:
        panels.append(_recall(tables["ranks"]))
    if "openness" in tables:
        curve = tables["openness"]
        points = list(zip((100 * curve.openness).tolist(), (100 * curve.f1).tolist(), strict=True))
        panels.append(Panel("macro F1 over openness, %", {"": points}, straight=True))
        panels.append(_uncertainty(tables["uncertainty"], tables["threshold"]))
    draw_panels(panels, path, title)
    return bool(panels)


def _reliability(confidence: np.ndarray, right: np.ndarray) -> Panel:
    bins = reliability(confidence, right)
    there = bins.counts > 0
    points = list(zip(bins.confidence[there].tolist(), bins.accuracy[there].tolist(), strict=True))
    return Panel("accuracy over confidence", {"measured": points, "ideal": [(0.0, 0.0), (1.0, 1.0)]}, straight=True)


def _recall(ranks: Mapping[str, np.ndarray]) -> Panel:
    """Share of queries whose own item is among the first K, up to K = 50."""

    def points(found: np.ndarray) -> Points:
        most = min(50, int(found.max()) + 1)
        return [(float(k), 100 * float((found < k).mean())) for k in range(1, most + 1)]

    return Panel("recall at K, %", {name: points(found) for name, found in ranks.items()}, straight=True)


def _uncertainty(parts: Mapping[str, np.ndarray], threshold: float) -> Panel:
    """Share of samples that are at most so uncertain."""
    top = max(float(values.max()) for values in parts.values())
    grid = np.linspace(0, top, STEPS)
    lines = {name: [(float(x), 100 * float((u <= x).mean())) for x in grid] for name, u in parts.items()}
    lines["threshold"] = [(threshold, 0.0), (threshold, 100.0)]
    return Panel("share below uncertainty, %", lines, straight=True)
