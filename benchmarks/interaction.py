"""Model interaction: VideoMAE and UniFormerV2 each alone, the plain average of their scores, and coordinated.

    python benchmarks/interaction.py            # motions of moving_shapes, unseen combinations

The claim to test: coordinated >= average >= the better one alone. All networks are of the debug size (64 pixels, 4
frames) and begin with random weights; both single ones learn first, then stay as they are while the bridges between
them learn (configs/finetune/moving_shapes_coordinate.py). Answers are kept in files: killed and started again, it goes
on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from internvideo.jobs.evaluate import evaluate, make_task, read_given
from internvideo.jobs.train import run_train
from internvideo.models import load_model
from internvideo.tasks.data import Data
from internvideo.tasks.predictions import Scores
from pairing import ROOT, circumstances, write
from real_actions import sign_test, wilson

FINETUNE = ROOT / "configs" / "finetune"
RECIPE = """from dataclasses import replace

from internvideo.config import load_recipe
from internvideo.training.recipe import TrainRecipe


def config() -> TrainRecipe:
    return replace(load_recipe({base!r}, {{}}, TrainRecipe), part_weights={parts!r})
"""
BATCH = 32  # of the recipe
PARTS = {"masked": "videomae-b-16-debug", "frames": "uniformerv2-b-16-debug"}


def four_answers(
    train: Sequence[str], task_data: Data, out: Path, epochs: float
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """True classes (n,), and of every kind of model its scores (n, K) of the same clips."""
    task = make_task("recognition", task_data)
    common = ["held_out=none", "workers=0", "kept_gigabytes=1", *train]
    for part, model in PARTS.items():
        own = "network=head_scale=1.0" if part == "masked" else "network=head_dropout=0.0"
        run_train(str(FINETUNE / "moving_shapes_classify.py"), out / part,
                  overrides=[f"model={model}", own, *common, f"epochs={epochs}"])  # fmt: skip
    recipe = out / "coordinate.py"
    parts = {part: (model, str(out / part)) for part, model in PARTS.items()}
    recipe.write_text(RECIPE.format(base=str(FINETUNE / "moving_shapes_coordinate.py"), parts=parts), "utf-8")
    run_train(str(recipe), out / "coordinated", overrides=[*common, f"epochs={epochs / 4}"])
    for name in (*PARTS, "coordinated"):
        evaluate(task, load_model(str(out / name)), out=str(out / f"{name}-answers"))
    files = {name: str(out / f"{name}-answers" / "predictions.jsonl") for name in (*PARTS, "coordinated")}
    files["average"] = ",".join(f"{files[part]}:0.5" for part in PARTS)
    truth = {example.id: example.truth for example in task.examples}
    found = {}
    for name, file in files.items():
        scores = {one.id: one.scores for one in read_given(task, file)[1] if isinstance(one, Scores)}
        found[name] = np.stack([scores[id] for id in truth])
    return np.array(list(truth.values())), found


def show(name: str, truth: np.ndarray, scores: dict[str, np.ndarray]) -> dict[str, object]:
    right = {kind: each.argmax(1) == truth for kind, each in scores.items()}
    for kind in (*PARTS, "average", "coordinated"):
        count, (low, high) = int(right[kind].sum()), wilson(int(right[kind].sum()), len(truth))
        print(f"{name}: {kind:12} {count:4} of {len(truth)}  {count / len(truth):.3f} ({low:.3f} to {high:.3f})")
    better = max(PARTS, key=lambda part: int(right[part].sum()))
    for first, second in (("average", better), ("coordinated", "average")):
        a, b, chance = sign_test(right[first], right[second])
        print(f"{name}: only {first} right {a}, only {second} right {b}, sign test p = {chance:.2f}")
    return {"set": name, "clips": len(truth), **{kind: int(each.sum()) for kind, each in right.items()}}


def shapes(given: argparse.Namespace) -> dict[str, object]:
    where = given.out / "moving_shapes"
    train = [f"corpora.shapes.list={where}", f"corpora.shapes.options.clips={given.clips}"]
    data = Data(place=str(where), options={"clips": "160"})
    truth, scores = four_answers(train, data, given.out / "shapes", given.steps * BATCH / given.clips)
    return show("moving_shapes", truth, scores)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=2000, help="of moving_shapes to learn from")
    parser.add_argument("--steps", type=int, default=1500, help="of each single network; the bridges get a quarter")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out" / "interaction")
    given = parser.parse_args()
    torch.set_num_threads(1)
    write("interaction", [{**shapes(given), "steps": given.steps, **circumstances()}])
    return 0


if __name__ == "__main__":
    sys.exit(main())
