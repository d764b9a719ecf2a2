"""The networks by name, and weights from local files into them. Networks know tensors only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import nn

from internvideo.errors import pick
from internvideo.models import cross_model, internvideo_mm, uniformerv2, viclip, videomae
from internvideo.models.renaming import Renames, Shapes, WeightsError
from internvideo.models.weights import Weights, load, read_weights, recognise

C = TypeVar("C")
N = TypeVar("N", bound=nn.Module)
Sizes = tuple[tuple[str, int], ...]


class Infer(Protocol[C]):
    def __call__(self, shapes: Shapes, base: C, /) -> C: ...


@dataclass(frozen=True)
class Model:
    """One line of `MODELS`: calling it builds the network with random weights, on the current default device."""

    network: type[nn.Module]
    sizes: Sizes  # what weights cannot change
    build: Callable[[], nn.Module]
    load: Callable[[Weights], nn.Module]

    def __call__(self) -> nn.Module:
        return self.build()


def load_model(name: str, weights: Path | None = None) -> nn.Module:
    """A network by name, in evaluation mode; with weights from a file in our own or any published layout.

    Classes, frame counts, picture sizes and caption layers come from the weights; widths and depths must be those of
    the name. CLIP's weights start the networks that were made from it. Raises UsageError for an unknown name and
    WeightsError for weights that do not fit.
    """
    model = pick(MODELS, name, "model")
    return (model() if weights is None else model.load(read_weights(weights))).eval()


def _model(
    network: type[N],
    build: Callable[[C], N],
    config: C,
    infer: Infer[C] | None = None,
    layouts: Mapping[str, Renames] | None = None,
    start: Callable[[Weights, C], Weights] | None = None,
    new_beside_clip: tuple[str, ...] = (),
) -> Model:
    """A line of `MODELS`. start, new_beside_clip: how CLIP's weights become ours, and what they cannot fill."""

    def load_into(weights: Weights) -> nn.Module:
        with torch.device("meta"):
            names = build(config).state_dict().keys()
        layout, ours = recognise(weights, names, layouts or {})
        if layout == "clip" and start is not None:
            begun = build(config)
            load(begun, start(ours, config), may_miss=new_beside_clip)
            return begun
        found = config if infer is None else infer({key: tuple(value.shape) for key, value in ours.items()}, config)
        if _sizes(found) != _sizes(config):
            raise _another_size(network, _sizes(found), _sizes(config))
        with torch.device("meta"):
            model = build(found)
        load(model, ours)
        return model

    return Model(network, _sizes(config), lambda: build(config), load_into)


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
    kind, new = viclip.ViCLIP, ("temperature", "video.times")
    return _model(kind, kind, config, viclip.infer_config, viclip.LAYOUTS, viclip.start_from_clip, new)


def _classifier(config: videomae.ClassifierConfig) -> Model:
    kind = videomae.VideoMAEClassifier
    return _model(kind, kind, config, videomae.infer_classifier_config, videomae.LAYOUTS)


def _pretrain(config: videomae.PretrainConfig) -> Model:
    kind = videomae.VideoMAE
    return _model(kind, kind, config, videomae.infer_pretrain_config, videomae.PRETRAIN_LAYOUTS)


def _mm(config: internvideo_mm.InternVideoMMConfig) -> Model:
    kind, new = internvideo_mm.InternVideoMM, internvideo_mm.NEW_BESIDE_CLIP
    return _model(kind, kind, config, internvideo_mm.infer_config, internvideo_mm.LAYOUTS, internvideo_mm.fit, new)


def _uniformerv2(config: uniformerv2.UniFormerV2Config) -> Model:
    kind, new = uniformerv2.UniFormerV2, uniformerv2.NEW_BESIDE_CLIP
    return _model(kind, kind, config, uniformerv2.infer_config, uniformerv2.LAYOUTS, uniformerv2.fit, new)


def _cross(config: cross_model.CrossModelConfig) -> Model:
    return _model(cross_model.CrossModel, cross_model.CrossModel, config)


def _patch14(config: viclip.ViCLIPConfig) -> viclip.ViCLIPConfig:
    return replace(config, video=replace(config.video, patch=14, size=56))


def _frames14(config: uniformerv2.FrameConfig) -> uniformerv2.FrameConfig:
    return replace(config, patch=14, size=56)


_MM_DEBUG, _UNIFORMER_DEBUG = internvideo_mm.INTERNVIDEO_MM_DEBUG, uniformerv2.UNIFORMERV2_DEBUG
_MM_DEBUG_14 = replace(_MM_DEBUG, video=_frames14(_MM_DEBUG.video))
_UNIFORMER_DEBUG_14 = replace(_UNIFORMER_DEBUG, frames=_frames14(_UNIFORMER_DEBUG.frames))

# Every name has a small sibling `<name>-debug`, at most 64 wide, for tests and dry runs.
MODELS: Mapping[str, Model] = {
    "viclip-b-16": _viclip(viclip.VICLIP_B16),
    "viclip-l-14": _viclip(viclip.VICLIP_L14),
    "videomae-b-16": _classifier(videomae.CLASSIFIER_B),
    "videomae-l-16": _classifier(videomae.CLASSIFIER_L),
    "videomae-h-16": _classifier(videomae.CLASSIFIER_H),
    "videomae-b-16-pretrain": _pretrain(videomae.PRETRAIN_B),
    "videomae-l-16-pretrain": _pretrain(videomae.PRETRAIN_L),
    "videomae-h-16-pretrain": _pretrain(videomae.PRETRAIN_H),
    "internvideo-mm-b-16": _mm(internvideo_mm.INTERNVIDEO_MM_B16),
    "internvideo-mm-l-14": _mm(internvideo_mm.INTERNVIDEO_MM_L14),
    "uniformerv2-b-16": _uniformerv2(uniformerv2.UNIFORMERV2_B16),
    "uniformerv2-l-14": _uniformerv2(uniformerv2.UNIFORMERV2_L14),
    "uniformerv2-l-14-336": _uniformerv2(uniformerv2.UNIFORMERV2_L14_336),
    "internvideo-cma-b": _cross(cross_model.CROSS_MODEL_B),
    "internvideo-cma-h": _cross(cross_model.CROSS_MODEL_H),
    "viclip-b-16-debug": _viclip(viclip.VICLIP_DEBUG),
    "viclip-l-14-debug": _viclip(_patch14(viclip.VICLIP_DEBUG)),
    **{f"videomae-{size}-16-debug": _classifier(videomae.CLASSIFIER_DEBUG) for size in "blh"},
    **{f"videomae-{size}-16-pretrain-debug": _pretrain(videomae.PRETRAIN_DEBUG) for size in "blh"},
    "internvideo-mm-b-16-debug": _mm(_MM_DEBUG),
    "internvideo-mm-l-14-debug": _mm(_MM_DEBUG_14),
    "uniformerv2-b-16-debug": _uniformerv2(_UNIFORMER_DEBUG),
    "uniformerv2-l-14-debug": _uniformerv2(_UNIFORMER_DEBUG_14),
    "uniformerv2-l-14-336-debug": _uniformerv2(_UNIFORMER_DEBUG_14),
    **{f"internvideo-cma-{size}-debug": _cross(cross_model.CROSS_MODEL_DEBUG) for size in "bh"},
}
