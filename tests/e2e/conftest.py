"""The real command line on small rendered videos."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROVE = bool(os.environ.get("INTERNVIDEO_PROVE"))  # the full form of the slow tests


@pytest.fixture(scope="session")
def prove() -> bool:
    return PROVE


def run_cli(*words, check=None, timeout=500, **kwargs):
    """`internvideo ...` in a process of its own; `check` is the exit code that is expected."""
    done = subprocess.run(
        [sys.executable, "-m", "internvideo", *map(str, words)],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=timeout,
        **kwargs,
    )
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def cli():
    return run_cli


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """A small rendered world: films with cuts, sidecars, duplicates and two broken files."""
    from internvideo.datasets.moving_shapes import write_world

    folder = tmp_path_factory.mktemp("films")
    write_world(folder, seed=3, count=4, seconds=(8.0, 14.0), size=120)
    return folder


def value_files(dataset: Path) -> dict[str, bytes]:
    """Everything under `values/`, by name."""
    files = sorted(path for path in (dataset / "values").rglob("*") if path.is_file())
    return {str(path.relative_to(dataset)): path.read_bytes() for path in files}
