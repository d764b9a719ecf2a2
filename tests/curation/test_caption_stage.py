"""Captions for a dataset: only of the view, committed video by video, never paid for twice."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from internvideo.curation.language.captioner import NAME
from internvideo.jobs.curate import curate
from internvideo.store.best_caption import texts_of
from internvideo.store.dataset import Dataset
from internvideo.video.render import write_video
from tests.curation.endpoint_mock import serving
from tests.e2e.conftest import run_cli

RECIPE = '''"""A recipe of two toys, and captions."""
from dataclasses import replace
from internvideo.curation.facts import Decoding, Probe
from internvideo.curation.language.captioner import CaptionRecipe
from internvideo.curation.recipe import CurateRecipe
from internvideo.curation.select import Rule, ViewRecipe
from tests.curation.toys import Brightness, Halves


def config():
    views = (ViewRecipe(name="bright", rules=(Rule("bright", "brightness_mean > 100"),)),)
    captioning = CaptionRecipe(view="bright", most_frames=2, fps=100.0)
    return CurateRecipe(operators=(Probe(), Decoding(), Halves(), Brightness()), views=views, captioning=captioning)
'''


def film(path, levels):
    """Two stretches of so much grey, with a bar that moves: no picture is like another."""
    pictures = [np.full((48, 64, 3), level, np.uint8) for level in levels for _ in range(8)]
    for number, picture in enumerate(pictures):
        picture[:, 3 * number : 3 * number + 6] = 255 - picture[0, 0, 0]
    write_video(path, pictures, fps=Fraction(10), gop=5)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "recipe.py").write_text(RECIPE)
    for name, levels in (("a", (200, 40)), ("b", (30, 220)), ("c", (10, 20))):
        film(tmp_path / "films" / f"{name}.mp4", levels)
    return tmp_path


def run(folder, mock, *more, out="dataset"):
    told = [f"captioning.endpoint.url={mock.url}", "captioning.endpoint.model=mock"]
    told += ["captioning.endpoint.longest_pause=0.01", "captioning.endpoint.tries=2", *more]
    summary = curate(
        [folder / "films"], folder / out, recipe=str(folder / "recipe.py"), overrides=told, workers=1, quiet=True
    )
    return Dataset(folder / out), summary


def status(dataset):
    found = {one.name: one for one in dataset.status().operators}[NAME]
    return found.done, found.failed


def test_the_clips_of_the_view_get_captions_and_a_second_run_asks_nothing(folder):
    with serving() as mock:
        dataset, summary = run(folder, mock)
        asked = len(mock.bodies)
        rows = dataset.rows(NAME)
        chosen = {tuple(row.values()) for row in dataset.view("bright").to_pylist()}
        keys = zip(*(rows[name].to_pylist() for name in ("video", "stream", "start", "end")), strict=True)
        assert set(keys) == chosen and 0 < len(chosen) < dataset.clips().num_rows
        assert sorted(set(rows["scale"].to_pylist())) == ["coarse", "fine", "frame"]
        assert summary.captions == rows.num_rows
        _, again = run(folder, mock)
        assert (again.done_now, len(mock.bodies)) == (0, asked)
    texts = texts_of(dataset)
    assert texts.num_rows == rows.num_rows and min(texts["item"].to_pylist()) >= 100_000
    assert dataset.verify() == []


def test_another_dataset_of_the_same_answers_has_the_same_bytes(folder):
    with serving() as mock:
        one, _ = run(folder, mock)
        two, _ = run(folder, mock, out="other")
    assert [p.read_bytes() for p in sorted((one.path / "values" / NAME).rglob("*.parquet"))] == [
        p.read_bytes() for p in sorted((two.path / "values" / NAME).rglob("*.parquet"))
    ]


def test_a_wider_view_asks_only_about_what_is_new(folder):
    with serving() as mock:
        dataset, _ = run(folder, mock)
        before = len(mock.bodies)
        text = (folder / "recipe.py").read_text()
        (folder / "recipe.py").write_text(text.replace("> 100", "> 35"))
        dataset, _ = run(folder, mock)
        described = {json.dumps(body["messages"]) for body in mock.bodies}
    assert len(described) == len(mock.bodies) > before, "no question twice"
    assert set(dataset.rows(NAME)["video"].to_pylist()) == set(dataset.view("bright")["video"].to_pylist())


def test_an_endpoint_that_goes_down_costs_its_videos_only_and_the_next_run_goes_on(folder):
    with serving(faults=[None] * 4 + [503] * 200) as mock:
        dataset, _ = run(folder, mock, "captioning.endpoint.in_flight=1")
        done, failed = status(dataset)
        assert failed >= 1 and done + failed == 2
        assert {item.kind for item in dataset.failures() if item.operator == NAME} == {"network"}
        mock.faults.clear()
        answered = mock.bodies[:4]
        dataset, _ = run(folder, mock, "captioning.endpoint.in_flight=1")
        later = mock.bodies[-6:]
    assert status(dataset) == (2, 0)
    assert not [body for body in later if body in answered], "what was answered is not asked again"


def test_a_spent_budget_stops_and_a_raised_one_goes_on(folder):
    with serving() as mock:
        one = ("captioning.endpoint.in_flight=1",)
        dataset, _ = run(folder, mock, *one, "captioning.token_budget=2300")
        assert status(dataset)[0] < 2
        assert "budget" in {item.kind for item in dataset.failures()}
        dataset, _ = run(folder, mock, *one, "captioning.token_budget=1000000")
    assert status(dataset) == (2, 0)
    assert len({json.dumps(body["messages"]) for body in mock.bodies}) == len(mock.bodies)


def test_what_a_model_refuses_is_a_row_without_text(folder):
    with serving(faults=["refuse"]) as mock:
        dataset, _ = run(folder, mock, "captioning.endpoint.in_flight=1")
    rows = dataset.rows(NAME).to_pylist()
    assert [row["finish"] for row in rows if row["text"] is None] == ["refused"]
    assert None not in texts_of(dataset).filter(texts_of(dataset)["scale"].is_valid())["scale"].to_pylist()


def test_the_verb_describes_files_and_names_broken_ones(folder):
    (folder / "films" / "broken.mp4").write_text("no video")
    with serving() as mock:
        told = ["--endpoint", mock.url, "--llm", "mock", "--fps", "2", "--json"]
        done = run_cli("caption", folder / "films", *told, check=1)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(one["video"]).name for one in found] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [row["scale"] for row in found[0]["captions"]] == ["coarse", "fine", "frame", "frame", "frame"]
    assert "broken.mp4" in done.stderr and "not-a-video" in done.stderr
    assert "--endpoint" in run_cli("caption", folder / "films", check=2).stderr
