"""Two processes are one with the double batch: values, gradients, whole runs, and checkpoints in both directions."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from internvideo.models.renaming import WeightsError
from tests.training.small import DRAWING, KINDS, batch_of, learned, steps_of

ROOT = Path(__file__).parents[2]


def run_together(folder, count=2):
    """tests.training.small in as many processes; what each of them found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.small", str(folder)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "CUDA_VISIBLE_DEVICES": ""}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
        )
        for rank in range(count)
    ]
    errors = [process.communicate(timeout=900)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * count, errors[0][-3000:] + errors[1][-3000:]
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    for name in ("resumed", "cut on"):  # one process begins, two go on
        steps_of(folder / name, 4)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return run_together(folder)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, right in expected.items():
        limit = 1e-5 * float(right.abs().max()) + 1e-7
        torch.testing.assert_close(found[name], right, rtol=1e-4, atol=limit, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_are_one_with_the_double_batch(found, kind):
    expected = learned(kind)
    for each in found:
        assert_same(each[kind], expected)


@pytest.mark.parametrize("kind", DRAWING)
def test_two_processes_draw_what_two_parts_of_one_process_draw(found, kind):
    assert_same(found[0][kind], learned(kind, parts=2))


@pytest.mark.parametrize("kind", ["contrastive", "caption", "classify"])
def test_two_processes_with_two_parts_each_are_one_with_all(found, kind):
    assert_same(found[0][f"{kind} in parts"], learned(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_cut_over_processes_gives_the_same(found, kind):
    assert_same(found[1][f"{kind} cut"], used(learned(kind)))


@pytest.mark.parametrize("kind", DRAWING)
def test_a_model_cut_over_processes_draws_what_two_parts_of_one_process_draw(found, kind):
    assert_same(found[1][f"{kind} cut"], used(learned(kind, parts=2)))


@pytest.mark.parametrize("kind", ["contrastive", "caption"])
def test_a_cut_model_accumulates_parts_to_the_same(found, kind):
    assert_same(found[1][f"{kind} cut in parts"], used(learned(kind)))


def used(expected):
    """Without the token that no objective here uses: a cut model has no gradient for it, not zeros."""
    return {name: value for name, value in expected.items() if "text.mask_token" not in name}


def test_rows_come_in_order_and_gradients_are_summed_or_as_published(found):
    weights = torch.arange(12.0).reshape(6, 2)
    for rank, each in enumerate(found):
        assert each["gather"]["rows"][:, 0].tolist() == [0, 2, 4, 10, 12, 14]
        own = weights[3 * rank : 3 * rank + 3]
        torch.testing.assert_close(each["gather"]["grad"], 2 * own)
        torch.testing.assert_close(each["gather"]["published"], own)


@pytest.mark.parametrize("run", ["run", "cut run"])
def test_a_run_of_two_processes_ends_where_that_of_one_ends(found, run, tmp_path):
    expected = steps_of(tmp_path, 6)
    assert found[0][run].keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[0][run][name], value, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("saved", ["two", "cut"])
def test_what_two_processes_saved_one_goes_on_with(found, folder, tmp_path, saved):
    went_on, expected = steps_of(folder / saved, 9, save=False), steps_of(tmp_path, 9, save=False)
    for name, value in expected.items():
        torch.testing.assert_close(went_on[name], value, rtol=1e-3, atol=5e-5)


def test_a_cut_model_is_saved_in_parts_and_only_those_of_the_latest_checkpoint_stay(found, folder):
    parts = sorted(path.name for path in (folder / "cut").iterdir())
    assert parts == ["latest.safetensors", *(f"step-6-part-{rank}-of-2.safetensors" for rank in range(2))]
    sizes = [(folder / "cut" / name).stat().st_size for name in parts]
    assert sizes[0] < 0.1 * sizes[1] and 0.9 < sizes[1] / sizes[2] < 1.2
    assert sum(sizes) == pytest.approx((folder / "two" / "latest.safetensors").stat().st_size, rel=0.05)


def test_a_part_that_is_missing_is_named(found, folder, tmp_path):
    shutil.copytree(folder / "cut", tmp_path / "cut")
    (tmp_path / "cut" / "step-6-part-1-of-2.safetensors").unlink()
    with pytest.raises(WeightsError, match="part-1-of-2"):
        steps_of(tmp_path / "cut", 7, save=False)


@pytest.mark.parametrize("run", ["resumed", "cut on"])
def test_what_one_process_saved_two_go_on_with(found, folder, run):
    went_on = steps_of(folder / run, 6, save=False)
    for name, value in found[0]["run"].items():
        torch.testing.assert_close(went_on[name], value, rtol=1e-3, atol=2e-5)


def test_batches_differ_in_what_they_ask():
    captions = (batch_of("caption")["text"] > 0).sum(1)
    assert captions[:4].sum() != captions[4:].sum()  # else the weights of parts would not matter
