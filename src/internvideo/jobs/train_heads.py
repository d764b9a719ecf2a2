"""`internvideo train` for heads: what they learn from is small enough to be at hand in the process that trains.

A `Lesson` is the data of one task with its network; the run around it is the same for all: log, curves, checkpoints,
exact resume, evaluation, the network at the end.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from internvideo import distributed
from internvideo.config import load_recipe, override
from internvideo.errors import UsageError
from internvideo.jobs.curves import draw_curves
from internvideo.jobs.ego_lessons import ChangeLesson, ContactLesson, HandLesson, PictureLesson
from internvideo.jobs.navigation_lesson import NavigationLesson
from internvideo.jobs.prepare import card_of
from internvideo.jobs.query_lesson import QueryLesson
from internvideo.jobs.spatial_lesson import SpatialLesson
from internvideo.jobs.talk import CountTalk, note
from internvideo.jobs.temporal_lesson import TemporalLesson
from internvideo.jobs.train import CHECKPOINTS, CURVES, LOG, MODEL, RECIPE, Trained, go_on, read_log
from internvideo.jobs.train_cost import TrainCost
from internvideo.jobs.train_data import pinned_values
from internvideo.models import with_card
from internvideo.models.hub import save_pretrained
from internvideo.training.checkpoint import LATEST, Checkpoints, State, weights_of
from internvideo.training.head_recipe import (
    BoxData,
    ChangeData,
    ContactData,
    HandData,
    HeadRecipe,
    PictureData,
    QueryData,
    TemporalData,
    WalkData,
)
from internvideo.training.hooks import Average, Evaluate, Log, Meter, NaNGuard, Progress, Save
from internvideo.training.learner import Learner, learn_from
from internvideo.training.loop import Hook, train
from internvideo.training.optim import adamw, layer_groups


class Lesson(Protocol):
    """What a head learns from, and by what it is judged."""

    samples: int
    listed: str  # hash of what is learned from

    def network(self) -> nn.Module:
        """The network to begin with, with its card."""
        ...

    def batch(self, network: nn.Module, numbers: list[int], rngs: list[np.random.Generator]) -> dict[str, Any]:
        """Samples of these numbers, each with its own random numbers, as the objective wants them."""
        ...

    def evaluate(self, network: nn.Module) -> Mapping[str, float]:
        """Numbers of the held-out data; `score` is what chooses the best checkpoint. {} without held-out data."""
        ...


LESSONS: Mapping[type, Callable[[HeadRecipe], Lesson]] = {
    TemporalData: TemporalLesson,
    QueryData: QueryLesson,
    WalkData: NavigationLesson,
    BoxData: SpatialLesson,
    HandData: HandLesson,
    ChangeData: ChangeLesson,
    ContactData: ContactLesson,
    PictureData: PictureLesson,
}


def head_recipe_of(name: str, overrides: list[str]) -> HeadRecipe | None:
    """The recipe with overrides applied if the file gives one of a head, else None."""
    made: object = load_recipe(name, {}, object)
    return override(made, overrides) if isinstance(made, HeadRecipe) else None


def run_head(recipe: HeadRecipe, out: str | Path, *, changed: bool = False) -> Trained | None:
    """Train into the folder `out`, or go on there. As `jobs.train.run_train`."""
    with distributed.start() as device:
        if recipe.batch % distributed.world():
            raise UsageError(f"a batch of {recipe.batch} does not divide by {distributed.world()} processes")
        return _HeadRun(recipe, Path(out), device).go(changed)


def estimate_head(recipe: HeadRecipe) -> TrainCost:
    """What `run_head` would cost on this machine, measured with one step. Writes nothing."""
    lesson = LESSONS[type(recipe.data)](recipe)
    network = lesson.network()
    size = min(recipe.batch, lesson.samples)
    learner = Learner(network, recipe.objective, recipe.precision).train()
    batch = lesson.batch(network, list(range(size)), [np.random.default_rng(i) for i in range(size)])
    taken = []
    for step in range(2):
        began = time.perf_counter()
        learn_from(learner, batch, (recipe.seed, step))
        taken.append(time.perf_counter() - began)
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        learn_from(learner, batch, (recipe.seed, 0))
    flops = int(counter.get_total_flops())
    steps = _steps(recipe, lesson)
    speed = size / taken[-1]
    held = sum(value.nbytes for value in network.parameters())
    return TrainCost(
        parameters=sum(value.numel() for value in network.parameters()),
        trained=sum(value.numel() for value in network.parameters() if value.requires_grad),
        samples=lesson.samples,
        steps=steps,
        clips_per_step=recipe.batch,
        flops_per_clip=flops // size,
        flops_per_step=flops // size * recipe.batch,
        memory_bytes=5 * held,
        activation_bytes=0,
        checkpoint_bytes=4 * held,
        hours=steps * recipe.batch / speed / 3600,
        clips_per_s=speed,
        rate=f"measured here with one step of {size} samples; memory without activations",
    )


class _HeadRun:
    """One process's part of a run."""

    def __init__(self, recipe: HeadRecipe, out: Path, device: torch.device) -> None:
        self.recipe, self.out, self.device = recipe, out, device
        self.lesson = LESSONS[type(recipe.data)](recipe)
        with torch.random.fork_rng([]):
            torch.manual_seed(recipe.seed)
            self.model = self.lesson.network().to(device)
        self.card = card_of(self.model)
        self.learner = Learner(self.model, recipe.objective, recipe.precision)
        self.module = distributed.parallelize(self.learner, unused=recipe.objective.leaves_unused(self.model))
        groups = layer_groups(self.model, rate=recipe.rate, weight_decay=recipe.weight_decay)
        self.optimizer = adamw(self.model, groups)
        self.average = Average(self.model, recipe.average) if recipe.average is not None else None
        self.state = State(self.model, self.optimizer, self.average.values if self.average else {}, seed=recipe.seed)
        self.checkpoints = Checkpoints(out / CHECKPOINTS, {"list": self.lesson.listed, **pinned_values(recipe)})
        self.guard = NaNGuard(note, name=lambda uids: [f"sample {uid}" for uid in uids])

    def go(self, changed: bool) -> Trained | None:
        recipe, epoch = self.recipe, _epoch(self.recipe, self.lesson)
        steps = _steps(recipe, self.lesson)
        start = go_on(self.checkpoints, self.state, self.out, recipe, changed)
        factor = recipe.schedule.factor(steps, epoch)
        with CountTalk("training", "steps") as talk:
            train(
                self.module,
                self._batches,
                self.optimizer,
                factor,
                steps=steps,
                steps_per_epoch=epoch,
                guard=self.guard,
                start=start,
                clip=recipe.clip,
                seed=self.state.seed,
                hooks=self._hooks(start, factor, talk),
            )
        return self._finish(start, max(steps, start))

    def _batches(self, epoch: int, first: int) -> Iterator[dict[str, Any]]:
        """Sample i of an epoch is drawn by (seed, epoch, i): the same after every resume, for any processes."""
        recipe, samples = self.recipe, self.lesson.samples
        order = np.random.default_rng((self.state.seed, epoch)).permutation(samples)
        for step in range(first, _epoch(recipe, self.lesson)):
            places = distributed.shard(range(step * recipe.batch, (step + 1) * recipe.batch))
            numbers = [int(order[place % samples]) for place in places]
            rngs = [np.random.default_rng((self.state.seed, epoch, place)) for place in places]
            batch = self.lesson.batch(self.model, numbers, rngs)
            yield {"uid": torch.tensor(numbers), "step": epoch * _epoch(recipe, self.lesson) + step, **batch}

    def _hooks(self, start: int, factor: Callable[[int], float], talk: CountTalk) -> list[Hook]:
        recipe = self.recipe
        hooks: list[Hook] = [self.average] if self.average else []
        hooks += [lambda moment: moment.logs.update(rate=recipe.rate * factor(moment.step - 1)), Meter()]
        if recipe.held_out is not None:
            hooks.append(Evaluate(self.model, self.lesson.evaluate, recipe.evaluate_every, self.average))
        hooks.append(Log(self.out / LOG, start, recipe.log_every))
        score = "eval/score" if recipe.held_out is not None else None
        return [*hooks, Save(self.checkpoints, self.state, recipe.save_every, score), Progress(talk)]

    def _finish(self, start: int, steps: int) -> Trained | None:
        if not distributed.is_main():
            distributed.barrier()
            return None
        network = type(self.model)(self.model.config)
        weights = weights_of(self.checkpoints.folder / LATEST)
        network.load_state_dict({name: weights[name] for name in network.state_dict()})
        source = f"{self.card.source or 'random weights'}, trained for {steps} steps by the recipe in {RECIPE}"
        save_pretrained(with_card(network, replace(self.card, source=source)), self.out / MODEL)
        lines = read_log(self.out / LOG)
        draw_curves(lines, self.out / CURVES, f"{self.recipe.model}, {type(self.recipe.objective).__name__}")
        distributed.barrier()
        return Trained(str(self.out), steps, start, lines[-1] if lines else {}, tuple(self.guard.skipped), ())


def _epoch(recipe: HeadRecipe, lesson: Lesson) -> int:
    """Steps to go through the samples once; the last batch is filled up from the start of the order."""
    return -(-lesson.samples // recipe.batch)


def _steps(recipe: HeadRecipe, lesson: Lesson) -> int:
    return max(1, round(recipe.epochs * _epoch(recipe, lesson)))
