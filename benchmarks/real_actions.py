"""Real labelled clips: persons and films that a network has not seen, by the recipe for one's own clips.

    python benchmarks/real_actions.py ../shared/data/actions             # both sets, three ways
    python benchmarks/real_actions.py ../shared/data/actions --sets weizmann --modes scratch
    python benchmarks/real_actions.py ../shared/data/actions --choose    # which of CANDIDATES, without the test folds
    python benchmarks/real_actions.py ../shared/data/actions steps=1000  # changes of both recipes

Leave one person out (Weizmann silhouettes) and folds by source film (fights in surveillance films). Pre-training sees
the training clips of its fold only. Killed and started again, it goes on where it stood. Intervals: Wilson's for clips,
and a bootstrap over persons or films, because clips of one film are alike; both at 95 %.

--choose trains every candidate without two folds at a time and marks it on both. A fold is told only what was found on
its partner by networks that saw neither, so what it chooses does not depend on its own clips.
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from internvideo.jobs.evaluate import evaluate, make_task
from internvideo.jobs.train import run_train
from internvideo.models import load_model
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Scores, read_predictions
from pairing import ROOT, circumstances, write

PRETRAIN = str(ROOT / "configs" / "pretrain" / "own_clips.py")
FINETUNE = {
    mode: str(ROOT / "configs" / "finetune" / name)
    for mode, name in (
        ("scratch", "own_clips.py"),
        ("plain", "own_clips_pretrained.py"),
        ("pretrained", "own_clips_pretrained.py"),
    )
}
VIEWS = ("clips=5", "sampling=dense", "stride=2")


@dataclass(frozen=True)
class ActionSet:
    """folder, the column that divides it, the one whose values clips share, what is known without training."""

    folder: str
    fold: str
    group: str
    yardstick: float
    goal: float
    pairs: tuple[tuple[str, str], ...]  # of folds, for --choose
    options: tuple[str, ...] = ()  # of both recipes


SETS = {
    "weizmann": ActionSet("weizmann_silhouettes", "person", "person", 0.669, 0.95,
                          (("daria", "denis"), ("eli", "ido"), ("ira", "lena"))),
    "fights": ActionSet("surveillance_fights", "fold", "source_group", 0.717, 0.80,
                        (("2", "3"), ("4", "5"), ("6", "2"))),
}  # fmt: skip
CANDIDATES: dict[str, tuple[str, ...]] = {"as shipped": ()}


@dataclass(frozen=True)
class Answers:
    """Of clips that were not trained on: names, true classes, log-probabilities (n, K), folds, groups."""

    clips: list[str]
    truth: np.ndarray
    scores: np.ndarray
    folds: np.ndarray
    groups: np.ndarray

    @property
    def right(self) -> np.ndarray:
        return np.asarray(self.scores.argmax(1) == self.truth)


def rows_of(place: Path) -> list[dict[str, str]]:
    with (place / "annotations.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def answers_without(
    kind: ActionSet, root: Path, out: Path, left: Sequence[str], mode: str, precision: str, changes: Sequence[str] = ()
) -> Answers:
    """Train without the folds `left`, then ask about their clips."""
    table = root / kind.folder / "annotations.csv"
    shared = [f"corpora.clips.list={table}", f"corpora.clips.options.unless.{kind.fold}={json.dumps(list(left))}"]
    shared += [f"precision={precision}", "workers=0", *kind.options, *changes]
    more = []
    if mode == "pretrained":
        run_train(PRETRAIN, out / "masked", overrides=shared)
        more = [f"weights={out / 'masked'}"]
    elif mode == "plain":
        more = ["weights="]
    run_train(FINETUNE[mode], out / mode, overrides=[*shared, *more])
    columns = {kind.fold: list(left)}
    data = Data(place=str(table), reader="table", options=columns)  # type: ignore[arg-type]  # several values
    task = make_task("recognition", data, VIEWS)
    evaluate(task, load_model(str(out / mode)), out=str(out / f"{mode}-answers"))
    _, records = read_predictions(out / f"{mode}-answers" / "predictions.jsonl", "scores")
    found = {one.id: one.scores for one in records if isinstance(one, Scores)}
    known = {row["file"]: row for row in rows_of(root / kind.folder)}
    clips = sorted(found)
    return Answers(
        clips,
        np.array([int(known[clip]["label_id"]) for clip in clips]),
        np.stack([found[clip] for clip in clips]),
        np.array([known[clip][kind.fold] for clip in clips]),
        np.array([known[clip][kind.group] for clip in clips]),
    )


def joined(parts: Sequence[Answers]) -> Answers:
    names = ("truth", "scores", "folds", "groups")
    stacked = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return Answers([clip for part in parts for clip in part.clips], *stacked)


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share (Wilson 1927)."""
    share, denominator = right / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / denominator
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / denominator
    return middle - half, middle + half


