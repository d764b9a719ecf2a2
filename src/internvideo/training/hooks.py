"""What watches a training run: the average of the weights, evaluation, saving, log, progress; and the guard.

A hook is called with a `Moment` after every step, in the order in which they were given: later ones see what earlier
ones added to its logs. All are called on every process; only the main one writes and talks.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from internvideo import distributed
from internvideo.errors import InternVideoError
from internvideo.store.durable import write_atomic
from internvideo.training.checkpoint import Checkpoints, State
from internvideo.training.learner import Learner
from internvideo.training.loop import Guard, Moment

SHOWN = 20  # names in one message


class NaNGuard:
    """Leaves out a step whose loss or gradient is not finite, counts it and names the samples.

    Raises InternVideoError after `most` such steps in a row: the run has diverged. name: what people call samples with
    these uids (their files); without it they are called by their uids.
    """

    def __init__(
        self, tell: Callable[[str], None], most: int = 10, name: Callable[[Sequence[int]], Sequence[str]] | None = None
    ) -> None:
        self._tell, self._most, self._row, self._name = tell, most, 0, name
        self.skipped: list[int] = []

    def __call__(self, step: int, batch: Mapping[str, Any], logs: Mapping[str, float]) -> bool:
        if math.isfinite(logs["loss"]) and math.isfinite(logs["norm"]):
            self._row = 0
            return True
        uids, bad = _suspects(batch)
        self.skipped.append(step)
        self._row += 1
        names = self._name(uids[:SHOWN]) if self._name is not None else [str(uid) for uid in uids[:SHOWN]]
        who = f"samples {', '.join(names)}" + (f" and {len(uids) - SHOWN} more" if len(uids) > SHOWN else "")
        why = "pixels that are not finite" if bad else "a loss or gradient that is not finite"
        if distributed.is_main():
            self._tell(f"step {step} left out, {len(self.skipped)} so far: {why} in {who}")
        if self._row >= self._most:
            raise InternVideoError(
                f"{self._row} steps in a row had {why}; the last had {who}",
                "lower the learning rate, clip gradients, or train in fp32; the latest checkpoint is from before",
            )
        return False


def _suspects(batch: Mapping[str, Any]) -> tuple[list[int], bool]:
    """The uids of samples with pixels that are not finite, of all processes; of all samples if there are none."""
    video: Tensor = batch["video"]
    uids = distributed.gather(batch.get("uid", torch.arange(len(video), device=video.device)))
    bad = distributed.gather((~video.isfinite().flatten(1).all(1)).to(torch.uint8)).bool()
    return uids[bad if bool(bad.any()) else slice(None)].tolist(), bool(bad.any())


class LossScale:
    """fp16 (Micikevicius et al. 2018): losses are multiplied so that small gradients do not vanish.

    Halved when a gradient overflows, whose step does not count, doubled after `patience` good ones. Stands before the
    other guard, and is part of a checkpoint.
    """

    def __init__(self, learner: Learner, guard: Guard, *, patience: int = 2000) -> None:
        self._learner, self._guard, self._patience, self.good = learner, guard, patience, 0
        learner.loss_scale = 2.0**16

    def __call__(self, step: int, batch: dict[str, Any], logs: dict[str, float]) -> bool:
        logs["loss_scale"] = self._learner.loss_scale
        if math.isfinite(logs["loss"]) and not math.isfinite(logs["norm"]) and self._learner.loss_scale > 1:
            self._learner.loss_scale, self.good = self._learner.loss_scale / 2, 0
            return False
        self.good += 1
        if self.good == self._patience:
            self._learner.loss_scale, self.good = self._learner.loss_scale * 2, 0
        return self._guard(step, batch, logs)

    def facts(self) -> dict[str, str]:
        return {"loss_scale": repr(self._learner.loss_scale), "good_steps": str(self.good)}

    def restore(self, facts: Mapping[str, str]) -> None:
        self._learner.loss_scale, self.good = float(facts["loss_scale"]), int(facts["good_steps"])


class Average:
    """Exponential moving average of all floating-point weights; the others are copied. In float32."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self.decay = model, decay
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def __call__(self, moment: Moment) -> None:
        for name, value in self._model.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, 1 - self.decay)
            else:
                self.values[name].copy_(value)


