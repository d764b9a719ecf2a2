"""Zero-shot and supervised classification: laws of the ensembles, label files, segments, the verb."""

import json
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from internvideo.errors import MissingVideo, UsageError
from internvideo.jobs import prepare
from internvideo.jobs.answer_picture import draw_answers
from internvideo.jobs.classify import Answer, Question, classify, classify_all, divide
from internvideo.jobs.labels import read_labels, read_prompts
from internvideo.metrics.classification import softmax
from internvideo.models import load_model
from internvideo.records import Span
from internvideo.text.prompts import PROMPTS, fill
from internvideo.video.reader import open_video
from internvideo.video.render import write_video

MODELS = {
    "viclip-b-16-debug": "similarities",
    "internvideo-mm-b-16-debug": "probabilities",
    "clip-b-16-debug": "embeddings",
}
LABELS = ("a red circle that grows", "a dog", "nobody")


@pytest.mark.parametrize(("name", "ensemble"), MODELS.items())
def test_answers_to_several_sentences_are_joined_as_the_family_does(name, ensemble, network, clips):
    model, path = network(name), clips / "00000.mp4"
    templates = ("a video of {}", "{}?", "look, {}!")
    with torch.inference_mode():
        video = model.encode_video(prepare.prepare(model, path)).double().numpy()[0]
        texts = np.array(
            [
                model.encode_text(prepare.tokenize(model, row)).double().numpy()
                for row in fill(templates, LABELS, model.card.family.cleaning)
            ]
        )
        scale = float(model.scale)
    if ensemble == "similarities":
        wanted = softmax(scale * np.mean([row @ video for row in texts], axis=0))
    elif ensemble == "probabilities":
        wanted = np.mean([softmax(scale * row @ video) for row in texts], axis=0)
    else:
        mean = texts.mean(axis=0)
        wanted = softmax(scale * (mean / np.linalg.norm(mean, axis=1, keepdims=True)) @ video)
    answer = classify(path, LABELS, model, prompts=templates)
    assert model.card.family.ensemble == ensemble
    assert np.allclose(answer.probabilities, wanted, atol=1e-5) and answer.probabilities.sum() == pytest.approx(1)


def test_labels_that_a_small_vocabulary_cannot_tell_apart_are_named(capsys):
    Question(load_model("viclip-tiny"), ["a dog", "a cat", "a red circle"])
    assert "`a dog` and `a cat` are the same" in capsys.readouterr().err


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_the_labels_moves_only_their_places(name, network, clips):
    model, path = network(name), clips / "00001.mp4"
    there = classify(path, LABELS, model).probabilities
    back = classify(path, LABELS[::-1], model).probabilities
    assert np.allclose(there, back[::-1], atol=1e-6)


@pytest.mark.parametrize("name", ["videomae-b-16-debug", "uniformerv2-b-16-debug", "internvideo-cma-b-debug"])
def test_a_class_head_answers_with_its_own_classes(name, network, clips):
    model, path = network(name), clips / "00000.mp4"
    with torch.inference_mode():
        wanted = model(prepare.prepare(model, path)).softmax(-1)[0].numpy()
    answer = classify(path, None, model)
    assert np.allclose(answer.probabilities, wanted, atol=1e-6)
    assert answer.labels == tuple(f"class {k}" for k in range(len(wanted)))
    names = [f"action {k}" for k in range(len(wanted))]
    assert classify(path, names, model).labels == tuple(names)
    with pytest.raises(UsageError, match="knows 8 classes, but 7 labels"):
        classify(path, names[1:], model)


@given(st.floats(0.1, 10))
def test_a_temperature_divides_the_log_odds(network, clips, temperature):
    model, path = network("clip-b-16-debug"), clips / "00000.mp4"
    plain, heated = (classify(path, LABELS, model, temperature=t).scores for t in (1.0, temperature))
    assert np.allclose(np.diff(heated), np.diff(plain) / temperature, atol=1e-9)


def test_segments_are_answered_like_clips_of_their_own_and_leave_the_whole_as_it_was(network, clips):
    model, path = network("viclip-b-16-debug"), clips / "00002.mp4"
    answer = classify(path, LABELS, model, segments=1.0)
    assert np.array_equal(answer.scores, classify(path, LABELS, model).scores)
    assert [round(span.seconds, 6) for span in answer.spans] == [1.0, 1.0, 1.0]
    ask = Question(model, LABELS)
    for span, row in zip(answer.spans, answer.timeline, strict=True):
        clip = prepare.prepare(model, (path, span)).numpy()
        assert np.array_equal(next(ask.clips(iter(clip))), row)


