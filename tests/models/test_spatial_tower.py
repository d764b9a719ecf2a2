"""A ViCLIP's video tower with a head over boxes."""

from dataclasses import replace

import pytest
import torch

from internvideo.models import load_model
from internvideo.models.spatial_tower import SPATIAL_TOWER_DEBUG, SPATIAL_TOWER_TINY, SpatialTower


def test_it_begins_with_the_tower_of_a_viclip_and_a_head_of_its_own():
    head, whole = load_model("viclip-tiny-boxes", "viclip-tiny"), load_model("viclip-tiny")
    tower = {name: value for name, value in whole.video.state_dict().items() if name != "projection"}
    assert head.video.state_dict().keys() == tower.keys()
    assert all(torch.equal(value, tower[name]) for name, value in head.video.state_dict().items())
    assert head.head.weight.shape == (80, 192) and head.patch == 16 and head.classes == 80


@pytest.mark.parametrize("config", [SPATIAL_TOWER_DEBUG, SPATIAL_TOWER_TINY])
@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (6, 6)])
def test_maps_are_means_of_tokens_of_a_place_over_time(config, rows, columns):
    torch.manual_seed(0)
    network, patch = SpatialTower(config).eval(), config.video.patch
    clips = torch.randn(2, 3, config.video.frames, rows * patch, columns * patch)
    with torch.no_grad():
        maps, tokens = network.maps(clips), network.video.tokens(clips)
    times = config.video.frames // config.video.tubelet
    assert maps.shape == (2, config.video.width, rows, columns)
    for row in range(rows):
        for column in range(columns):
            first = 1 + (row * columns + column) * times
            torch.testing.assert_close(maps[:, :, row, column], tokens[:, first : first + times].mean(1))


def test_every_box_reads_its_own_clip_and_its_own_place():
    torch.manual_seed(0)
    network = SpatialTower(replace(SPATIAL_TOWER_DEBUG, classes=5)).eval()
    clips = torch.randn(2, 3, 4, 64, 64)
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]])
    with torch.no_grad():
        found = network(clips, boxes, torch.tensor([0, 0, 1]))
        alone = network(clips[1:], boxes[2:], torch.tensor([0]))
    assert found.shape == (3, 5)
    torch.testing.assert_close(found[2:], alone)
    assert not torch.allclose(found[0], found[1]) and not torch.allclose(found[0], found[2])
