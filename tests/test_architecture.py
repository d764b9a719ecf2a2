"""The picture in the design is a test: imports only point down, modules and functions stay short, starting is quick."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "internvideo"
LAYERS = [
    "app",
    "jobs",
    "curation training tasks search",
    "models datasets store",
    "video text ops metrics",
    "records errors config distributed processes",
]
FLOOR = {room: floor for floor, row in enumerate(LAYERS) for room in row.split()}
SAME_FLOOR = {("datasets", "store")}
MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_only_point_down(path):
    here = room_of(path)
    if here in {"__init__", "__main__"}:
        return
    assert here in FLOOR, f"{here} is no room of the architecture"
    for there in re.findall(r"^\s*(?:from|import) internvideo\.(\w+)", path.read_text("utf-8"), re.M):
        bottom = FLOOR[there] == len(LAYERS) - 1
        down = FLOOR[there] > FLOOR[here] or there == here or (here, there) in SAME_FLOOR or bottom
        assert down, f"{here} may not import {there}: move the shared part down a layer"
        assert not (here == "models" and there in {"video", "text"}), "models know tensors only"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_modules_and_functions_are_short(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= 500, "no module is longer than 500 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines; no function is longer than 60"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_says_what_it_answers(path):
    text = path.read_text("utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module begins with a docstring"


POSIX_ONLY = re.compile(r"\b(os\.(fork|kill|getuid|mkfifo|setsid|statvfs)|import (fcntl|resource|pwd|grp|termios))\b")


def test_calls_that_only_posix_has_stay_in_one_module():
    users = [str(p.relative_to(SOURCE)) for p in MODULES if POSIX_ONLY.search(p.read_text("utf-8"))]
    assert len(users) <= 1, f"one module only: {users}"


@pytest.mark.parametrize("start", ["import internvideo", "from internvideo.app.cli import main; main(['--help'])"])
def test_starting_loads_neither_torch_nor_av(start):
    loaded = "print(sorted({'torch', 'av'} & set(sys.modules)))"
    code = f"import sys\ntry:\n    {start}\nexcept SystemExit:\n    pass\n{loaded}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_curating_without_networks_does_not_load_torch():
    """A second of each start, in the driver and in every worker."""
    code = "import sys, internvideo.jobs.curate, internvideo.curation.worker; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
