"""Objectives against the plain formulas they stand for, and what they leave alone."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from internvideo.errors import UsageError
from internvideo.models.viclip import VICLIP_TINY_DEBUG, ViCLIP
from internvideo.ops import masks
from internvideo.ops.losses import caption_loss, contrastive_loss, denormalise, pixel_targets, shared_targets
from internvideo.training.learner import Learner
from internvideo.training.objectives import Classify, ClassifyParts, Contrastive, ContrastiveCaption, MaskedPixels
from tests.training.small import batch_of, learner_of

RNG = np.random.default_rng


def test_contrast_is_the_published_loss_with_shared_targets():
    learner, batch = learner_of("contrastive"), batch_of("contrastive")
    model = learner.model
    loss, logs = learner.objective(model, batch, RNG(0))
    logits = model.encode_video(batch["video"]) @ model.encode_text(batch["text"]).T / model.temperature
    torch.testing.assert_close(loss, contrastive_loss(logits, shared_targets(batch["uid"])))
    assert logs["scale"].item() == pytest.approx(1 / model.temperature.item())


def test_the_temperature_is_lifted_to_its_floor_before_it_is_used():
    learner, batch = learner_of("contrastive"), batch_of("contrastive")
    with torch.no_grad():
        learner.model.temperature.fill_(0.001)
    _, logs = learner.objective(learner.model, batch, RNG(0))
    assert learner.model.temperature.item() == pytest.approx(0.05)
    assert logs["scale"].item() == pytest.approx(20.0)


def test_captioning_without_a_decoder_is_told():
    learner, batch = learner_of("caption"), batch_of("caption")
    learner.model.captioner = None
    with pytest.raises(UsageError, match="no caption decoder"):
        learner.objective(learner.model, batch, RNG(0))


def test_dropped_tokens_do_not_matter_and_as_many_stay_as_published(monkeypatch):
    learner, batch = learner_of("dropped"), batch_of("dropped")
    seen = []
    encode = ViCLIP.encode_video
    monkeypatch.setattr(
        ViCLIP, "encode_video", lambda self, video, kept: seen.append(kept) or encode(self, video, kept)
    )
    objective = Contrastive(dropped=0.9)
    losses = {objective(learner.model, batch, RNG(seed))[0].item() for seed in (0, 0, 1)}
    assert len(losses) == 2  # the same draw, then another
    tokens = 4 * 4 * 4
    for kept in seen:
        assert kept.shape == (8, tokens - int(0.9 * tokens))
        assert (kept.diff(dim=1) > 0).all()
        assert kept.min() >= 0
        assert kept.max() < tokens
    assert not torch.equal(seen[0][0], seen[0][1])


def test_filling_in_pixels_is_the_mean_square_over_hidden_cubes():
    learner, batch = learner_of("masked"), batch_of("masked")
    model, objective = learner.model, learner.objective
    rng = RNG(0)
    grid = model.config.clip.grid
    hidden = np.stack([masks.tube(grid, 0.75, rng) for _ in range(8)])
    targets = pixel_targets(denormalise(batch["video"], objective.mean, objective.std), 2, 16)
    predicted = model(batch["video"], torch.from_numpy(masks.visible(hidden)))
    expected = ((predicted - targets[torch.from_numpy(hidden)].reshape(predicted.shape)) ** 2).mean()
    torch.testing.assert_close(objective(model, batch, RNG(0))[0], expected)


def test_a_decoder_mask_keeps_its_share_of_the_hidden_cubes(monkeypatch):
    from internvideo.models.videomae import PRETRAIN_DEBUG, VideoMAE

    config = replace(PRETRAIN_DEBUG, clip=replace(PRETRAIN_DEBUG.clip, frames=8))
    model, asked = VideoMAE(config), []
    forward = model.forward
    monkeypatch.setattr(
        model, "forward", lambda v, seen, decoded: asked.append((seen, decoded)) or forward(v, seen, decoded)
    )
    loss, _ = MaskedPixels(hidden=0.75, decoded=0.5)(model, {"video": torch.randn(3, 3, 8, 64, 64)}, RNG(0))
    (visible, decoded) = asked[0]
    assert visible.shape == (3, 4 * 4)
    assert decoded.shape == (3, 4 * 12 // 2)
    assert not (visible[:, :, None] == decoded[:, None, :]).any()
    assert loss.isfinite()


def test_captioning_adds_the_mean_over_words_of_the_batch():
    learner, batch = learner_of("caption"), batch_of("caption")
    model = learner.model
    loss, logs = learner.objective(model, batch, RNG(0))
    _, tokens = model.video_feature(batch["video"])
    expected = caption_loss(model.caption_logits(batch["text"][:, :-1], tokens), batch["text"])
    torch.testing.assert_close(logs["caption"], expected.detach())
    logits = model.scale * model.encode_video(batch["video"]) @ model.encode_text(batch["text"]).T
    torch.testing.assert_close(loss, expected + contrastive_loss(logits, shared_targets(batch["uid"])))


def test_a_viclip_with_a_decoder_learns_to_match_and_to_caption():
    model = ViCLIP(VICLIP_TINY_DEBUG)
    text = torch.tensor([[93, 5, 6, 94, 0], [93, 7, 94, 0, 0]])
    batch = {"video": torch.randn(2, 3, 4, 64, 64), "text": text, "uid": torch.arange(2)}
    loss, logs = ContrastiveCaption()(model, batch, RNG(0))
    matched, _ = Contrastive()(model, batch, RNG(0))
    vector, tokens = model.encode_tokens(batch["video"])
    torch.testing.assert_close(vector, model.encode_video(batch["video"]))
    expected = caption_loss(model.captioner(model.text.tokens(text[:, :-1]), tokens), text)
    torch.testing.assert_close(logs["caption"], expected.detach())
    torch.testing.assert_close(loss, matched + expected)


def test_pictures_are_learned_like_clips_of_one_frame():
    learner, batch = learner_of("caption"), batch_of("caption")
    loss, _ = learner.objective(learner.model, batch | {"video": batch["video"][:, :, :1], "media": "image"}, RNG(0))
    loss.backward()
    assert loss.isfinite()


def test_classes_are_learned_with_smoothing():
    learner, batch = learner_of("classify"), batch_of("classify")
    loss, logs = learner.objective(learner.model, batch, RNG(0))
    logits = learner.model(batch["video"])
    torch.testing.assert_close(loss, F.cross_entropy(logits, batch["label"], label_smoothing=0.1))
    assert logs["accuracy"].item() == pytest.approx((logits.argmax(1) == batch["label"]).float().mean().item())


def test_every_part_of_a_class_is_asked_for():
    objective, logits = ClassifyParts(parts=(2, 3, 4)), torch.randn(5, 9)
    assert (objective.classes, objective.outputs) == (24, 9)
    parts = [[1, 2, 3], [0, 0, 0], [1, 0, 2], [0, 2, 1], [1, 1, 1]]
    batch = {"video": logits, "label": torch.tensor([12 * a + 4 * b + c for a, b, c in parts])}
    loss, logs = objective(torch.nn.Identity(), batch, RNG(0))
    heads = [F.cross_entropy(part, torch.tensor(right)) for part, right in
             zip(logits.split((2, 3, 4), 1), zip(*parts, strict=True), strict=True)]  # fmt: skip
    torch.testing.assert_close(loss, sum(heads))
    right = (logits[:, 2:5].argmax(1) == torch.tensor([b for _, b, _ in parts])).float().mean()
    assert logs["accuracy 2"] == right


def test_segments_of_one_video_are_judged_together():
    judged = Classify(classes=3).judge(torch.zeros(2, 3), torch.eye(3)[[0, 0, 1, 1]])
    assert judged.loss.item() == pytest.approx(math.log(3))


def test_coordination_trains_bridges_and_heads_only_and_backbones_keep_still():
    learner, batch = learner_of("coordinate"), batch_of("coordinate")
    learner.objective(learner.model, batch, RNG(0))[0].backward()
    moved = {name for name, value in learner.model.named_parameters() if value.grad is not None}
    assert moved
    assert all(
        n.startswith(("mix", "bridge", "masked.head", "frames.head.", "frames.frames.clip_token")) for n in moved
    )
    assert not learner.model.masked.encoder.training
    assert not learner.model.frames.frames.blocks.training
    assert learner.model.masked.head.training
    assert learner.model.bridges.training


def test_two_clips_of_their_own_sizes_go_to_the_two_models():
    learner, batch = learner_of("coordinate"), batch_of("coordinate")
    same, _ = learner.objective(learner.model, batch, RNG(0))
    other, _ = learner.objective(learner.model, batch | {"frames": torch.randn(8, 3, 2, 64, 64)}, RNG(0))
    assert same != other


def test_bf16_is_near_fp32_and_weights_stay_in_fp32():
    exact, batch = learner_of("contrastive"), batch_of("contrastive")
    half = Learner(exact.model, exact.objective, "bf16").train()
    with torch.no_grad():
        right, near = (module(batch, (0,))[0] for module in (exact, half))
    assert near.dtype == torch.float32
    assert near.item() == pytest.approx(right.item(), rel=0.05)
    assert near.item() != right.item()
    assert {value.dtype for value in half.parameters()} == {torch.float32}
