"""A network as a folder of the hub: out and back, bit by bit."""

import json
import sys
from dataclasses import replace

import pytest
import torch

from internvideo.errors import MissingExtra, UsageError
from internvideo.models import MODELS, internvideo_mm, load_model, with_card
from internvideo.models.families import FAMILIES, NonCommercialWeights, stated_licence
from internvideo.models.hub import from_pretrained, push_to_hub, save_pretrained
from internvideo.models.renaming import WeightsError
from internvideo.models.weights import read_facts, read_weights
from internvideo.records import Licence


@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith("-debug")])
def test_every_network_comes_back_bit_by_bit(name, tmp_path):
    torch.manual_seed(0)
    model = load_model(name)
    folder = save_pretrained(model, tmp_path / "m")
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = from_pretrained(folder)
    assert not again.training and type(again) is type(model) and again.config == model.config
    state = model.state_dict()
    assert list(again.state_dict()) == list(state)
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())
    assert replace(again.card, weights="random", source="") == model.card
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".md"}
    save_pretrained(again, tmp_path / "again")
    assert (tmp_path / "again/model.safetensors").read_bytes() == before["model.safetensors"]


def test_sizes_that_no_preset_has_come_back_too(tmp_path):
    config = internvideo_mm.INTERNVIDEO_MM_DEBUG
    config = replace(
        config, video=replace(config.video, activation="gelu"), captioner=replace(config.captioner, depth=3)
    )
    card = load_model("internvideo-mm-b-16-debug").card
    model = with_card(internvideo_mm.InternVideoMM(config), card)
    assert from_pretrained(save_pretrained(model, tmp_path)).config == config


def test_licence_and_source_are_told_everywhere(tmp_path):
    model = load_model("viclip-b-16-debug")
    card = replace(model.card, licence=FAMILIES["viclip"].licence, weights="ab" * 32, source="x.pth")
    with pytest.warns(NonCommercialWeights, match="may not be used commercially"):
        with_card(model, card)
    save_pretrained(model, tmp_path)
    page = (tmp_path / "README.md").read_text("utf-8")
    assert "import from_pretrained\n\nmodel = from_pretrained(" in page
    assert "**Not for commercial use.**" in page and "CC-BY-NC-SA-4.0" in page and "x.pth" in page
    assert stated_licence(read_facts(tmp_path / "model.safetensors")) == card.licence
    with pytest.warns(NonCommercialWeights):
        assert from_pretrained(tmp_path).card.licence == card.licence
    with pytest.warns(NonCommercialWeights):  # also from the file alone
        assert load_model("viclip-b-16-debug", tmp_path / "model.safetensors").card.licence == card.licence
    assert stated_licence({"licence": "nonsense"}) is None and stated_licence({}) is None


def test_what_is_no_such_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        from_pretrained(tmp_path / "none")
    with pytest.raises(WeightsError, match="does not describe"):
        from_pretrained(tmp_path)
    model = load_model("clip-b-16-debug")
    save_pretrained(model, tmp_path)
    about = json.loads((tmp_path / "config.json").read_text("utf-8"))
    for change in (
        {"name": "clip-b-61"},
        {"network": {"width": 3}},
        {"preprocess": {}},
        {"licence": {"name": 1, "x": 2}},
    ):
        (tmp_path / "config.json").write_text(json.dumps(about | change), "utf-8")
        with pytest.raises((UsageError, WeightsError)):
            from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(about), "utf-8")
    weights = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[:-1])
    with pytest.raises(WeightsError, match="not a whole safetensors file"):
        from_pretrained(tmp_path)


def test_converted_networks_and_those_without_a_card_are_not_saved(tmp_path):
    with pytest.raises(UsageError, match="another precision"):
        save_pretrained(load_model("viclip-b-16-debug", precision="bf16"), tmp_path)
    with pytest.raises(UsageError, match="has no card"):
        save_pretrained(MODELS["viclip-b-16-debug"](), tmp_path)


def test_the_hub_needs_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (
        lambda: from_pretrained("owner/repo"),
        lambda: push_to_hub(load_model("clip-b-16-debug"), "owner/repo"),
    ):
        with pytest.raises(MissingExtra) as caught:
            call()
        assert caught.value.hint == 'pip install "internvideo[hub]"'


def test_pushing_uploads_the_folder(monkeypatch):
    seen = []

    class Api:
        def create_repo(self, repo, **how):
            seen.append((repo, how))

        def upload_folder(self, *, repo_id, folder_path):
            seen.append(sorted(read_weights(type(self).path(folder_path))))
            return f"https://hub/{repo_id}"

        @staticmethod
        def path(folder):
            from pathlib import Path

            return Path(folder) / "model.safetensors"

    hub = type(sys)("huggingface_hub")
    hub.HfApi = Api
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    model = load_model("clip-b-16-debug")
    assert push_to_hub(model, "me/mine") == "https://hub/me/mine"
    assert seen == [("me/mine", {"private": True, "exist_ok": True}), sorted(model.state_dict())]
    assert model.card.licence == Licence("random weights")
