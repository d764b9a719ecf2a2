"""Patches behind convolutions: where they look, what moves with the picture, what shapes tell of them."""

from dataclasses import replace

import pytest
import torch

from internvideo.models.convolutional_patches import ConvolutionalPatches
from internvideo.models.viclip import VICLIP_TINY, ViCLIP, infer_config


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def patches(**changes):
    torch.manual_seed(0)
    return ConvolutionalPatches(**{"width": 24, "tubelet": 4, "patch": 16, **changes})


def test_cubes_are_numbered_with_time_first_and_kept_ones_are_those_of_all():
    cut, video = patches(), torch.randn(2, 3, 8, 32, 48)
    assert cut.grid(video) == (2, 2, 3)
    every = cut(video)
    assert every.shape == (2, 12, 24)
    kept = torch.tensor([[11, 0], [3, 7]])
    torch.testing.assert_close(cut(video, kept), torch.stack([every[0, kept[0]], every[1, kept[1]]]))


def test_what_changes_in_one_cube_is_seen_there_most():
    cut, video = patches(), torch.randn(1, 3, 8, 48, 48)
    other = video.clone()
    other[:, :, 4:, 16:32, 32:] += 1.0  # time 1, row 1, column 2
    change = (cut(other) - cut(video)).norm(dim=-1)[0]
    assert change.argmax() == 9 + 3 + 2
    assert change[0] == 0  # the first corner of the first time is too far away


def test_away_from_the_borders_tokens_move_with_the_picture():
    cut, video = patches(), torch.randn(1, 3, 4, 112, 112)
    grid = cut(video).unflatten(1, (7, 7))
    moved = cut(video.roll((16, -16), (-2, -1))).unflatten(1, (7, 7))
    torch.testing.assert_close(moved[:, 3:5, 2:4], grid[:, 2:4, 3:5])


def test_clips_do_not_see_each_other():
    cut, video = patches(), torch.randn(3, 3, 4, 32, 32)
    torch.testing.assert_close(torch.cat([cut(one[None]) for one in video]), cut(video))


@pytest.mark.parametrize("changes", [{"patch": 12}, {"tubelet": 1}])
def test_cubes_that_convolutions_cannot_make_are_refused(changes):
    with pytest.raises(ValueError, match="a multiple of 8 pixels and 2 frames"):
        patches(**changes)


def test_a_video_must_cut_into_whole_cubes():
    with pytest.raises(ValueError, match="does not cut into cubes of 4 x 16 x 16"):
        patches()(torch.zeros(1, 3, 6, 32, 32))


def test_shapes_of_weights_tell_how_they_were_cut():
    config = replace(VICLIP_TINY, video=replace(VICLIP_TINY.video, tubelet=4))
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in ViCLIP(config).state_dict().items()}
    assert infer_config(shapes, VICLIP_TINY).video == config.video
