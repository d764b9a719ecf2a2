"""Mixing clips: what is seen of each is what the targets say."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.mixing import cutmix, mix_batch, mixup, random_box


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_boxes_lie_in_the_picture_and_are_not_larger_than_asked(height, width, share, seed):
    box = random_box(height, width, share, np.random.default_rng(seed))
    assert 0 <= box.top <= box.bottom <= height
    assert 0 <= box.left <= box.right <= width
    assert (box.bottom - box.top) * (box.right - box.left) <= (1 - share) * height * width + 1e-6


@pytest.mark.parametrize("alphas", [(0.8, 0.0), (0.0, 1.0), (0.8, 1.0)])
def test_targets_say_how_much_of_each_clip_is_seen(alphas):
    for seed in range(20):
        video = torch.arange(4.0).reshape(4, 1, 1, 1, 1).expand(4, 3, 2, 16, 12)  # clip i is i everywhere
        mixed, targets = mix_batch(
            video, torch.eye(4), np.random.default_rng(seed), mixup_alpha=alphas[0], cutmix_alpha=alphas[1]
        )
        torch.testing.assert_close(targets.sum(1), torch.ones(4))
        torch.testing.assert_close(mixed.mean((1, 2, 3, 4)), targets @ torch.arange(4.0))


def test_both_kinds_happen_and_nothing_happens_without_alphas():
    video, targets = torch.rand(2, 3, 2, 8, 8), torch.eye(2)
    kinds = set()
    for seed in range(30):
        mixed, _ = mix_batch(video, targets, np.random.default_rng(seed))
        kinds.add("cutmix" if ((mixed == video) | (mixed == video.flip(0))).all() else "mixup")
    assert kinds == {"cutmix", "mixup"}
    same = mix_batch(video, targets, np.random.default_rng(0), mixup_alpha=0.0, cutmix_alpha=0.0)
    assert same[0] is video
    assert same[1] is targets


def test_mixing_keeps_the_input_and_a_whole_share_changes_nothing():
    video = torch.rand(3, 3, 2, 8, 8)
    before = video.clone()
    torch.testing.assert_close(mixup(video, 1.0), video)
    cutmix(video, random_box(8, 8, 0.2, np.random.default_rng(0)))
    torch.testing.assert_close(video, before)
