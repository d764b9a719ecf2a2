"""InternVideo-MM: towers, caption decoder, merging."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from internvideo.models import internvideo_mm
from internvideo.models.answer_head import AnswerHead, option_scores, option_similarity
from internvideo.models.caption_decoder import CaptionConfig, CaptionDecoder, Rotary, infer_caption_config
from internvideo.models.internvideo_mm import (
    CHECKPOINT_RENAMES,
    CLIP_RENAMES,
    INTERNVIDEO_MM_DEBUG,
    NEW_BESIDE_CLIP,
    InternVideoMM,
    merge_with_clip,
)
from internvideo.models.renaming import to_ours, to_theirs
from internvideo.models.weights import load

IDS = torch.tensor([[49406, 320, 1929, 49407, 0, 0], [49406, 1929, 49407, 0, 0, 0]])


def model(seed=0, config=INTERNVIDEO_MM_DEBUG, stir=0.1):
    torch.manual_seed(seed)
    made = InternVideoMM(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(stir * torch.randn_like(parameter))
    return made


def clip(batch=2, frames=4, size=64):
    return torch.randn(batch, 3, frames, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def plain_clip(weights, video, heads):
    """CLIP's own arithmetic on the mean class token of the frames, from its published names."""
    kernel = weights["visual.conv1.weight"]
    width, patch = kernel.shape[0], kernel.shape[-1]
    frames = video.transpose(1, 2).flatten(0, 1)
    x = F.conv2d(frames, kernel, stride=patch).flatten(2).transpose(1, 2)
    x = torch.cat([weights["visual.class_embedding"].expand(len(x), 1, width), x], 1)
    x = norm(weights, "visual.ln_pre", x + weights["visual.positional_embedding"])
    depth = 1 + max(int(key.split(".")[3]) for key in weights if key.startswith("visual.transformer."))
    for layer in range(depth):
        own = {
            k.split(f"resblocks.{layer}.")[1]: v
            for k, v in weights.items()
            if f"visual.transformer.resblocks.{layer}." in k
        }
        attention = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        attention.load_state_dict({k.removeprefix("attn."): v for k, v in own.items() if k.startswith("attn.")})
        y = norm(own, "ln_1", x)
        x = x + attention(y, y, y)[0]
        y = F.linear(norm(own, "ln_2", x), own["mlp.c_fc.weight"], own["mlp.c_fc.bias"])
        x = x + F.linear(y * torch.sigmoid(1.702 * y), own["mlp.c_proj.weight"], own["mlp.c_proj.bias"])
    mean = x[:, 0].reshape(len(video), -1, width).mean(1)
    return norm(weights, "visual.ln_post", mean) @ weights["visual.proj"]


def norm(weights, name, x):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"])


def clip_weights(made):
    """The part of a model that CLIP has, under CLIP's names, with two-dimensional patches."""
    shared = {k: v for k, v in made.state_dict().items() if not k.startswith(NEW_BESIDE_CLIP)}
    return to_theirs(shared, CLIP_RENAMES)


def test_clip_weights_give_clips_own_answer_for_the_frame_mean():
    """The free baseline: what looks across frames begins without effect."""
    weights = clip_weights(model())
    started = InternVideoMM(INTERNVIDEO_MM_DEBUG).eval()
    ours = internvideo_mm.fit(to_ours(weights, CLIP_RENAMES), INTERNVIDEO_MM_DEBUG)
    load(started, ours, may_miss=NEW_BESIDE_CLIP)
    video = clip()
    expected = F.normalize(plain_clip(weights, video, heads=2), dim=-1)
    torch.testing.assert_close(started.encode_video(video), expected, atol=1e-4, rtol=0)
    assert started.scale.item() == pytest.approx(weights["logit_scale"].exp().item())


def test_clips_and_texts_are_unit_vectors_of_one_space():
    made = model()
    for features in (made.encode_video(clip()), made.encode_text(IDS)):
        assert features.shape == (2, 32)
        torch.testing.assert_close(features.norm(dim=-1), torch.ones(2))


def test_any_frame_count_is_read_also_one():
    for frames in (1, 3, 16):
        assert model().encode_video(clip(frames=frames)).shape == (2, 32)


def test_the_scale_is_kept_between_one_and_a_hundred():
    made = model()
    for value, expected in ((-3.0, 1.0), (2.0, math.exp(2.0)), (9.0, 100.0)):
        made.log_scale.data.fill_(value)
        assert made.limit_scale().item() == pytest.approx(expected, rel=1e-5)


def test_hidden_words_are_replaced_before_positions_are_added():
    text = model().text
    hidden = torch.zeros_like(IDS).bool()
    torch.testing.assert_close(text.tokens(IDS, hidden), text.tokens(IDS))
    hidden[0, 2] = True
    other = IDS.clone()
    other[0, 2] = 777  # whatever stands there is not seen
    torch.testing.assert_close(text.tokens(other, hidden), text.tokens(IDS, hidden))
    torch.testing.assert_close(text.tokens(IDS, hidden)[0, :2], text.tokens(IDS)[0, :2])
    with pytest.raises(ValueError, match="no mask token"):
        model(
            config=replace(INTERNVIDEO_MM_DEBUG, text=replace(INTERNVIDEO_MM_DEBUG.text, mask_token=False))
        ).text.tokens(IDS, hidden)


