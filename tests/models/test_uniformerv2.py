"""UniFormerV2: what its parts may and may not change."""

from dataclasses import replace

import pytest
import torch

from internvideo.models import uniformerv2
from internvideo.models.renaming import to_ours, to_theirs
from internvideo.models.uniformerv2 import FRAMES_DEBUG, RENAMES, UNIFORMERV2_DEBUG, FrameTower, UniFormerV2
from internvideo.models.weights import load

LOCAL = replace(FRAMES_DEBUG, local_parts=2)


def stirred(made, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


def tower(config=FRAMES_DEBUG, seed=0):
    torch.manual_seed(seed)
    return stirred(FrameTower(config), seed)


def clip(batch=2, frames=4, size=64):
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def test_global_blocks_only_read():
    """The tokens are bit for bit those of a tower without global blocks."""
    made = tower()
    tokens = made(clip())[1]
    for block in made.global_blocks:
        for parameter in block.parameters():
            parameter.normal_()
    assert torch.equal(made(clip())[1], tokens)


def test_class_tokens_pass_by_the_place_convolution():
    made, video = tower(replace(FRAMES_DEBUG, mix_frames=False)), clip()
    block, tokens, grid = made.global_blocks[0], made(video)[1], (4, 4, 4)
    query = torch.randn(2, 1, 64)
    seen = []
    block.norm_memory.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    block(query, tokens, grid)
    memory = seen[0].reshape(2, 4, 17, 64)
    assert torch.equal(memory[:, :, 0], tokens[:, :, 0])
    volume = tokens[:, :, 1:].reshape(2, 4, 4, 4, 64).permute(0, 4, 1, 2, 3)
    placed = block.place(volume).permute(0, 2, 3, 4, 1).reshape(2, 4, 16, 64)
    torch.testing.assert_close(memory[:, :, 1:], tokens[:, :, 1:] + placed)


def test_without_local_parts_frames_do_not_see_each_other():
    made, video = tower(), clip()
    tokens = made(video)[1]
    alone = torch.stack([made(video[:, :, t : t + 1])[1][:, 0] for t in range(4)], dim=1)
    torch.testing.assert_close(alone, tokens)


def test_local_parts_look_one_frame_to_each_side_at_the_same_place():
    part = stirred(uniformerv2.LocalPart(LOCAL, 0.0))
    tokens = torch.randn(1, 5, 17, 64)
    other = tokens.clone()
    other[0, 2, 7] += 1.0
    changed = (part(other) - part(tokens)).abs().amax(-1)[0] > 1e-6
    assert [tuple(found) for found in changed.nonzero().tolist()] == [(1, 7), (2, 7), (3, 7)]
    other = tokens.clone()
    other[0, 2, 0] += 1.0  # a class token
    torch.testing.assert_close(part(other)[:, :, 1:], part(tokens)[:, :, 1:], rtol=0, atol=0)


def test_any_frame_count_is_read_and_halving_halves():
    for config, times in ((LOCAL, {1: 1, 4: 4, 7: 7}), (replace(LOCAL, halve_time=True), {2: 1, 8: 4, 16: 8})):
        made = tower(config)
        for frames, steps in times.items():
            assert made(clip(frames=frames))[1].shape == (2, steps, 17, 64)


def test_other_picture_sizes_are_read():
    assert tower()(clip(size=96))[1].shape == (2, 4, 37, 64)


def test_at_the_start_the_feature_is_half_the_mean_class_token():
    torch.manual_seed(0)
    made = FrameTower(FRAMES_DEBUG).eval()
    feature, tokens = made(clip())
    torch.testing.assert_close(feature, tokens[:, :, 0].mean(1) / 2)


def test_at_the_start_local_parts_change_nothing():
    torch.manual_seed(0)
    made = FrameTower(LOCAL).eval()
    part = made.blocks[0].local1
    tokens = torch.randn(2, 4, 17, 64)
    assert torch.equal(part(tokens), tokens)


def test_the_frozen_variant_has_no_balance_and_answers_with_the_clip_token():
    made = tower(replace(FRAMES_DEBUG, mix_frames=False))
    assert "balance" not in made.state_dict()
    other = tower(FRAMES_DEBUG)
    load(other, made.state_dict(), may_miss=("balance",))
    other.balance.data.fill_(-1e4)  # all weight on the clip token
    torch.testing.assert_close(made(clip())[0], other(clip())[0])


def test_walking_gives_the_tokens_of_every_layer():
    made = tower()
    feature, seen = made.walk(clip(), (0, 1))
    torch.testing.assert_close(feature, made(clip())[0])
    assert torch.equal(seen[1], made(clip())[1])
    torch.testing.assert_close(made.blocks[1](seen[0]), seen[1])


def test_batch_order_does_not_matter():
    torch.manual_seed(0)
    model, video = stirred(UniFormerV2(UNIFORMERV2_DEBUG)), clip(batch=3)
    torch.testing.assert_close(model(video.flip(0)).flip(0), model(video))


def test_the_published_layout_goes_out_and_comes_back_with_running_statistics():
    config = replace(UNIFORMERV2_DEBUG, frames=replace(LOCAL, halve_time=True))
    model, other = stirred(UniFormerV2(config)), UniFormerV2(config)
    for name, buffer in model.named_buffers():
        buffer.copy_(torch.rand(buffer.shape) + 0.5 if buffer.is_floating_point() else torch.tensor(7)), name
    theirs = to_theirs(model.state_dict(), RENAMES)
    assert theirs["transformer.resblocks.1.lmhra2.pos_embed.0.num_batches_tracked"].item() == 7
    load(other, to_ours(theirs, RENAMES))
    torch.testing.assert_close(other.eval()(clip()), model(clip()))


def test_configurations_are_inferred_from_shapes():
    for config in (
        uniformerv2.UNIFORMERV2_L14_336,
        replace(
            uniformerv2.UNIFORMERV2_B16,
            classes=174,
            frames=replace(uniformerv2.FRAMES_B16, local_parts=2, halve_time=True, global_layers=tuple(range(4, 12))),
        ),
        replace(uniformerv2.UNIFORMERV2_B16, frames=replace(uniformerv2.FRAMES_B16, mix_frames=False, local_parts=1)),
    ):
        with torch.device("meta"):
            shapes = {key: tuple(value.shape) for key, value in UniFormerV2(config).state_dict().items()}
        assert uniformerv2.infer_config(shapes) == config


def test_the_something_something_network_has_the_published_size():
    config = replace(
        uniformerv2.UNIFORMERV2_B16,
        classes=174,
        frames=replace(uniformerv2.FRAMES_B16, local_parts=2, halve_time=True, global_layers=tuple(range(4, 12))),
    )
    with torch.device("meta"):
        model = UniFormerV2(config)
    assert len(model.state_dict()) == 547
    assert sum(parameter.numel() for parameter in model.parameters()) == 162_992_814


def test_readers_beyond_the_last_block_are_refused():
    with pytest.raises(ValueError, match="global blocks read blocks"):
        replace(FRAMES_DEBUG, global_layers=(2,))
