"""Every objective learns `moving_shapes` by its shipped recipe, to the loss that its file states."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
GOALS = {  # last loss, of the means over the last steps
    "pretrain/moving_shapes_masked.py": 0.01,
    "pretrain/moving_shapes_contrastive.py": 2.6,
    "pretrain/moving_shapes_contrastive_caption.py": 7.2,
    "finetune/moving_shapes_classify.py": 1.2,
    "finetune/moving_shapes_coordinate.py": 2.0,
}
WHOLE = bool(os.environ.get("INTERNVIDEO_PROVE"))


@pytest.mark.slow
@pytest.mark.parametrize("recipe", GOALS)
def test_an_objective_learns_to_the_loss_that_its_recipe_states(recipe, tmp_path):
    file = tmp_path / Path(recipe).name
    for each in (CONFIGS / recipe).parent.glob("moving_shapes_*.py"):
        text = each.read_text("utf-8")
        shorter = re.sub(r'"clips": \d+', '"clips": 32', text)
        (tmp_path / each.name).write_text(text if WHOLE else shorter, "utf-8")
    command = [sys.executable, "-m", "internvideo", "train", str(file), "--out", "run", "--json"]
    epochs = 4 if "caption" in recipe else 12  # a vocabulary of 49,408 words takes its time
    more = [] if WHOLE else [f"epochs={epochs}", "batch=16", "evaluate_every=1000", "workers=0"]
    done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "log.jsonl").read_text("utf-8").splitlines()]
    last = sum(losses[-5:]) / 5
    assert last < (GOALS[recipe] if WHOLE else 0.95 * losses[0]), losses
    assert json.loads(done.stdout)["steps"] == len(losses)
