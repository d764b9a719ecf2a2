"""The demo notebook runs from top to bottom, and with the official weights prints the official numbers."""

import json
import os
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "zero_shot_demo.ipynb"


def run_notebook(path, **settings):
    """All code cells in one namespace; `settings` replace what the first one sets. Returns the namespace."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    names = {"__name__": "__main__"}
    for number, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
        if number == 0:
            names |= settings
    return names


def test_the_demo_notebook_runs(clips, capsys):
    names = run_notebook(NOTEBOOK, VIDEO=str(clips / "00000.mp4"), WEIGHTS=None)
    assert sum(names["probabilities"]) == pytest.approx(1) and names["strip"].width > names["strip"].height
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.endswith(names["ranked"][0][0])).startswith(
        f"{names['ranked'][0][1]:.4f}"
    )


def test_the_notebook_holds_no_outputs():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


def test_official_weights_give_the_official_probabilities(shared):
    weights = os.environ.get("INTERNVIDEO_VICLIP_WEIGHTS")
    if not weights:
        pytest.skip("needs the official ViCLIP-B weights: INTERNVIDEO_VICLIP_WEIGHTS=FILE")
    expected = json.loads((shared / "data/annotations/viclip_demo/expected_official_weights.json").read_text("utf-8"))
    texts = [text for text, _ in expected["top5"]]  # the other five of the ten take less than 0.0001 together
    video = shared / "data" / expected["video"]
    names = run_notebook(NOTEBOOK, VIDEO=str(video), WEIGHTS=weights, TEXTS=texts)
    assert names["probabilities"] == pytest.approx([share for _, share in expected["top5"]], abs=2e-4)
