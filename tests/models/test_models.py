"""The table of names, and weights from files into any of them."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch

from internvideo.errors import UsageError
from internvideo.models import MODELS, internvideo_mm, load_model, uniformerv2, viclip, videomae
from internvideo.models.families import NewHead
from internvideo.models.fetch import folder_of
from internvideo.models.renaming import WeightsError, to_theirs
from internvideo.models.weights import write_weights
from internvideo.models.zoo import ZOO

COUNTS = {
    "clip-b-32": 151_277_313,
    "clip-b-16": 149_620_737,
    "clip-l-14": 427_616_513,
    "openclip-b-32": 151_277_313,
    "openclip-b-16": 149_620_737,
    "viclip-b-16": 149_603_841,
    "viclip-l-14": 427_590_145,
    "videomae-b-16": 86_534_800,
    "videomae-l-16": 304_270_736,
    "videomae-h-16": 632_119_440,
    "videomae-b-16-pretrain": 94_210_944,
    "videomae-l-16-pretrain": 342_996_992,
    "videomae-h-16-pretrain": 658_266_880,
    "internvideo-mm-b-16": 178_066_433,
    "internvideo-mm-l-14": 478_127_105,
    "uniformerv2-b-16": 114_552_208,
    "uniformerv2-l-14": 354_099_600,
    "uniformerv2-l-14-336": 354_427_280,
    "actionformer-thumos14": 28_268_572,
}


@pytest.mark.parametrize("name", [name for name in MODELS if not name.endswith("-debug")])
def test_every_name_has_its_published_size_and_a_small_sibling(name):
    with torch.device("meta"):
        model, small = MODELS[name](), MODELS[f"{name}-debug"]()
    if name in COUNTS:
        assert sum(parameter.numel() for parameter in model.parameters()) == COUNTS[name]
    assert {type(model)} == {type(small)}
    norms = [p for n, p in small.named_parameters() if "norm" in n and "conv" not in n and "head" not in n]
    widths = [p.numel() for p in norms if p.numel() == max(p.shape)]
    assert max(widths) <= 64
    assert len(small.state_dict()) <= len(model.state_dict())


@pytest.mark.parametrize("name", [name for name in MODELS if name.endswith("-debug")])
def test_every_small_network_runs_and_is_loaded_back_from_our_own_file(name, tmp_path):
    torch.manual_seed(0)
    model = load_model(name)
    assert not model.training
    write_weights(tmp_path / "own.safetensors", model.state_dict())
    again = load_model(name, tmp_path / "own.safetensors")
    patch = 14 if "-14" in name else 16
    video = torch.randn(1, 3, 4, 4 * patch, 4 * patch)
    with torch.no_grad():
        if name.endswith("pretrain-debug"):
            answers = [m(video, torch.tensor([[0, 7]])) for m in (model, again)]
        elif name.endswith("answer-debug"):
            answers = [m(video, torch.tensor([[5, 49407, 0]])) for m in (model, again)]
        elif name.endswith(("ava-debug", "contact-debug", "tiny-boxes-debug")):
            answers = [m(video, torch.tensor([[0.1, 0.2, 0.7, 0.9]]), torch.tensor([0])) for m in (model, again)]
        elif name.startswith("navigator"):
            words = torch.tensor([[3, 4, 0]])
            ways = torch.randn(1, 2, model.config.channels), torch.randn(1, 2, 2), torch.rand(1, 2)
            given = words > 0, torch.zeros(1, 0, model.config.width), *ways, torch.ones(1, 2) > 0
            answers = [m(m.read(words), *given) for m in (model, again)]
        elif name.startswith("actionformer-queries"):
            features = torch.randn(1, 64, 64), torch.ones(1, 64) > 0, torch.tensor([[3, 7, 2, 0]])
            answers = [m(*features).flat()[0] for m in (model, again)]
        elif name.startswith("actionformer"):
            features = torch.randn(1, model.config.channels, model.config.steps), torch.ones(1, model.config.steps) > 0
            answers = [m(*features).flat()[0] for m in (model, again)]
        elif hasattr(model, "encode_text"):
            answers = [m.encode_video(video) for m in (model, again)]
        else:
            answers = [m(video) for m in (model, again)]
    one, other = (answer if isinstance(answer, tuple) else (answer,) for answer in answers)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_official_files_are_recognised_in_their_containers(tmp_path):
    torch.manual_seed(0)
    model = MODELS["viclip-b-16-debug"]()
    torch.save({"model": to_theirs(model.state_dict(), viclip.RENAMES), "epoch": 1}, tmp_path / "x.pth")
    again = load_model("viclip-b-16-debug", tmp_path / "x.pth")
    video = torch.randn(1, 3, 4, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again.encode_video(video), model.encode_video(video))


@pytest.mark.parametrize("name", ["b-16-ava", "b-16-boxes", "b-16-hands", "l-16-contact"])
@pytest.mark.parametrize("first", ["videomae-b-16-debug", "videomae-b-16-pretrain-debug"])
def test_heads_on_videomae_begin_with_the_encoder_of_a_classifier_or_of_pre_training(name, first, tmp_path):
    torch.manual_seed(0)
    encoder = MODELS[first]()
    write_weights(tmp_path / "own.safetensors", encoder.state_dict())
    with pytest.warns(NewHead) if name != "l-16-contact" else nullcontext():
        begun = load_model(f"videomae-{name}-debug", tmp_path / "own.safetensors")
    assert begun.config == MODELS[f"videomae-{name}-debug"]().config
    ours = {key.removeprefix("seen."): value for key, value in begun.state_dict().items()}
    taken = {key: value for key, value in encoder.state_dict().items() if key in ours and ".blocks." in key}
    assert taken and all(torch.equal(ours[key], value) for key, value in taken.items())


def test_classes_come_from_the_file(tmp_path):
    torch.manual_seed(0)
    model = videomae.VideoMAEClassifier(
        videomae.ClassifierConfig(encoder=videomae.CLASSIFIER_DEBUG.encoder, classes=710)
    )
    named = to_theirs(model.state_dict(), videomae.CLASSIFIER_RENAMES)
    torch.save({"module": {f"backbone.{key}": value for key, value in named.items()}}, tmp_path / "x.pth")
    assert load_model("videomae-b-16-debug", tmp_path / "x.pth").head.out_features == 710


def test_our_own_files_may_hold_more_than_the_preset(tmp_path):
    """A caption decoder beside InternVideo-MM, local parts inside UniFormerV2, a deeper decoder of VideoMAE."""
    torch.manual_seed(0)
    mm = replace(
        internvideo_mm.INTERNVIDEO_MM_DEBUG, captioner=replace(internvideo_mm.INTERNVIDEO_MM_DEBUG.captioner, depth=3)
    )
    local = replace(uniformerv2.UNIFORMERV2_DEBUG, frames=replace(uniformerv2.FRAMES_DEBUG, local_parts=2))
    deep = replace(videomae.PRETRAIN_DEBUG, decoder=replace(videomae.PRETRAIN_DEBUG.decoder, depth=5))
    for name, network in (
        ("internvideo-mm-b-16-debug", internvideo_mm.InternVideoMM(mm)),
        ("uniformerv2-b-16-debug", uniformerv2.UniFormerV2(local)),
        ("videomae-h-16-pretrain-debug", videomae.VideoMAE(deep)),
    ):
        write_weights(tmp_path / "x.safetensors", network.state_dict())
        assert load_model(name, tmp_path / "x.safetensors").config == network.config


def test_weights_of_another_size_name_the_right_model(tmp_path):
    torch.manual_seed(0)
    write_weights(tmp_path / "x.safetensors", MODELS["viclip-l-14-debug"]().state_dict())
    with pytest.raises(WeightsError, match="try the name `viclip-l-14-debug`"):
        load_model("viclip-b-16-debug", tmp_path / "x.safetensors")


def test_weights_of_another_family_are_refused(tmp_path):
    torch.manual_seed(0)
    write_weights(tmp_path / "x.safetensors", MODELS["videomae-b-16-debug"]().state_dict())
    with pytest.raises(WeightsError, match="have no place in this network"):
        load_model("viclip-b-16-debug", tmp_path / "x.safetensors")


def test_unknown_names_are_mended():
    with pytest.raises(UsageError, match="did you mean `uniformerv2-l-14-336`"):
        load_model("uniformerv2-l14-336")


def test_what_weights_do_not_tell_the_zoo_tells(tmp_path, monkeypatch):
    entry = replace(ZOO["videomae-h-16-k400"], name="small", model="videomae-h-16-debug", sha256="", frames=8, size=32)
    monkeypatch.setitem(ZOO, "small", entry)
    monkeypatch.setenv("INTERNVIDEO_CACHE", str(tmp_path))
    path = folder_of(entry) / "small.safetensors"
    path.parent.mkdir(parents=True)
    write_weights(path, MODELS["videomae-h-16-debug"]().state_dict())
    how = load_model("videomae-h-16-debug", "small").card.preprocess
    assert (how.frame_count, how.size) == (8, 32)
    assert (ZOO["videomae-h-16-k400"].frames, ZOO["videomae-h-16-k400"].size) == (32, 384)
