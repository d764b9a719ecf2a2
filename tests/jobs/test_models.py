"""The verbs of `internvideo models`, through the functions and through their command lines."""

import argparse
import json

import pytest
import torch

from internvideo.app.model_verbs import MODEL_VERBS
from internvideo.errors import UsageError
from internvideo.jobs import models as job
from internvideo.models import MODELS, load_model
from internvideo.models.renaming import to_theirs
from internvideo.models.weights import read_weights, write_weights
from internvideo.models.zoo import ZOO

NAME = "viclip-b-16-debug"
WITH_OFFICIAL = [
    name
    for name, model in MODELS.items()
    if name.endswith("-debug") and {"official", "checkpoint"} & set(model.layouts)
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERNVIDEO_CACHE", str(tmp_path / "cache"))
    for name in ("INTERNVIDEO_OFFLINE", "HF_HUB_OFFLINE", "INTERNVIDEO_MIRROR", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def network(name=NAME):
    torch.manual_seed(0)
    return MODELS[name]()


def file(tmp_path, state, name="w.safetensors"):
    write_weights(tmp_path / name, state)
    return tmp_path / name


def run(*words):
    """Exit code of a command line of the group."""
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers()
    for verb in MODEL_VERBS:
        verb.add_to(verbs)
    given = parser.parse_args([str(word) for word in words])
    return given.run(given)


def test_the_list_holds_every_network_and_every_checkpoint(capsys):
    assert run("list", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["models"]] == job.names()
    assert [row["name"] for row in found["checkpoints"]] == list(ZOO)


def test_the_list_says_what_is_here_and_what_may_not_be_sold(cache, capsys):
    (cache / "weights" / "viclip-b-16-flt").mkdir(parents=True)
    (cache / "weights" / "viclip-b-16-flt" / "x.pth").write_bytes(b"")
    assert run("list", "viclip") == 0
    lines = capsys.readouterr().out.splitlines()
    here = next(line for line in lines if line.startswith("viclip-b-16 "))
    assert "149.6 M" in here and " here " in here and "non-commercial" in here
    assert any(line.startswith("viclip-l-14 ") and "6 to fetch" in line for line in lines)
    networks = sum(name.startswith("viclip-") for name in job.names())
    assert sum(line.startswith("viclip-") for line in lines) == networks + 8
    with pytest.raises(UsageError):
        job.list_models("nothing-of-that-name")


def test_a_table_is_drawn_on_a_terminal(monkeypatch):
    plain = job._table(("a", "b"), [("x", 1)], right=(1,))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    drawn = job._table(("a", "b"), [("x", 1)], right=(1,))
    assert plain == "a  b\nx  1"
    assert "─" in drawn and "\x1b[" in drawn


def test_a_network_that_comes_with_the_package_is_shown_so(capsys):
    assert run("show", "viclip-tiny") == 0
    assert "Its weights come with the package (Apache-2.0)." in capsys.readouterr().out


def test_a_network_is_shown_with_cost_preprocessing_sources_and_licence(capsys):
    assert run("show", "viclip-b-16") == 0
    page = capsys.readouterr().out
    for told in (
        "149,603,841",
        "359.1 GFLOP",
        "224 x 224",
        "squashed",
        "CC-BY-NC-SA-4.0 (non-commercial)",
        "sharepoint",
    ):
        assert told in page
    assert run("show", "videomae-b-16-k710", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "videomae-b-16" and [row["classes"] for row in found["checkpoints"]] == [710]
    assert run("show", "internvideo-mm-l-14-msvd-qa") == 0
    assert "waits for" in capsys.readouterr().out
    with pytest.raises(UsageError, match="unknown network") as caught:
        job.show("viclip-b-17")
    assert "viclip-b-16" in caught.value.hint


@pytest.mark.parametrize("name", WITH_OFFICIAL)
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_official_names_there_and_back_are_bit_identical(tmp_path, name, ending):
    state = network(name).state_dict()
    ours = file(tmp_path, state)
    there, back = tmp_path / f"official{ending}", tmp_path / "back.safetensors"
    done = job.convert(ours, there, model=name, to="official")
    assert done["converted"], done
    official = read_weights(there)
    assert list(official) == list(to_theirs(state, MODELS[name].layouts[done["layout"]])) or ending == ".safetensors"
    assert job.convert(there, back, model=name)["converted"]
    again = read_weights(back)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], state[key]) and again[key].dtype == state[key].dtype for key in state)
    assert job.convert(back, tmp_path / f"twice{ending}", model=name, to="official")["sha256"] == done["sha256"]


