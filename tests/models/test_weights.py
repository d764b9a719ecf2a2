"""Files into networks: containers, layouts, bad files, and the arithmetic on weights."""

import argparse
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from internvideo.models import load_model
from internvideo.models.renaming import WeightsError
from internvideo.models.weights import (
    fit_length,
    from_pictures,
    inflate,
    load,
    mix,
    pad_length,
    pick_classes,
    read_weights,
    recognise,
    unwrap,
    write_weights,
)

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Forbidden:
    """A pickle of this would call a function of the system."""

    def __reduce__(self):
        return os.mkdir, ("a-folder-that-must-not-appear",)


def same(found, expected=None):
    expected = STATE if expected is None else expected
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("container", ["model", "module", "model_state", "state_dict", None])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_every_container_is_opened(tmp_path, container, prefix):
    state = OrderedDict((prefix + key, value) for key, value in STATE.items())
    file = tmp_path / "x.pth"
    torch.save({container: state, "epoch": 3} if container else state, file)
    same(read_weights(file))


def test_our_own_files_are_read_back_with_any_ending(tmp_path):
    for name in ("x.safetensors", "x.bin"):
        write_weights(tmp_path / name, STATE, {"family": "test"})
        same(read_weights(tmp_path / name))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.bin", "x.safetensors"]


def test_settings_and_scores_beside_the_weights_are_tolerated(tmp_path):
    file = tmp_path / "x.ckpt"
    found = argparse.Namespace(lr=1e-3, out=PurePosixPath("/a/b"), best=np.float64(3.5), table=np.arange(3))
    torch.save({"state_dict": STATE, "args": found, "scheduler": {"best": np.float32(1)}}, file)
    same(read_weights(file))


