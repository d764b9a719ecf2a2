"""The weights that come with the package: small, told about, loaded by name alone, and as good as their card says."""

import json
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from internvideo.jobs.evaluate import evaluate, make_task
from internvideo.jobs.prepare import card_of, encode_texts
from internvideo.models import MODELS, NO_WEIGHTS, load_model
from internvideo.models.bundled import bundled
from internvideo.models.fetch import local
from internvideo.tasks.data import Data

NAME = "viclip-tiny"
FOLDER = bundled(NAME)
PLACES = Path(__file__).parents[2]


def test_the_folder_is_small_and_goes_into_the_wheel():
    assert sum(path.stat().st_size for path in FOLDER.parent.rglob("*")) <= 25e6
    packed = tomllib.loads((PLACES / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    assert "assets/*/*" in packed["internvideo"]
    assert {path.name for path in FOLDER.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    assert {value.dtype for value in load_file(FOLDER / "model.safetensors").values()} == {torch.float16}


def test_the_card_says_how_it_was_made_and_what_it_is_worth():
    card = (FOLDER / "README.md").read_text("utf-8")
    for told in ("## Command", "## Seed", "## Data", "## Scores", "## Licence", "Apache-2.0", "laboratory model"):
        assert told in card
    assert "internvideo models fetch clip-b-16" in " ".join(card.split())


def test_the_name_alone_loads_it_and_random_numbers_can_be_asked_for():
    model = load_model(NAME)
    card = card_of(model)
    assert card.source == "comes with internvideo" and card.licence.name == "Apache-2.0" and card.licence.commercial
    assert local(NAME) == FOLDER and bundled("viclip-b-16") is None
    state = load_file(FOLDER / "model.safetensors")
    assert all(torch.equal(value, state[name].float()) for name, value in model.state_dict().items())
    assert card_of(load_model(NAME, NO_WEIGHTS)).weights == "random"
    assert MODELS[NAME]().config.video == model.config.video


def test_it_knows_what_its_words_mean():
    model = load_model(NAME)
    told = ["a red circle moves left slowly", "a red circle slides to the left gently", "a red circle rises quickly"]
    same, other = (encode_texts(model, told) @ encode_texts(model, told)[0])[1:]
    assert same > 0.9 > other


@pytest.mark.slow
def test_its_scores_on_a_few_clips_are_those_of_the_card(tmp_path):
    model = load_model(NAME)
    world = str(tmp_path / "moving_shapes")

    def score(task, options=(), **data):
        marked = evaluate(make_task(task, Data(place=world, options=data), options), model)
        return json.loads(json.dumps(marked.metrics))

    motion = {sees: score("multiple-choice", [f"sees={sees}"], asks="motion", clips="64") for sees in ("all", "still")}
    assert motion["all"]["accuracy"] >= 88 and motion["still"]["accuracy"] <= 30
    assert score("multiple-choice", asks="order", clips="48")["accuracy"] >= 85  # chance is 37
    assert score("retrieval", clips="100")["t2v"]["R@1"] >= 85
