"""`internvideo train` from files to a network, on a small rendered world and debug networks."""

import argparse
import json
import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from internvideo.app.training_verbs import TRAINING_VERBS
from internvideo.config import load_recipe
from internvideo.errors import UsageError
from internvideo.jobs import train as job
from internvideo.jobs.classify import classify
from internvideo.jobs.curves import draw_curves
from internvideo.jobs.train import estimate, run_train
from internvideo.jobs.train_score import recalls
from internvideo.models import MODELS, load_model
from internvideo.models.hub import from_pretrained
from internvideo.models.low_rank import load_differences, merge
from internvideo.models.weights import read_weights
from internvideo.training.checkpoint import LATEST, RunChanged, weights_of
from internvideo.training.learner import Learner
from internvideo.training.loop import OutOfMemory
from internvideo.training.objectives import MaskedPixels
from tests.datasets.worlds import films

CONFIGS = Path(__file__).parents[2] / "configs" / "pretrain"
TIMES = {"clips_per_s", "input_wait", "seconds_left", "mfu", "memory_bytes"}  # of the machine, not of the run
RECIPE = """
from internvideo.datasets.augment import Augment
from internvideo.models.low_rank import LowRank
from internvideo.training.objectives import Classify, Contrastive, MaskedPixels
from internvideo.training.recipe import CorpusRecipe, Optimiser, Schedule, TrainRecipe

def config():
    return TrainRecipe(**{{**dict(
        model="videomae-b-16-pretrain-debug",
        corpora=(CorpusRecipe(name="films", reader="table", list={list!r}),),
        objective=MaskedPixels(hidden=0.75),
        augment=Augment(crop="none"),
        optimiser=Optimiser(groups="videomae", rate=2e-3),
        schedule=Schedule(kind="videomae", warmup=1.0),
        batch=4, steps=6, average=0.5, save_every=1, workers=0, clip=5.0,
    ), **dict({changes})}})
"""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Eight films with captions and classes, as a table."""
    folder = tmp_path_factory.mktemp("world")
    rows = [
        {"file": Path(each.path).name, "caption": each.captions[0] + " is shown", "label_id": each.label % 3}
        for each in films(folder, 8)
    ]
    (folder / "films.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return folder


@pytest.fixture
def recipe(world, tmp_path):
    def write(changes="", path=None):
        file = tmp_path / "recipe.py"
        file.write_text(RECIPE.format(list=str(path or world / "films.jsonl"), changes=changes), "utf-8")
        return str(file)

    return write


CONTRASTIVE = 'model="viclip-b-16-debug", objective=Contrastive(), optimiser=Optimiser(groups="viclip", rate=1e-3)'
CLASSIFY = 'model="videomae-b-16-debug", objective=Classify(classes=3)'


def log_of(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text("utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Killed(Exception):
    pass


def run_until(monkeypatch, step, *args, **more):
    """Like `run_train`, but it breaks off before the step is over, as a kill would."""
    learn = job.train

    def broken_off(*inner, hooks, **given):
        def end(moment):
            if moment.step == step:
                raise Killed

        learn(*inner, hooks=[end, *hooks], **given)

    with monkeypatch.context() as patched:
        patched.setattr(job, "train", broken_off)
        with pytest.raises(Killed):
            run_train(*args, **more)


def test_the_loss_falls_and_a_network_with_log_and_curves_comes_out(recipe, tmp_path):
    found = run_train(recipe(), tmp_path / "run", overrides=["steps=20"])
    losses = [line["loss"] for line in log_of(tmp_path / "run")]
    assert len(losses) == found.steps == 20
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    assert Image.open(tmp_path / "run" / "curves.png").size[0] > 800
    network = from_pretrained(tmp_path / "run" / "model")
    assert same(network.state_dict(), weights_of(tmp_path / "run" / "checkpoints" / LATEST))
    assert "20 steps" in json.loads((tmp_path / "run" / "model" / "config.json").read_text("utf-8"))["source"]
    assert json.loads((tmp_path / "run" / "recipe.json").read_text("utf-8"))["steps"] == 20


@pytest.mark.parametrize("changes", ["", CONTRASTIVE])
def test_a_run_that_broke_off_goes_on_as_if_it_had_not(changes, recipe, world, tmp_path, monkeypatch):
    if changes:
        held = f'held_out=CorpusRecipe(name="h", reader="table", list={str(world / "films.jsonl")!r})'
        changes += f", {held}, evaluate_every=3, save_every=3"
    file = recipe(changes)
    run_train(file, tmp_path / "straight")
    run_until(monkeypatch, 4, file, tmp_path / "broken")
    found = run_train(file, tmp_path / "broken")
    assert found.resumed_at == 3
    assert log_of(tmp_path / "broken") == log_of(tmp_path / "straight")
    one, other = (read_weights(tmp_path / name / "checkpoints" / LATEST) for name in ("broken", "straight"))
    assert same(one, other)
    again = run_train(file, tmp_path / "broken")
    assert again.resumed_at == again.steps == 6
    assert log_of(tmp_path / "broken") == log_of(tmp_path / "straight")


def test_workers_and_parts_change_nothing_but_time(recipe, tmp_path):
    file = recipe(CONTRASTIVE)
    for name, more in (("one", []), ("other", ["workers=1"]), ("parts", ["parts=2"])):
        run_train(file, tmp_path / name, overrides=["steps=2", "save_every=2", "average=none", *more])
    one, other, parts = (log_of(tmp_path / name) for name in ("one", "other", "parts"))
    assert one == other
    assert [line["loss"] for line in parts] == pytest.approx([line["loss"] for line in one], rel=1e-4)


def test_a_classifier_gets_a_head_for_its_classes_and_is_scored_on_the_held_out_list(recipe, world, tmp_path):
    held = f'held_out=CorpusRecipe(name="h", reader="table", list={str(world / "films.jsonl")!r})'
    file = recipe(f"{CLASSIFY}, {held}")
    found = run_train(file, tmp_path / "run", overrides=["steps=2"])
    assert from_pretrained(tmp_path / "run" / "model").config.classes == 3
    assert 0 <= found.last["eval/accuracy"] == found.last["eval/score"] <= 1
    with pytest.raises(UsageError, match="class 2, the objective only 2"):
        run_train(file, tmp_path / "few", overrides=["objective.classes=2"])


def test_clips_and_captions_are_held_out_to_find_each_other(recipe, world, tmp_path):
    held = f'held_out=CorpusRecipe(name="h", reader="table", list={str(world / "films.jsonl")!r})'
    found = run_train(recipe(f"{CONTRASTIVE}, {held}"), tmp_path / "run", overrides=["steps=1", "parts=2"])
    last = found.last
    assert last["eval/score"] == (last["eval/t2v_R@1"] + last["eval/v2t_R@1"]) / 2
    assert 0 <= last["eval/t2v_R@1"] <= last["eval/t2v_R@5"] <= last["eval/t2v_R@10"] == 100  # of eight


def test_recall_counts_every_clip_of_the_same_words():
    video = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]), dim=-1)
    ids = torch.tensor([[1, 2], [1, 2], [1, 3]])
    assert recalls(video, video[[1, 0, 2]], ids) == dict.fromkeys(
        [f"{way}_R@{k}" for way in ("t2v", "v2t") for k in (1, 5, 10)], 100.0
    )
    found = recalls(video, video[[2, 2, 0]], ids)
    assert found["t2v_R@1"] == found["v2t_R@1"] == 0.0


def test_half_precision_scales_its_loss_and_goes_on_with_the_scale(recipe, tmp_path, monkeypatch):
    file = recipe('precision="fp16"')
    run_train(file, tmp_path / "straight", overrides=["steps=3"])
    run_until(monkeypatch, 2, file, tmp_path / "broken", overrides=["steps=3"])
    run_train(file, tmp_path / "broken", overrides=["steps=3"])
    assert log_of(tmp_path / "straight") == log_of(tmp_path / "broken")
    assert {line["loss_scale"] for line in log_of(tmp_path / "straight")} <= {2.0**power for power in range(17)}
    run_train(file, tmp_path / "single", overrides=["steps=3", "precision=fp32"])
    half, single = (log_of(tmp_path / name)[0] for name in ("straight", "single"))
    assert half["loss"] == pytest.approx(single["loss"], rel=1e-2)
    assert half["norm"] == pytest.approx(single["norm"], rel=3e-2)


def test_steps_that_are_not_finite_name_the_files(recipe, world, tmp_path, monkeypatch, capsys):
    look = MaskedPixels.look

    def poisoned(self, model, batch, rng):
        batch["video"][-1] = torch.nan
        return look(self, model, batch, rng)

    monkeypatch.setattr(MaskedPixels, "look", poisoned)
    found = run_train(recipe(), tmp_path / "run", overrides=["steps=1"])
    assert found.skipped == (0,)
    assert re.search(r"pixels that are not finite in samples `.*\d\.mp4`$", capsys.readouterr().err, re.M)


def test_low_rank_differences_are_learned_resumed_merged_and_kept_in_a_file(recipe, tmp_path, monkeypatch):
    changes = f'{CLASSIFY}, frozen=(r"^encoder",), lora=LowRank(rank=2), average=None'
    file = recipe(changes)
    run_train(file, tmp_path / "straight", overrides=["steps=3"])
    run_until(monkeypatch, 2, file, tmp_path / "broken", overrides=["steps=3"])
    run_train(file, tmp_path / "broken", overrides=["steps=3"])
    one, other = (load_model("videomae-b-16-debug", tmp_path / name) for name in ("straight", "broken"))
    assert same(one.state_dict(), other.state_dict())
    run_train(file, tmp_path / "start", overrides=["steps=1", "optimiser.rate=0"])
    base = load_model("videomae-b-16-debug", tmp_path / "start")
    load_differences(base, tmp_path / "straight" / "differences.safetensors")
    merge(base)
    torch.testing.assert_close(base.encoder.state_dict(), one.encoder.state_dict())
    assert not torch.equal(base.head.weight, one.head.weight)  # learned, too, and no difference


def test_a_classifier_learns_how_many_classes_there_are_and_what_they_are_called(recipe, world, tmp_path, capsys):
    rows = [json.loads(line) for line in (world / "films.jsonl").read_text("utf-8").splitlines()]
    table = "file,label,person\n" + "".join(f"{r['file']},{'abc'[r['label_id']]},{i % 2}\n" for i, r in enumerate(rows))
    (world / "people.csv").write_text(table, "utf-8")
    (world / "part.csv").write_text("file,label\n" + rows[1]["file"] + ",c\n", "utf-8")
    changes = 'model="videomae-b-16-debug", objective=Classify(classes=0)'
    held = f'held_out=CorpusRecipe(name="h", reader="table", list={str(world / "part.csv")!r})'
    file = recipe(f"{changes}, {held}", world / "people.csv")
    found = run_train(file, tmp_path / "run", overrides=["steps=1", "corpora.films.options.unless.person=1"])
    said = capsys.readouterr().err
    assert "`films`: 4 clips of " in said and "`h`: 1 clips of 1 classes: c 1" in said
    assert "eval/accuracy" in found.last
    network = from_pretrained(tmp_path / "run" / "model")
    assert (network.config.classes, network.card.classes) == (3, ("a", "b", "c"))
    assert estimate(file).samples == 8
    answer = classify(world / rows[0]["file"], None, network)
    assert answer.labels == ("a", "b", "c")


def test_clips_that_come_twice_are_told_and_of_two_classes_refused(recipe, world, tmp_path, capsys):
    names = [json.loads(line)["file"] for line in (world / "films.jsonl").read_text("utf-8").splitlines()]
    listed = world / "twice.csv"
    rows = [f"{name},{'ab'[place % 2]}" for place, name in enumerate(names)]
    listed.write_text("\n".join(["file,label", *rows, rows[0]]) + "\n", "utf-8")
    file = recipe('model="videomae-b-16-debug", objective=Classify(classes=0)', listed)
    run_train(file, tmp_path / "run", overrides=["steps=1"])
    assert "1 clips come more than once" in capsys.readouterr().err
    listed.write_text("\n".join(["file,label", *rows, f"{names[0]},b"]) + "\n", "utf-8")
    with pytest.raises(UsageError, match=r"1 clips have two classes: .*0\.mp4"):
        run_train(file, tmp_path / "torn")
    listed.write_text("\n".join(["file,label", *(f"{name},a" for name in names)]) + "\n", "utf-8")
    with pytest.raises(UsageError, match="the lists have 1 classes"):
        run_train(file, tmp_path / "one")


def test_a_changed_recipe_or_list_is_refused_and_named_unless_told(recipe, world, tmp_path):
    out = tmp_path / "run"
    run_train(recipe(), out, overrides=["steps=1"])
    with pytest.raises(RunChanged, match=r"optimiser\.rate, steps"):
        run_train(recipe(), out, overrides=["steps=2", "optimiser.rate=1e-3"])
    shorter = world / "shorter.jsonl"
    shorter.write_text("".join((world / "films.jsonl").read_text("utf-8").splitlines(keepends=True)[:5]), "utf-8")
    with pytest.raises(RunChanged, match="values of: list films"):
        run_train(recipe(path=shorter), out, overrides=["steps=1"])
    run_train(recipe(), out, overrides=["steps=1", "workers=1", "log_every=3"])  # nothing of the result
    assert run_train(recipe(), out, overrides=["steps=2"], changed=True).resumed_at == 1


def test_a_broken_file_is_named_and_the_rest_is_learned_from(recipe, world, tmp_path, capsys):
    bad = world / "bad.mp4"
    bad.write_text("no film", "utf-8")
    listed = tmp_path / "listed.jsonl"
    rows = (world / "films.jsonl").read_text("utf-8").splitlines()[:3]
    listed.write_text("\n".join([*rows, json.dumps({"file": "bad.mp4"})]) + "\n", "utf-8")
    file = recipe(path=listed)
    found = run_train(file, tmp_path / "run", overrides=[f"corpora.films.root={world}", "steps=3"])
    assert [(Path(each.path).name, each.count) for each in found.broken] == [("bad.mp4", 3)]
    assert "bad.mp4" in capsys.readouterr().err
    assert len(log_of(tmp_path / "run")) == 3


def test_missing_files_are_counted_and_a_list_without_any_file_is_an_error(recipe, world, tmp_path, capsys):
    listed = tmp_path / "listed.jsonl"
    rows = (world / "films.jsonl").read_text("utf-8").splitlines()[:3]
    listed.write_text("\n".join([*rows, json.dumps({"file": "gone.mp4"})]) + "\n", "utf-8")
    run_train(recipe(path=listed), tmp_path / "run", overrides=[f"corpora.films.root={world}", "steps=1"])
    assert "1 of 4 files are missing (25.0% of its samples)" in capsys.readouterr().err
    with pytest.raises(UsageError, match="4 of 4 files are missing"):
        run_train(recipe(path=listed), tmp_path / "none")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", "utf-8")
    with pytest.raises(UsageError, match="the list `films` is empty"):
        run_train(recipe(path=empty), tmp_path / "none")
    with pytest.raises(UsageError, match="8 samples do not fill one batch of 9"):
        run_train(recipe(), tmp_path / "none", overrides=["batch=9"])
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "overrides", "said"),
    [
        ("", ["optimiser.rat=1"], "rate"),
        ("", ["batch=many"], "int"),
        ("", ["batch=0"], "over 0"),
        ("", ["batch=5", "parts=2"], "divide"),
        ("", ["epochs=3"], "either"),
        ("", ["model=viclip-b-16-debug"], "videomae-b-16-pretrain-debug"),
        ("", ["model=viclip-b-61"], "viclip-b-16"),
        ("", ["corpora.films.reader=tabel"], "table"),
        ("", ["average=1.5"], "below 1"),
        ('batch="8"', [], "`batch` is '8'"),
        ("bacth=8", [], "bacth"),
        ('schedule=Schedule(kind="viclib")', [], "viclip"),
        ("corpora=()", [], "corpora"),
        ('corpora=(CorpusRecipe(name="a", reader="table", list="a", options={"wher": 1}),)', [], "where"),
        ('model="videomae-b-16-debug", objective=Classify(classes=3.5)', [], "objective.classes"),
    ],
)
def test_a_bad_recipe_is_an_error_that_helps(changes, overrides, said, recipe, tmp_path):
    with pytest.raises(UsageError) as caught:
        run_train(recipe(changes), tmp_path / "run", overrides=overrides)
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_too_little_memory_says_what_the_estimate_was_and_what_to_type(recipe, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "forward", full)
    with pytest.raises(OutOfMemory, match=r"no memory for 4 clips at once .*; the estimate was 0\.\d GB") as caught:
        run_train(recipe(), tmp_path / "run")
    assert "parts=2: train each batch in more parts" in caught.value.hint


def test_captions_that_are_empty_are_left_out_and_huge_ones_cut(recipe, world, tmp_path):
    listed = tmp_path / "listed.jsonl"
    words = ["a film", "", "long " * 100_000, "word" * 50_000, "\x00\ud800", "a film"]
    rows = [json.dumps({"file": f"{number}.mp4", "caption": text}) for number, text in enumerate(words)]
    listed.write_text("\n".join(rows) + "\n", "utf-8")
    given = [f"corpora.films.root={world}", "batch=5", "steps=1", "average=none"]
    with pytest.raises(UsageError, match="1 of the 6 samples of `films` have no caption"):
        run_train(recipe(CONTRASTIVE, listed), tmp_path / "none", overrides=given)
    found = run_train(recipe(CONTRASTIVE, listed), tmp_path / "run", overrides=[*given, "corpora.films.least_words=1"])
    assert found.last["loss"] > 0 and not found.broken


def test_samples_without_class_or_caption_are_an_error_before_anything_is_written(recipe, world, tmp_path):
    plain = world / "plain.jsonl"
    plain.write_text('{"file": "0.mp4"}\n' * 4, "utf-8")
    with pytest.raises(UsageError, match="no class"):
        run_train(recipe(CLASSIFY, plain), tmp_path / "run")
    with pytest.raises(UsageError, match="no caption"):
        run_train(recipe(CONTRASTIVE, plain), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_estimate_counts_by_hand_and_writes_nothing(recipe, tmp_path, monkeypatch):
    file = recipe()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    cost = estimate(file, overrides=["steps=7"])
    rendered = estimate(str(CONFIGS / "moving_shapes_contrastive.py"))
    assert sorted(tmp_path.rglob("*")) == before
    weights = sum(value.numel() for value in MODELS["videomae-b-16-pretrain-debug"]().parameters())
    assert (cost.parameters, cost.samples, cost.steps, cost.clips_per_step) == (weights, 8, 7, 4)
    assert cost.flops_per_step == 4 * cost.flops_per_clip > 0
    assert cost.hours * 3600 * cost.clips_per_s == pytest.approx(7 * 4)
    assert rendered.samples == 256
    assert rendered.steps == 12 * 256 // 32
    run_train(file, tmp_path / "run")
    written = (tmp_path / "run" / "checkpoints" / LATEST).stat().st_size
    model = (tmp_path / "run" / "model" / "model.safetensors").stat().st_size
    assert cost.checkpoint_bytes == pytest.approx(written + model, rel=0.05)
    assert "measured" in estimate(file, tmp_path / "run").rate


def test_less_of_a_clip_costs_less_and_parts_take_less_memory(recipe):
    file = recipe(CONTRASTIVE)
    whole, dropped, parts, half = (
        estimate(file, overrides=more) for more in ([], ["objective.dropped=0.9"], ["parts=2"], ["precision=bf16"])
    )
    assert dropped.flops_per_clip < whole.flops_per_clip
    assert parts.activation_bytes == half.activation_bytes == pytest.approx(whole.activation_bytes / 2, abs=4)
    assert whole.flops_per_clip == parts.flops_per_clip


QUICK = [CONFIGS / f"moving_shapes_{name}.py" for name in ("masked", "contrastive")]  # others: tests/e2e/test_learning


@pytest.mark.parametrize("file", sorted(CONFIGS.parent.glob("*/moving_shapes_*.py")), ids=lambda file: file.stem)
def test_a_shipped_recipe_loads_and_says_what_it_is(file):
    load_recipe(str(file), {}, object)
    text = file.read_text("utf-8")
    assert all(word in text for word in ("Run ", "Cost ", "Expect "))


@pytest.mark.parametrize("file", QUICK, ids=lambda file: file.stem)
def test_a_shipped_recipe_runs(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert estimate(str(file)).hours > 0
    shorter = tmp_path / file.name
    text = file.read_text("utf-8").replace('"clips": 256', '"clips": 8').replace('"clips": 64', '"clips": 4')
    shorter.write_text(text, "utf-8")
    found = run_train(str(shorter), tmp_path / "run", overrides=["batch=4", "workers=0", "epochs=1"])
    assert found.steps == 2
    assert found.last["loss"] > 0


def test_the_verb_passes_on_what_was_typed(recipe, tmp_path, capsys):
    (verb,) = TRAINING_VERBS
    parser = argparse.ArgumentParser()
    verb.options(parser)
    file = recipe()
    assert verb.run(parser.parse_args([file, "steps=1", "--estimate", "--json"])) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 1
    assert verb.run(parser.parse_args([file, "steps=1", "--out", str(tmp_path / "run")])) == 0
    assert "1 steps: loss" in capsys.readouterr().out
    with pytest.raises(UsageError, match="where should the run go"):
        verb.run(parser.parse_args([file]))


def test_curves_of_nothing_are_no_picture_and_numbers_that_are_not_finite_are_left_out(tmp_path):
    draw_curves([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    draw_curves([{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 1.0}], tmp_path / "one.png")
    assert Image.open(tmp_path / "one.png").getbbox() is not None