def test_classes_of_packages_that_are_not_there_are_tolerated(tmp_path):
    file = tmp_path / "x.pth"
    torch.save({"model": STATE, "config": argparse.Namespace(lr=1)}, file)
    patched = tmp_path / "y.pth"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(patched, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert b"argparse\nNamespace\n" in data
                data = data.replace(b"argparse\nNamespace\n", b"utils.easydict\nEasyDict\n")
            target.writestr(entry, data)
    same(read_weights(patched))


class Program(nn.Module):
    """Nested parts, a buffer, half precision, settings: what OpenAI's CLIP archives hold."""

    def __init__(self):
        super().__init__()
        self.part = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2)).half()
        self.table = nn.Parameter(torch.arange(6.0).reshape(2, 3).T)  # not contiguous
        self.register_buffer("size", torch.tensor(224))
        self.steps, self.words = [1, 2], {"a": 1}

    def forward(self, x):
        return self.part(x.half()).float() @ self.table.T + self.size


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_tensors_are_read_from_a_torchscript_archive_without_its_program(tmp_path):
    file, program = tmp_path / "x.pt", Program()
    torch.jit.script(program).save(file)
    same(read_weights(file), program.state_dict())
    broken = tmp_path / "y.pt"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(broken, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():  # the program itself is not needed
            data = b"raise SystemExit" if "/code/" in entry.filename else source.read(entry)
            target.writestr(entry, data)
    same(read_weights(broken), program.state_dict())


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_torchscript_archive_that_names_functions_is_refused(tmp_path):
    file, bad = tmp_path / "x.pt", tmp_path / "y.pt"
    torch.jit.script(Program()).save(file)
    for content, problem in ((pickle.dumps(Forbidden(), 2), "asks to call `(posix|nt).mkdir`"), (b"", "not a whole")):
        with zipfile.ZipFile(file) as source, zipfile.ZipFile(bad, "w", zipfile.ZIP_STORED) as target:
            for entry in source.infolist():
                target.writestr(entry, content if entry.filename.endswith("/data.pkl") else source.read(entry))
        with pytest.raises(WeightsError, match=problem):
            read_weights(bad)
    cut = file.read_bytes()
    bad.write_bytes(cut[: len(cut) // 2])
    with pytest.raises(WeightsError):
        read_weights(bad)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "x.pth"
    torch.save({"model": STATE, "extra": Forbidden()}, file)
    with pytest.raises(WeightsError, match=r"mkdir"):
        read_weights(file)
    with open(tmp_path / "plain.pkl", "wb") as plain:
        pickle.dump(Forbidden(), plain)
    with pytest.raises(WeightsError):
        read_weights(tmp_path / "plain.pkl")
    assert not (tmp_path / "a-folder-that-must-not-appear").exists()


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.pth", b"<!DOCTYPE html><html>404</html>", "is a web page"),
        ("x.safetensors", b"\n <html>", "is a web page"),
        ("x.pth", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "pointer of Git LFS"),
        ("x.pth", b"", "not a whole PyTorch checkpoint"),
        ("x.pth", b"\x80\x02}q", "not a whole PyTorch checkpoint"),
        ("x.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", "not a whole safetensors file"),
        ("x.txt", b"hello, world", "PyTorch checkpoint|more than weights"),
    ],
)
def test_files_that_are_no_weights_are_named(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=problem) as caught:
        read_weights(tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_files_are_refused(tmp_path, name, share):
    file = tmp_path / name
    if name.endswith("pth"):
        torch.save(STATE, file)
    else:
        save_file(STATE, file)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(WeightsError, match="not a whole"):
        read_weights(file)


def test_odd_file_names_are_printed(tmp_path):
    file = tmp_path / "w\udce9ights.pth"
    file.write_bytes(b"<html>")
    with pytest.raises(WeightsError) as caught:
        read_weights(file)
    assert r"w\xe9ights.pth" in str(caught.value).encode("utf-8").decode()


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(WeightsError, match="there is no file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_weights(tmp_path)


def test_what_holds_no_tensors_is_refused():
    with pytest.raises(WeightsError, match="holds no weights"):
        unwrap({"epoch": 3})
    with pytest.raises(WeightsError, match="holds list"):
        unwrap([1, 2])


def network():
    return nn.Sequential(OrderedDict(a=nn.Linear(3, 2)))


def test_loading_is_strict_and_says_everything_at_once():
    wrong = {"a.weight": torch.zeros(2, 4), "b.bias": torch.zeros(1)}
    with pytest.raises(WeightsError) as caught:
        load(network(), wrong)
    told = str(caught.value)
    assert "missing   a.bias  (2,)" in told
    assert "unknown   b.bias  (1,)" in told
    assert "shape     a.weight  file (2, 4), network (2, 3)" in told


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(bad):
    with pytest.raises(WeightsError, match=r"damaged   a\.bias"):
        load(network(), STATE | {"a.bias": torch.tensor([0.0, bad])})


def test_parts_that_may_miss_keep_their_values():
    model = network()
    before = model.a.bias.clone()
    load(model, {"a.weight": STATE["a.weight"]}, may_miss=["a.b"])
    assert torch.equal(model.a.bias, before)
    assert torch.equal(model.a.weight, STATE["a.weight"])


def test_half_precision_files_fill_single_precision_networks_and_meta_ones_too():
    halves = {key: value.half() for key, value in STATE.items()}
    with torch.device("meta"):
        on_meta = network()
    for model in (network(), on_meta):
        load(model, halves)
        assert model.a.weight.dtype == torch.float32
        assert not model.a.weight.is_meta
        assert isinstance(model.a.weight, nn.Parameter)
        assert torch.equal(model.a.weight.data, STATE["a.weight"])


def test_the_layout_that_claims_every_name_is_taken():
    layouts = {"one": (("w", "a.weight"),), "two": (("w", "a.weight"), ("b", "a.bias"))}
    assert recognise(STATE, STATE.keys(), layouts)[0] == "own"
    layout, ours = recognise({"w": STATE["a.weight"], "b": STATE["a.bias"]}, STATE.keys(), layouts)
    assert layout == "two"
    same(ours)
    with pytest.raises(WeightsError, match="1 of 3 weights have no place in this network: `c`"):
        recognise({"w": torch.ones(1), "b": torch.ones(1), "c": torch.ones(1)}, STATE.keys(), layouts)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 5), st.booleans())
def test_inflated_patches_see_a_still_clip_as_the_picture(frames, centre):
    picture, kernel = torch.randn(1, 3, 4, 4), torch.randn(5, 3, 4, 4)
    still = picture[:, :, None].expand(-1, -1, frames, -1, -1)
    seen = nn.functional.conv3d(still, inflate(kernel, frames, centre=centre))
    torch.testing.assert_close(seen.flatten(), nn.functional.conv2d(picture, kernel).flatten())


def test_two_rules_for_tables_of_another_length():
    table, initial = torch.arange(4.0)[:, None], torch.full((6, 1), 9.0)
    assert torch.equal(fit_length(table, 2), table[:2])
    assert torch.equal(fit_length(table, 4), table)
    assert fit_length(table, 8)[:, 0].tolist() == [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]
    assert pad_length(table, initial)[:, 0].tolist() == [0, 1, 2, 3, 9, 9]
    assert torch.equal(pad_length(table, initial[:3]), table[:3])


@given(st.floats(0, 1))
def test_mixing_goes_from_base_to_tuned(share):
    base, tuned = (
        {"x": torch.zeros(2), "y": torch.zeros(1), "b": torch.ones(1)},
        {"x": torch.ones(2), "y": torch.ones(1)},
    )
    mixed = mix(base, tuned | {"only": torch.ones(1)}, share, keep_tuned={"y"})
    assert list(mixed) == ["x", "y", "b"]
    torch.testing.assert_close(mixed["x"], torch.full((2,), share))
    assert mixed["y"].item() == 1


def test_counters_are_not_mixed():
    counter = {"n": torch.tensor(7)}
    assert mix({"n": torch.tensor(1)}, counter, 0.5)["n"].item() == 7


def test_a_head_for_fewer_classes_takes_their_rows():
    weights = {"head.weight": torch.arange(10.0)[:, None], "head.bias": torch.arange(10.0), "x": torch.ones(1)}
    picked = pick_classes(weights, [7, 0])
    assert picked["head.bias"].tolist() == picked["head.weight"][:, 0].tolist() == [7, 0]
    assert torch.equal(picked["x"], weights["x"])


def test_image_towers_keep_their_class_row():
    weights = {"v.patches.weight": torch.randn(4, 3, 2, 2), "v.positions": torch.randn(1 + 4, 4)}
    started = from_pictures(weights, "v.", 3, 4)
    assert started["v.patches.weight"].shape == (4, 3, 3, 2, 2)
    assert started["v.positions"].shape == (17, 4)
    assert torch.equal(started["v.positions"][0], weights["v.positions"][0])


def test_an_unknown_model_name_is_mended():
    with pytest.raises(Exception, match="did you mean `viclip-b-16`"):
        load_model("viclip-b16")


def test_a_safetensors_file_may_begin_with_any_byte(tmp_path):
    """Its first byte is the lowest of the length of its header, which may be that of `<` as well."""
    for spare in range(300):
        write_weights(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {"note": "x" * spare})
        if (tmp_path / "x.safetensors").read_bytes()[:1] == b"<":
            break
    assert read_weights(tmp_path / "x.safetensors")["a"].item() == 1