def test_captions_depend_on_earlier_words_and_on_the_video_only():
    made = model()
    memory = made.video_feature(clip())[1]
    logits = made.caption_logits(IDS, memory)
    assert logits.shape == (2, 6, 49408)
    later = IDS.clone()
    later[:, 4:] = 99
    torch.testing.assert_close(made.caption_logits(later, memory)[:, :4], logits[:, :4])
    assert not torch.allclose(made.caption_logits(IDS, memory + torch.randn_like(memory)), logits)


def test_the_order_of_video_tokens_does_not_matter_to_captions():
    decoder = CaptionDecoder(CaptionConfig(width=64, video_width=32, depth=2, heads=2, queries=3, vocabulary=50)).eval()
    text, video = torch.randn(1, 5, 64), torch.randn(1, 9, 32)
    torch.testing.assert_close(decoder(text, video.flip(1)), decoder(text, video))


def test_rotary_positions_turn_by_the_distance():
    """Products of two turned vectors depend on how far apart they stand, not on where."""
    rotary = Rotary(8)
    q, k = torch.randn(2, 8)
    turned_q, turned_k = rotary(q.expand(10, 8)), rotary(k.expand(10, 8))
    products = turned_q @ turned_k.T
    for distance in range(-3, 4):
        torch.testing.assert_close(
            products.diagonal(distance), products.diagonal(distance)[:1].expand(10 - abs(distance))
        )
    torch.testing.assert_close(turned_q.norm(dim=-1), q.norm().expand(10))


@pytest.mark.parametrize("depth", [4, 6])
def test_caption_layers_are_counted_from_the_names(depth):
    config = CaptionConfig(width=768, video_width=1024, heads=12, depth=depth)
    with torch.device("meta"):
        decoder = CaptionDecoder(config)
    shapes = {key: tuple(value.shape) for key, value in decoder.state_dict().items()}
    assert infer_caption_config(shapes, prefix="") == config
    count = sum(parameter.numel() for parameter in decoder.parameters())
    assert count == {4: 106_953_472, 6: 140_379_904}[depth]


def test_the_base_caption_decoder_has_the_published_size():
    for depth, count in ((4, 56_256_512), (6, 71_200_768)):
        with torch.device("meta"):
            decoder = CaptionDecoder(CaptionConfig(depth=depth))
        assert sum(parameter.numel() for parameter in decoder.parameters()) == count


def test_the_released_layout_goes_out_and_comes_back():
    made, other = model(), model(seed=4)
    theirs = to_theirs(made.state_dict(), CHECKPOINT_RENAMES)
    assert next(iter(theirs)) == "clip.visual_proj"
    assert any(key.startswith("caption_decoder.multimodal_layers.0.0.fn.rotary_emb") for key in theirs)
    load(other, to_ours(theirs, CHECKPOINT_RENAMES))
    torch.testing.assert_close(other.encode_video(clip()), made.encode_video(clip()))
    inferred = internvideo_mm.infer_config({key: tuple(value.shape) for key, value in made.state_dict().items()})
    assert inferred.captioner == INTERNVIDEO_MM_DEBUG.captioner
    assert replace(inferred.video, heads=2, global_heads=2) == INTERNVIDEO_MM_DEBUG.video


def test_merging_takes_half_of_clip_where_clip_has_something():
    clip_like, tuned = model(seed=1).state_dict(), model(seed=2).state_dict()
    shared = {key: value for key, value in clip_like.items() if not key.startswith(NEW_BESIDE_CLIP)}
    merged = merge_with_clip(shared, tuned, 0.25)
    for key, value in merged.items():
        expected = tuned[key]
        if key in shared and key != "log_scale":
            expected = 0.25 * shared[key] + 0.75 * tuned[key]
        torch.testing.assert_close(value, expected)


def test_the_half_merge_leaves_later_video_blocks_alone():
    names = ["video.blocks.11.norm1.weight", "video.blocks.12.norm1.weight", "text.blocks.13.norm1.weight"]
    clip_like, tuned = dict.fromkeys(names, torch.zeros(1)), dict.fromkeys(names, torch.ones(1))
    assert [value.item() for value in merge_with_clip(clip_like, tuned, half=True).values()] == [0.5, 1.0, 0.5]
    assert [value.item() for value in merge_with_clip(clip_like, tuned).values()] == [0.5, 0.5, 0.5]


def test_answer_heads_join_their_features_in_order():
    torch.manual_seed(0)
    head = AnswerHead(7, 3).eval()
    video, text = torch.randn(2, 4), torch.randn(2, 3)
    torch.testing.assert_close(head(video, text), head(torch.cat([video, text], -1)))
    assert head(video, text).shape == (2, 3)


def test_options_are_scored_against_their_own_video():
    video, text = torch.randn(2, 4), torch.randn(6, 4)
    scores = option_similarity(video, text, torch.tensor(5.0))
    expected = 5 * F.cosine_similarity(video.repeat_interleave(3, 0), text).reshape(2, 3)
    torch.testing.assert_close(scores, expected)
    assert option_scores(torch.arange(6.0)[:, None], 3).tolist() == [[0, 1, 2], [3, 4, 5]]
