"""ViCLIP: properties that any correct implementation has."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from internvideo.models import viclip
from internvideo.models.renaming import to_ours, to_theirs
from internvideo.models.viclip import RENAMES, VICLIP_DEBUG, ViCLIP, VideoTower
from internvideo.models.weights import load
from internvideo.ops.masks import random_kept


def tower(seed=0, **changes):
    """A small tower in which every weight counts."""
    torch.manual_seed(seed)
    made = VideoTower(replace(VICLIP_DEBUG.video, **changes)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def clip(frames=4, size=64, batch=2, seed=1):
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def test_clips_do_not_see_each_other_and_their_order_does_not_matter():
    video, made = clip(batch=3), tower()
    together = made(video)
    torch.testing.assert_close(made(video.flip(0)).flip(0), together)
    torch.testing.assert_close(torch.cat([made(one[None]) for one in video]), together)


def test_keeping_every_patch_is_keeping_none_out():
    video, made = clip(), tower()
    every = torch.arange(4 * 16).expand(2, -1)
    torch.testing.assert_close(made.tokens(video, every), made.tokens(video))


def test_the_order_of_kept_patches_does_not_matter_to_the_feature():
    video, made = clip(), tower()
    kept = torch.from_numpy(random_kept(4 * 16, 0.7, 2, np.random.default_rng(0)))
    torch.testing.assert_close(made(video, kept.flip(1)), made(video, kept))


def test_dropped_patches_have_no_influence_and_kept_ones_have():
    video, made = clip(), tower()
    kept = torch.tensor([[0, 5], [0, 5]])  # place 0 at time 0, place 1 at time 1
    other = video.clone()
    other[:, :, 2:] += 1.0  # times 2 and 3
    other[:, :, :, 16:] += 1.0  # all but the first row of places
    torch.testing.assert_close(made(other, kept), made(video, kept), rtol=0, atol=0)
    other[:, :, 1, :16, 16:32] += 1.0
    assert not torch.allclose(made(other, kept), made(video, kept))


def test_kept_numbers_count_all_times_of_a_place_together():
    video, made = clip(), tower()
    place, time, times = 6, 3, 4
    alone = torch.full((2, 1), place * times + time)
    row, column = divmod(place, 4)
    changed = torch.zeros_like(video)
    part = (slice(None), slice(None), time, slice(16 * row, 16 * row + 16), slice(16 * column, 16 * column + 16))
    changed[part] = video[part]
    torch.testing.assert_close(made.tokens(changed, alone), made.tokens(video, alone), rtol=0, atol=0)


def test_one_frame_takes_the_mean_of_all_times():
    made, picture = tower(), clip(frames=1)
    expected = made(picture)
    made.times.data[:] = made.times.mean(1, keepdim=True)
    torch.testing.assert_close(made(picture), expected)


def test_any_frame_count_and_picture_size_is_read():
    made = tower()
    for frames, height, width in ((1, 64, 64), (3, 64, 64), (9, 48, 80), (4, 16, 32)):
        video = torch.randn(1, 3, frames, height, width)
        assert made.tokens(video).shape == (1, 1 + frames * (height // 16) * (width // 16), 64)


def test_a_still_clip_looks_alike_at_twice_the_frames_when_times_rise_evenly():
    """Linear tables are kept by linear interpolation, up to the ends."""
    made = tower()
    slope = torch.linspace(0, 1, 4)[:, None] * torch.randn(64)
    made.times.data[0] = slope
    fine = made._positions(8, 4, 4).reshape(16, 8, 64)
    coarse = made._positions(4, 4, 4).reshape(16, 4, 64)
    torch.testing.assert_close((fine[:, 2:6:2] + fine[:, 3:7:2]) / 2, coarse[:, 1:3])


def test_without_times_the_order_of_frames_does_not_matter():
    made, video = tower(temporal_positions=False), clip()
    torch.testing.assert_close(made(video.flip(2)), made(video))
    assert not torch.allclose(tower()(video.flip(2)), tower()(video))


def test_frames_may_be_folded_into_tubes():
    made = tower(tubelet=2)
    assert made.times.shape[1] == 2
    assert made.tokens(clip()).shape == (2, 1 + 2 * 16, 64)


def test_both_towers_give_unit_vectors():
    torch.manual_seed(0)
    model = ViCLIP(VICLIP_DEBUG).eval()
    ids = torch.tensor([[49406, 320, 1929, 49407, 0, 0], [49406, 1929, 49407, 0, 0, 0]])
    for features in (model.encode_video(clip()), model.encode_text(ids)):
        assert features.shape == (2, 32)
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(2))


def test_text_reads_up_to_the_first_end_token_only():
    torch.manual_seed(0)
    text = ViCLIP(VICLIP_DEBUG).text.eval()
    ids = torch.tensor([[49406, 320, 1929, 49407, 5, 49407, 7, 0]])
    other = torch.tensor([[49406, 320, 1929, 49407, 0, 0, 0, 0]])
    torch.testing.assert_close(text(ids), text(other))
    torch.testing.assert_close(text(other[:, :4]), text(other))  # padding may be left out
    assert not torch.allclose(text(torch.tensor([[49406, 1929, 320, 49407]])), text(other))
    with pytest.raises(ValueError, match="texts of 33 tokens"):
        text(torch.zeros(1, 33, dtype=torch.int64))


def test_the_temperature_is_lifted_to_its_lowest_value_and_no_further():
    model = ViCLIP(VICLIP_DEBUG)
    for value, expected in ((0.004, 0.01), (0.07, 0.07), (5.0, 5.0)):
        model.temperature.data.fill_(value)
        assert model.lift_temperature() is model.temperature
        assert model.temperature.item() == pytest.approx(expected)


def test_the_published_layout_goes_out_and_comes_back():
    torch.manual_seed(0)
    model, other = ViCLIP(VICLIP_DEBUG), ViCLIP(VICLIP_DEBUG)
    theirs = to_theirs(model.state_dict(), RENAMES)
    load(other, to_ours(theirs, RENAMES))
    torch.testing.assert_close(other.encode_video(clip()), model.encode_video(clip()))
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    inferred = viclip.infer_config(shapes)
    assert (
        replace(inferred, video=replace(inferred.video, heads=2), text=replace(inferred.text, heads=2)) == VICLIP_DEBUG
    )


def test_weights_of_other_lengths_fit_after_resizing():
    torch.manual_seed(0)
    model = ViCLIP(VICLIP_DEBUG)
    model.video.times.data.normal_()
    for changes, frames, size in (({"frames": 8}, 8, 64), ({"size": 96}, 4, 96)):
        video, text = replace(VICLIP_DEBUG.video, **changes), replace(VICLIP_DEBUG.text, context=20)
        config = replace(VICLIP_DEBUG, video=video, text=text)
        other = ViCLIP(config)
        load(other, viclip.fit(model.state_dict(), config))
        assert torch.equal(other.text.positions, model.text.positions[:20])
        torch.testing.assert_close(other.video(clip(frames, size)), model.video(clip(frames, size)))
    shorter = viclip.fit(model.state_dict(), replace(VICLIP_DEBUG, video=replace(VICLIP_DEBUG.video, frames=2)))
    assert torch.equal(shorter["video.times"], model.video.times[:, :2])  # cut, not interpolated


def test_clip_starts_a_viclip():
    torch.manual_seed(0)
    model = ViCLIP(VICLIP_DEBUG)
    theirs = {
        key.replace("vision_encoder.", "visual.").replace("text_encoder.", ""): value
        for key, value in to_theirs(model.state_dict(), RENAMES).items()
        if key not in ("temp", "vision_encoder.temporal_positional_embedding")
    }
    theirs["visual.conv1.weight"] = theirs["visual.conv1.weight"][:, :, 0]
    theirs["positional_embedding"] = torch.cat([theirs["positional_embedding"], torch.randn(45, 64)])
    theirs["logit_scale"] = torch.tensor(4.6)
    started = ViCLIP(VICLIP_DEBUG)
    ours = viclip.start_from_clip(to_ours(theirs, viclip.CLIP_RENAMES), VICLIP_DEBUG)
    load(started, ours, may_miss=("temperature", "video.times"))
    torch.testing.assert_close(started.encode_video(clip()), model.encode_video(clip()))
    assert torch.equal(started.text.positions, model.text.positions)


def test_a_half_precision_tower_stays_near():
    made, video = tower(), clip()
    exact = made(video)
    halved = made.to(torch.bfloat16)(video.to(torch.bfloat16)).float()
    assert nn.functional.cosine_similarity(halved, exact).min() > 0.99


def test_sizes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="multiple of heads"):
        replace(VICLIP_DEBUG.video, heads=3)
    with pytest.raises(ValueError, match="do not cut into"):
        replace(VICLIP_DEBUG.video, size=60)
    with pytest.raises(ValueError, match="has no projection"):
        tower(projection=None)(clip())
