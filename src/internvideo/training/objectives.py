"""What each kind of training asks of a model: an objective joins a model, a batch and a loss.

A batch is a mapping of tensors: video (B, C, T, H, W) float, normalised, and by need uid, source, label (B,) and text
(B, L) token ids. An objective has two halves: `look` is what a part of a batch can compute by itself, `compare` what
needs all of it, over all processes. So a batch may come in parts, and the gradients are those of the whole
(`internvideo.training.learner`). Random numbers come from a `numpy.random.Generator`. Knows no files and no ranks.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from internvideo import distributed
from internvideo.errors import UsageError
from internvideo.models.cross_model import CrossModel
from internvideo.models.internvideo_mm import InternVideoMM
from internvideo.models.layers import take
from internvideo.models.viclip import ViCLIP
from internvideo.models.videomae import VideoMAE
from internvideo.ops import masks
from internvideo.ops.evidence import (
    Evidence,
    Fit,
    annealing,
    dirichlet,
    evidence_loss,
    from_no_evidence,
    uncertainty,
)
from internvideo.ops.losses import (
    caption_loss,
    caption_targets,
    denormalise,
    pixel_loss,
    pixel_targets,
    sigmoid_loss,
    soft_cross_entropy,
    soft_targets,
    tiled_contrastive_loss,
)
from internvideo.ops.mixing import mix_batch

Batch = Mapping[str, Any]  # tensors, and `media`: "video" or "image"
Logs = dict[str, Tensor]  # numbers worth a line in the log: () without gradient


class Look(NamedTuple):
    """What a part of a batch gives: its own loss, vectors to be compared with those of all others, numbers to log."""

    loss: Tensor  # ()
    vectors: tuple[Tensor, ...]  # (B, D) each
    logs: Logs


@dataclass(frozen=True, kw_only=True)
class Objective(ABC):
    """The base of all: nothing to compare, all parts count alike, every parameter gets a gradient."""

    compares: ClassVar[bool] = False  # `look` gives vectors
    reads_text: ClassVar[bool] = False  # the batch must have `text`

    def leaves_unused(self, model: nn.Module) -> bool:
        """Whether some parameters of the model get no gradient."""
        return False

    def __call__(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> tuple[Tensor, Logs]:
        """The loss () of a whole batch, and numbers to log."""
        look = self.look(model, batch, rng)
        loss, logs = self.compare(model, look.vectors, batch)
        return look.loss + loss, {**look.logs, **logs}

    def prepare(self, model: nn.Module) -> None:  # noqa: B027  # most freeze nothing
        """Freeze what this objective does not train."""

    def weight(self, batch: Batch) -> Tensor | None:
        """What the loss of `look` is a mean over, () float, if that may differ between parts of the same size."""
        return None

    @abstractmethod
    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        """What one part of a batch gives."""

    def compare(self, model: nn.Module, vectors: Sequence[Tensor], batch: Batch) -> tuple[Tensor, Logs]:
        """The loss () over all vectors of all processes; `batch` needs only its uid and source."""
        return batch["video"].new_zeros(()), {}


@dataclass(frozen=True, kw_only=True)
class MaskedPixels(Objective):
    """Fill in hidden cubes (VideoMAE). Needs video.

    mean, std: of the normalisation, to get the pixels back. decoded: share of the hidden cubes that are predicted, by
    running cells (VideoMAE V2) if below 1.
    """

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    mask: Literal["tube", "uniform", "progressive", "centre_progressive"] = "tube"
    hidden: float = 0.9
    decoded: float = 1.0
    normalise: bool = True  # targets have mean 0 and deviation 1 per cube and channel

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        assert isinstance(model, VideoMAE)
        video, clip = batch["video"], model.config.clip
        grid = model.encoder.patches.grid(video)
        hidden = np.stack([getattr(masks, self.mask)(grid, self.hidden, rng) for _ in video])
        asked = hidden
        if self.decoded < 1:
            asked = hidden & ~masks.running_cell(grid, 1 - self.decoded, len(video), rng)
        visible, decoded = (torch.from_numpy(masks.visible(m)).to(video.device) for m in (hidden, ~asked))
        predicted = model(video, visible, decoded)
        pixels = denormalise(video, self.mean, self.std)
        targets = take(pixel_targets(pixels, clip.tubelet, clip.patch, normalise=self.normalise), decoded)
        return Look(pixel_loss(predicted.float(), targets), (), {})


@dataclass(frozen=True, kw_only=True)
class Contrastive(Objective):
    """Pull each clip to its caption and away from all others (ViCLIP). Needs video, text, uid; source if asked for.

    dropped: share of the tokens of a clip that are not looked at. same_source: clips of one source are no negatives of
    each other. published: gradients over processes as in the released code, 1 / world of the true ones.
    kind: "softmax" with a learned temperature that has a floor, or "sigmoid" (SigLIP) with a fixed shift of the logits.
    """

    compares: ClassVar[bool] = True
    reads_text: ClassVar[bool] = True

    dropped: float = 0.0
    same_source: bool = False
    published: bool = False
    kind: Literal["softmax", "sigmoid"] = "softmax"
    shift: float = -10.0
    tile: int = 512

    def leaves_unused(self, model: nn.Module) -> bool:
        return getattr(model, "captioner", None) is not None

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        assert isinstance(model, ViCLIP)
        kept = _kept(model.video.patches.grid(batch["video"]), self.dropped, batch["video"], rng)
        vectors = model.encode_video(batch["video"], kept), model.encode_text(batch["text"])
        return Look(vectors[0].new_zeros(()), vectors, {})

    def compare(self, model: nn.Module, vectors: Sequence[Tensor], batch: Batch) -> tuple[Tensor, Logs]:
        video, text = (distributed.gather(v.float(), published=self.published) for v in vectors)
        ids = distributed.gather(batch["uid"])
        sources = distributed.gather(batch["source"]) if self.same_source else None
        scale = _scale(model)
        if self.kind == "sigmoid":
            loss = sigmoid_loss(scale * video @ text.T + self.shift, ids, sources)
        else:
            loss = tiled_contrastive_loss(video, text, scale, ids, sources, tile=self.tile)
        return loss, {"contrastive": loss.detach(), "scale": scale.detach()}


@dataclass(frozen=True, kw_only=True)
class ContrastiveCaption(Contrastive):
    """Contrast and caption (InternVideo-MM): the sum of both losses. Clips and pictures alternate in the batches."""

    def leaves_unused(self, model: nn.Module) -> bool:
        return True  # the mask token of the text tower

    def weight(self, batch: Batch) -> Tensor | None:
        return (caption_targets(batch["text"]) >= 0).sum().float()

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        assert isinstance(model, InternVideoMM | ViCLIP)
        if model.captioner is None:
            raise UsageError(
                "this network has no caption decoder", "start from weights that have one, or train `contrastive` alone"
            )
        video, tokens = model.encode_tokens(batch["video"])
        texts = model.text.tokens(batch["text"])
        text = nn.functional.normalize(model.text.pool(texts, batch["text"]) @ model.text.projection, dim=-1)
        loss = caption_loss(model.captioner(texts[:, :-1], tokens), batch["text"])
        return Look(loss, (video, text), {"caption": loss.detach()})


@dataclass(frozen=True, kw_only=True)
class Classify(Objective):
    """Name the class. Needs video, label or soft (shares of classes). Mixup, CutMix and label smoothing as in the
    fine-tunings of VideoMAE.

    classes: 0 in a recipe stands for as many as its lists have.
    """

    classes: int
    smoothing: float = 0.0
    mixup: float = 0.0  # alpha of the Beta distribution; 0: never
    cutmix: float = 0.0

    @property
    def outputs(self) -> int:
        """Rows of the head."""
        return self.classes

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        targets = soft_targets(batch.get("soft", batch["label"]), self.classes, self.smoothing)
        video, targets = mix_batch(batch["video"], targets, rng, mixup_alpha=self.mixup, cutmix_alpha=self.cutmix)
        return self.judge(model(video), targets)

    def judge(self, logits: Tensor, targets: Tensor) -> Look:
        """logits: (B, K), or fewer rows that each stand for several consecutive clips (VideoMAE's segments)."""
        targets = targets.reshape(len(logits), -1, self.classes).mean(1)
        right = (logits.argmax(1) == targets.argmax(1)).float().mean()
        return Look(soft_cross_entropy(logits, targets), (), {"accuracy": right})


@dataclass(frozen=True, kw_only=True)
class ClassifyParts(Classify):
    """Name the class, where a class is a combination of parts (shape, colour, ...): every part is asked for.

    parts: how many values each part has; classes are all combinations, those of the last part next to each other. The
    head has a row for each value of each part, one part after the other. Mixes no clips.
    """

    classes: int = field(default=0, init=False)
    mixup: float = field(default=0.0, init=False)
    cutmix: float = field(default=0.0, init=False)
    parts: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", math.prod(self.parts))

    @property
    def outputs(self) -> int:
        return sum(self.parts)

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        if "soft" in batch:
            raise UsageError("parts are of one class per clip, but the list has soft labels", "train with Classify")
        labels, losses, logs = batch["label"], [], {}
        parts = zip(model(batch["video"]).split(self.parts, 1), self.parts, strict=True)
        for place, (logits, count) in reversed(list(enumerate(parts, start=1))):
            wanted, labels = labels % count, labels // count
            losses.append(soft_cross_entropy(logits, soft_targets(wanted, count, self.smoothing)))
            logs[f"accuracy {place}"] = (logits.argmax(1) == wanted).float().mean()
        return Look(torch.stack(losses).sum(), (), logs)


@dataclass(frozen=True, kw_only=True)
class Evidential(Classify):
    """Name the class, and say how much evidence there is (open-set recognition). Needs video, label; mixes no clips.

    fit, divergence, calibration, evidence: see `ops.evidence.evidence_loss`; InternVideo takes the usual values.
    annealed: steps in which divergence and calibration grow from 1 % to their full weight; 0: full from the start.
    outsiders: samples without a class are welcome, and shall leave no evidence (as outliers that are shown in Hendrycks
    et al., 2019): their loss is the divergence from none.
    """

    mixup: float = field(default=0.0, init=False)
    cutmix: float = field(default=0.0, init=False)
    evidence: Evidence = "exp"
    fit: Fit = "log"
    divergence: bool = False
    calibration: Literal["", "joint", "disentangled"] = ""
    annealed: int = 0
    outsiders: bool = False

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        if "soft" in batch:
            raise UsageError("evidence is for one class per clip, but the list has soft labels", "train with Classify")
        logits = model(batch["video"])
        alpha = dirichlet(logits.float(), self.evidence)
        inside = batch["label"] >= 0
        labels = batch["label"].clamp(min=0)
        step = min(int(batch.get("step", 0)), self.annealed)
        terms = evidence_loss(
            alpha,
            labels,
            self.fit,
            coefficient=annealing(step, self.annealed) if self.annealed else 1.0,
            divergence=self.divergence,
            calibration=self.calibration,
        )
        right = ((logits.argmax(1) == labels) & inside).sum() / inside.sum().clamp(min=1)
        loss = torch.where(inside, torch.stack(list(terms.values())).sum(0), from_no_evidence(alpha)).mean()
        return Look(loss, (), {"accuracy": right, "uncertainty": uncertainty(alpha).mean().detach()})


@dataclass(frozen=True, kw_only=True)
class Answer(Classify):
    """Answer a question from a vocabulary. Needs video, text (the question), label (the answer); mixes no clips."""

    reads_text: ClassVar[bool] = True
    mixup: float = field(default=0.0, init=False)
    cutmix: float = field(default=0.0, init=False)

    def leaves_unused(self, model: nn.Module) -> bool:
        return True  # what InternVideo-MM has for comparing and for hidden words

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        targets = soft_targets(batch.get("soft", batch["label"]), self.classes, self.smoothing)
        return self.judge(model(batch["video"], batch["text"]), targets)


@dataclass(frozen=True, kw_only=True)
class Coordinate(Classify):
    """Teach two frozen models to read each other (cross-model attention). Needs video, label; frames: (B, C, T, H, W)
    for the second model, if it sees other clips. Mixes no clips."""

    mixup: float = field(default=0.0, init=False)
    cutmix: float = field(default=0.0, init=False)

    def prepare(self, model: nn.Module) -> None:
        assert isinstance(model, CrossModel)
        model.freeze_backbones()

    def look(self, model: nn.Module, batch: Batch, rng: np.random.Generator) -> Look:
        targets = soft_targets(batch.get("soft", batch["label"]), self.classes, self.smoothing)
        return self.judge(model(batch["video"], batch.get("frames")), targets)


def _kept(grid: tuple[int, int, int], dropped: float, video: Tensor, rng: np.random.Generator) -> Tensor | None:
    """The numbers of the tokens that stay, (B, K) ascending; drawn on the device of the video."""
    if not dropped:
        return None
    tokens = grid[0] * grid[1] * grid[2]
    draw = torch.Generator(video.device).manual_seed(int(rng.integers(2**63)))
    order = torch.rand(len(video), tokens, generator=draw, device=video.device).argsort(1)
    return order[:, int(dropped * tokens) :].sort(1).values


def _scale(model: nn.Module) -> Tensor:
    """What cosines are multiplied with, brought back between its limits first, as published."""
    if isinstance(model, ViCLIP):
        return 1 / model.lift_temperature()
    assert isinstance(model, InternVideoMM)
    return model.limit_scale()
