"""Heads on features through the command line: training, exact resume, evaluation, and what is refused."""

import json

import numpy as np
import pytest
import torch

from internvideo.models.hub import from_pretrained
from internvideo.models.weights import read_weights

RECIPE = """
from internvideo.training.head_recipe import HeadRecipe, TemporalData
from internvideo.training.localisation import Localise
from internvideo.training.recipe import Schedule

def config():
    data = TemporalData(annotations="{here}/annotations.json", features="{here}/features", crop=(0.9, 1.0))
    return HeadRecipe(
        model="actionformer-thumos14-debug", data=data, held_out=data, objective=Localise(usual=20.0), batch=4,
        epochs=50, rate=4e-3, schedule=Schedule(kind="videomae", warmup=3.0, lowest=1e-3), average=0.9,
        evaluate_every=1000, save_every=20,
    )
"""
FPS, STRIDE, WINDOW = 25.0, 4, 16


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Four videos of noise with four actions that are directions in it, as features with their grid."""
    here = tmp_path_factory.mktemp("segments")
    (here / "features").mkdir()
    rng = np.random.default_rng(0)
    codes = 3 * rng.normal(size=(4, 12))
    database = {}
    for number in range(4):
        steps = int(rng.integers(50, 64))
        rows, segments, start = rng.normal(size=(steps, 12)), [], 3
        while start < steps - 14:
            length, kind = int(rng.integers(5, 12)), int(rng.integers(4))
            rows[start : start + length] += codes[kind]
            first, last = (((start + edge) * STRIDE + WINDOW / 2) / FPS for edge in (0, length - 1))
            segments.append({"label": f"action {kind}", "segment": [first, last]})
            start += length + int(rng.integers(4, 8))
        seconds = (steps * STRIDE + WINDOW) / FPS
        database[f"v{number}"] = {"subset": "training", "duration": seconds, "annotations": segments}
        np.save(here / "features" / f"v{number}.npy", rows.astype(np.float32))
        about = {"fps": FPS, "stride": STRIDE, "window": WINDOW, "seconds": seconds}
        (here / "features" / f"v{number}.npy.json").write_text(json.dumps(about))
    (here / "annotations.json").write_text(json.dumps({"database": database}))
    (here / "recipe.py").write_text(RECIPE.format(here=here))
    return here


def run_cli(*words):
    from internvideo.app.cli import main

    torch.manual_seed(1)  # nothing may depend on it
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def trained(world):
    assert run_cli("train", world / "recipe.py", "--out", world / "run") == 0
    return world / "run"


def test_four_videos_are_learned_and_found_again(world, trained, capsys):
    last = json.loads((trained / "log.jsonl").read_text().splitlines()[-1])
    assert last["eval/mAP@0.5"] > 90
    words = ("evaluate", "temporal", "--data", world / "annotations.json", "--root", world / "features")
    model = ("--model", "actionformer-thumos14-debug", "--weights", trained / "model")
    assert run_cli(*words, *model, "--out", world / "marks", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["mAP@0.5"] == pytest.approx(last["eval/mAP@0.5"])
    assert found["protocol"]["suppression.sigma"] == "0.5"
    again = ("evaluate", "temporal", "--data", world / "annotations.json")
    assert run_cli(*again, "--predictions", world / "marks" / "predictions.jsonl", "--json") == 0
    assert json.loads(capsys.readouterr().out)["mAP@0.5"] == pytest.approx(found["mAP@0.5"], abs=1e-4)


def test_a_run_that_stopped_goes_on_to_the_same_weights(world, tmp_path):
    from internvideo.jobs import train_heads

    recipe = train_heads.head_recipe_of(str(world / "recipe.py"), ["epochs=8", "save_every=3", "held_out=none"])

    class Stopped(Exception):
        pass

    run = train_heads._HeadRun(recipe, tmp_path / "run", torch.device("cpu"))
    hooks = run._hooks

    def with_stop(*given):
        def stop(moment):
            if moment.step == 5:
                raise Stopped

        return [*hooks(*given), stop]

    run._hooks = with_stop
    with pytest.raises(Stopped):
        run.go(changed=False)
    assert train_heads.run_head(recipe, tmp_path / "run").resumed_at == 3
    train_heads.run_head(recipe, tmp_path / "whole")
    one, other = (
        read_weights(place / "model" / "model.safetensors") for place in (tmp_path / "whole", tmp_path / "run")
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_network_is_saved_without_the_state_of_the_run(trained):
    network = from_pretrained(trained / "model")
    assert "usual_positives" not in network.state_dict()
    assert network.config.classes == 4 and network.config.channels == 12


def test_the_estimate_counts_samples_and_steps(world, capsys):
    assert run_cli("train", world / "recipe.py", "--estimate", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["samples"], found["steps"], found["clips_per_step"]) == (4, 50, 4)


def test_features_of_another_length_or_none_are_refused(world, tmp_path, capsys):
    words = ("train", world / "recipe.py", "--out", tmp_path / "run")
    assert run_cli(*words, "data.fps=12.5", "data.stride=4", "data.window=16") == 3
    assert "the annotations say" in capsys.readouterr().err
    assert run_cli(*words, f"data.features={tmp_path}") == 2
    assert "none of 4 videos" in capsys.readouterr().err
    assert run_cli(*words, "data.featurs=x") == 2
    assert "did you mean `features`" in capsys.readouterr().err


def test_a_head_that_reads_other_features_is_refused(world, trained, tmp_path, capsys):
    np.save(tmp_path / "v0.npy", np.zeros((60, 5), np.float32))
    words = ("evaluate", "temporal", "fps=25", "stride=4", "window=16", "--data", world / "annotations.json")
    model = ("--model", "actionformer-thumos14-debug", "--weights", trained / "model")
    assert run_cli(*words, "--root", tmp_path, *model) != 0
    assert "5 channels, the head reads 12" in capsys.readouterr().err
