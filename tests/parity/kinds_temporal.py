"""Checks of the family `temporal_localization`."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from internvideo.metrics.detection import Regions, detection_ap, fuse_class_scores, unique_truths
from internvideo.models.temporal_head import RENAMES, TemporalHead, TemporalHeadConfig, infer_config, pad
from internvideo.ops.spans import (
    Decoding,
    Grid,
    decode,
    focal_loss,
    joined_loss,
    localisation_loss,
    offset_loss,
    point_targets,
)
from internvideo.ops.suppression import Suppression, suppress
from tests.parity.parity_cases import EXACT, Answer, Case, Limit
from tests.parity.parity_models import check_shapes, gradients, loaded, ours, shapes_of

CLOSE = Limit(absolute=2e-5)
SECONDS = Limit(absolute=1e-4)
LOSS = Limit(relative=1e-5)
TINY = Limit(absolute=1e-9)
FPS, STRIDE, WINDOW = 25.0, 4, 16  # of every case; videos last as long as their features


def network(case: Case) -> TemporalHead:
    meta, own = case.meta, ours(case.below("w."), RENAMES)
    known = infer_config(shapes_of(own), TemporalHeadConfig(heads=meta["heads"], windows=(-1,), steps=1024))
    levels = len(known.windows)
    windows = tuple(meta["win"]) if isinstance(meta["win"], list) else (meta["win"],) * levels
    config = replace(known, windows=windows, steps=meta["max_len"], positions=meta["abs_pe"])
    assert (config.embed_layers, config.stem_blocks, levels - 1) == tuple(meta["arch"])
    assert (config.channels, config.classes, config.width) == (meta["in"], meta["classes"], meta["dim"])
    return loaded(TemporalHead(config), own)


def evaluation(case: Case) -> Iterator[Answer]:
    model, how = network(case), case.meta["test_cfg"]
    with torch.no_grad():
        features, mask = pad([case["in.feats"]], model.config)
        levels, masks = model.pyramid(features, mask)
        joined = model.join(levels, masks)
        found = model.answer(joined, masks)
    points = model.points(features.shape[-1])
    for level in range(len(levels)):
        yield Answer(f"backbone.{level}", levels[level].transpose(1, 2), CLOSE)
        yield Answer(f"mask.{level}", masks[level].transpose(1, 2).to(torch.uint8), EXACT)
        yield Answer(f"fpn.{level}", joined[level].transpose(1, 2), CLOSE)
        yield Answer(f"cls_logits.{level}", found.logits[level], CLOSE)
        yield Answer(f"offsets.{level}", found.offsets[level], CLOSE)
        yield Answer(f"points.{level}", points[level], EXACT)
    decoding = Decoding(lowest=how["pre_nms_thresh"], per_level=how["pre_nms_topk"], shortest=how["duration_thresh"])
    of_one = ([each[0] for each in column] for column in (found.logits, found.offsets))
    segments, scores, labels = decode(points, *of_one, [mask[0, :, 0] for mask in masks], decoding)
    yield Answer("pre_nms.segments", segments, SECONDS)
    yield Answer("pre_nms.scores", scores)
    yield Answer("pre_nms.labels", labels, EXACT)
    segments, scores, labels = suppress(segments, scores, labels, suppression(how, how["nms_method"]))
    grid = Grid(fps=FPS, stride=STRIDE, window=WINDOW)
    yield Answer("final.segments", grid.seconds(segments, case["in.feats"].shape[-1] * STRIDE / FPS), SECONDS)
    yield Answer("final.scores", scores)
    yield Answer("final.labels", labels, EXACT)


def suppression(how, method) -> Suppression:
    return Suppression(
        method=method,
        overlap=how["iou_threshold"],
        sigma=how.get("nms_sigma", how.get("sigma")),
        lowest=how["min_score"],
        most=how["max_seg_num"],
        per_class=how.get("multiclass_nms", how.get("multiclass")),
        voting=how["voting_thresh"],
    )


def training(case: Case) -> Iterator[Answer]:
    meta, model = case.meta, network(case).train()
    videos = sorted({int(key.split(".")[1]) for key in case.tensors if key.startswith("in.")})
    features, mask = pad([case[f"in.{video}.feats"] for video in videos], model.config)
    logits, offsets, real = model(features, mask).flat()
    points = torch.cat(model.points(features.shape[-1]))
    radius = meta.get("center_sample_radius", 1.5) if meta["center_sample"] == "radius" else None
    kinds, distances = (
        torch.stack(column)
        for column in zip(
            *(
                point_targets(points, case[f"in.{video}.segments"], case[f"in.{video}.labels"], meta["classes"], radius)
                for video in videos
            ),
            strict=True,
        )
    )
    class_sum, span_sum, positives = localisation_loss(logits, offsets, real, kinds, distances, meta["label_smoothing"])
    usual = 0.9 * meta["loss_normalizer_before"] + 0.1 * max(int(positives), 1)
    class_loss, span_loss = class_sum / usual, span_sum / usual
    loss = joined_loss(class_loss, span_loss, meta["loss_weight"])
    loss.backward()
    yield Answer("normaliser", usual, LOSS, meta["loss_normalizer_after"])
    yield Answer("cls_loss", class_loss, LOSS)
    yield Answer("reg_loss", span_loss, LOSS)
    yield Answer("final_loss", loss, LOSS)
    yield Answer("targets_cls", kinds, EXACT)
    positive, stored = kinds.sum(-1) > 0, case["out.targets_offsets_allownonfinite"]
    told = torch.where(positive[..., None], distances, stored).nan_to_num(posinf=0.0)
    yield Answer("targets_offsets_allownonfinite", told, Limit(relative=1e-5), stored.nan_to_num(posinf=0.0))
    yield from gradients(case, model, RENAMES)


def losses(case: Case) -> Iterator[Answer]:
    each = {
        "focal": focal_loss(case["in.logits"], case["in.targets"]),
        "giou": offset_loss(case["in.pred_offsets"], case["in.gt_offsets"], "iou"),
        "diou": offset_loss(case["in.pred_offsets"], case["in.gt_offsets"]),
    }
    for name, values in each.items():
        yield Answer(f"{name}.none", values, Limit(absolute=1e-6))
        yield Answer(f"{name}.mean", values.mean(), Limit(relative=1e-6))
        yield Answer(f"{name}.sum", values.sum(), Limit(relative=1e-6))


def nms(case: Case) -> Iterator[Answer]:
    segments, scores, labels = (case[f"in.{name}"].numpy() for name in ("segs", "scores", "labels"))
    for how in case.meta["cases"]:
        method = "soft" if how["use_soft_nms"] else "hard"
        kept = suppress(segments, scores, labels, suppression(how, method))
        for name, values in zip(("segs", "scores", "labels"), kept, strict=True):
            yield Answer(f"{how['case']}.{name}", values, EXACT if name == "labels" else Limit(absolute=1e-5))


def detection(case: Case) -> Iterator[Answer]:
    given = case.json
    predictions = table(given["predictions"])
    for name, result in given["results"].items():
        truths = truths_of(given["ground_truth"]["database"], result["split"])
        truths = truths[unique_truths(truths)]
        _, values = detection_ap(renumbered(predictions, truths), renumbered(truths, truths), result["tiou"])
        yield Answer(f"{name} ap", values.T, TINY, np.array(result["ap"]))
        yield Answer(f"{name} mAP", values.mean(0), TINY, np.array(result["mAP"]))
        yield Answer(f"{name} average", values.mean(), TINY, np.array(result["average"]))
    for name, fusion in given["score_fusion"].items():
        scores = {video: np.array(values) for video, values in fusion["cls_scores"].items()}
        fused, expected = fuse_class_scores(predictions, scores, most=4, classes=2), table(fusion["result"])
        yield Answer(f"{name} videos", fused.groups.tolist(), EXACT, expected.groups.tolist())
        yield Answer(f"{name} labels", fused.labels, EXACT, expected.labels)
        yield Answer(f"{name} segments", fused.bounds, TINY, expected.bounds)
        yield Answer(f"{name} scores", fused.scores, TINY, expected.scores)


def table(columns) -> Regions:
    bounds = np.stack([columns["t-start"], columns["t-end"]], 1).astype(np.float64)
    return Regions(np.array(columns["video-id"]), np.array(columns["label"]), bounds, np.array(columns["score"]))


def truths_of(database, split) -> Regions:
    rows = [
        (video, each["label_id"], each["segment"])
        for video, entry in database.items()
        if split is None or entry["subset"].lower() == split.lower()
        for each in entry["annotations"]
    ]
    videos, labels, segments = zip(*rows, strict=True)
    return Regions(np.array(videos), np.array(labels), np.array(segments, np.float64))


def renumbered(regions: Regions, truths: Regions) -> Regions:
    """Published: labels become their places among those of the truths; unknown ones stay, and may meet another."""
    places = {label: place for place, label in enumerate(np.unique(truths.labels).tolist())}
    return replace(regions, labels=np.array([places.get(label, label) for label in regions.labels.tolist()]))


def shapes(case: Case) -> Iterator[Answer]:
    yield from check_shapes(case, lambda known: TemporalHead(infer_config(known)), RENAMES)


KINDS = {
    "eval": evaluation,
    "train_losses": training,
    "losses": losses,
    "nms": nms,
    "detection_map": detection,
    "shapes": shapes,
}
