"""VideoMAE: properties that any correct implementation has."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.models import videomae
from internvideo.models.renaming import to_ours, to_theirs
from internvideo.models.videomae import (
    CLASSIFIER_DEBUG,
    CLASSIFIER_RENAMES,
    PRETRAIN_DEBUG,
    PRETRAIN_RENAMES,
    VideoMAE,
    VideoMAEClassifier,
    complement,
    resize_positions,
    sine_table,
    start_from_pretrained,
)
from internvideo.models.weights import load

TOKENS = 2 * 4 * 4  # of the debug clip: 4 frames of 64 pixels


def network(kind, config, seed=0):
    torch.manual_seed(seed)
    made = kind(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return made


def clip(batch=2, frames=4, size=64):
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def test_hidden_cubes_are_dropped_not_covered():
    """Visible tokens depend on visible pixels only."""
    model, video = network(VideoMAE, PRETRAIN_DEBUG), clip()
    visible = torch.tensor([[0, 5, 17], [2, 5, 31]])
    before = model.encode(video, visible)
    shown = torch.zeros_like(video)
    for row, numbers in enumerate(visible.tolist()):
        for number in numbers:
            t, h, w = number // 16, number // 4 % 4, number % 4
            part = (slice(None), slice(2 * t, 2 * t + 2), slice(16 * h, 16 * h + 16), slice(16 * w, 16 * w + 16))
            shown[row][part] = video[row][part]
    torch.testing.assert_close(model.encode(shown, visible), before, rtol=0, atol=0)
    assert before.shape == (2, 3, 64)


def test_showing_everything_is_the_whole_encoder():
    model, video = network(VideoMAE, PRETRAIN_DEBUG), clip()
    every = torch.arange(TOKENS).expand(2, -1)
    plain = model.encoder(video, model.encoder_positions(PRETRAIN_DEBUG.clip.grid))
    torch.testing.assert_close(model.encode(video, every), plain)


def test_predictions_are_for_the_hidden_cubes_in_ascending_order():
    model, video = network(VideoMAE, PRETRAIN_DEBUG), clip()
    visible = torch.tensor([[0, 5, 17], [2, 5, 31]])
    whole = model(video, visible)
    assert whole.shape == (2, TOKENS - 3, 3 * 2 * 16 * 16)
    hidden = complement(visible, TOKENS)
    torch.testing.assert_close(model(video, visible, hidden), whole)


def test_asking_for_hidden_cubes_in_another_order_gives_them_in_that_order():
    model, video = network(VideoMAE, PRETRAIN_DEBUG), clip()
    visible = torch.tensor([[0, 5, 17], [2, 5, 31]])
    some = torch.tensor([[1, 9, 30], [0, 9, 16]])
    torch.testing.assert_close(model(video, visible, some.flip(1)).flip(1), model(video, visible, some))


def test_decoding_fewer_cubes_is_cheaper_and_has_the_right_shape():
    model, video = network(VideoMAE, PRETRAIN_DEBUG), clip()
    visible, some = torch.tensor([[0, 5, 17], [2, 5, 31]]), torch.tensor([[1, 9], [0, 9]])
    assert model(video, visible, some).shape == (2, 2, 1536)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.data())
def test_complement_holds_the_others_ascending(total, data):
    kept = data.draw(st.permutations(range(total)))[: data.draw(st.integers(0, total))]
    found = complement(torch.tensor([kept], dtype=torch.int64), total)
    assert found[0].tolist() == sorted(set(range(total)) - set(kept))


def test_the_sine_table_is_the_published_one():
    table = sine_table(1568, 768)
    assert table.shape == (1, 1568, 768)
    assert table.dtype == torch.float32
    assert table[0, 1, :4].tolist() == pytest.approx([0.8415, 0.5403, 0.8284, 0.5601], abs=5e-5)
    assert (table[0, 0, 0::2] == 0).all()
    assert (table[0, 0, 1::2] == 1).all()


def test_tables_are_made_on_the_cpu_also_for_a_network_on_the_meta_device():
    with torch.device("meta"):
        model = VideoMAE(PRETRAIN_DEBUG)
    load(model, VideoMAE(PRETRAIN_DEBUG).state_dict())
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))
    assert model(clip(), torch.tensor([[0, 5], [2, 31]])).isfinite().all()


def test_positions_are_resized_in_space_then_in_time():
    table = torch.randn(1, 2 * 3 * 3, 4)
    resized = resize_positions(table, (2, 3, 3), (4, 6, 3))
    assert resized.shape == (1, 4 * 6 * 3, 4)
    steps = F.interpolate(
        table.reshape(2, 3, 3, 4).permute(0, 3, 1, 2), (6, 3), mode="bicubic", align_corners=False
    )  # two time steps
    steps = steps.permute(0, 2, 3, 1)
    torch.testing.assert_close(resized[0, : 6 * 3], steps[0].reshape(18, 4))
    torch.testing.assert_close(resized[0, 18:36], (0.75 * steps[0] + 0.25 * steps[1]).reshape(18, 4))


def test_the_classifier_reads_any_frame_count_and_size():
    model = network(VideoMAEClassifier, CLASSIFIER_DEBUG)
    for frames, size in ((2, 32), (4, 64), (8, 96), (16, 48)):
        assert model(clip(frames=frames, size=size)).shape == (2, 8)


def test_batch_order_does_not_matter():
    model, video = network(VideoMAEClassifier, CLASSIFIER_DEBUG), clip(batch=3)
    torch.testing.assert_close(model(video.flip(0)).flip(0), model(video))


def test_keys_have_no_bias():
    """Adding the same vector to all keys changes nothing, so the published layout leaves it out."""
    model = network(VideoMAEClassifier, CLASSIFIER_DEBUG)
    assert not [name for name, _ in model.named_parameters() if "key_bias" in name or name.endswith("qkv.bias")]


def test_segments_are_averaged_in_training_only():
    model = network(VideoMAEClassifier, replace(CLASSIFIER_DEBUG, train_segments=2))
    video = clip(batch=4)
    whole = model(video)
    torch.testing.assert_close(model.train()(video), whole.reshape(2, 2, 8).mean(1))


def test_gates_scale_both_branches():
    gated = replace(CLASSIFIER_DEBUG, encoder=replace(CLASSIFIER_DEBUG.encoder, layer_scale=0.1))
    model = network(VideoMAEClassifier, gated)
    for block in model.encoder.blocks:
        block.gate1.zero_()
        block.gate2.zero_()
    video = clip()
    plain = model.encoder.embed(video, model.positions((2, 4, 4)))
    torch.testing.assert_close(model.tokens(video), plain, rtol=0, atol=0)


def test_a_classifier_takes_over_the_encoder_of_pretraining():
    pretrained, classifier = network(VideoMAE, PRETRAIN_DEBUG), network(VideoMAEClassifier, CLASSIFIER_DEBUG, seed=5)
    load(classifier, start_from_pretrained(pretrained.state_dict()), may_miss=("mean_norm.", "head."))
    video, every = clip(), torch.arange(TOKENS).expand(2, -1)
    torch.testing.assert_close(pretrained.encoder.norm(classifier.tokens(video)), pretrained.encode(video, every))


@pytest.mark.parametrize(
    ("kind", "config", "renames"),
    [(VideoMAE, PRETRAIN_DEBUG, PRETRAIN_RENAMES), (VideoMAEClassifier, CLASSIFIER_DEBUG, CLASSIFIER_RENAMES)],
)
def test_the_published_layout_goes_out_and_comes_back(kind, config, renames):
    model, other = network(kind, config), network(kind, config, seed=9)
    load(other, to_ours(to_theirs(model.state_dict(), renames), renames))
    for mine, loaded in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(mine, loaded)


def test_configurations_are_inferred_from_shapes():
    for kind, config, infer in (
        (VideoMAE, videomae.PRETRAIN_H, videomae.infer_pretrain_config),
        (VideoMAEClassifier, replace(videomae.CLASSIFIER_L, classes=710), videomae.infer_classifier_config),
    ):
        with torch.device("meta"):
            shapes = {key: tuple(value.shape) for key, value in kind(config).state_dict().items()}
        assert infer(shapes) == config
