"""Fixtures that several folders of tests use."""

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples everywhere and every time; how long one takes depends on the machine, so it is no verdict.
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos and golden files that lies beside the checkout; tests that need it skip without it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip("needs ../shared/data beside the checkout")
    return folder
