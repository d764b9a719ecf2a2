"""Whatever is wrong with weights: `load_model` says one clear thing, runs nothing and loads nothing."""

import os
import pickle
import warnings

import pytest
import torch

from internvideo.errors import InternVideoError
from internvideo.models import MODELS, download, load_model
from internvideo.models.download import FetchError
from internvideo.models.families import NewHead
from internvideo.models.renaming import WeightsError
from internvideo.models.weights import write_weights

from .loopback import Server, safetensors

KINDS = [
    "clip-b-16-debug",
    "viclip-b-16-debug",
    "videomae-b-16-debug",
    "videomae-b-16-pretrain-debug",
    "internvideo-mm-b-16-debug",
    "uniformerv2-b-16-debug",
    "internvideo-cma-b-debug",
]


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERNVIDEO_CACHE", str(tmp_path / "cache"))
    for name in ("INTERNVIDEO_OFFLINE", "HF_HUB_OFFLINE", "INTERNVIDEO_MIRROR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)


@pytest.fixture(scope="module")
def states():
    torch.manual_seed(0)
    return {name: MODELS[name]().state_dict() for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("spoil", ["missing", "misshapen", "flat"])
def test_one_tensor_that_is_wrong_is_never_anything_but_a_clear_message(states, name, spoil):
    refused = 0
    for key in list(states[name])[::5]:
        state = {other: value for other, value in states[name].items() if other != key}
        if spoil == "misshapen":
            value = states[name][key]
            state[key] = torch.zeros(*value.shape[:-1], value.shape[-1] + 1) if value.ndim else torch.zeros(2)
        elif spoil == "flat":
            state[key] = torch.zeros(3) if states[name][key].ndim != 1 else torch.zeros(1, 1)
        try:
            MODELS[name].load(state)
        except WeightsError as error:
            refused += 1
            assert error.problem and error.hint and len(str(error).splitlines()) < 45
    assert refused >= 0.8 * len(list(states[name])[::5])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_no_network_takes_the_weights_of_another(states, name, other):
    if name == other:
        return
    related = {"clip-b-16-debug", "internvideo-mm-b-16-debug"}  # one network, and what it grows from
    begun = ("videomae-b-16-debug", "videomae-b-16-pretrain-debug")  # a classifier begins with its pre-training
    if {name, other} <= related or (name, other) == begun:
        return
    with pytest.raises(WeightsError):
        MODELS[name].load(states[other])


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(states, name, value, tmp_path):
    state = {key: tensor.clone() for key, tensor in states[name].items()}
    key = next(key for key, tensor in state.items() if tensor.is_floating_point() and tensor.ndim)
    state[key].view(-1)[-1] = value
    write_weights(tmp_path / "w.safetensors", state)
    with pytest.raises(WeightsError, match="not finite"):
        load_model(name, tmp_path / "w.safetensors")


class Runs:
    def __reduce__(self):
        return os.mkdir, ("a-folder-that-must-not-appear",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("form", ["zip", "legacy", "plain", "inside"])
def test_a_pickle_that_runs_code_is_refused_by_name_and_does_not_run(states, tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    file, content = tmp_path / "x.pth", {"model": states["viclip-b-16-debug"], "extra": Runs()}
    if form == "plain":
        file.write_bytes(pickle.dumps({"model": Runs()}, protocol=2))
    else:
        given = Runs() if form == "inside" else content
        torch.save(given, file, _use_new_zipfile_serialization=form != "legacy")
    with pytest.raises(WeightsError) as caught:
        load_model("viclip-b-16-debug", file)
    assert "mkdir" in caught.value.problem or form == "plain"
    assert "weights_only" not in str(caught.value), "PyTorch's advice to run it is not passed on"
    assert not (tmp_path / "a-folder-that-must-not-appear").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"<!doctype html>", "web page"),
        (b"an essay about video", "begins with"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "begins with"),
        (b"PK\x03\x04" + bytes(500), "not a whole"),
        (b"\x80\x02garbage", "damaged"),
        (safetensors()[:-5], "not a whole"),
        (safetensors(), "no place in this network"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path, content, told):
    for ending in (".pth", ".safetensors"):
        (tmp_path / f"x{ending}").write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            load_model("viclip-b-16-debug", tmp_path / f"x{ending}")
        assert caught.value.hint and caught.value.problem.count("\n") < 5
        assert told in caught.value.problem or ending == ".safetensors"


@pytest.mark.parametrize("what", ["nowhere", "half", "page", "stranger", "disk"])
def test_an_address_that_gives_nothing_usable_leaves_nothing(tmp_path, monkeypatch, what):
    server = Server()
    url = server.url + "/w.safetensors"
    if what in ("half", "disk", "stranger"):
        server.files["/w.safetensors"] = safetensors()
    if what == "half":
        server.drops, server.etag = [1000] * 9, ""
    if what == "page":
        server.files["/w.safetensors"] = b"<html>sign in</html>"
    if what == "disk":
        monkeypatch.setattr(
            download, "_write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
    with pytest.raises((FetchError, WeightsError)) as caught:
        load_model("viclip-b-16-debug", url)
    server.close()
    assert isinstance(caught.value, InternVideoError) and caught.value.hint
    kept = [path.name for path in (tmp_path / "cache" / "weights").rglob("*") if path.is_file()]
    assert kept == [] or what == "stranger", "a whole file of weights stays, whoever can use it"


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.97])
@pytest.mark.parametrize("form", [".safetensors", ".pth", "legacy"])
def test_a_truncated_file_is_refused(states, tmp_path, share, form):
    file = tmp_path / ("w.pth" if form == "legacy" else f"w{form}")
    if form == ".safetensors":
        write_weights(file, states["viclip-b-16-debug"])
    else:
        torch.save({"model": states["viclip-b-16-debug"]}, file, _use_new_zipfile_serialization=form == ".pth")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with warnings.catch_warnings(), pytest.raises(WeightsError) as caught:
        warnings.simplefilter("error")
        load_model("viclip-b-16-debug", file)
    assert caught.value.hint


def test_a_head_that_no_weights_fill_is_said(states):
    with pytest.warns(NewHead, match="no head"):
        MODELS["videomae-b-16-debug"].load(states["videomae-b-16-pretrain-debug"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", NewHead)
        MODELS["videomae-b-16-debug"].load(states["videomae-b-16-debug"])
