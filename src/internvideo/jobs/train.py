"""`internvideo train`: a recipe in, a trained network out. The same command goes on where a killed run stood."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from internvideo import distributed
from internvideo.config import dump, load_recipe, override, plain
from internvideo.datasets.loader import Broken, Corpus, Loader
from internvideo.errors import UsageError, pick
from internvideo.jobs.curves import draw_curves
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import CountTalk, note
from internvideo.jobs.train_cost import TRIED_CLIPS, TrainCost, step_cost, train_cost, tried_speed
from internvideo.jobs.train_data import clip_recipe, count_corpus, names_of, pinned, read_corpus, tell_list
from internvideo.jobs.train_score import held_out_scores
from internvideo.jobs.train_start import begin, config_of, merged_with_start
from internvideo.models import MODELS, with_card
from internvideo.models.cross_model import CrossModel
from internvideo.models.families import Card
from internvideo.models.hub import save_pretrained
from internvideo.models.internvideo_mm import InternVideoMM
from internvideo.models.low_rank import adapt, merge, save_differences
from internvideo.models.uniformerv2 import UniFormerV2
from internvideo.models.viclip import ViCLIP, ViCLIPClassifier
from internvideo.models.video_answer import VideoAnswer
from internvideo.models.videomae import VideoMAE, VideoMAEClassifier
from internvideo.store import durable
from internvideo.training.checkpoint import LATEST, Checkpoints, State, weights_of
from internvideo.training.hooks import Average, Evaluate, Log, LossScale, Meter, NaNGuard, Progress, Save, measured_peak
from internvideo.training.learner import Learner, compile_blocks, recompute_blocks
from internvideo.training.loop import Guard, Hook, OutOfMemory, train
from internvideo.training.objectives import (
    Answer,
    Classify,
    ClassifyParts,
    Contrastive,
    ContrastiveCaption,
    Coordinate,
    Evidential,
    MaskedPixels,
)
from internvideo.training.optim import adamw
from internvideo.training.recipe import TrainRecipe
from internvideo.training.trackers import trackers

LOG, RECIPE, CURVES, MODEL, CHECKPOINTS = "log.jsonl", "recipe.json", "curves.png", "model", "checkpoints"
DIFFERENCES = "differences.safetensors"  # of low-rank fine-tuning
TRIED_SECONDS = 5.0  # an estimate tries a step out if that should take no longer
NETWORKS = {  # objective -> networks it can train
    MaskedPixels: (VideoMAE,),
    Contrastive: (ViCLIP,),
    ContrastiveCaption: (InternVideoMM, ViCLIP),
    Classify: (VideoMAEClassifier, UniFormerV2, ViCLIPClassifier),
    ClassifyParts: (VideoMAEClassifier, UniFormerV2, ViCLIPClassifier),
    Coordinate: (CrossModel,),
    Evidential: (VideoMAEClassifier, UniFormerV2, ViCLIPClassifier),
    Answer: (VideoAnswer,),
}


@dataclass(frozen=True)
class Trained:
    """What came out of a run."""

    out: str
    steps: int
    resumed_at: int  # step; 0: from the start
    last: dict[str, float]  # the last line of the log
    skipped: tuple[int, ...]  # steps that were left out because of numbers that are not finite
    broken: tuple[Broken, ...]  # files that could not be used, since the run was last started

    def as_row(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        """A few lines for people."""
        numbers = {
            name: self.last[name]
            for name in ("loss", "eval/loss", "eval/accuracy", "eval/t2v_R@1")
            if name in self.last
        }
        lines = [f"{self.steps:,} steps: " + ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())]
        lines += [f"{self.out}: {MODEL}, {CHECKPOINTS}, {LOG}, {CURVES}"]
        lines += [f"{len(self.skipped)} steps left out"] if self.skipped else []
        return "\n".join(lines)


def recipe_of(name: str, overrides: Sequence[str]) -> TrainRecipe:
    """A recipe file with overrides applied. Raises UsageError for anything that is not understood."""
    recipe = override(load_recipe(name, {}, TrainRecipe), overrides)
    network = pick(MODELS, recipe.model, "model").network
    if network not in NETWORKS.get(type(recipe.objective), ()):
        known = [key for key, one in MODELS.items() if one.network in NETWORKS.get(type(recipe.objective), ())]
        raise UsageError(
            f"the objective {type(recipe.objective).__name__} does not train `{recipe.model}`",
            f"models for it: {', '.join(known)}",
        )
    for batch in (recipe.batch, recipe.image_batch or recipe.batch):
        if batch % (distributed.world() * recipe.parts * recipe.repeats):
            raise UsageError(
                f"a batch of {batch} does not divide by {distributed.world()} processes x {recipe.parts} parts "
                f"x {recipe.repeats} repeats",
                "change batch, parts or repeats",
            )
    return recipe


def run_train(
    name: str, out: str | os.PathLike[str], *, overrides: Sequence[str] = (), changed: bool = False
) -> Trained | None:
    """Train by a recipe into the folder `out`, or go on there; writes its log, curves, checkpoints and `model/`.

    With several processes only the main one gets what came out, the others None.
    changed: go on although recipe or lists are not those of the run so far. Raises UsageError for what is not
    understood, RunChanged, OutOfMemory, StoreError (disk full ...), and InternVideoError if the run diverges.
    """
    with distributed.start() as device:
        recipe = recipe_of(name, overrides)
        corpora = [read_corpus(each) for each in recipe.corpora]
        recipe = _with_classes(recipe, corpora)
        held_out = read_corpus(recipe.held_out, corpora[0].samples.classes) if recipe.held_out else None
        for corpus in [*corpora, held_out] if held_out else corpora:
            _check_labels(recipe, corpus)
            if distributed.is_main():
                tell_list(corpus)
        return _Run(recipe, Path(out), corpora, held_out, device).go(changed)


def estimate(
    name: str,
    out: str | os.PathLike[str] | None = None,
    *,
    overrides: Sequence[str] = (),
    peak: float | None = None,
) -> TrainCost:
    """What `run_train` would cost on this machine. Writes nothing.

    out: an earlier run, whose speed counts. peak: operations per second of another machine; nothing is tried here then.
    """
    recipe = recipe_of(name, overrides)
    if isinstance(recipe.objective, Classify) and not recipe.objective.classes:
        recipe = _with_classes(recipe, [read_corpus(each) for each in recipe.corpora])
    model = begin(recipe, shapes=True)
    card = card_of(model)
    samples = sum(count_corpus(corpus) for corpus in recipe.corpora)
    epoch = _epoch(recipe, samples)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lines = read_log(Path(out) / LOG) if out is not None else []
    speeds = [line["clips_per_s"] for line in lines if line.get("clips_per_s")]
    clips = clip_recipe(recipe, card, _context(recipe, model, card))
    measured = (speeds[-1], "measured by this run so far") if speeds else None
    cost = train_cost(recipe, model.to("meta"), clips, samples=samples, steps=_steps(recipe, epoch),
                      peak=peak or _peak(recipe, device), world=0 if distributed.world() == 1 else distributed.world(),
                      measured=measured)  # fmt: skip
    if measured or peak or TRIED_CLIPS / cost.clips_per_s > TRIED_SECONDS:
        return cost
    tried, count = tried_speed(
        begin(replace(recipe, weights=None, merge=None, part_weights={})).to(device), recipe, clips
    )
    seconds = cost.steps * cost.clips_per_step / tried
    return replace(cost, clips_per_s=tried, hours=seconds / 3600, rate=f"measured here with {count} random clips")


def go_on(checkpoints: Checkpoints, state: State, out: Path, recipe: object, changed: bool) -> int:
    """The step to start at, after all that could be refused has been looked at; the recipe lies in `out` then."""
    resumed = checkpoints.resume(state, changed=changed)
    if distributed.is_main():
        durable.make_folder(out)
        durable.write_atomic(out / RECIPE, dump(recipe).encode())
        if resumed:
            note(f"going on after step {state.step:,}")
    return state.step


class _Run:
    """One process's part of a run."""

    def __init__(
        self, recipe: TrainRecipe, out: Path, corpora: list[Corpus], held_out: Corpus | None, device: torch.device
    ) -> None:
        self.recipe, self.out, self.corpora, self.held_out, self.device = recipe, out, corpora, held_out, device
        with torch.random.fork_rng([]):
            torch.manual_seed(recipe.seed)
            self.model = begin(recipe).to(device)
            self.card = _named(card_of(self.model), recipe, corpora)
        context = _context(recipe, self.model, self.card)
        self.clips = clip_recipe(recipe, self.card, context)
        self.seen = clip_recipe(recipe, self.card, context, evaluation=True)
        self.config = config_of(self.model)
        if recipe.recompute:
            recompute_blocks(self.model)
        if recipe.compile:
            compile_blocks(self.model)
        learner = Learner(self.model, recipe.objective, recipe.precision)
        self.module = distributed.parallelize(
            learner, recipe.parallel, unused=recipe.objective.leaves_unused(self.model)
        )
        self.optimizer = adamw(
            self.model, recipe.optimiser.groups_of(self.model), betas=recipe.optimiser.betas, eps=recipe.optimiser.eps
        )
        self.average = Average(self.model, recipe.average) if recipe.average is not None else None
        self.state = State(self.model, self.optimizer, self.average.values if self.average else {}, seed=recipe.seed)
        self.checkpoints = Checkpoints(out / CHECKPOINTS, pinned(recipe, corpora))
        self.nan_guard = NaNGuard(note, name=partial(names_of, corpora))
        self.guard: Guard = self.nan_guard
        if recipe.precision == "fp16":
            self.guard = self.state.scaling = LossScale(learner, self.nan_guard)

    def go(self, changed: bool) -> Trained | None:
        recipe = self.recipe
        with Loader(
            self.corpora,
            self.clips,
            batch=recipe.batch // recipe.repeats // distributed.world(),
            image_batch=recipe.image_batch and recipe.image_batch // recipe.repeats // distributed.world(),
            alternate=recipe.alternate,
            seed=recipe.seed,
            rank=distributed.rank(),
            world=distributed.world(),
            shuffle=recipe.shuffle,
            workers=recipe.workers,
        ) as loader, CountTalk("training", "steps") as talk:  # fmt: skip
            start = go_on(self.checkpoints, self.state, self.out, recipe, changed)
            steps, epoch = _steps(recipe, loader.steps_per_epoch), loader.steps_per_epoch
            factor = recipe.schedule.factor(steps, epoch)
            with self._memory_explained(steps):
                train(
                    self.module,
                    loader.batches,
                    self.optimizer,
                    factor,
                    steps=steps,
                    steps_per_epoch=epoch,
                    guard=self.guard,
                    start=start,
                    parts=recipe.parts,
                    clip=recipe.clip,
                    seed=self.state.seed,
                    hooks=self._hooks(start, factor, talk),
                )
            broken = tuple(loader.broken)
        return self._finish(start, max(steps, start), broken)

    def _hooks(self, start: int, factor: Callable[[int], float], talk: CountTalk) -> list[Hook]:
        """In this order: what is logged at a step must be on disk before the checkpoint that begins behind it."""
        recipe = self.recipe
        flops = step_cost(begin(recipe, shapes=True).to("meta"), recipe.objective, self.clips).flops
        hooks: list[Hook] = [self.average] if self.average else []
        hooks += [lambda moment: moment.logs.update(rate=recipe.optimiser.rate * factor(moment.step - 1))]
        hooks += [Meter(flops, _peak(recipe, self.device) * distributed.world())]
        if self.held_out:
            hooks.append(Evaluate(self.model, self._evaluate, recipe.evaluate_every, self.average))
        hooks.append(Log(self.out / LOG, start, recipe.log_every))
        hooks += trackers(recipe.logs, self.out, start=start, every=recipe.log_every, recipe=plain(recipe))
        score = "eval/score" if self.held_out else None
        hooks.append(Save(self.checkpoints, self.state, recipe.save_every, score))
        return [*hooks, Progress(talk)]

    def _evaluate(self, _: nn.Module) -> dict[str, float]:
        assert self.held_out is not None
        size, seed = self.recipe.batch // self.recipe.parts, self.recipe.seed
        return held_out_scores(self.module, self.held_out, self.seen, batch=size, device=self.device, seed=seed,
                               tell=note)  # fmt: skip

    @contextmanager
    def _memory_explained(self, steps: int) -> Iterator[None]:
        """What the estimate was, beside the error that it was wrong."""
        try:
            yield
        except OutOfMemory as error:
            model = begin(self.recipe, shapes=True).to("meta")
            total = sum(len(corpus.samples) for corpus in self.corpora)
            cost = train_cost(self.recipe, model, self.clips, samples=total, steps=steps, peak=1.0,
                              world=distributed.world())  # fmt: skip
            told = f"the estimate was {cost.memory_bytes / 1e9:.1f} GB"
            raise OutOfMemory(f"{error.problem}; {told}", f"parts={2 * self.recipe.parts}: {error.hint}") from error

    def _finish(self, start: int, steps: int, broken: tuple[Broken, ...]) -> Trained | None:
        """What is written when all is learned; by the main process, while the others wait."""
        if not distributed.is_main():
            distributed.barrier()
            return None
        self._save_network(steps)
        lines = read_log(self.out / LOG)
        draw_curves(lines, self.out / CURVES, f"{self.recipe.model}, {type(self.recipe.objective).__name__}")
        for each in broken:
            note(f"not used ({each.count} x): {each.message}")
        distributed.barrier()
        last = lines[-1] if lines else {}
        return Trained(str(self.out), steps, start, last, tuple(self.nan_guard.skipped), broken)

    def _save_network(self, steps: int) -> None:
        """The network by itself, as `load_model` reads it: differences merged in, and with the start if so asked."""
        recipe, network = self.recipe, type(self.model)(self.config)
        if recipe.lora is not None:
            adapt(network, recipe.lora)
        network.load_state_dict(weights_of(self.checkpoints.folder / LATEST))
        if recipe.lora is not None:
            save_differences(network, self.out / DIFFERENCES, recipe.lora)
            merge(network)
        if recipe.merge is not None:
            network.load_state_dict(merged_with_start(network.state_dict(), recipe))
        origin = self.card.source or "random weights"
        card = replace(self.card, source=f"{origin}, trained for {steps} steps by the recipe in {RECIPE}")
        save_pretrained(with_card(network, card), self.out / MODEL)


