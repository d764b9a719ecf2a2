"""Kills do not need the disk: waiting for it is left out, which makes the laws quick. Subprocesses wait as usual."""

import os

import pytest

from internvideo.store import ledger


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: None)
        patch.setattr(ledger, "QUICK", "OFF")
        patch.setattr(ledger, "ON_DISK", "OFF")
        yield
