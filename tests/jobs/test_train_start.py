"""What a run begins with: weights of other networks and sizes, heads by name, what is frozen, what comes out merged."""

from dataclasses import replace

import pytest
import torch

from internvideo.datasets.augment import Augment
from internvideo.datasets.lists import BadList
from internvideo.errors import UsageError
from internvideo.jobs.train_start import begin, merged_with_start
from internvideo.models import MODELS, load_model
from internvideo.models.hub import save_pretrained
from internvideo.models.low_rank import LowRank
from internvideo.training.objectives import Answer, Classify, Contrastive, Coordinate, MaskedPixels
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

BASE = TrainRecipe(
    model="videomae-b-16-debug",
    corpora=(CorpusRecipe(name="a", reader="table", list="a.csv"),),
    objective=Classify(classes=3),
    augment=Augment(crop="none"),
    optimiser=Optimiser(groups="videomae", rate=1e-3),
    schedule=Schedule(kind="videomae"),
    batch=4,
    steps=1,
)
CONTRAST = replace(BASE, model="viclip-b-16-debug", objective=Contrastive())


@pytest.fixture
def saved(tmp_path):
    def write(name, seed=1):
        torch.manual_seed(seed)
        model = load_model(name)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
        return model, str(save_pretrained(model, tmp_path / name))

    return write


def test_a_classifier_begins_with_what_masked_pre_training_learned(saved):
    pretrained, folder = saved("videomae-b-16-pretrain-debug")
    model = begin(replace(BASE, weights=folder))
    assert model.config.classes == 3
    for name, value in pretrained.encoder.blocks.state_dict().items():
        assert torch.equal(model.encoder.blocks.state_dict()[name], value)
    assert model.head.weight.abs().max() < 0.001  # a new head


def test_the_tower_of_a_video_text_model_gets_a_classifier(saved):
    trained, folder = saved("viclip-b-16-debug")
    model = begin(replace(BASE, model="viclip-b-16-classifier-debug", weights=folder, network=("video.frames=6",)))
    video = torch.randn(1, 3, 4, 64, 64)
    assert model.video.times.shape[1] == 6 and model(video).shape == (1, 3)
    same = begin(replace(BASE, model="viclip-b-16-classifier-debug", weights=folder))
    assert torch.equal(same.encode_video(video) @ trained.video.projection, trained.video(video))


def test_a_network_is_changed_by_its_own_names_and_sees_clips_accordingly(saved):
    trained, folder = saved("viclip-b-16-debug")
    longer = ("video.frames=8", "video.drop_path=0.2", "text.context=48")
    model = begin(replace(CONTRAST, weights=folder, network=longer))
    assert (model.config.video.frames, model.config.text.context, model.card.preprocess.frame_count) == (8, 48, 8)
    assert model.video.times.shape[1] == 8 and model.text.positions.shape[0] == 48
    assert torch.equal(model.video.blocks[1].mlp.up.weight, trained.video.blocks[1].mlp.up.weight)
    with pytest.raises(UsageError, match="did you mean `frames`"):
        begin(replace(CONTRAST, network=("video.framse=8",)))
    with pytest.raises(UsageError, match="the network reads 4"):
        begin(replace(CONTRAST, preprocess=("frame_count=8",)))


def test_pictures_grow_and_local_parts_come_new_beside_clip(saved, capsys):
    trained, folder = saved("uniformerv2-b-16-debug")
    changes = ("frames.size=96", "frames.local_parts=2", "frames.halve_time=true", "classes=9")
    recipe = replace(BASE, model="uniformerv2-b-16-debug", weights=folder, network=changes[:3])
    model = begin(replace(recipe, objective=Classify(classes=9), preprocess=("frame_count=16",)))
    assert (model.card.preprocess.size, model.card.preprocess.frame_count, model.head.out_features) == (96, 16, 9)
    kernel = model.frames.patches.weight
    assert torch.equal(kernel[:, :, 1], trained.frames.patches.weight[:, :, 0]) and not kernel[:, :, 0].any()
    assert "new in this network: frames.blocks, head.bias, head.weight" in capsys.readouterr().err