def by_group(right: np.ndarray, groups: np.ndarray, draws: int = 10_000) -> tuple[float, float]:
    """Interval of a share when whole groups are drawn again."""
    names = sorted(set(groups.tolist()))
    counts = np.array([[right[groups == name].sum(), (groups == name).sum()] for name in names])
    drawn = counts[np.random.default_rng(0).integers(len(names), size=(draws, len(names)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return float(low), float(high)


def sign_test(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Clips that only the first, only the second has right, and how likely a split as uneven is by chance (McNemar)."""
    a, b = int((first & ~second).sum()), int((second & ~first).sum())
    tail = sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
    return a, b, min(1.0, 2 * tail)


def show(name: str, kind: ActionSet, mode: str, found: Answers, classes: Sequence[str]) -> dict[str, object]:
    """Print one table; its numbers as a row."""
    right, total = int(found.right.sum()), len(found.truth)
    print(f"\n{name}, {mode}: {right} of {total} clips right")
    shares = {}
    for fold in sorted(set(found.folds.tolist())):
        mine = found.right[found.folds == fold]
        shares[fold] = float(mine.mean())
        print(f"  {kind.fold} {fold:8} {int(mine.sum()):3} of {len(mine):3}  {mine.mean():.3f}")
    spread = np.array(list(shares.values()))
    clips, groups = wilson(right, total), by_group(found.right, found.groups)
    verdict = "met" if right / total >= kind.goal else "MISSED"
    print(f"  all {right / total:.3f} (clips {clips[0]:.3f} to {clips[1]:.3f}; {kind.group}s {groups[0]:.3f} to "
          f"{groups[1]:.3f}); mean of folds {spread.mean():.3f}, deviation {spread.std(ddof=1):.3f}; without training "
          f"{kind.yardstick}; goal {kind.goal}: {verdict}")  # fmt: skip
    table = np.zeros((len(classes), len(classes)), int)
    np.add.at(table, (found.truth, found.scores.argmax(1)), 1)
    width = max(map(len, classes)) + 1
    print("  rows: what it is; columns: the answer, in the same order")
    for label, counts in zip(classes, table, strict=True):
        print(f"    {label:{width}}" + " ".join(f"{count or '.':>3}" for count in counts))
    return {"set": name, "mode": mode, "right": right, "clips": total, "folds": shares, "wilson": clips,
            "groups": groups, "confusion": table.tolist()}  # fmt: skip


def choose(
    name: str, kind: ActionSet, root: Path, out: Path, precision: str, given: Sequence[str]
) -> list[dict[str, object]]:
    """What each fold would choose, from clips of its partner and networks that saw neither."""
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for candidate, changes in CANDIDATES.items():
        for pair in kind.pairs:
            place = out / name / "choose" / candidate.replace(" ", "-") / "+".join(pair)
            found = answers_without(kind, root, place, pair, "scratch", precision, [*given, *changes])
            loss = -found.scores[np.arange(len(found.truth)), found.truth]
            for fold, partner in (pair, pair[::-1]):
                mine = found.folds == partner
                table.setdefault(fold, {})[candidate] = float(found.right[mine].mean()), float(-loss[mine].mean())
    rows: list[dict[str, object]] = []
    for fold, scores in sorted(table.items()):
        best = max(scores, key=lambda candidate: scores[candidate])
        told = ", ".join(f"{candidate} {score:.3f}" for candidate, (score, _) in scores.items())
        print(f"{name}, fold {fold}: {told}; of {len(scores)} configurations it chooses `{best}`")
        rows.append({"set": name, "fold": fold, "scores": scores, "chosen": best})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="the folder with both sets")
    parser.add_argument("changes", nargs="*", metavar="key=value", help="of the recipes; then give another --out")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--modes", default="scratch,plain,pretrained", help="plain: the second network, from scratch")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out" / "real-actions")
    parser.add_argument("--precision", default="fp32", help="bf16 is faster on processors that multiply it")
    parser.add_argument("--choose", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for name in given.sets.split(","):
        kind = SETS[name]
        if given.choose:
            rows += choose(name, kind, given.root, given.out, given.precision, given.changes)
            continue
        listed = rows_of(given.root / kind.folder)
        folds = sorted({row[kind.fold] for row in listed})
        classes = [label for _, label in sorted({(int(row["label_id"]), row["label"]) for row in listed})]
        by_mode = {}
        for mode in given.modes.split(","):
            parts = [
                answers_without(kind, given.root, given.out / name / fold, [fold], mode, given.precision, given.changes)
                for fold in folds
            ]
            by_mode[mode] = joined(parts)
            rows.append(show(name, kind, mode, by_mode[mode], classes))
        if {"plain", "pretrained"} <= by_mode.keys():
            a, b, chance = sign_test(by_mode["plain"].right, by_mode["pretrained"].right)
            print(
                f"\n{name}: {a} clips right only from scratch, {b} only after pre-training; sign test p = {chance:.2f}"
            )
    write("real-actions-choose" if given.choose else "real-actions", [{**row, **circumstances()} for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