class Evaluate:
    """Adds what `evaluate` finds to the logs, as `eval/<name>`, every so many steps and at the end.

    evaluate: the model, in evaluation mode -> numbers. average: weights to evaluate with, if not the latest.
    """

    def __init__(
        self,
        model: nn.Module,
        evaluate: Callable[[nn.Module], Mapping[str, float]],
        every: int,
        average: Average | None = None,
    ) -> None:
        self._model, self._evaluate, self._every, self._average = model, evaluate, every, average

    @torch.no_grad()
    def __call__(self, moment: Moment) -> None:
        if moment.step % self._every and moment.step != moment.steps:
            return
        modes = {part: part.training for part in self._model.modules()}
        own = {name: value.clone() for name, value in self._model.state_dict().items()} if self._average else {}
        try:
            if self._average:
                self._model.load_state_dict(self._average.values)
            found = self._evaluate(self._model.eval())
        finally:
            if self._average:
                self._model.load_state_dict(own)
            for part, mode in modes.items():
                part.training = mode
        moment.logs.update({f"eval/{name}": value for name, value in found.items()})


class Save:
    """Writes a checkpoint every so many steps, when there is a new score, and at the end.

    score: the name in the logs by which the best one is chosen (higher is better).
    """

    def __init__(self, checkpoints: Checkpoints, state: State, every: int, score: str | None = None) -> None:
        self._checkpoints, self._state, self._every, self._score = checkpoints, state, every, score

    def __call__(self, moment: Moment) -> None:
        score = moment.logs.get(self._score) if self._score else None
        if score is not None or moment.step % self._every == 0 or moment.step == moment.steps:
            self._state.step = moment.step
            self._checkpoints.save(self._state, score)


class Meter:
    """Adds clips per second, share of the peak, input wait and memory to the logs; the first steps warm up.

    flops: operations of one clip, forward and backward; peak: operations per second that the device can do, all
    processes together. Without both, there is no share.
    """

    def __init__(self, flops: float | None = None, peak: float | None = None, warm: int = 2) -> None:
        self._flops, self._peak, self._warm = flops, peak, warm
        self._clips = self._seconds = self._waited = 0.0

    def __call__(self, moment: Moment) -> None:
        if self._warm > 0:
            self._warm -= 1
        else:
            keep = 0.95  # of what was: a window of about twenty steps
            self._clips = keep * self._clips + moment.clips
            self._seconds = keep * self._seconds + moment.seconds
            self._waited = keep * self._waited + moment.waited
            moment.logs["clips_per_s"] = speed = self._clips / self._seconds
            moment.logs["input_wait"] = self._waited / self._seconds
            moment.logs["seconds_left"] = (moment.steps - moment.step) * moment.clips / speed
            if self._flops and self._peak:
                moment.logs["mfu"] = speed * self._flops / self._peak
        moment.logs["memory_bytes"] = memory()


class Log:
    """A JSON line every so many steps, null for what is not finite. Lines behind `start`, of a killed run, go."""

    def __init__(self, path: Path, start: int = 0, every: int = 1) -> None:
        self._path, self._every = path, every
        if distributed.is_main() and path.exists():
            lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
            write_atomic(path, b"".join(line for line in lines if json.loads(line)["step"] <= start))

    def __call__(self, moment: Moment) -> None:
        shown = moment.step % self._every == 0 or moment.step == moment.steps
        if distributed.is_main() and (shown or any(name.startswith("eval/") for name in moment.logs)):
            numbers = {name: value if math.isfinite(value) else None for name, value in moment.logs.items()}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": moment.step, **numbers}) + "\n")


class Progress:
    """Says where the run stands: `show(done, total, text)`, about every so many seconds and at the end."""

    def __init__(self, show: Callable[[int, int, str], None], seconds: float = 0.5) -> None:
        self._show, self._seconds, self._said = show, seconds, -math.inf

    def __call__(self, moment: Moment) -> None:
        now = time.monotonic()
        if distributed.is_main() and (now - self._said >= self._seconds or moment.step == moment.steps):
            self._said = now
            logs = moment.logs
            parts = [f"loss {logs['loss']:.4g}"]
            parts += [f"{logs['clips_per_s']:,.1f} clips/s"] if "clips_per_s" in logs else []
            parts += [f"{logs['mfu']:.0%} of peak"] if "mfu" in logs else []
            parts += [f"{logs['input_wait']:.0%} waiting"] if "input_wait" in logs else []
            parts += [f"{logs['memory_bytes'] / 1e9:.1f} GB"] if logs.get("memory_bytes") else []
            self._show(moment.step, moment.steps, ", ".join(parts))


def memory() -> int:
    """Most bytes this process has held: on the GPU if there is one, else in main memory (0 where nobody says)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0


def measured_peak(device: torch.device, dtype: torch.dtype = torch.float32, size: int = 0) -> float:
    """Operations per second of large matrix products on this device, measured in a moment."""
    size = size or (8192 if device.type == "cuda" else 1024)
    one = torch.randn(size, size, device=device, dtype=dtype)
    fastest = math.inf
    for _ in range(8):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        began = time.perf_counter()
        one @ one
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * size**3 / fastest