def test_rows_of_a_head_are_taken_over_by_the_names_of_their_classes(saved, tmp_path):
    trained, folder = saved("videomae-b-16-debug")  # eight classes
    had, wanted = tmp_path / "had.txt", tmp_path / "wanted.txt"
    had.write_text("yoga\ndrinking\nski\nb\nc\nd\nballoon blowing\nf\n", "utf-8")
    wanted.write_text("inflating balloons\nYoga\nsipping cup\n", "utf-8")  # two are called otherwise in K710
    recipe = replace(BASE, weights=folder, relabel=(str(had), str(wanted)))
    assert torch.equal(begin(recipe).head.weight, trained.head.weight[[6, 0, 1]])
    wanted.write_text("yoga\nclimbing\nc\n", "utf-8")
    with pytest.raises(BadList, match="unknown class `climbing`"):
        begin(recipe)
    had.write_text("yoga\n", "utf-8")
    wanted.write_text("yoga\n", "utf-8")
    with pytest.raises(UsageError, match="the head has 8 classes"):
        begin(recipe)


def test_two_networks_become_the_parts_of_one(saved):
    (masked, first), (frames, second) = saved("videomae-b-16-debug"), saved("uniformerv2-b-16-debug")
    parts = {"masked": ("videomae-b-16-debug", first), "frames": ("uniformerv2-b-16-debug", second)}
    recipe = replace(BASE, model="internvideo-cma-b-debug", objective=Coordinate(classes=8), part_weights=parts)
    model = begin(recipe)
    assert torch.equal(model.masked.head.weight, masked.head.weight)
    assert torch.equal(model.frames.head.weight, frames.head.weight)
    learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert "mix" in learning and not any("blocks" in name for name in learning)
    with pytest.raises(UsageError, match="did you mean `masked`"):
        begin(replace(recipe, part_weights={"maskd": ("videomae-b-16-debug", first)}))


def test_a_tower_of_a_classifier_becomes_that_of_a_video_text_model_again(saved):
    trained, folder = saved("viclip-b-16-classifier-debug")
    model = begin(replace(CONTRAST, part_weights={"video": ("viclip-b-16-classifier-debug", folder)}))
    assert all(torch.equal(model.video.state_dict()[name], value) for name, value in trained.video.state_dict().items())
    with pytest.raises(UsageError, match="`text` of `part_weights`"):
        begin(replace(CONTRAST, part_weights={"text": ("viclip-b-16-classifier-debug", folder)}))


def test_a_tower_inside_a_part_comes_from_the_part_of_its_kind_whatever_it_is_called(saved):
    trained, folder = saved("uniformerv2-b-16-debug")
    asking = replace(BASE, model="internvideo-mm-b-16-answer-debug", objective=Answer(classes=66))
    asking = replace(asking, network=("base.video.global_layers=0,1",))  # as the other has them
    model = begin(replace(asking, part_weights={"base.video": ("uniformerv2-b-16-debug", folder)}))
    own, given = model.base.video.state_dict(), trained.frames.state_dict()
    assert own.keys() == given.keys() and all(torch.equal(own[name], value) for name, value in given.items())
    with pytest.raises(UsageError, match=r"`base\.text` of `part_weights`"):
        begin(replace(asking, part_weights={"base.text": ("uniformerv2-b-16-debug", folder)}))


def test_what_shall_not_learn_does_not(saved):
    model = begin(replace(CONTRAST, frozen=(r"^text\.",)))
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {"video", "temperature"}
    with pytest.raises(UsageError, match=r"no weight is called `\^txt`"):
        begin(replace(CONTRAST, frozen=("^txt",)))
    with pytest.raises(UsageError, match="nothing of this network learns"):
        begin(replace(CONTRAST, frozen=(".",)))


def test_low_rank_fine_tuning_learns_differences_and_the_head_alone():
    model = begin(replace(BASE, frozen=(r"^encoder\.", "^mean_norm"), lora=LowRank(rank=2)))
    learning = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert all(name.endswith((".up", ".down")) or name.startswith("head.") for name in learning)
    assert len(learning) == 2 + 2 * 2 * 2  # two blocks, two layers each
    assert begin(replace(BASE, lora=LowRank(rank=2)), shapes=True).head.weight.is_meta


def test_merging_with_the_start_keeps_what_the_start_did_not_have(saved):
    trained, folder = saved("viclip-b-16-debug")
    tuned = {name: value + 1 for name, value in trained.state_dict().items()}
    merged = merged_with_start(tuned, replace(CONTRAST, weights=folder, merge=0.25))
    for name, value in trained.state_dict().items():
        share = 1.0 if name in MODELS[CONTRAST.model].new else 0.25
        torch.testing.assert_close(merged[name], value + share)
    with pytest.raises(UsageError, match=r"`merge` is 0\.5"):
        replace(CONTRAST, merge=0.5)


def test_masked_pre_training_itself_may_be_changed():
    model = begin(
        replace(BASE, model="videomae-b-16-pretrain-debug", objective=MaskedPixels(), network=("decoder.depth=2",))
    )
    assert len(model.decoder.blocks) == 2
