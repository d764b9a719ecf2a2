"""The networks by name, and how weights of any layout become each of them. `load_model` is what uses the table."""

import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple, Protocol, TypeVar

from torch import nn

from internvideo.models import (
    box_detector,
    contact_head,
    cross_model,
    internvideo_mm,
    navigator,
    query_head,
    spatial_head,
    spatial_tower,
    temporal_head,
    uniformerv2,
    viclip,
    video_answer,
    videomae,
)
from internvideo.models.families import (
    FAMILIES,
    Family,
    NewHead,
)
from internvideo.models.meta import shapes_only
from internvideo.models.renaming import Renames, Shapes, WeightsError
from internvideo.models.weights import Weights, load, recognise

C = TypeVar("C")
N = TypeVar("N", bound=nn.Module)
Sizes = tuple[tuple[str, int], ...]
ClipShape = tuple[int, int]  # pixels per side, and frames (0: any)

FROM_CLIP = ("clip", "hf-clip")  # layouts of CLIP's weights


class Infer(Protocol[C]):
    def __call__(self, shapes: Shapes, base: C, /) -> C: ...


class Loaded(NamedTuple):
    network: nn.Module
    layout: str  # "own", "random", or a key of the network's layouts
    clip: ClipShape


@dataclass(frozen=True)
class Model:
    """One line of `MODELS`: calling it builds the network with random weights, on the current default device."""

    network: type[nn.Module]
    family: Family
    sizes: Sizes  # what weights cannot change
    build: Callable[[], Loaded]
    load: Callable[[Weights], Loaded]
    layouts: Mapping[str, Renames]  # published names of the weights
    clip: Callable[[Any], ClipShape]  # of a configuration
    fit: Callable[[Weights, Any], Weights]  # weights made to fit a configuration of other frames, pixels or texts
    new: tuple[str, ...]  # beginnings of the names of what CLIP's weights cannot fill

    def __call__(self) -> nn.Module:
        return self.build().network


def _model(
    family: str,
    network: type[N],
    build: Callable[[C], N],
    config: C,
    clip: Callable[[C], ClipShape],
    infer: Infer[C] | None = None,
    layouts: Mapping[str, Renames] | None = None,
    fit: Callable[[Weights, C], Weights] | None = None,
    begun: Callable[[str, Weights], bool] = lambda layout, weights: layout in FROM_CLIP,
    others: Mapping[str, Renames] | None = None,
    start: Callable[[Weights, C], Weights] | None = None,
    new: tuple[str, ...] = (),
) -> Model:
    """A line of `MODELS`.

    begun, start, new: whether weights (their layout, under our names) are those of the network that this one is made
    from, such as CLIP; how they become ours; and what they cannot fill. others: layouts of that network alone.
    """

    def fitting(weights: Weights) -> C:
        try:
            shapes = {key: tuple(value.shape) for key, value in weights.items()}
            found = config if infer is None else infer(shapes, config)
        except (KeyError, IndexError, ValueError):  # a part is missing or misshapen: `load` will say which
            return config
        if _sizes(found) != _sizes(config):
            raise _another_size(network, _sizes(found), _sizes(config))
        return found

    def load_into(weights: Weights) -> Loaded:
        with shapes_only():
            names = build(config).state_dict().keys()
        layout, ours = recognise(weights, names, {**(layouts or {}), **(others or {})})
        if start is not None and begun(layout, ours):
            ours, found, missing = start(ours, config), config, new
            fitting(ours)
        else:
            found, missing = fitting(ours), ()
        with nullcontext() if missing else shapes_only():
            model = build(found)
        load(model, ours, may_miss=missing)
        if any(part.startswith("head") for part in missing):
            told = "these weights have no head for this network: what it answers means nothing before it is trained"
            warnings.warn(NewHead(told), stacklevel=4)
        return Loaded(model, layout, clip(found))

    def begin() -> Loaded:
        return Loaded(build(config), "random", clip(config))

    unchanged: Callable[[Weights, C], Weights] = lambda weights, config: weights  # noqa: E731
    fits = fit or unchanged
    return Model(network, FAMILIES[family], _sizes(config), begin, load_into, layouts or {}, clip, fits, new)


