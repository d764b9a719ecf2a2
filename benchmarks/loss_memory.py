"""Peak memory and time of the contrastive loss, forward and backward: tiles against the whole B x B matrix.

    python benchmarks/loss_memory.py            # 8,192 x 512, five rounds; then 65,536 x 512 within 2 GB, tiles only
    python benchmarks/loss_memory.py --quick    # 4,096 x 512, two rounds: does it run?

Memory is what the resident set of a fresh process grows by at most, beyond inputs and their gradients, which are there
before (Linux: /proc/self). Times are taken in turns in one process. Gradients are compared first with those of the
whole matrix in float64: those of the vectors may be off by 1e-5 of their norm, that of the scale, a sum of what nearly
cancels, by no more than in the whole float32 form. Goals: 25 times less memory in at most 1.2 times the time.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from internvideo.ops.losses import contrastive_loss, tiled_contrastive_loss
from pairing import circumstances, median, paired, spread, write

GOALS = {"memory": 25.0, "time": 1.2, "error": 1e-5, "large_bytes": 2e9}
LARGE = 65_536


def inputs(batch: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Video and text vectors that belong together a little, and the scale; all want gradients, which exist."""
    generator = torch.Generator().manual_seed(0)
    video, noise = (torch.randn(batch, width, generator=generator) for _ in range(2))
    made = F.normalize(video, dim=-1), F.normalize(video + 4 * noise, dim=-1), torch.tensor(100.0)
    for value in made:
        value.requires_grad_().grad = torch.zeros_like(value)
    return made


def whole(video: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    return contrastive_loss(scale * video @ text.T)


FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"whole": whole, "tiles": tiled_contrastive_loss}


def step(form: str, values: tuple[Tensor, Tensor, Tensor]) -> None:
    for value in values:
        value.grad = None
    FORMS[form](*values).backward()


def status(field: str) -> int:
    """A line of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(field))


def grown(form: str, batch: int, width: int) -> int:
    """Bytes by which this process grew at most during one step."""
    small = inputs(64, width)
    step(form, small)  # libraries and threads
    values = inputs(batch, width)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    FORMS[form](*values).backward()  # makes a second set of gradients and adds it to the first
    return status("VmHWM") - before - sum(value.nbytes for value in values)


def grown_alone(form: str, batch: int, width: int, threads: int) -> int:
    command = [sys.executable, __file__, "--alone", form, str(batch), str(width), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(json.loads(done.stdout)["bytes"])


def gradient_errors(batch: int, width: int) -> dict[str, list[float]]:
    """Of video, text and scale, relative to the norm; the truth is the whole matrix in float64."""
    values = inputs(batch, width)
    truth = torch.autograd.grad(whole(*(value.double() for value in values)), values)
    found = {form: torch.autograd.grad(call(*values), values) for form, call in FORMS.items()}
    return {
        form: [float((a - b).norm() / b.norm()) for a, b in zip(grads, truth, strict=True)]
        for form, grads in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="4,096 rows, two rounds, no large batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--alone", nargs=3, metavar=("FORM", "BATCH", "WIDTH"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.alone:
        form, batch, width = asked.alone
        print(json.dumps({"bytes": grown(form, int(batch), int(width))}))
        return 0
    batch, width, rounds = (4096, 512, 2) if asked.quick else (8192, 512, 5)
    errors = gradient_errors(2048, width)
    error = max(errors["tiles"][:2])
    memory = {form: grown_alone(form, batch, width, asked.threads) for form in FORMS}
    values = inputs(batch, width)
    taken = paired({form: lambda form=form: step(form, values) for form in FORMS}, rounds)
    slower = statistics.median(t.wall / w.wall for w, t in zip(taken["whole"], taken["tiles"], strict=True))
    row = {
        "batch": batch,
        "width": width,
        "gradient_error": error,
        "scale_gradient_error": errors["tiles"][2],
        "whole_errors": errors["whole"],
        "whole_MB": round(memory["whole"] / 1e6, 1),
        "tiles_MB": round(memory["tiles"] / 1e6, 1),
        "memory_ratio": round(memory["whole"] / memory["tiles"], 1),
        "whole_s": round(median(taken["whole"], "wall"), 3),
        "tiles_s": round(median(taken["tiles"], "wall"), 3),
        "time_ratio": round(slower, 2),
        "cpu_ratio": round(median(taken["tiles"]) / median(taken["whole"]), 2),
        "spread": round(max(spread(times, "wall") for times in taken.values()), 2),
    }
    print("{batch} x {width}: {tiles_MB} MB, whole {whole_MB} MB, {memory_ratio} x less (goal 25 x)".format(**row))
    print("{tiles_s} s, whole {whole_s} s, spread {spread:.0%}".format(**row))
    print("{time_ratio} x the time (goal 1.2 x), {cpu_ratio} x of the processors".format(**row))
    print("gradients off by {gradient_error:.1e} (goal 1e-5), scale {scale_gradient_error:.1e}".format(**row))
    rows = [row]
    exact = error <= GOALS["error"] and errors["tiles"][2] <= errors["whole"][2]
    met = exact and row["memory_ratio"] >= GOALS["memory"] and slower <= GOALS["time"]
    if not asked.quick:
        large = grown_alone("tiles", LARGE, width, asked.threads)
        rows.append({"batch": LARGE, "width": width, "tiles_MB": round(large / 1e6, 1)})
        print(f"{LARGE} x {width}: {large / 1e6:.0f} MB beyond inputs and gradients (goal: 2 GB)")
        met = met and large <= GOALS["large_bytes"]
    write("loss_memory-quick" if asked.quick else "loss_memory", [{**circumstances(), **row} for row in rows])
    return 0 if met or asked.quick else 1


if __name__ == "__main__":
    sys.exit(main())
