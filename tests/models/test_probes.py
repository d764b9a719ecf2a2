"""The attentive probe: laws of its pool, and what it adds to classifiers."""

from dataclasses import replace

import pytest
import torch

from internvideo.models import MODELS, load_model, with_card
from internvideo.models.hub import save_pretrained
from internvideo.models.probes import AttentivePool
from internvideo.models.viclip import ViCLIPClassifier
from internvideo.models.videomae import VideoMAEClassifier


def test_the_order_of_the_tokens_does_not_matter_and_one_token_is_enough():
    torch.manual_seed(0)
    pool = AttentivePool(16, 4).double()
    tokens = torch.randn(3, 9, 16, dtype=torch.double)
    torch.testing.assert_close(pool(tokens[:, torch.randperm(9)]), pool(tokens))
    torch.testing.assert_close(pool(tokens[:, :1].expand(-1, 9, -1)), pool(tokens[:, :1]))
    assert pool(tokens).shape == (3, 16)


@pytest.mark.parametrize("name", ["videomae-b-16-debug", "viclip-b-16-classifier-debug"])
def test_a_classifier_may_read_its_tokens_with_a_query(name):
    torch.manual_seed(0)
    plain = MODELS[name]()
    probed = type(plain)(replace(plain.config, attentive=True)).eval()
    new = probed.state_dict().keys() - plain.state_dict().keys()
    assert new and all(key.startswith("reader.") for key in new)
    video = torch.randn(2, 3, 4, 64, 64)
    with torch.inference_mode():
        wanted = probed(video)
        probed.reader.query.mul_(-50)
        assert not torch.allclose(probed(video), wanted)


def test_the_folder_of_an_attentive_classifier_says_so_itself(tmp_path):
    torch.manual_seed(0)
    plain = MODELS["videomae-b-16-debug"]()
    probed = VideoMAEClassifier(replace(plain.config, attentive=True))
    card = load_model("videomae-b-16-debug").card
    save_pretrained(with_card(probed, card), tmp_path / "probe")
    back = load_model(str(tmp_path / "probe"))
    video = torch.randn(1, 3, 4, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(back(video), probed(video))


def test_the_bundled_network_starts_a_classifier():
    with pytest.warns(UserWarning, match="no head"):
        started = load_model("viclip-tiny-classifier", "viclip-tiny")
    assert isinstance(started, ViCLIPClassifier) and started.card.preprocess.size == 96
    towers = load_model("viclip-tiny").state_dict()
    assert all(torch.equal(value, towers[key]) for key, value in started.state_dict().items() if key in towers)
    assert started.card.licence.name == "Apache-2.0"