def _another_size(network: type[nn.Module], found: Sizes, wanted: Sizes) -> WeightsError:
    fitting = [name for name, model in MODELS.items() if (model.network, model.sizes) == (network, found)]
    told, expected = (", ".join(f"{name} {size}" for name, size in sizes) for sizes in (found, wanted))
    return WeightsError(
        f"these weights are of another size: {told}; expected {expected}",
        f"try the name `{fitting[0]}`" if fitting else "`internvideo models list` shows the known sizes",
    )


def _sizes(config: object) -> Sizes:
    """Widths, depths and patches of all towers, in order; decoders may be of any size."""
    if not is_dataclass(config):
        return ()
    sizes: list[tuple[str, int]] = []
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name in ("width", "depth", "patch"):
            sizes.append((field.name, value))
        elif field.name not in ("captioner", "decoder"):
            sizes += _sizes(value)
    return tuple(sizes)


def _viclip(config: viclip.ViCLIPConfig) -> Model:
    return _model(
        "viclip",
        viclip.ViCLIP,
        viclip.ViCLIP,
        config,
        lambda config: (config.video.size, config.video.frames),
        viclip.infer_config,
        viclip.LAYOUTS,
        viclip.fit,
        start=viclip.start_from_clip,
        new=viclip.NEW_BESIDE_CLIP,
    )


def _viclip_tiny(config: viclip.ViCLIPConfig) -> Model:
    kind = viclip.ViCLIP
    return _model("viclip-tiny", kind, kind, config, lambda config: (config.video.size, config.video.frames),
                  viclip.infer_config, fit=viclip.fit)  # fmt: skip


def _viclip_classifier(towers: viclip.ViCLIPConfig, family: str = "viclip-classifier") -> Model:
    return _classifier_of(viclip.ViCLIPClassifierConfig(video=replace(towers.video, projection=None)), family)


def _classifier_of(config: viclip.ViCLIPClassifierConfig, family: str) -> Model:
    return _model(
        family,
        viclip.ViCLIPClassifier,
        viclip.ViCLIPClassifier,
        config,
        lambda config: (config.video.size, config.video.frames),
        viclip.infer_classifier_config,
        fit=viclip.fit,
        begun=lambda layout, weights: "text.positions" in weights,
        others={**viclip.LAYOUTS, "own-towers": (("captioner.", "captioner."),)},
        start=viclip.start_classifier,
        new=("head.", "reader.", "video.times"),
    )


def _classifier(config: videomae.ClassifierConfig) -> Model:
    return _model(
        "videomae",
        videomae.VideoMAEClassifier,
        videomae.VideoMAEClassifier,
        config,
        _of_clip,
        videomae.infer_classifier_config,
        videomae.LAYOUTS,
        begun=lambda layout, weights: "mask_token" in weights,
        others={f"pretrained-{name}": layout for name, layout in videomae.PRETRAIN_LAYOUTS.items()},
        start=lambda weights, config: videomae.start_from_pretrained(weights),
        new=videomae.NEW_BESIDE_PRETRAINED,
    )


def _pretrain(config: videomae.PretrainConfig) -> Model:
    kind, layouts = videomae.VideoMAE, videomae.PRETRAIN_LAYOUTS
    return _model("videomae", kind, kind, config, _of_clip, videomae.infer_pretrain_config, layouts)


def _of_clip(config: videomae.ClassifierConfig | videomae.PretrainConfig) -> ClipShape:
    return config.clip.size, config.clip.frames


def _mm(config: internvideo_mm.InternVideoMMConfig) -> Model:
    return _model(
        "internvideo-mm",
        internvideo_mm.InternVideoMM,
        internvideo_mm.InternVideoMM,
        config,
        lambda config: (config.video.size, 0),
        internvideo_mm.infer_config,
        internvideo_mm.LAYOUTS,
        internvideo_mm.fit,
        start=internvideo_mm.fit,
        new=internvideo_mm.NEW_BESIDE_CLIP,
    )


