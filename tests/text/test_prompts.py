"""Templates of the zero-shot evaluations."""

import ast
import re

import pytest

from internvideo.errors import UsageError
from internvideo.text.prompts import ACTION, KINETICS, PROMPTS, UCF101, fill


def published(shared, heading):
    page = (shared / "data/annotations/prompts/clip_prompts.md").read_text("utf-8")
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return ast.literal_eval(re.search(r"templates = (\[.*?\n\])", section, re.S)[1])


def test_clip_templates_are_the_published_ones(shared):
    assert list(KINETICS) == published(shared, "Kinetics700")
    assert list(UCF101) == published(shared, "UCF101")


def test_counts_of_the_papers():
    assert (len(ACTION), len(KINETICS), len(UCF101)) == (16, 28, 48)
    assert all(template.count("{}") == 1 for templates in PROMPTS.values() for template in templates)


def test_action_prompts_cleaned_as_viclip_evaluates_them():
    assert [row[0] for row in fill(ACTION, ["X"], "viclip")] == [
        "a photo of action x",
        "a picture of action x",
        "human action of x",
        "x an action",
        "x this is an action",
        "x a video of action",
        "playing action of x",
        "x",
        "playing a kind of action x",
        "doing a kind of action x",
        "look the human is x",
        "can you recognize the action of x",
        "video classification of x",
        "a video of x",
        "the man is x",
        "the woman is x",
    ]


def test_names_with_braces_are_left_alone():
    assert fill(["a {}"], ["{odd} {}"]) == [["a {odd} {}"]]


@pytest.mark.parametrize("template", ["no place", "{} and {}"])
def test_a_template_without_exactly_one_place_is_refused(template):
    with pytest.raises(UsageError, match="must hold"):
        fill([template], ["x"])
