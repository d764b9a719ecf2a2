"""`pytest tests/parity [--parity-dir DIR] [--families a,b]`: one test, and one line of the summary, per stored case."""

from pathlib import Path

import pytest
import torch

from tests.parity.parity_cases import find

DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "parity"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks run fastest on one thread, and much faster than on two when the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_addoption(parser):
    group = parser.getgroup("parity with the published code")
    group.addoption("--parity-dir", type=Path, default=None, help="folder of cases (default: ../shared/parity)")
    group.addoption("--families", default=None, help="comma-separated sub-folders (default: all)")


def pytest_generate_tests(metafunc):
    if "parity_case" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("--parity-dir", default=None)
    folder = asked or DEFAULT
    if not folder.is_dir():
        if asked:
            raise pytest.UsageError(f"--parity-dir {asked}: there is no such folder")
        absent = pytest.param(None, marks=pytest.mark.skip(reason="needs ../shared/parity beside the checkout"))
        metafunc.parametrize("parity_case", [absent], ids=["absent"])
        return
    names = metafunc.config.getoption("--families", default=None)
    wanted = set(names.split(",")) if names else None
    cases = [case for case in find(folder) if not wanted or case.family in wanted]
    if not cases:
        raise pytest.UsageError(f"{folder}: no cases of the families {names or 'that there are'}")
    metafunc.parametrize("parity_case", cases, ids=str)


def pytest_terminal_summary(terminalreporter):
    """One line per case: how it went, what kind it was, and how near it came to the limit."""
    lines = []
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            told = dict(getattr(report, "user_properties", []))
            if "parity" in told and report.when in ("call", "setup"):
                lines.append((told["parity"], f"{outcome:8}{told['parity']:48}{told.get('told', '')}"))
    if lines:
        terminalreporter.section("parity with the published code")
        for _, line in sorted(set(lines)):
            terminalreporter.write_line(line)
