"""Checks of the family `retrieval`."""

from collections.abc import Iterator

import numpy as np

from internvideo.metrics.ranking import best_of_groups, best_ranks, dual_softmax, rank_summary, ranks_of
from tests.parity.parity_cases import EXACT, Answer, Case, Limit

METRIC = Limit(absolute=1e-6)
TIGHT = Limit(absolute=1e-9)
OURS = {"R1": "R@1", "R5": "R@5", "R10": "R@10", "R50": "R@50", "MR": "MedR", "MedianR": "MedR", "MedR": "MedR"}


def answers(name: str, ranks: np.ndarray, expected: dict, limit: Limit = METRIC) -> Iterator[Answer]:
    """Every stored number of one direction; ranks from 0."""
    found = rank_summary(ranks, (1, 5, 10, 50))
    for key, value in expected.items():
        if key == "cols":
            yield Answer(f"{name}.cols", ranks.astype(int).tolist(), EXACT, value)
        elif key == "Std_Rank":
            yield Answer(f"{name}.{key}", ranks.std(), limit, value)
        elif key.startswith("geometric_mean"):
            three = np.array([found[f"R@{k}"] for k in (1, 5, 10)])
            yield Answer(f"{name}.{key}", three.prod() ** (1 / 3), limit, value)
        else:
            yield Answer(f"{name}.{key}", found[OURS.get(key, key)], limit, value)


def metrics(case: Case) -> Iterator[Answer]:
    stored = case.json
    matrices = {
        name: np.array(stored[name], np.float32) for name in stored if name.split("_")[-1] == "sim" or name == "sim"
    }
    sim = matrices["sim"]
    for name, value in stored.items():
        if name in ("dsl", "dsl_T"):
            yield Answer(name, dual_softmax(sim if name == "dsl" else sim.T), METRIC, value)
        if not isinstance(value, dict):
            continue
        parts = name.split("_")
        base = matrices["ties_sim"] if "ties" in parts else sim
        for part in parts:
            if part.startswith("scaled"):
                base = sim * np.float32(part.removeprefix("scaled"))
        if "multi" in parts:
            yield from several(name, stored, value)
            continue
        base = base.T if "v2t" in parts else base
        base = dual_softmax(base) if "dsl" in parts else base
        yield from answers(name, ranks_of(base, ties="every"), value)


def several(name: str, stored: dict, value: dict) -> Iterator[Answer]:
    """Several captions per video: flat rows, grouped by their cumulative counts. The median there is the lower one."""
    counts = np.diff([0, *stored["multi_cut_points"]])
    owner = np.repeat(np.arange(len(counts)), counts)
    flat = np.array(stored["multi_sim"], np.float32)
    flat = dual_softmax(flat) if name.endswith("dsl") else flat
    if "v2t" in name:
        yield from answers(name, ranks_of(best_of_groups(flat, owner, len(counts)).T, ties="every"), value)
        return
    ranks = ranks_of(flat, owner)
    lower = float(np.sort(ranks)[(len(ranks) - 1) // 2]) + 1
    for key in ("MR", "MedianR"):
        yield Answer(f"{name}.{key}", lower, EXACT, value[key])
    yield from answers(name, ranks, {key: one for key, one in value.items() if key not in ("MR", "MedianR")})


def cotrain(case: Case) -> Iterator[Answer]:
    stored = case.json
    sims = np.array(stored["sims"])
    each = stored["queries_per_video"]
    owner = np.arange(len(sims)) // each
    for name, value in stored.items():
        if not isinstance(value, dict):
            continue
        kept = np.array(stored["query_masks"], bool).ravel() if name.endswith("masked") else np.ones(len(sims), bool)
        rows, own = sims[kept], owner[kept]
        if name.startswith("t2v"):
            ranks = ranks_of(rows, own, "for")
        else:
            ranks = best_ranks(rows.T, [np.where(own == video)[0] for video in range(sims.shape[1])], "for")
        yield from answers(name, ranks, value, TIGHT)


KINDS = {"metrics": metrics, "cotrain_metrics": cotrain}