def _steps(recipe: TrainRecipe, epoch: int) -> int:
    return recipe.steps if recipe.steps is not None else max(1, round((recipe.epochs or 0) * epoch))


def _epoch(recipe: TrainRecipe, samples: int) -> int:
    """Steps to go through the lists once."""
    steps = samples // (recipe.batch // recipe.repeats)
    if not steps:
        raise UsageError(f"{samples} samples do not fill one batch of {recipe.batch}", "lower the batch size")
    return steps


def _context(recipe: TrainRecipe, model: nn.Module, card: Card) -> int:
    """Text positions that the network reads; 0 if the objective needs no text."""
    if not recipe.objective.reads_text:
        return 0
    text = getattr(getattr(model, "config", None), "text", None)
    return int(getattr(text, "context", card.family.context))


def _with_classes(recipe: TrainRecipe, corpora: list[Corpus]) -> TrainRecipe:
    """The recipe with as many classes as the lists have, if it leaves that open. Raises UsageError if they differ."""
    if not isinstance(recipe.objective, Classify):
        return recipe
    lists = {corpus.samples.classes: corpus.name for corpus in corpora if corpus.samples.classes}
    if len(lists) > 1:
        raise UsageError(
            f"`{'` and `'.join(lists.values())}` have different classes", "give both the same option `classes`"
        )
    if recipe.objective.classes:
        return recipe
    highest = max(corpus.samples.highest_label for corpus in corpora) + 1
    count = max(highest, *map(len, lists)) if lists else highest
    if count < 2:
        raise UsageError(f"the lists have {count} classes", "there must be two at least; is there a column `label`?")
    return replace(recipe, objective=replace(recipe.objective, classes=count))


