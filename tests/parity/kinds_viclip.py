"""Checks of the family `viclip`."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from internvideo.metrics.ranking import dual_softmax, viclip_retrieval
from internvideo.models import viclip
from internvideo.models.families import IMAGENET_MEAN, IMAGENET_STD
from internvideo.models.renaming import count, to_theirs
from internvideo.models.text_tower import TextConfig, TextTower, infer_text_config
from internvideo.models.viclip import RENAMES, ViCLIP, VideoConfig, VideoTower
from internvideo.models.weights import fit_length, mix, pad_length
from internvideo.ops.losses import contrastive_loss, shared_targets, similarity
from internvideo.text.tokenizer import tokenizer
from internvideo.training.optim import viclip_groups, viclip_schedule
from internvideo.video import published_sampling as sampling
from internvideo.video import transforms
from internvideo.video.resize import resize
from tests.parity.parity_cases import EXACT, Answer, Case, Limit
from tests.parity.parity_models import check_shapes, gradients, loaded, ours, shapes_of

PROBABILITY = Limit(absolute=1e-4)
TABLE = Limit(absolute=1e-6)
LOSS = Limit(relative=1e-5)


def video_tower(weights, heads: int) -> VideoTower:
    own = ours(weights, RENAMES, "vision_encoder.", "video.")
    config = viclip.infer_video_config(shapes_of(own), VideoConfig(), prefix="")
    return loaded(VideoTower(replace(config, heads=heads)), own)


def whole(case: Case, lowest_temperature: float = 0.01) -> ViCLIP:
    own = ours(case.below("w."), RENAMES)
    config = viclip.infer_config(shapes_of(own))
    return loaded(
        ViCLIP(
            replace(
                config,
                video=replace(config.video, heads=case.meta["heads"]),
                text=replace(config.text, heads=case.meta["theads"]),
                lowest_temperature=lowest_temperature,
            )
        ),
        own,
    )


def vision(case: Case) -> Iterator[Answer]:
    tower = video_tower(case.below("w."), case.meta["heads"])
    still = {key: value for key, value in case.below("w.").items() if key != "temporal_positional_embedding"}
    with torch.no_grad():
        for key in case.below("out."):
            part, _, what = key.rpartition(".")
            part = part or "video"
            model = video_tower(still, case.meta["heads"]) if part.startswith("notemb.") else tower
            masked = part.startswith("mask")
            video = case["in.video"] if masked else case[f"in.{part.removeprefix('notemb.')}"]
            kept = case[f"in.{part}.kept_idx"] if masked else None
            yield Answer(key, model.tokens(video, kept) if what == "tokens" else model(video, kept))
        for key in case.below("in."):
            if key.endswith(".is_masked"):
                dropped = np.ones(case[f"in.{key}"].shape)
                np.put_along_axis(dropped, case[f"in.{key.removesuffix('is_masked')}kept_idx"].numpy(), 0, axis=1)
                yield Answer(key, dropped, EXACT, case[f"in.{key}"])


def text(case: Case) -> Iterator[Answer]:
    own = ours(case.below("w."), RENAMES, "text_encoder.", "text.")
    config = infer_text_config(shapes_of(own), TextConfig(), prefix="")
    tower = loaded(TextTower(replace(config, heads=case.meta["heads"])), own)
    ids = case["in.ids"]
    with torch.no_grad():
        yield Answer("feat", tower(ids))
        if "out.tokens_projected" in case.tensors:
            yield Answer("tokens_projected", tower.tokens(ids) @ tower.projection)
        if "out.eot_pos" in case.tensors:
            places = torch.arange(ids.shape[1], dtype=torch.float32).expand(len(ids), -1)
            yield Answer("eot_pos", tower.pool(places[..., None], ids)[:, 0], EXACT)
        if "strings" in case.meta:
            written = tokenizer()(case.meta["strings"], ids.shape[1])
            yield Answer("ids", written, EXACT, ids)
            yield Answer("feat", tower(torch.from_numpy(written)))


def tokens(case: Case) -> Iterator[Answer]:
    words = tokenizer()
    yield Answer("vocabulary", [len(words), words.start, words.end], EXACT, [case.json[k] for k in VOCABULARY])
    for i, row in enumerate(case.json["cases"]):
        yield Answer(f"{i}.encode", words.encode(row["text"]), EXACT, row["encode"])
        yield Answer(f"{i}.decode", words.decode(row["encode"]), EXACT, row["decode"])
        for key, expected in row.items():
            if key.startswith("tok"):
                length = int(key.removeprefix("tok"))
                padded = [*expected, *[0] * (length - len(expected))]
                yield Answer(f"{i}.{key}", words([row["text"]], length)[0].tolist(), EXACT, padded)


VOCABULARY = ("vocab_size", "sot", "eot")


def model(case: Case) -> Iterator[Answer]:
    network = whole(case)
    video = case["in.video"].transpose(1, 2)
    with torch.no_grad():
        ids = tokenizer()(case.meta["texts"], case["in.text_ids"].shape[1])
        yield Answer("text_ids", ids, EXACT, case["in.text_ids"])
        yield Answer("video_raw", network.video(video))
        yield Answer("video_raw_train_masked", network.video(video, case["in.train.kept_idx"]))
        yield Answer("image_raw", network.video(video[:, :, :1]))
        videos, texts = network.encode_video(video), network.encode_text(torch.from_numpy(ids))
        yield Answer("video_feat", videos)
        yield Answer("text_feat", texts)
        yield Answer("sim", videos @ texts.T)
        probabilities = (network.scale * videos @ texts.T).softmax(-1)
        yield Answer("probs", probabilities, PROBABILITY)
        best = probabilities.topk(case["out.top_labels"].shape[1])
        yield Answer("top_probs", best.values, PROBABILITY)
        yield Answer("top_labels", best.indices, EXACT)


def pretrain(case: Case) -> Iterator[Answer]:
    network = whole(case, case.meta.get("temp_min", 0.01))
    temperature = network.lift_temperature()
    yield Answer("temp_after_clamp", temperature, EXACT)
    video, kept = case["in.video"].transpose(1, 2), case["in.kept_idx"]
    ids = tokenizer()(case.meta["texts"], case["in.text_ids"].shape[1])
    yield Answer("text_ids", ids, EXACT, case["in.text_ids"])
    cosines = similarity(network.video(video, kept), network.text(case["in.text_ids"]))
    yield Answer("sims", cosines)
    loss = contrastive_loss(cosines / temperature, shared_targets(case["in.idx"]))
    yield Answer("loss", loss, LOSS)
    loss.backward()
    yield from gradients(case, network, RENAMES)


def loss_vtc(case: Case) -> Iterator[Answer]:
    if "world_size" in case.meta:
        yield from loss_over_ranks(case)
        return
    for key in case.below("out."):
        part, _, what = key.rpartition(".")
        if what == "loss":
            yield from one_loss(case, part)
        elif what in ("v2t", "t2v"):
            name, _, pool = part.partition(".")
            video = case["in.vision3"] if name == "sim_v3" else case["in.vision"]
            words = case["in.text3"] if name == "sim_t3" else case["in.text"]
            cosines = similarity(video, words, pool or "mean") / (SIM_TEMPERATURE if name == "sim" else 0.5)
            yield Answer(key, cosines if what == "v2t" else cosines.T)


SIM_TEMPERATURE = 0.01  # of `sim`, by the note of the case; the others use 0.5


def one_loss(case: Case, part: str) -> Iterator[Answer]:
    video, words, temperature = (case[k].clone().requires_grad_() for k in ("in.vision", "in.text", f"in.{part}.temp"))
    ids = case.tensors.get(f"in.{part}.idx", torch.arange(len(video)))
    targets = shared_targets(ids)
    loss = contrastive_loss(similarity(video, words) / temperature, targets)
    loss.backward()
    yield Answer(f"{part}.loss", loss)
    yield Answer(f"{part}.grad_vision", video.grad)
    yield Answer(f"{part}.grad_text", words.grad)
    yield Answer(f"{part}.grad_temp", temperature.grad)
    yield Answer(f"{part}.targets", targets, EXACT)


def loss_over_ranks(case: Case) -> Iterator[Answer]:
    """The published gather: every rank computes the whole loss, gradients flow to its own rows only."""
    size = case.meta["per_rank"]
    for name in ("single", *(f"rank{rank}" for rank in range(case.meta["world_size"]))):
        rank = int(name.removeprefix("rank")) if name != "single" else None
        rows = slice(None) if rank is None else slice(rank * size, (rank + 1) * size)
        gathered, own = [], []
        for key in ("in.vision", "in.text"):
            mine = case[key][rows].clone().requires_grad_()
            others = case[key]
            gathered.append(mine if rank is None else torch.cat([others[: rows.start], mine, others[rows.stop :]]))
            own.append(mine)
        temperature = case["in.temp"].clone().requires_grad_()
        loss = contrastive_loss(similarity(*gathered) / temperature, shared_targets(case["in.idx"]))
        loss.backward()
        yield Answer(f"{name}.loss", loss, TABLE)
        yield Answer(f"{name}.grad_vision", own[0].grad, TABLE)
        yield Answer(f"{name}.grad_text", own[1].grad, TABLE)
        yield Answer(f"{name}.grad_temp", temperature.grad, TABLE)


def load2d(case: Case) -> Iterator[Answer]:
    meta = case.meta
    own = ours(case.below("w2d."), viclip.CLIP_RENAMES, "visual.", "video.")
    times = case["in.model_init.temporal_positional_embedding"]
    video = VideoConfig(
        tubelet=meta["kernel_size"],
        frames=times.shape[1] * meta["kernel_size"],
        size=meta["new_res"],
        patch=meta["patch"],
    )
    config = replace(viclip.VICLIP_B16, video=video)
    started = viclip.start_from_clip({f"video.{k}": v for k, v in own.items()}, config, centre=meta["center"])
    started["video.times"] = times
    inferred = viclip.infer_video_config(shapes_of(started), video)
    tower = loaded(VideoTower(inferred), {key.removeprefix("video."): value for key, value in started.items()})
    state = ours(case.below("out."), RENAMES, "vision_encoder.", "video.")
    for (theirs, _), (name, expected) in zip(case.below("out.").items(), state.items(), strict=True):
        assert expected.shape == tower.state_dict()[name].shape
        yield Answer(theirs, tower.state_dict()[name], TABLE)


def temporal_embed_mismatch(case: Case) -> Iterator[Answer]:
    for key in case.below("out."):
        pair, _, what = key.partition(".")
        if pair.startswith("ckpt"):
            yield Answer(key, fit_length(case[f"in.{key}"], case[f"out.{key}"].shape[-2]), TABLE)
        else:
            old, new = case[f"in.{pair}.old"].transpose(1, 2), case[f"in.{pair}.new_init"].transpose(1, 2)
            fitted = pad_length(old, new) if what == "add_zero_True" else fit_length(old, new.shape[-2])
            yield Answer(key, fitted.transpose(1, 2), TABLE)


def wiseft(case: Case) -> Iterator[Answer]:
    base, tuned = case.below("w.base."), case.below("w.ckpt.")
    for key in ("vision_encoder.temporal_positional_embedding", "text_encoder.positional_embedding"):
        tuned[key] = fit_length(tuned[key], base[key].shape[-2])
    mixed = mix(base, tuned, case.meta["coef"], case.meta["keys_to_exclude"])
    assert mixed.keys() == base.keys()
    for key, value in mixed.items():
        yield Answer(key, value, TABLE)


def frame_indices(case: Case) -> Iterator[Answer]:
    for i, row in enumerate(case.json["cases"]):
        yield Answer(str(i), frames_of(row), EXACT, row["out"])


def frames_of(row) -> list[int] | str:
    count, length, mode = row["num_frames"], row["vlen"], row["sample"]
    if mode == "middle":
        return sampling.viclip_middle(length, count, row.get("fix_start"))
    if mode == "rand":
        draw, permute = random.Random(row["seed"]), np.random.RandomState(row["seed"])
        return sampling.viclip_random(length, count, draw.randrange, permute.permutation)
    if mode.startswith("fps"):
        most = row.get("max_num_frames", -1)
        return sampling.viclip_fps(length, row.get("input_fps", 1), float(mode[3:]), most if most > 0 else None)
    return "error:ValueError"


def shapes(case: Case) -> Iterator[Answer]:
    yield from check_shapes(case, lambda known: ViCLIP(viclip.infer_config(known)), RENAMES)


def optimizer_groups(case: Case) -> Iterator[Answer]:
    stored = {key: value for key, value in case.json.items() if isinstance(value[0], dict)}
    names = [name for group in next(iter(stored.values())) for name in group["params"]]
    depths = [count(names, f"{tower}_encoder.transformer.resblocks.") for tower in ("vision", "text")]
    with torch.device("meta"):
        tiny = ViCLIP(
            replace(
                viclip.VICLIP_DEBUG,
                video=replace(viclip.VICLIP_DEBUG.video, depth=depths[0]),
                text=replace(viclip.VICLIP_DEBUG.text, depth=depths[1]),
            )
        )
    own = {name: (name, value.ndim) for name, value in tiny.named_parameters()}
    published = to_theirs(own, RENAMES) | {"extra.weight": ("extra.weight", 2), "extra.bias": ("extra.bias", 1)}
    assert sorted(published) == sorted(names)
    theirs = {name: key for key, (name, _) in published.items()}
    rate, decay = ((max if k == "weight_decay" else min)(g[k] for g in stored["plain"]) for k in ("lr", "weight_decay"))
    for key, groups in stored.items():
        faster = max(group["lr"] for group in groups)
        others = {r"\.times$": faster, r"^text\.": faster} if key == "different_lr" else {}
        made = viclip_groups(published.values(), rate=rate, weight_decay=decay, other_rates=others)
        as_stored = [
            {"lr": g.rate, "weight_decay": g.weight_decay, "params": [theirs[name] for name in g.names]} for g in made
        ]
        yield Answer(key, as_stored, EXACT, groups)
    for key in case.json.keys() - stored.keys():
        warmup, total, lowest = re.fullmatch(r"cosine_warmup([\d.]+)_total([\d.]+)_min([\d.]+)", key).groups()
        made = [
            viclip_schedule(step, warmup=float(warmup), total=float(total), lowest=float(lowest))
            for step in range(len(case.json[key]))
        ]
        yield Answer(key, made, Limit(absolute=1e-12), case.json[key])


def retrieval_eval(case: Case) -> Iterator[Answer]:
    stored = {key: np.array(case.json[key]) for key in ("sim", "sim_multi", "dsl_i2t", "dsl_t2i")}
    pairs = [[i] for i in range(len(stored["sim"]))]
    several = [case.json["img2txt"][str(i)] for i in range(len(stored["sim_multi"]))]
    owners = [case.json["txt2img"][str(i)] for i in range(stored["sim_multi"].shape[1])]
    both = dual_softmax(stored["sim"]), dual_softmax(stored["sim"].T)
    first = [row[0] for row in pairs]
    yield Answer("metrics", viclip_retrieval(stored["sim"], stored["sim"].T, pairs, first), EXACT, case.json["metrics"])
    multi = viclip_retrieval(stored["sim_multi"], stored["sim_multi"].T, several, owners)
    yield Answer("metrics_multi", multi, EXACT, case.json["metrics_multi"])
    yield Answer("dsl_i2t", both[0], TABLE, stored["dsl_i2t"])
    yield Answer("dsl_t2i", both[1], TABLE, stored["dsl_t2i"])
    yield Answer("metrics_dsl", viclip_retrieval(*both, pairs, first), EXACT, case.json["metrics_dsl"])


def preprocess(case: Case) -> Iterator[Answer]:
    frames, (width, height) = case["in.frames_bgr_u8"].numpy(), case.meta["target_size"]
    picked = frames[sampling.viclip_demo(len(frames), case.meta["fnum"])][..., ::-1]
    resized = resize(np.ascontiguousarray(picked), height, width, interpolation="opencv-bilinear")
    clip = transforms.normalise(resized, IMAGENET_MEAN, IMAGENET_STD)
    yield Answer("tensor", clip.transpose(1, 0, 2, 3)[None], Limit(floor=0.02))


KINDS = {
    "vision": vision,
    "text": text,
    "text_strings": text,
    "tokenizer": tokens,
    "model": model,
    "pretrain": pretrain,
    "loss_vtc": loss_vtc,
    "load2d": load2d,
    "temporal_embed_mismatch": temporal_embed_mismatch,
    "wiseft": wiseft,
    "frame_indices": frame_indices,
    "shapes": shapes,
    "preprocess": preprocess,
    "optimizer_groups": optimizer_groups,
    "retrieval_eval": retrieval_eval,
}
