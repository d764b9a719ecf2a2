"""The network that answers questions: its parts, its decoder's blindness to what comes later, its start."""

import pytest
import torch

from internvideo.models import MODELS, load_model
from internvideo.models.internvideo_mm import INTERNVIDEO_MM_DEBUG
from internvideo.models.video_answer import VideoAnswer
from internvideo.models.weights import write_weights
from internvideo.text.tokenizer import tokenizer

NAME = "internvideo-mm-b-16-answer-debug"


@pytest.fixture
def network():
    torch.manual_seed(0)
    return load_model(NAME)


@pytest.fixture
def video():
    return torch.randn(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(1))


def ids(*texts, context=77):
    return torch.from_numpy(tokenizer()(list(texts), context, "raise"))


def test_several_texts_about_a_video_are_answered_as_if_alone(network, video):
    several = torch.stack([ids("who runs", "what does it do"), ids("is it red", "which one")])
    with torch.no_grad():
        together = network(video, several)
        alone = torch.stack([network(video, several[:, 0]), network(video, several[:, 1])], dim=1)
    assert together.shape == (2, 2, 66)
    torch.testing.assert_close(together, alone)


def test_padding_behind_the_question_changes_nothing_and_a_full_row_fits(network, video):
    with torch.no_grad():
        torch.testing.assert_close(network(video, ids("who", "who")), network(video, ids("who", "who")[:, :20]))
        full = ids(" ".join(["dog"] * 75), " ".join(["dog"] * 75))
        assert (full[:, -1] != 0).all() and network(video, full).isfinite().all()


def test_it_begins_with_weights_of_internvideo_mm(tmp_path, video):
    torch.manual_seed(3)
    base = load_model("internvideo-mm-b-16-debug")
    write_weights(tmp_path / "base.safetensors", base.state_dict(), {})
    begun = load_model(NAME, tmp_path / "base.safetensors")
    assert isinstance(begun, VideoAnswer)
    with torch.no_grad():
        torch.testing.assert_close(begun.base.video_feature(video)[0], base.video_feature(video)[0])
    write_weights(tmp_path / "own.safetensors", begun.state_dict(), {})
    again = load_model(NAME, tmp_path / "own.safetensors")
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in begun.state_dict().items())


def test_published_names_of_its_weights(network, tmp_path, video):
    from internvideo.models.renaming import to_theirs

    layout = MODELS[NAME].layouts["checkpoint"]
    theirs = to_theirs(network.state_dict(), layout)
    assert {"vqa_classifier.1.weight", "clip.text_projection", "caption_decoder.visual_queries"} <= theirs.keys()
    assert not any("predictor" in key for key in theirs)
    write_weights(tmp_path / "theirs.safetensors", theirs, {})
    back = load_model(NAME, tmp_path / "theirs.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(back(video, ids("who", "what")), network(video, ids("who", "what")))


def test_a_network_without_a_decoder_is_refused():
    from dataclasses import replace

    from internvideo.models.video_answer import VideoAnswerConfig

    with pytest.raises(ValueError, match="caption decoder"):
        VideoAnswerConfig(base=replace(INTERNVIDEO_MM_DEBUG, captioner=None))
