"""Checks of the families `internvideo_mm` and `multimodal`."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from internvideo.errors import UsageError
from internvideo.models import answer_head, caption_decoder, internvideo_mm
from internvideo.models.answer_head import AnswerHead, option_scores, option_similarity
from internvideo.models.caption_decoder import CaptionDecoder, infer_caption_config
from internvideo.models.families import PREPROCESS
from internvideo.models.internvideo_mm import RENAMES, InternVideoMM
from internvideo.text.tokenizer import padding, tokenizer
from internvideo.video import published_sampling as sampling
from internvideo.video import transforms
from tests.parity.parity_cases import EXACT, Answer, Case, Limit
from tests.parity.parity_models import check_shapes, loaded, ours, shapes_of

PROBABILITY = Limit(absolute=1e-4)
CLOSE = Limit(absolute=2e-5)


def model(case: Case) -> Iterator[Answer]:
    meta = case.meta
    own = ours(case.below("w."), RENAMES)
    config = internvideo_mm.infer_config(shapes_of(own))
    video = replace(config.video, heads=meta["heads"], global_heads=meta["ext_heads"], global_layers=tuple(meta["ret"]))
    network = loaded(InternVideoMM(replace(config, video=video, text=replace(config.text, heads=meta["theads"]))), own)
    ids, hidden = case["in.ids"], case["in.masked_indices"].bool()
    with torch.no_grad():
        yield Answer("video", network.project_video(case["in.video"]))
        yield Answer("video_all", network.video_feature(case["in.video"])[1].permute(2, 0, 1, 3))
        yield Answer("image", network.project_video(case["in.image"]))
        yield Answer("text", network.text(ids))
        yield Answer("text_all", network.text.tokens(ids))
        masked = network.text.pool(network.text.tokens(ids, hidden), ids) @ network.text.projection
        yield Answer("text_masked", masked)
        cosines = network.encode_video(case["in.video"]) @ network.encode_text(ids).T
        yield Answer("probs", (network.scale * cosines).softmax(-1), PROBABILITY)


def tokens(case: Case) -> Iterator[Answer]:
    words, length = tokenizer(), 77
    for i, row in enumerate(case.json):
        if "error" in row:
            with pytest.raises(UsageError, match="tokens but the model reads"):
                words([row["text"]], length, "raise")
            yield Answer(str(i), "refused", EXACT, "refused")
            continue
        ids = words([row["text"]], length, "truncate" if row.get("truncate") else "raise")
        if "ids" in row:
            yield Answer(str(i), ids[0].tolist(), EXACT, row["ids"] + [0] * (length - len(row["ids"])))
        if "n_pad" in row:
            yield Answer(f"{i}.n_pad", int(padding(ids, words.end).sum()), EXACT, row["n_pad"])


def frame_indices(case: Case) -> Iterator[Answer]:
    for i, row in enumerate(case.json):
        yield Answer(str(i), sampling.internvideo_mm_demo(row["n"], len(row["indices"])), EXACT, row["indices"])


def shapes(case: Case) -> Iterator[Answer]:
    yield from check_shapes(case, lambda known: InternVideoMM(internvideo_mm.infer_config(known)), RENAMES)


def decoder(case: Case) -> Iterator[Answer]:
    own = ours(case.below("w."), caption_decoder.RENAMES)
    network = loaded(CaptionDecoder(replace(infer_caption_config(shapes_of(own), ""), heads=case.meta["heads"])), own)
    frames = case["in.image_feats"]  # tokens, clips, frames, channels
    with torch.no_grad():
        memory = frames.permute(1, 0, 2, 3).flatten(1, 2)
        yield Answer("logits", network(case["in.text_embeds"], memory), CLOSE)


def heads(case: Case) -> Iterator[Answer]:
    def head(name: str) -> AnswerHead:
        own = ours(case.below(f"w.{name}."), answer_head.RENAMES)
        answers, doubled = own["out.weight"].shape
        return loaded(AnswerHead(doubled // 2, answers), own)

    options = case.meta["options"]
    with torch.no_grad():
        logits = head("vqa_classifier")(case["in.video_feats"], case["in.text_feats"])
        yield Answer("vqa_logits", logits)
        yield Answer("vqa_loss", F.cross_entropy(logits, case["in.labels"]))
        rows = head("rank_output")(case["in.mc.cap"], case["in.mc.video"], case["in.mc.text"])
        scores = {
            "mc": option_scores(rows, options),
            "mcvtc": option_similarity(
                case["in.mcvtc.video"], case["in.mcvtc.text"], case["in.mcvtc.logit_scale"].exp()
            ),
        }
        for name, score in scores.items():
            yield Answer(f"{name}.score", score)
            yield Answer(f"{name}.loss", F.cross_entropy(score, case["in.mc.answer"]))


def preprocess(case: Case) -> Iterator[Answer]:
    frames = case["in.frames_rgb_u8"].numpy()
    picked = sampling.internvideo_mm_demo(len(frames), len(case["out.indices"]))
    clip = transforms.preprocess(frames[picked], PREPROCESS["internvideo-mm-demo"])
    yield Answer("indices", picked, EXACT)
    yield Answer("video_stride7", clip[:, :, ::7, ::7], Limit(floor=0.05))
    yield Answer("mean_per_frame", clip.mean((0, 2, 3)), Limit(floor=0.01))


KINDS = {
    "model": model,
    "tokenizer": tokens,
    "frame_indices": frame_indices,
    "shapes": shapes,
    "preprocess": preprocess,
}
MULTIMODAL_KINDS = {"caption_decoder": decoder, "vqa_mc_heads": heads}