@given(st.floats(0.1, 20))
def test_segments_cover_the_video_without_gaps_and_only_the_last_is_of_another_length(clips, seconds):
    with open_video(clips / "00000.mp4") as video:
        spans = list(divide(video, seconds))
        assert spans[0].start == video.seconds(0) and spans[-1].end == pytest.approx(3.0)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert all(span.seconds == pytest.approx(seconds) for span in spans[:-1])
    assert len(spans) == 1 or seconds / 2 <= spans[-1].seconds + 1e-9 <= seconds * 1.5 + 1e-6


def test_shots_end_where_the_picture_changes(tmp_path):
    looks = [(200, 40, 30)] * 40 + [(20, 60, 220)] * 35
    write_video(tmp_path / "two.mp4", [np.full((48, 64, 3), look, np.uint8) for look in looks], fps=Fraction(25))
    with open_video(tmp_path / "two.mp4") as video:
        assert list(divide(video, "shots")) == [Span(0.0, 1.6), Span(1.6, 3.0)]


@pytest.mark.parametrize("segments", ["0", "-1", "nan", "inf", "scenes", "0.0001"])
def test_segments_that_make_no_sense_are_refused(segments, network, clips):
    with pytest.raises(UsageError):
        classify(clips / "00000.mp4", LABELS, network("clip-b-16-debug"), segments=segments)


def test_neither_order_nor_number_of_lanes_changes_a_bit(network, clips):
    from internvideo.jobs.classify import each_answer
    from internvideo.jobs.named_videos import find_videos

    ask = Question(network("internvideo-mm-b-16-debug"), LABELS)
    places = find_videos([clips])
    runs = [{a.video: a for a in each_answer(order, ask, 1.0, lanes=n)} for order, n in
            ((places, 1), (places[::-1], 3), (places[2:3] + places[:2] + places[3:], 2))]  # fmt: skip
    for run in runs[1:]:
        for name, answer in runs[0].items():
            assert answer.scores.tobytes() == run[name].scores.tobytes()
            assert answer.timeline.tobytes() == run[name].timeline.tobytes()


def test_a_broken_video_is_named_and_the_others_are_answered(network, clips):
    answers = classify_all([clips], LABELS, network("clip-b-16-debug"))
    assert [answer.problem.kind if answer.problem else "" for answer in answers] == ["", "", "", "", "", "not-a-video"]
    with pytest.raises(MissingVideo):
        classify(clips / "nowhere.mp4", LABELS, network("clip-b-16-debug"))


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("a.txt", "﻿a dog\n\n  a  cat \n", ("a dog", "a cat")),
        ("a.txt", "2: cat\n1: dog\n", ("dog", "cat")),
        ("a.txt", '000\t"clean_(mower,_etc.)"\n001\t"cut"\n', ("clean_(mower,_etc.)", "cut")),
        ("a.txt", "1 apple\nbanana\n", ("1 apple", "banana")),
        ("a.csv", "id,name\n1,cat\n0,dog\n", ("dog", "cat")),
        ("a.csv", "action\nApplying sunscreen\nArm wrestling\n", ("Applying sunscreen", "Arm wrestling")),
        ("a.csv", '"a dog, wet"\na cat\n', ("a dog, wet", "a cat")),
        ("a.json", '["dog", "cat"]', ("dog", "cat")),
        ("a.json", '{"cat": 1, "dog": 0}', ("dog", "cat")),
        ("a.json", '{"10": "cat", "9": "dog"}', ("dog", "cat")),
        ("a.json", '[{"label": "dog"}, {"label": "cat"}]', ("dog", "cat")),
        ("a.json#pets", '{"pets": ["dog", "cat"], "cars": ["bus", "van"]}', ("dog", "cat")),
    ],
)
def test_label_files_are_read_in_their_order(name, text, labels, tmp_path):
    (tmp_path / name.partition("#")[0]).write_text(text, "utf-8")
    assert read_labels(f"{tmp_path}/{name}") == labels


def test_labels_on_one_line_are_divided_at_commas_outside_quotes():
    assert read_labels('a dog, a cat,"red, white and blue"') == ("a dog", "a cat", "red, white and blue")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a dog", "nothing to choose"),
        ("", "nothing to choose"),
        (["a", "b", "a"], "twice"),
        ("nowhere.txt", "no label file"),
    ],
)
def test_labels_that_cannot_be_chosen_from_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        read_labels(given)


@pytest.mark.parametrize("text", ["{", "3", '{"a": 1.5}', '[{"x": "dog"}]', '{"pets": ["dog"], "cars": ["bus"]}'])
def test_json_without_names_is_refused(text, tmp_path):
    (tmp_path / "a.json").write_text(text, "utf-8")
    with pytest.raises(UsageError):
        read_labels(tmp_path / "a.json")


