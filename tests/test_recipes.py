"""Every recipe of the papers loads, and says what it is, what to type and what to expect; what learns has a rate."""

from dataclasses import fields
from pathlib import Path

import pytest

from internvideo.app.recipe_page import files
from internvideo.jobs.train import recipe_of
from internvideo.jobs.train_start import begin
from internvideo.models import MODELS
from internvideo.training.recipe import TrainRecipe

CONFIGS = Path(__file__).parents[1] / "configs"
RECIPES = files(CONFIGS)
OTHERS = [file.stem for file in RECIPES]


def same_network(recipe):
    """What the names and groups of weights depend on: lists do not matter."""
    return repr((recipe.model, recipe.network, recipe.frozen, recipe.objective, recipe.optimiser))


BUILT = {same_network(recipe_of(str(file), [])): file for file in reversed(RECIPES)}  # one of each, the first


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_says_what_to_type_what_it_costs_and_what_to_expect(file):
    recipe, text = recipe_of(str(file), []), file.read_text("utf-8")
    assert f"Run     internvideo train configs/{file.parent.name}/{file.name} --out" in text
    assert "\nCost    " in text and "\nExpect  " in text
    assert "not measured here" in text
    assert all(corpus.published for corpus in recipe.corpora)
    assert recipe.batch % (recipe.processes * recipe.parts * recipe.repeats) == 0
    steps = 10 * (recipe.schedule.warmup_steps or 100)
    factor = recipe.schedule.factor(steps, 100)
    assert 0.9 < max(factor(step) for step in range(steps)) <= 1 and min(factor(step) for step in range(steps)) >= 0
    for weights in (recipe.weights, recipe.merge_with, *(weights for _, weights in recipe.part_weights.values())):
        if weights is not None:
            known = weights.removeprefix("runs/") in OTHERS if weights.startswith("runs/") else weights in MODELS
            assert known, weights


@pytest.mark.parametrize("file", BUILT.values(), ids=lambda file: file.stem)
def test_all_that_learns_in_a_recipe_has_its_rate(file):
    recipe = recipe_of(str(file), [])
    model = begin(recipe, shapes=True)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    groups = recipe.optimiser.groups_of(model)
    assert sorted(name for group in groups for name in group.names) == sorted(learning)
    assert max(group.rate for group in groups) == recipe.optimiser.rate


def test_a_recipe_that_is_based_on_another_changes_what_it_says_and_nothing_else():
    flt, last = (
        recipe_of(str(CONFIGS / "pretrain" / f"viclip_l_14_{name}.py"), []) for name in ("flt", "flt_unmasked")
    )
    changed = {one.name for one in fields(TrainRecipe) if getattr(flt, one.name) != getattr(last, one.name)}
    assert changed == {
        *("weights", "merge", "merge_with", "objective", "batch", "epochs", "optimiser", "schedule"),
    }
    assert (flt.objective.dropped, last.objective.dropped, last.optimiser.rate, last.epochs) == (0.9, 0.0, 4e-6, 0.5)