def _clip(config: internvideo_mm.InternVideoMMConfig) -> Model:
    return _model(
        "clip",
        internvideo_mm.InternVideoMM,
        internvideo_mm.InternVideoMM,
        config,
        lambda config: (config.video.size, 0),
        internvideo_mm.infer_clip_config,
        internvideo_mm.CLIP_LAYOUTS,
        internvideo_mm.fit,
        start=internvideo_mm.fit,
    )


def _uniformerv2(config: uniformerv2.UniFormerV2Config) -> Model:
    return _model(
        "uniformerv2",
        uniformerv2.UniFormerV2,
        uniformerv2.UniFormerV2,
        config,
        lambda config: (config.frames.size, 0),
        uniformerv2.infer_config,
        uniformerv2.LAYOUTS,
        uniformerv2.fit,
        start=uniformerv2.fit,
        new=uniformerv2.NEW_BESIDE_CLIP,
    )


def _answer(config: video_answer.VideoAnswerConfig) -> Model:
    kind = video_answer.VideoAnswer
    return _model(
        "internvideo-mm",
        kind,
        kind,
        config,
        lambda config: (config.base.video.size, 0),
        video_answer.infer_answer_config,
        {"checkpoint": video_answer.RENAMES},
        begun=lambda layout, weights: "head.out.weight" not in weights,
        others={f"base-{name}": layout for name, layout in internvideo_mm.LAYOUTS.items()},
        start=lambda weights, config: video_answer.start_from_base(weights),
        new=video_answer.NEW_BESIDE_BASE,
    )


def _cross(config: cross_model.CrossModelConfig) -> Model:
    kind = cross_model.CrossModel
    return _model("internvideo-cma", kind, kind, config, lambda config: _of_clip(config.masked))


def _temporal(config: temporal_head.TemporalHeadConfig) -> Model:
    kind, infer = temporal_head.TemporalHead, temporal_head.infer_config
    return _model("actionformer", kind, kind, config, lambda config: (1, 1), infer, temporal_head.LAYOUTS)


def _query(family: str, config: query_head.QueryHeadConfig) -> Model:
    kind = query_head.QueryHead
    return _model(family, kind, kind, config, lambda config: (1, 1), query_head.infer_query_config)


def _on_encoder(
    family: str, kind: type[N], config: C, clip: Callable[[C], ClipShape], infer: Infer[C], new: tuple[str, ...],
    layouts: Mapping[str, Renames] | None = None, within: str = "",
) -> Model:  # fmt: skip
    """A head on VideoMAE's encoder, which weights of a classifier or of pre-training can begin. within: its place."""
    begin = videomae.start_from_pretrained
    return _model(
        family, kind, kind, config, clip, infer, layouts,
        begun=lambda layout, weights: bool({"mask_token", "mean_norm.weight"} & weights.keys()),
        others={f"{what}-{name}": layout for what, some in (("classifier", videomae.LAYOUTS),
                ("pretrained", videomae.PRETRAIN_LAYOUTS)) for name, layout in some.items()},
        start=lambda weights, config: {within + name: value for name, value in begin(weights).items()},
        new=new,
    )  # fmt: skip


def _contact(config: contact_head.ContactConfig) -> Model:
    kind, infer = contact_head.ContactHead, contact_head.infer_contact_config
    new = ("seen.token_norm.", "seen.head.", "sides.", "time.")
    return _on_encoder("videomae-ava", kind, config, lambda config: _of_ava(config.base), infer, new, within="seen.")


def _detector(config: box_detector.BoxDetectorConfig) -> Model:
    kind, infer = box_detector.BoxDetector, box_detector.infer_detector_config
    new = ("token_norm.", "head.", "queries", "layers.", "query_norm.", "box.")
    return _on_encoder("videomae-whole", kind, config, lambda config: _of_clip(config.base), infer, new)