def test_the_public_label_files_are_understood(shared):
    folder = shared / "data" / "annotations" / "labels"
    counts = {
        "kinetics/label_map_k400.txt": 400, "kinetics710/label_map_k710.txt": 710, "sthv2/label_map.txt": 174,
        "actionclip/ucf_labels.csv": 101, "actionclip/hmdb51_labels.csv": 51,
        "activitynet/action_name.csv": 200, "ego4d/ego4d_label_map.txt": 110, "multisports/label_map.txt": 66,
        "hvu/label_map.json#scene": 248,
    }  # fmt: skip
    for name, count in counts.items():
        assert len(read_labels(folder / name)) == count, name
    assert read_labels(folder / "actionclip" / "ucf_labels.csv")[:2] == ("ApplyEyeMakeup", "ApplyLipstick")
    assert read_labels(folder / "ego4d" / "ego4d_label_map.txt")[0].startswith("clean_/_repair")


def test_prompts_come_by_name_from_a_file_or_as_they_are(tmp_path):
    (tmp_path / "p.txt").write_text("a video of {}\n\n{}\n", "utf-8")
    assert read_prompts(tmp_path / "p.txt") == ("a video of {}", "{}")
    assert read_prompts("action") == PROMPTS["action"]
    assert read_prompts("a film of {}.") == ("a film of {}.",)
    with pytest.raises(UsageError, match="action"):
        read_prompts("actoin")


def test_the_verb_prints_answers_and_names_what_failed(run, clips):
    code, out, err = run("classify", clips, "--labels", ",".join(LABELS), "--model", "clip-b-16-debug", "--top", "2")
    assert code == 1 and out.count("%") == 10 and "failed: sub/broken.mp4: not-a-video" in err
    words = ("--labels", "a,b", "--model", "clip-b-16-debug", "--json")
    code, out, _ = run("classify", clips / "00000.mp4", *words, "--segments", "1", "--prompts", "kinetics")
    row = json.loads(out)
    assert code == 0 and len(row["segments"]) == 3 and sum(a["probability"] for a in row["top"]) == pytest.approx(1)
    code, out, _ = run("classify", clips / "sub", *words)
    assert code == 3 and json.loads(out)["failed"] == "not-a-video"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--labels", "a,b", "--model", "clap"], "clip"),
        (["--model", "clip-b-16-debug"], "needs labels"),
        (["--labels", "a,b", "--model", "clip-b-16-debug", "--top", "0"], "--top"),
        (["--labels", "a,b", "--model", "clip-b-16-debug", "--temperature", "0"], "temperature"),
        (["--labels", "a,b", "--model", "clip-b-16-debug", "--plot", "x.pdf"], "picture"),
        (["--labels", "a,b", "--model", "clip-b-16-debug", "--plot", "nowhere/x.png"], "folder"),
        (["--labels", "a,b", "--model", "clip-b-16-debug", "--prompts", "no braces"], "prompts"),
    ],
)
def test_mistakes_on_the_command_line_are_named(words, message, run, clips):
    code, out, err = run("classify", clips / "00000.mp4", *words)
    assert code == 2 and not out and message in err


def test_the_plot_shows_every_video_that_was_answered(run, clips, tmp_path):
    words = ("--labels", ",".join(LABELS), "--model", "clip-b-16-debug", "--plot")
    run("classify", clips / "00000.mp4", *words, tmp_path / "one.png")
    code, _, err = run("classify", clips, *words, tmp_path / "all.png", "--segments", "1")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "all.png") as several:
        assert code == 1 and one.width == several.width and several.height > 5 * one.height
    assert "all.png" in err


def test_a_plot_takes_any_label(tmp_path):
    labels = ("视频", "x" * 500, "é\n\u202eb", "", "🎈")
    scores = np.log(np.full(5, 0.2))
    answer = Answer("a" * 400, labels, scores, (Span(-1, 0.5), Span(0.5, 9000)), np.stack([scores, scores]))
    draw_answers([answer, replace(answer, spans=(), timeline=np.empty((0, 5)))], tmp_path / "odd.png")
    assert Path(tmp_path / "odd.png").stat().st_size > 1000


def test_real_videos_are_answered_or_refused_as_their_files_are(shared, network):
    folder = shared / "data"
    answers = classify_all(
        [folder / "videos" / "sam2" / "01_dog.mp4", folder / "hard" / "made"], LABELS, network("clip-b-16-debug")
    )
    failed = {answer.video: answer.problem.kind for answer in answers if answer.problem}
    assert answers[0].problem is None and len(answers) > 30
    assert all(name.startswith(("broken", "audio_only")) for name in failed), failed
    assert {"broken_empty.mp4", "broken_zeros.mp4", "broken_html_error_page.mp4", "audio_only.mp4"} <= failed.keys()
