"""Scores by networks in a run: captions of files and of models are matched, once; what is missing says what to type."""

import json

import pytest
import torch

from internvideo.curation.presets import DEFAULT
from internvideo.errors import InternVideoError, UsageError
from internvideo.jobs.curate import curate, recipe_of
from internvideo.jobs.network_scores import head_file, not_made, with_networks
from internvideo.store.dataset import Dataset
from tests.curation.endpoint_mock import serving
from tests.curation.test_caption_stage import RECIPE, film


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "recipe.py").write_text(RECIPE)
    film(tmp_path / "films" / "a.mp4", (200, 40))
    return tmp_path


def test_captions_that_a_model_makes_are_matched_in_the_same_run_and_never_again(folder):
    torch.save({"weight": torch.ones(1, 32), "bias": torch.zeros(1)}, folder / "head.pth")
    more = ["match.model=viclip-tiny", f"aesthetic.head={folder / 'head.pth'}", "aesthetic.model=clip-l-14-debug"]

    def run(*also):
        told = [*more, *also]
        how = {"recipe": str(folder / "recipe.py"), "workers": 1, "quiet": True}
        return curate([folder / "films"], folder / "dataset", overrides=told, **how)

    run()
    dataset = Dataset(folder / "dataset")
    assert dataset.rows("match").num_rows == 0 and dataset.rows("aesthetic").num_rows == 2
    with serving(caption=lambda body: "a red circle moves left") as mock:
        made = run(f"captioning.endpoint.url={mock.url}", "captioning.endpoint.model=mock")
        again = run(f"captioning.endpoint.url={mock.url}", "captioning.endpoint.model=mock")
    rows = dataset.rows("match").to_pylist()
    assert (
        rows
        and {row["by"] for row in rows} == {"model_captions"}
        and {row["scale"] for row in rows} <= {"coarse", "fine"}
    )
    assert all(-1 <= row["cosine"] <= 1 for row in rows)
    assert made.done_now > 0 and again.done_now == 0
    weights = json.loads(dataset.operators()["match"].text)["parameters"]["space"]["weights"]
    assert len(weights) == 64, "the hash of the weights is part of the version"


def test_what_is_missing_names_the_command_that_fetches_it(monkeypatch, tmp_path):
    monkeypatch.setenv("INTERNVIDEO_CACHE", str(tmp_path))
    with pytest.raises(InternVideoError) as caught:
        head_file("aesthetic-l-14")
    assert "models fetch aesthetic-l-14" in caught.value.hint
    with pytest.raises(UsageError, match="no known head"):
        head_file("aesthetic-l-15")
    with pytest.raises(InternVideoError) as caught:
        with_networks(recipe_of("default", ["match.model=clip-b-16"]), quiet=True)
    assert "models fetch clip-b-16" in caught.value.hint
    torch.save({"weight": torch.ones(1, 8), "bias": torch.zeros(1)}, tmp_path / "head.pth")
    wrong = recipe_of("default", [f"aesthetic.head={tmp_path / 'head.pth'}", "aesthetic.model=clip-l-14-debug"])
    with pytest.raises(UsageError, match="reads 8 numbers"):
        with_networks(wrong, quiet=True)
    assert with_networks(DEFAULT, quiet=True) == DEFAULT
    assert "match.model=clip-b-16" in not_made({"flt": ("match",)})
