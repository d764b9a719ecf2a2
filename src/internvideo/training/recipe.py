"""What a training run does, all of it: data, network, objective, optimiser, schedule. A file gives one from `config()`.

Says nothing of where results go and how many processes there are: the same recipe runs on one or on many.
"""

import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from internvideo.config import load_recipe
from internvideo.datasets.augment import Augment
from internvideo.errors import UsageError, nearest
from internvideo.models.low_rank import LowRank
from internvideo.training.objectives import Objective
from internvideo.training.optim import (
    VICLIP_UNDECAYED,
    Group,
    trainable,
    viclip_groups,
    viclip_schedule,
    videomae_groups,
    videomae_schedule,
)
from internvideo.training.trackers import Tracker


@dataclass(frozen=True, kw_only=True)
class CorpusRecipe:
    """One list of a mixture."""

    name: str
    reader: str  # a key of `datasets.readers.READERS`, or moving_shapes (see `jobs.train_data`)
    list: str  # file or folder
    root: str = ""  # folder that paths of the list are below; "": that of the list
    options: Mapping[str, Any] = field(default_factory=dict)  # what the reader takes beside list and root
    published: int | None = None  # samples that the list has where it was published: for estimates without it
    share: float | None = None  # relative part of all items; None: its length
    frames: str | None = (
        None  # how frames are drawn, if not as `augment` says (a key of `datasets.augment.FRAME_DRAWS`)
    )
    least_words: int = 0  # over 0: captions with fewer words, and samples without any other, are left out


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """AdamW over the published groups of a family (`training.optim`)."""

    groups: Literal["viclip", "videomae"]
    rate: float  # highest learning rate, of batches as large as the recipe's
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    undecayed: tuple[str, ...] = ()  # viclip: regular expressions of names that do not shrink, beside the published
    layer_decay: float | None = None  # videomae: factor on the rate from layer to layer, from the head down
    other_rates: Mapping[str, float] = field(default_factory=dict)  # viclip: regular expression of names -> rate

    def groups_of(self, model: nn.Module) -> list[Group]:
        """All weights that are trained, with their own rates."""
        if self.groups == "viclip":
            found = trainable(model)
            names = [name for name, _ in model.named_parameters()]
            for pattern in (*self.undecayed, *self.other_rates):
                if not any(re.search(pattern, name) for name in names):
                    raise UsageError(f"no weight is called `{pattern}`, as the optimiser says", nearest(pattern, names))
            kept = {name for name, _ in found if any(re.search(pattern, name) for pattern in self.undecayed)}
            return viclip_groups(
                found,
                rate=self.rate,
                weight_decay=self.weight_decay,
                undecayed=VICLIP_UNDECAYED | kept,
                other_rates=self.other_rates,
            )
        towers = {name: part for name, part in model.named_modules() if isinstance(part, nn.ModuleList)}
        depth = len(towers.get("encoder.blocks", ()))
        groups = videomae_groups(
            trainable(model), depth=depth, weight_decay=self.weight_decay, layer_decay=self.layer_decay
        )
        return [Group(group.names, group.rate * self.rate, group.weight_decay) for group in groups]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate rises and falls: a line, then a cosine, as the family's code does it step by step."""

    kind: Literal["viclip", "videomae"]
    warmup: float = 0.0  # epochs; may be part of one
    warmup_steps: int | None = None  # instead of it
    lowest: float = 0.01  # share of the highest rate; viclip: never below it, videomae: where the cosine ends
    start: float = 0.0  # videomae: share of the highest rate at the first step

    def factor(self, steps: int, steps_per_epoch: int) -> Callable[[int], float]:
        """Step, from 0 -> what rates are multiplied with."""
        wanted = self.warmup * steps_per_epoch if self.warmup_steps is None else self.warmup_steps
        warmup = min(wanted, steps)
        if self.kind == "viclip":
            return lambda step: viclip_schedule(step, warmup=warmup, total=steps, lowest=self.lowest)
        table = videomae_schedule(
            1.0,
            self.lowest,
            epochs=1,
            steps_per_epoch=steps,
            warmup_epochs=int(warmup > 0),
            start=self.start,
            warmup_steps=round(warmup),
        )
        return lambda step: float(table[step])


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """A whole run. Exactly one of `epochs` and `steps` says how long it is."""

    model: str  # a key of `models.MODELS`
    corpora: tuple[CorpusRecipe, ...]
    objective: Objective
    augment: Augment  # training views; size, frames and colours are the model's
    optimiser: Optimiser
    schedule: Schedule
    batch: int  # clips per step, of all processes together
    image_batch: int | None = (
        None  # pictures per step where lists of pictures are among the corpora; None: like `batch`
    )
    alternate: bool = False  # steps of clips and of pictures take turns; else they are shuffled by shares
    epochs: float | None = None  # times through the lists
    steps: int | None = None
    weights: str | None = None  # what `models.load_model` takes; None: random weights
    part_weights: Mapping[str, tuple[str, str]] = field(
        default_factory=dict
    )  # part -> model and weights it begins with
    network: tuple[str, ...] = ()  # changes of the network's configuration, such as "encoder.drop_path=0.2"
    preprocess: tuple[str, ...] = ()  # changes of how the network sees clips, such as "frame_count=16"
    relabel: tuple[str, str] | None = None  # files of class names: of the head in `weights`, and those it shall have
    frozen: tuple[str, ...] = ()  # regular expressions that names of weights hold which do not learn, such as "^text"
    lora: LowRank | None = None  # learn small differences of some layers instead of the layers
    merge: float | None = None  # WiSE-FT: share of what was learned in the network at the end
    merge_with: str | None = None  # weights of the rest; None: those it began with
    held_out: CorpusRecipe | None = None  # what evaluation looks at
    cleaning: Literal["none", "viclip"] = "none"  # of captions, before the tokenizer
    shuffle: bool = True  # False: lists are gone through as they stand, one after the other
    repeats: int = 1  # views per sample, decoded once; they count as clips of the batch
    parts: int = 1  # a batch is computed in so many parts: less memory, the same gradients
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # fp16, with a loss that is scaled, where bf16 is not known
    seed: int = 0
    average: float | None = None  # decay per step of the moving average of weights, which is what is saved as model
    clip: float | None = None  # longest gradient
    log_every: int = 1  # steps
    logs: tuple[Tracker, ...] = ()  # beside log.jsonl: tensorboard, wandb
    save_every: int = 500  # steps
    evaluate_every: int = 500  # steps
    workers: int = 2  # processes that make clips, for each process that trains; 0: it makes them itself
    kept_gigabytes: float = 0.0  # of decoded frames that each of them keeps in memory: small sets are decoded once
    processes: int = 1  # that share a batch where it was published; only an estimate looks at it
    parallel: Literal["ddp", "fsdp"] = "ddp"  # fsdp: every process holds only its share of the weights
    compile: bool = False  # blocks, by torch.compile
    recompute: bool = False  # activations of blocks in the backward pass: less memory, a third more work

    def __post_init__(self) -> None:
        check_types(self)
        positive = ("batch", "repeats", "parts", "log_every", "save_every", "evaluate_every", "processes")
        for name in positive + tuple(
            name for name in ("epochs", "steps", "image_batch") if getattr(self, name) is not None
        ):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"`{name}` is {getattr(self, name)}", "give a number over 0")
        if min(self.workers, self.seed) < 0:
            raise UsageError(f"workers {self.workers}, seed {self.seed}", "neither may be below 0")
        if (self.epochs is None) == (self.steps is None):
            raise UsageError(
                "a run has either `epochs` or `steps`", "set the other one to none: epochs=none steps=1000"
            )
        if self.average is not None and not 0 < self.average < 1:
            raise UsageError(f"`average` is {self.average}", "a decay is over 0 and below 1, such as 0.999")
        if self.merge is not None and (not 0 <= self.merge <= 1 or self.weights is None):
            raise UsageError(
                f"`merge` is {self.merge}, `weights` {self.weights}", "a share from 0 to 1 of some weights"
            )
        if not self.corpora:
            raise UsageError("the recipe has no corpora", "name at least one list to learn from")


def beside(file: str, name: str) -> TrainRecipe:
    """The recipe in the file `name` next to a recipe's own `file` (its `__file__`), to be changed with `replace`."""
    return load_recipe(str(Path(file).with_name(name)), {}, TrainRecipe)


def check_types(value: Any, path: str = "") -> None:
    """Raise UsageError for the first field of a dataclass, or of those inside it, that is not of its declared type."""
    hints = typing.get_type_hints(type(value))
    for each in fields(value):
        inner, name = getattr(value, each.name), f"{path}{each.name}"
        if not _fits(inner, hints[each.name]):
            shown = getattr(hints[each.name], "__name__", None) or str(hints[each.name])
            wanted = str(hints[each.name]) if typing.get_args(hints[each.name]) else shown
            raise UsageError(f"`{name}` is {inner!r}", f"give a value of type {wanted}")
        for part in inner if isinstance(inner, tuple) else (inner,):
            if is_dataclass(part):
                check_types(part, f"{name}.")


def _fits(value: Any, wanted: Any) -> bool:
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any:
        return True
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        kinds = arguments[:1] * len(value) if isinstance(value, tuple) and arguments[-1] is Ellipsis else arguments
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, origin or wanted) and not (wanted is int and isinstance(value, bool))