def _named(card: Card, recipe: TrainRecipe, corpora: list[Corpus]) -> Card:
    """The card with the names of the classes that will be learned."""
    named = isinstance(recipe.objective, Classify) and recipe.objective.outputs == recipe.objective.classes
    return replace(card, classes=corpora[0].samples.classes) if named else card


def _check_labels(recipe: TrainRecipe, corpus: Corpus) -> None:
    """Raise UsageError if a classifier would learn from samples without a class, or of one it does not have."""
    if not isinstance(recipe.objective, Classify):
        return
    silent = len(corpus.samples) - corpus.samples.labelled
    if silent and not (isinstance(recipe.objective, Evidential) and recipe.objective.outsiders):
        raise UsageError(f"{silent:,} samples of `{corpus.name}` have no class", "does the reader need `classes`?")
    highest = corpus.samples.highest_label
    if highest >= recipe.objective.classes:
        raise UsageError(
            f"`{corpus.name}` has class {highest}, the objective only {recipe.objective.classes}",
            f"objective.classes={highest + 1}",
        )


def _peak(recipe: TrainRecipe, device: torch.device) -> float:
    if recipe.precision == "fp32":
        return measured_peak(device)
    return measured_peak(device, torch.bfloat16, 0 if device.type == "cuda" else 256)  # slow on many processors


def read_log(path: Path) -> list[dict[str, float]]:
    """Of a log; the last one may be torn."""
    if not path.is_file():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [{k: v for k, v in json.loads(line).items() if v is not None} for line in lines if line.endswith(b"\n")]