def _of_whole(config: videomae.ClassifierConfig, outputs: int) -> Model:
    """A classifier of whole pictures that says so many numbers, whatever its encoder was trained for.

    20: five moments, two hands, (x, y). 17: in which of 16 parts of a clip something changes, or in none.
    """
    kind, own = videomae.VideoMAEClassifier, replace(config, classes=outputs, head_scale=1.0)
    return _model(
        "videomae-whole", kind, kind, own, _of_clip, videomae.infer_classifier_config, videomae.LAYOUTS,
        begun=lambda layout, weights: "mask_token" in weights or len(weights["head.weight"]) != outputs,
        others={f"pretrained-{name}": layout for name, layout in videomae.PRETRAIN_LAYOUTS.items()},
        start=lambda weights, config: videomae.start_from_pretrained(weights),
        new=videomae.NEW_BESIDE_PRETRAINED,
    )  # fmt: skip


def _navigator(config: navigator.NavigatorConfig) -> Model:
    return _model("navigator", navigator.Navigator, navigator.Navigator, config, lambda config: (1, 1))


def _spatial(config: spatial_head.SpatialConfig) -> Model:
    kind, infer, new = spatial_head.SpatialClassifier, spatial_head.infer_config, ("token_norm.", "head.", "positions.")
    return _on_encoder("videomae-ava", kind, config, _of_ava, infer, new, spatial_head.LAYOUTS)


def _spatial_tower(config: spatial_tower.SpatialTowerConfig) -> Model:
    kind, infer = spatial_tower.SpatialTower, spatial_tower.infer_config
    return _model(
        "viclip-tiny-boxes",
        kind,
        kind,
        config,
        lambda config: (config.video.size, config.video.frames),
        infer,
        begun=lambda layout, weights: "text.positions" in weights,
        others={**viclip.LAYOUTS, "own-towers": (("captioner.", "captioner."),)},
        start=spatial_tower.start,
        new=("head.", "video.times"),
    )


def _of_ava(config: spatial_head.SpatialConfig) -> ClipShape:
    """Whole pictures, an eighth larger than the squares of pre-training (published: 256 for 224)."""
    return round(config.base.clip.size * 8 / 7), config.base.clip.frames


def _patch14(config: viclip.ViCLIPConfig) -> viclip.ViCLIPConfig:
    return replace(config, video=replace(config.video, patch=14, size=56))


def _frames(config: uniformerv2.FrameConfig, patch: int) -> uniformerv2.FrameConfig:
    return replace(config, patch=patch, size=4 * patch)


_MM_DEBUG, _UNIFORMER_DEBUG = internvideo_mm.INTERNVIDEO_MM_DEBUG, uniformerv2.UNIFORMERV2_DEBUG
_MM_DEBUG_14 = replace(_MM_DEBUG, video=_frames(_MM_DEBUG.video, 14))
_UNIFORMER_DEBUG_14 = replace(_UNIFORMER_DEBUG, frames=_frames(_UNIFORMER_DEBUG.frames, 14))
_CLIP_DEBUG = internvideo_mm.CLIP_DEBUG

