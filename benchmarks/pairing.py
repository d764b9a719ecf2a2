"""Paired measurement: ours and a peer in turns, on the same machine, in the same minutes.

`paired` interleaves callables (A-B-A-B), so that a change of the load hits both. Peers that are not dependencies of
the package live in `.venv-bench` (see `benchmarks/requirements.txt`) and are run by `peer`, which times inside them.
Wall and CPU seconds are both kept: on a shared machine the CPU seconds are the ones to trust.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "out"
PEER_PYTHON = ROOT / ".venv-bench" / ("Scripts" if os.name == "nt" else "bin") / "python"


@dataclass(frozen=True)
class Seconds:
    """What one call took."""

    wall: float
    cpu: float  # of all threads of the process


def timed(call: Callable[[], object]) -> Seconds:
    """Run once and say what it took; a callable that measures itself (a peer) may return `Seconds`."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    took = Seconds(time.perf_counter() - wall, time.process_time() - cpu)
    return result if isinstance(result, Seconds) else took


def paired(
    calls: Mapping[str, Callable[[], object]], rounds: int = 5, *, warm: bool = False
) -> dict[str, list[Seconds]]:
    """All callables in turns, `rounds` times. Unless they are `warm` (were run already), once before, not counted."""
    for call in () if warm else calls.values():
        call()
    taken: dict[str, list[Seconds]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(timed(call))
    return taken


def median(taken: Sequence[Seconds], kind: str = "cpu") -> float:
    """The median of the wall or CPU seconds."""
    return statistics.median(_values(taken, kind))


def spread(taken: Sequence[Seconds], kind: str = "cpu") -> float:
    """(slowest - fastest) / median: how far to trust the median."""
    values = _values(taken, kind)
    return (max(values) - min(values)) / statistics.median(values)


def compared(
    name: str, taken: Mapping[str, Sequence[Seconds]], base: str, ours: str, target: float | None
) -> dict[str, object]:
    """A row about one pair: medians in wall seconds, and how many times as fast ours is, in wall and in CPU seconds."""
    pairs = list(zip(taken[base], taken[ours], strict=True))
    return {
        "row": name,
        "baseline_s": round(median(taken[base], "wall"), 3),
        "ours_s": round(median(taken[ours], "wall"), 3),
        "ratio": round(statistics.median(one.wall / two.wall for one, two in pairs), 2),
        "cpu_ratio": round(statistics.median(one.cpu / two.cpu for one, two in pairs), 2),
        "spread": round(max(spread(taken[base], "wall"), spread(taken[ours], "wall")), 2),
        "target": target,
    }


def product_peaks(precisions: Sequence[str] = ("fp32", "bf16"), size: int = 2048) -> dict[str, float]:
    """GFLOP/s of the best of seven products of square matrices: in fp32 by the faster library, and in bf16."""
    import torch

    from internvideo.ops.products import linear

    found = {}
    for precision in precisions:
        dtype = torch.float32 if precision == "fp32" else torch.bfloat16
        one, other = (torch.randn(size, size).to(dtype) for _ in range(2))
        with torch.no_grad():
            fastest = min(timed(lambda a=one, b=other: linear(a, b)).wall for _ in range(7))
        found[precision] = round(2 * size**3 / fastest / 1e9, 1)
    return found


def _values(taken: Sequence[Seconds], kind: str) -> list[float]:
    return [seconds.cpu if kind == "cpu" else seconds.wall for seconds in taken]


class Peer:
    """A program in the peers' environment that answers one JSON line per JSON line, kept running between calls.

    The program reads a request per line from stdin and writes `{"wall": s, "cpu": s, ...}` per line to stdout.
    """

    def __init__(self, script: Path, *args: str) -> None:
        self._process = subprocess.Popen(
            [str(PEER_PYTHON), str(script), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: object) -> dict[str, object]:
        """The answer to one request."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended with status {self._process.wait()}")
        return dict(json.loads(line))

    def seconds(self, **request: object) -> Seconds:
        """What the peer says that one request took."""
        answer = self.ask(**request)
        return Seconds(float(str(answer["wall"])), float(str(answer["cpu"])))

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def peer(script: Path | str, args: Sequence[str] = ()) -> dict[str, object]:
    """Run a peer script (a path or its text) once; its last line on stdout is a JSON object."""
    command = ["-c", script] if isinstance(script, str) else [str(script)]
    done = subprocess.run([str(PEER_PYTHON), *command, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the peer failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def circumstances() -> dict[str, object]:
    """Where and with what something was measured."""
    import av
    import numpy as np

    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "av": av.__version__,
        "ffmpeg": av.ffmpeg_version_info,
        "numpy": np.__version__,
        "commit": _commit(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def write(name: str, rows: Sequence[Mapping[str, object]]) -> Path:
    """Keep rows as JSON lines under `benchmarks/out` (not in git)."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.jsonl"
    path.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows))
    print(f"rows kept in {path.relative_to(ROOT)}", file=sys.stderr)
    return path