def test_what_does_not_fit_is_told_as_a_difference_and_writes_nothing(tmp_path, capsys):
    state = network().state_dict()
    del state["video.norm_in.weight"]
    state["text.norm_out.bias"] = torch.zeros(3)
    source, out = file(tmp_path, state), tmp_path / "out.safetensors"
    assert run("convert", source, out, "--model", NAME) == 1
    told = capsys.readouterr().out
    assert "missing   video.norm_in.weight" in told and "NOT converted" in told
    assert not out.exists()


def test_a_convert_that_cannot_be_meant_is_a_usage_error(tmp_path):
    source = file(tmp_path, network().state_dict())
    with pytest.raises(UsageError, match="cannot tell the form"):
        job.convert(source, tmp_path / "x.txt", model=NAME)
    with pytest.raises(UsageError, match="is there already"):
        job.convert(source, source, model=NAME)
    with pytest.raises(UsageError, match="has no layout `offical`") as caught:
        job.convert(source, tmp_path / "x.pth", model=NAME, to="offical")
    assert "official" in caught.value.hint


def test_a_sound_file_is_recognised_and_verified(tmp_path, capsys):
    source = file(tmp_path, to_theirs(network().state_dict(), MODELS[NAME].layouts["official"]))
    assert run("verify", source) == 0
    told = capsys.readouterr().out
    assert "sound" in told and f"network     {NAME}" in told and "official" in told
    assert run("verify", source, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == NAME and found["sound"] and len(found["sha256"]) == 64


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda state: state.pop("video.positions"), "missing   video.positions"),
        (lambda state: state.update(extra=torch.zeros(1)), "`extra`"),
        (lambda state: state["video.norm_in.weight"].fill_(float("nan")), "not finite"),
        (lambda state: state["video.norm_in.weight"].fill_(float("inf")), "not finite"),
        (lambda state: state.update({"video.norm_in.weight": torch.ones(65)}), "shape     video.norm_in.weight"),
    ],
)
def test_every_fault_of_a_file_is_named(tmp_path, capsys, spoil, told):
    state = {key: value.clone() for key, value in network().state_dict().items()}
    spoil(state)
    assert run("verify", file(tmp_path, state), "--model", NAME) == 1
    page = capsys.readouterr().out
    assert "NOT sound" in page and told in page
    assert "Traceback" not in page


def test_weights_of_another_family_are_not_sound_for_this_one(tmp_path):
    source = file(tmp_path, network("videomae-b-16-debug").state_dict())
    found = job.verify(source, model=NAME)
    assert not found["sound"] and "no place in this network" in found["problem"]
    assert job.verify(source)["model"] == "videomae-b-16-debug"


@pytest.mark.parametrize("content", [b"", b"hello", b"<html>", b"PK\x03\x04" + bytes(50), b"\x80\x02" + bytes(50)])
def test_what_is_no_file_of_weights_is_not_sound(tmp_path, capsys, content):
    (tmp_path / "x.pth").write_bytes(content)
    assert run("verify", tmp_path / "x.pth") == 1
    told = capsys.readouterr().out
    assert "NOT sound" in told and "hint:" in told and "weights_only" not in told
    assert run("verify", tmp_path / "none.pth", "--json") == 1
    assert "there is no file" in json.loads(capsys.readouterr().out)["problem"]


@pytest.mark.filterwarnings("ignore::internvideo.models.families.NonCommercialWeights")
def test_an_address_is_fetched_verified_and_loaded(tmp_path, capsys):
    from tests.models.loopback import Server

    model = network()
    server = Server()
    server.files["/mine.safetensors"] = file(tmp_path, model.state_dict()).read_bytes()
    assert run("fetch", server.url + "/mine.safetensors", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    again = load_model(NAME, server.url + "/mine.safetensors")
    server.close()
    assert len(server.asked) == 1 and found["stated"] == ""
    assert again.card.weights == found["sha256"]
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())
    assert "stated by nobody" in job.say_fetch(found)


def test_what_was_never_published_is_not_fetched():
    with pytest.raises(UsageError, match="no weights of `internvideo-cma-b` were published"):
        job.fetch("internvideo-cma-b")
    with pytest.raises(UsageError, match="unknown weights") as caught:
        job.fetch("clip-b-61")
    assert "clip-b-16" in caught.value.hint


@pytest.mark.parametrize("verb", MODEL_VERBS, ids=lambda verb: verb.name)
def test_every_verb_shows_an_example(verb, capsys):
    with pytest.raises(SystemExit):
        run(verb.name, "--help")
    assert f"Example: internvideo models {verb.name}" in capsys.readouterr().out