# Every name has a small sibling `<name>-debug`, at most 64 wide, for tests and dry runs.
MODELS: Mapping[str, Model] = {
    "clip-b-32": _clip(internvideo_mm.CLIP_B32),
    "clip-b-16": _clip(internvideo_mm.CLIP_B16),
    "clip-l-14": _clip(internvideo_mm.CLIP_L14),
    "openclip-b-32": _clip(internvideo_mm.exact_gelu(internvideo_mm.CLIP_B32)),
    "openclip-b-16": _clip(internvideo_mm.exact_gelu(internvideo_mm.CLIP_B16)),
    "viclip-b-16": _viclip(viclip.VICLIP_B16),
    "viclip-l-14": _viclip(viclip.VICLIP_L14),
    "viclip-b-16-classifier": _viclip_classifier(viclip.VICLIP_B16),
    "viclip-l-14-classifier": _viclip_classifier(viclip.VICLIP_L14),
    "viclip-tiny": _viclip_tiny(viclip.VICLIP_TINY),
    "viclip-tiny-classifier": _viclip_classifier(viclip.VICLIP_TINY, "viclip-tiny-classifier"),
    "viclip-nano": _classifier_of(viclip.VICLIP_NANO, "viclip-nano"),
    "videomae-b-16": _classifier(videomae.CLASSIFIER_B),
    "videomae-l-16": _classifier(videomae.CLASSIFIER_L),
    "videomae-h-16": _classifier(videomae.CLASSIFIER_H),
    "videomae-nano-8": _classifier(videomae.CLASSIFIER_NANO),
    "videomae-nano-8-pretrain": _pretrain(videomae.PRETRAIN_NANO),
    "videomae-b-16-pretrain": _pretrain(videomae.PRETRAIN_B),
    "videomae-l-16-pretrain": _pretrain(videomae.PRETRAIN_L),
    "videomae-h-16-pretrain": _pretrain(videomae.PRETRAIN_H),
    "internvideo-mm-b-16": _mm(internvideo_mm.INTERNVIDEO_MM_B16),
    "internvideo-mm-l-14": _mm(internvideo_mm.INTERNVIDEO_MM_L14),
    "internvideo-mm-b-16-caption": _mm(internvideo_mm.INTERNVIDEO_MM_B16_CAPTION),
    "internvideo-mm-l-14-caption": _mm(internvideo_mm.INTERNVIDEO_MM_L14_CAPTION),
    "internvideo-mm-b-16-answer": _answer(video_answer.VIDEO_ANSWER_B16),
    "internvideo-mm-l-14-answer": _answer(video_answer.VIDEO_ANSWER_L14),
    "uniformerv2-b-16": _uniformerv2(uniformerv2.UNIFORMERV2_B16),
    "uniformerv2-l-14": _uniformerv2(uniformerv2.UNIFORMERV2_L14),
    "uniformerv2-l-14-336": _uniformerv2(uniformerv2.UNIFORMERV2_L14_336),
    "actionformer-thumos14": _temporal(temporal_head.TEMPORAL_THUMOS),
    "actionformer-activitynet": _temporal(temporal_head.TEMPORAL_ACTIVITYNET),
    "actionformer-hacs": _temporal(temporal_head.TEMPORAL_HACS),
    "actionformer-fineaction": _temporal(temporal_head.TEMPORAL_FINEACTION),
    "actionformer-moments": _temporal(temporal_head.TEMPORAL_MOMENTS),
    "actionformer-queries": _query("actionformer-queries", query_head.QUERY_CLIP),
    "actionformer-queries-tiny": _query("actionformer-queries-tiny", query_head.QUERY_TINY),
    "videomae-b-16-ava": _spatial(spatial_head.SPATIAL_B),
    "videomae-l-16-ava": _spatial(spatial_head.SPATIAL_L),
    "videomae-h-16-ava": _spatial(spatial_head.SPATIAL_H),
    "viclip-tiny-boxes": _spatial_tower(spatial_tower.SPATIAL_TOWER_TINY),
    "videomae-l-16-contact": _contact(contact_head.CONTACT_L),
    "videomae-b-16-boxes": _detector(box_detector.DETECTOR_B),
    "videomae-l-16-boxes": _detector(box_detector.DETECTOR_L),
    "videomae-b-16-hands": _of_whole(videomae.CLASSIFIER_B, 20),
    "videomae-l-16-hands": _of_whole(videomae.CLASSIFIER_L, 20),
    "videomae-b-16-change": _of_whole(videomae.CLASSIFIER_B, 17),
    "navigator-b": _navigator(navigator.NAVIGATOR_B),
    "navigator-l": _navigator(navigator.NAVIGATOR_L),
    "internvideo-cma-b": _cross(cross_model.CROSS_MODEL_B),
    "internvideo-cma-h": _cross(cross_model.CROSS_MODEL_H),
    **{
        f"clip-{size}-debug": _clip(replace(_CLIP_DEBUG, video=_frames(_CLIP_DEBUG.video, patch)))
        for size, patch in (("b-32", 32), ("b-16", 16), ("l-14", 14))
    },
    **{
        f"openclip-{size}-debug": _clip(
            internvideo_mm.exact_gelu(replace(_CLIP_DEBUG, video=_frames(_CLIP_DEBUG.video, patch)))
        )
        for size, patch in (("b-32", 32), ("b-16", 16))
    },
    "viclip-b-16-debug": _viclip(viclip.VICLIP_DEBUG),
    "viclip-l-14-debug": _viclip(_patch14(viclip.VICLIP_DEBUG)),
    "viclip-b-16-classifier-debug": _viclip_classifier(viclip.VICLIP_DEBUG),
    "viclip-l-14-classifier-debug": _viclip_classifier(_patch14(viclip.VICLIP_DEBUG)),
    "viclip-tiny-debug": _viclip_tiny(viclip.VICLIP_TINY_DEBUG),
    "viclip-nano-debug": _classifier_of(viclip.VICLIP_NANO_DEBUG, "viclip-nano"),
    "viclip-tiny-classifier-debug": _viclip_classifier(viclip.VICLIP_TINY_DEBUG, "viclip-tiny-classifier"),
    **{f"videomae-{size}-debug": _classifier(videomae.CLASSIFIER_DEBUG) for size in ("b-16", "l-16", "h-16", "nano-8")},
    **{
        f"videomae-{size}-pretrain-debug": _pretrain(videomae.PRETRAIN_DEBUG)
        for size in ("b-16", "l-16", "h-16", "nano-8")
    },
    "internvideo-mm-b-16-debug": _mm(_MM_DEBUG),
    "internvideo-mm-l-14-debug": _mm(_MM_DEBUG_14),
    "internvideo-mm-b-16-caption-debug": _mm(_MM_DEBUG),
    "internvideo-mm-l-14-caption-debug": _mm(_MM_DEBUG_14),
    "internvideo-mm-b-16-answer-debug": _answer(video_answer.VIDEO_ANSWER_DEBUG),
    "internvideo-mm-l-14-answer-debug": _answer(replace(video_answer.VIDEO_ANSWER_DEBUG, base=_MM_DEBUG_14)),
    "uniformerv2-b-16-debug": _uniformerv2(_UNIFORMER_DEBUG),
    "uniformerv2-l-14-debug": _uniformerv2(_UNIFORMER_DEBUG_14),
    "uniformerv2-l-14-336-debug": _uniformerv2(_UNIFORMER_DEBUG_14),
    **{
        f"actionformer-{data}-debug": _temporal(temporal_head.TEMPORAL_DEBUG)
        for data in ("thumos14", "activitynet", "hacs", "fineaction", "moments")
    },
    "actionformer-queries-debug": _query("actionformer-queries", query_head.QUERY_DEBUG),
    "actionformer-queries-tiny-debug": _query("actionformer-queries-tiny", query_head.QUERY_TINY_DEBUG),
    **{f"videomae-{size}-ava-debug": _spatial(spatial_head.SPATIAL_DEBUG) for size in ("b-16", "l-16", "h-16")},
    "viclip-tiny-boxes-debug": _spatial_tower(spatial_tower.SPATIAL_TOWER_DEBUG),
    "videomae-l-16-contact-debug": _contact(contact_head.CONTACT_DEBUG),
    **{f"videomae-{size}-16-boxes-debug": _detector(box_detector.DETECTOR_DEBUG) for size in "bl"},
    **{f"videomae-{size}-16-hands-debug": _of_whole(videomae.CLASSIFIER_DEBUG, 20) for size in "bl"},
    "videomae-b-16-change-debug": _of_whole(videomae.CLASSIFIER_DEBUG, 17),
    **{f"navigator-{size}-debug": _navigator(navigator.NAVIGATOR_DEBUG) for size in "bl"},
    **{f"internvideo-cma-{size}-debug": _cross(cross_model.CROSS_MODEL_DEBUG) for size in "bh"},
}
