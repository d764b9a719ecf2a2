"""Checks of the family `videomae`."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from internvideo.metrics.classification import View, merge_views, top_k
from internvideo.models import videomae
from internvideo.models.renaming import to_theirs
from internvideo.models.videomae import CLASSIFIER_RENAMES, PRETRAIN_RENAMES, VideoMAE, VideoMAEClassifier
from internvideo.ops import masks
from internvideo.ops.losses import denormalise, pixel_loss, pixel_targets
from internvideo.training.optim import layer_of, layer_scales, videomae_groups, videomae_schedule
from internvideo.video import published_sampling as sampling
from tests.parity.parity_cases import EXACT, Answer, Case, Limit
from tests.parity.parity_models import check_shapes, gradients, loaded, ours, shapes_of

TABLE = Limit(absolute=1e-6)
FINE = Limit(absolute=1e-12)
LOSS = Limit(relative=1e-5)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pretrain(case: Case) -> Iterator[Answer]:
    meta, video = case.meta, case["in.video"]
    own = ours(case.below("w."), PRETRAIN_RENAMES)
    config = videomae.infer_pretrain_config(shapes_of(own))
    clip = replace(config.clip, frames=video.shape[2], size=video.shape[-1])
    encoder, decoder = (replace(getattr(config, k), heads=meta[f"{k[:3]}_heads"]) for k in ("encoder", "decoder"))
    network = loaded(VideoMAE(replace(config, clip=clip, encoder=encoder, decoder=decoder)), own)

    visible = torch.from_numpy(masks.visible(case["in.mask"].bool().numpy()))
    predicted = network(video, visible)
    targets = pixel_targets(denormalise(video, *IMAGENET), clip.tubelet, clip.patch, normalise=meta["normlize_target"])
    hidden = videomae.complement(visible, targets.shape[1])
    targets = videomae.take(targets, hidden)
    loss = pixel_loss(predicted, targets)
    yield Answer("encoder", network.encode(video, visible))
    yield Answer("pred", predicted)
    yield Answer("target", targets)
    yield Answer("loss", loss, LOSS)
    loss.backward()
    yield from gradients(case, network, PRETRAIN_RENAMES)


def finetune(case: Case) -> Iterator[Answer]:
    meta, video = case.meta, case["in.video"]
    own = ours(case.below("w."), CLASSIFIER_RENAMES)
    config = videomae.infer_classifier_config(shapes_of(own))
    network = loaded(
        VideoMAEClassifier(
            replace(
                config,
                clip=replace(config.clip, frames=meta["frames"], size=meta["res"]),
                encoder=replace(config.encoder, heads=meta["heads"]),
                train_segments=meta.get("num_segment", 1),
            )
        ),
        own,
    )
    with torch.no_grad():
        yield Answer("features", network.encode_video(video))
        yield Answer("logits", network(video))
        if "out.pos_embed" in case.tensors:
            yield Answer("pos_embed", network.positions(network.encoder.patches.grid(video)), TABLE)
        if "out.logits_train_segments" in case.tensors:
            yield Answer("logits_train_segments", network.train()(video))


def mask_generators(case: Case) -> Iterator[Answer]:
    generators = {
        "tube": masks.tube,
        "random": masks.uniform,
        "progressive": masks.progressive,
        "center_progressive": masks.centre_progressive,
    }
    counts = {"progressive": masks.progressive_counts, "center_progressive": masks.centre_progressive_counts}
    seed = case.meta["seed"]
    for row in case.meta["cases"]:
        grid, name, ratio = tuple(row["size"]), row["gen"], row["ratio"]
        key, rng = f"{row['case']}.{name}", np.random.RandomState(seed)
        if "error" in row:
            with pytest.raises(ValueError, match="too small"):
                generators[name](grid, ratio, rng)
            continue
        drawn = np.stack([generators[name](grid, ratio, rng) for _ in row["actual"]])
        yield Answer(key, drawn, EXACT)
        yield Answer(f"{key}.actual", drawn.sum(1).tolist(), EXACT, row["actual"])
        if name in counts:
            yield Answer(f"{key}.keep_list", counts[name](grid, ratio), EXACT, row["keep_list"])
            reported = grid[0] * grid[1] * grid[2] - sum(row["keep_list"])
            yield Answer(f"{key}.masked", reported, EXACT, row["masked"])
    sizes = {row["case"]: (tuple(row["size"]), row["ratio"]) for row in case.meta["cases"]}
    for key, expected in case.below("out.").items():
        number, _, name = key.partition(".")
        grid, ratio = sizes[int(number)]
        if name == "cell_all_maps":
            yield Answer(key, masks.running_cells(grid, ratio), EXACT)
        elif name == "cell":
            yield Answer(key, masks.running_cell(grid, ratio, len(expected), np.random.RandomState(seed)), EXACT)
        elif name == "decode_random":
            drawn = masks.random_decoded(expected.shape[1], ratio, len(expected), np.random.RandomState(seed))
            yield Answer(key, drawn, EXACT)


def pos_embed_resize(case: Case) -> Iterator[Answer]:
    old, new, steps = case.meta["old"], case.meta["new"], case.meta["frames"] // case.meta.get("tubelet", 2)
    fitted = videomae.resize_positions(case["in.pos_embed"], (steps, old, old), (steps, new, new))
    yield Answer("pos_embed", fitted, TABLE)


def sincos(case: Case) -> Iterator[Answer]:
    for key, expected in case.below("out.").items():
        yield Answer(key, videomae.sine_table(*expected.shape[1:]), TABLE)


def shapes(case: Case) -> Iterator[Answer]:
    names = [row[0] for row in case.json["state_dict"]]
    if any(name.startswith("decoder.") for name in names):
        build = lambda known: VideoMAE(videomae.infer_pretrain_config(known))  # noqa: E731
        yield from check_shapes(case, build, PRETRAIN_RENAMES)
    else:
        build = lambda known: VideoMAEClassifier(videomae.infer_classifier_config(known))  # noqa: E731
        yield from check_shapes(case, build, CLASSIFIER_RENAMES)


def layer_decay(case: Case) -> Iterator[Answer]:
    stored = case.json
    names = list(stored["layer_ids"])
    config = replace(
        videomae.CLASSIFIER_DEBUG,
        encoder=replace(
            videomae.CLASSIFIER_DEBUG.encoder,
            depth=stored["depth"],
            layer_scale=0.1 if any(name.endswith("gamma_1") for name in names) else 0.0,
        ),
        learned_positions="pos_embed" in names,
    )
    with torch.device("meta"):
        network = VideoMAEClassifier(config)
    published = to_theirs({name: (name, v.ndim) for name, v in network.named_parameters()}, CLASSIFIER_RENAMES)
    assert list(published) == names
    theirs = {name: key for key, (name, _) in published.items()}
    layers = {key: layer_of(name, stored["depth"]) for key, (name, _) in published.items()}
    yield Answer("layer_ids", layers, EXACT, stored["layer_ids"])
    yield Answer("values", layer_scales(stored["depth"], stored["layer_decay"]), FINE, stored["values"])
    for key, decay in (("groups", stored["layer_decay"]), ("groups_without_decay", None)):
        made = videomae_groups(
            published.values(), depth=stored["depth"], weight_decay=stored["weight_decay"], layer_decay=decay
        )
        told = [(g.weight_decay, [theirs[name] for name in g.names]) for g in made]
        yield Answer(key, told, EXACT, [(g["weight_decay"], g["params"]) for g in stored[key]])
        yield Answer(f"{key}.rates", [g.rate for g in made], FINE, [g["lr_scale"] for g in stored[key]])


def cosine_schedule(case: Case) -> Iterator[Answer]:
    words = {"niter_per_ep": "steps_per_epoch", "start_warmup_value": "start"}
    for i, row in enumerate(case.json):
        told = {words.get(key, key): value for key, value in row["args"].items()}
        if told.get("warmup_steps", 0) <= 0:
            told.pop("warmup_steps", None)
        made = videomae_schedule(told.pop("base_value"), told.pop("final_value"), **told)
        yield Answer(str(i), made, FINE, np.array(row["values"]))


def dataset_views(case: Case) -> Iterator[Answer]:
    for i, row in enumerate(case.json["sampling"]):
        yield Answer(f"sampling.{i}", frames_of(row), EXACT, row["indices"])
    for i, row in enumerate(case.json["test_views"]):
        size = row["T"], row["H"], row["W"]
        views = sampling.videomae_views(
            size, row["clip_len"], row["short_side"], row["test_num_segment"], row["test_num_crop"]
        )
        start = views[row["chunk"] * row["test_num_crop"] + row["split"]]
        yield Answer(f"view.{i}", list(start), EXACT, [row["t0"], row["y0"], row["x0"]])
        shape = [row["clip_len"], row["short_side"], row["short_side"]]
        yield Answer(f"view.{i}.shape", shape, EXACT, row["shape"])


def frames_of(row) -> list[int]:
    length, count, stride, segments = (row[k] for k in ("vlen", "clip_len", "frame_sample_rate", "num_segment"))
    if row["mode"] == "train":
        draw = np.random.RandomState(row["seed"]).randint
        return sampling.videomae_train(length, count, stride, draw, segments)
    if row["mode"] == "validation":
        return sampling.videomae_validation(length, count, stride, segments)
    if row["sparse_sample"]:
        return sampling.videomae_sparse_test(length, segments, row["test_num_segment"])
    return sampling.videomae_test(length, count, stride)


def multiview_merge(case: Case) -> Iterator[Answer]:
    views = [View(r["video"], r["label"], r["chunk"], r["split"], np.array(r["logits"])) for r in case.json["records"]]
    in_file_order = views[0::2] + views[1::2]
    for name, merge in (("prob", "probability"), ("score", "score")):
        scores, labels = merge_views(in_file_order, merge, same_view="joined-digits")
        accuracy = top_k(scores, labels)
        for k, key in ((1, "top1"), (5, "top5")):
            yield Answer(f"{name}.{key}", accuracy[k], Limit(absolute=1e-9), case.json["result"][name][key])


KINDS = {
    "pretrain": pretrain,
    "finetune": finetune,
    "mask_generators": mask_generators,
    "pos_embed_resize": pos_embed_resize,
    "sincos": sincos,
    "shapes": shapes,
    "layer_decay": layer_decay,
    "cosine_schedule": cosine_schedule,
    "dataset_views": dataset_views,
    "multiview_merge": multiview_merge,
}
