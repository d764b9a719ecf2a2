"""Tasks are learned from scratch by their shipped recipes and marked by the real command line on encoded files of
combinations that training never showed; beside what a still, frames in another order and no frames reach.

The full form demands the goals that were set, also where they are missed so far (docs/results.md): then it fails.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs" / "finetune"
STILL, SHUFFLED, BLANK = "still", "shuffled", "blank"


@dataclass(frozen=True)
class Lesson:
    """goal: percent. sees: the switch that shows less than the video; chance: what a still and a blank reach at most.

    after: another one whose recipe is run before, into a folder of its name. short: from how many of the clips the
    short form learns, as a share, and least what it then reaches; 0: there is none.
    """

    task: tuple[str, ...]
    metric: str
    goal: float
    sees: str
    chance: float
    after: str = ""
    short: float = 0
    least: float = 0


LESSONS = {
    "recognition": Lesson(("recognition",), "top-1", 95, "sampling", 6.25, short=0.125, least=30),
    "open_set": Lesson(("open-set",), "AUROC", 90, "sampling", 50, after="recognition"),
    "answers": Lesson(("question-answering", "data.plot=single"), "accuracy", 90, "sees", 28, after="frames"),
    "frames": Lesson(("recognition",), "top-1", 95, "sampling", 6.25),
    "choice": Lesson(("multiple-choice", "data.asks=motion"), "accuracy", 90, "sees", 8.3, after="recognition"),
}


def learn(cli, folder: Path, *changed: str, name: str, out: str = "run") -> None:
    """The recipe of a lesson, after those that it needs, each in a folder of its name."""
    if LESSONS[name].after:
        learn(cli, folder, *changed, name=LESSONS[name].after, out=LESSONS[name].after)
    recipe = CONFIGS / f"moving_shapes_{name}.py"
    cli("train", recipe, "--out", out, *changed, cwd=folder, check=0, timeout=3600)


@pytest.mark.slow
@pytest.mark.parametrize("name", LESSONS)
def test_a_task_is_learned_and_only_motion_teaches_it(name, cli, tmp_path, prove):
    lesson = LESSONS[name]
    if not (prove or lesson.short):
        pytest.skip("has a full form only: make prove")
    changed = () if prove else (f"epochs={lesson.short}", "evaluate_every=1000")
    learn(cli, tmp_path, *changed, name=name)

    def reached(*more):
        asked = ("evaluate", *lesson.task, "--data", "moving_shapes", "--model", "run", "--json", *more)
        return json.loads(cli(*asked, cwd=tmp_path, check=0).stdout)[lesson.metric]

    found = reached()
    less = {what: reached(f"{lesson.sees}={what}") for what in (STILL, SHUFFLED, BLANK)}
    print(f"{name}: {lesson.metric} {found}, of less {less}")
    assert max(less[STILL], less[BLANK]) <= lesson.chance + 5, less
    assert less[SHUFFLED] < found and found > max(lesson.least, lesson.chance + 20)
    assert not prove or found >= lesson.goal


@pytest.mark.slow
def test_fine_tuning_improves_retrieval(cli, tmp_path, prove):
    if not prove:
        pytest.skip("has a full form only: make prove")
    learn(cli, tmp_path, name="choice", out="choice")
    cli("train", CONFIGS / "moving_shapes_retrieval.py", "--out", "run", cwd=tmp_path, check=0, timeout=3600)

    def reached(model):
        asked = ("evaluate", "retrieval", "--data", "moving_shapes", "--model", model, "--json")
        return json.loads(cli(*asked, cwd=tmp_path, check=0).stdout)["t2v"]["R@1"]

    before, found = reached("choice"), reached("run")
    print(f"retrieval: R@1 {before} before, {found} after fine-tuning")
    assert found > before
