"""One way from file to tensor: the same through every door, whatever runs beside it."""

import threading
from dataclasses import replace
from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.errors import InternVideoError, MissingVideo, NotAVideo, UsageError, VideoError
from internvideo.jobs import choice, lanes, prepare
from internvideo.jobs.classify import Question, each_answer
from internvideo.jobs.features import Windows, each_written
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.shared_batches import SharedBatches, ahead
from internvideo.records import Span
from internvideo.text.tokenizer import tokenizer
from internvideo.video import clips as clips_of_video
from internvideo.video.clips import clips_of
from internvideo.video.reader import open_video
from internvideo.video.sampling import FRAME_POLICIES
from internvideo.video.transforms import preprocess

MODEL = "viclip-b-16-debug"
NETWORKS = (MODEL, "internvideo-mm-b-16-debug", "videomae-b-16-debug", "uniformerv2-b-16-debug", "clip-b-16-debug")


def plain(path, how):
    """What the prepared clip must be, without any of the code under test."""
    with open_video(path) as video:
        return preprocess(video.frames(FRAME_POLICIES[how.frames](len(video), how.frame_count)), how)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_prepared_clip_is_policy_then_preprocessing(name, network, clips):
    model, paths = network(name), sorted(clips.glob("*.mp4"))[:2]
    how = model.card.preprocess
    batch = prepare.prepare(model, paths)
    assert batch.shape == (2, 3, how.frame_count, how.size, how.size) and batch.dtype == torch.float32
    for clip, path in zip(batch.numpy(), paths, strict=True):
        assert np.array_equal(clip, plain(path, how))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_door_gives_the_same_tensor(name, network, clips, tmp_path, monkeypatch):
    model, path = network(name), clips / "00001.mp4"
    wanted = prepare.prepare(model, path)
    seen = []
    encoder = "forward" if model.card.family.ensemble == "" else "encode_video"
    for door in dict.fromkeys((encoder, "encode_video")):
        inner = getattr(model, door)
        monkeypatch.setattr(model, door, lambda batch, inner=inner: seen.append(batch.clone()) or inner(batch))
    labels = None if encoder == "forward" else ["a dog", "a cat"]
    places = find_videos([path])
    list(each_answer(places, Question(model, labels)))
    list(each_written(places, tmp_path / name, model, windows=Windows(whole=True)))
    with open_video(path) as video:
        seen.append(prepare.prepare(model, [video]))
        seen.append(prepare.prepare(model, (video, Span(video.seconds(0), 1e6))))
    assert len(seen) >= 4
    assert all(torch.equal(batch, wanted) for batch in seen)


def test_a_span_takes_the_frames_that_begin_in_it_and_spans_share_none(clips):
    with open_video(clips / "00000.mp4") as video:
        edges = [video.seconds(0), 0.4, video.seconds(20), 2.0, 60.0]
        parts = [list(video.frames_in(Span(a, b))) for a, b in pairwise(edges)]
        assert list(chain(*parts)) == list(range(len(video))) and parts[2][0] == 20
        between = (video.seconds(3) + video.seconds(4)) / 2
        assert list(video.frames_in(Span(between, between + 1e-3))) == [3]
        for lost in (Span(-9, -1), Span(50, 60)):
            with pytest.raises(UsageError, match="nothing from"):
                video.frames_in(lost)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(1, 3))
def test_windows_are_the_same_however_frames_are_fetched(clips, window, stride, count, block):
    how = replace(choice.MODELS["viclip-b-16-debug"].family.preprocess, size=16, frame_count=window)
    windows = [list(range(i * stride, i * stride + window)) for i in range(count)]
    with open_video(clips / "00002.mp4") as video, pytest.MonkeyPatch.context() as patch:
        frame_bytes = video.facts.height * video.facts.width * 3
        wanted = [preprocess(video.frames(numbers), how) for numbers in windows]
        for size in (block * frame_bytes, 1 << 30):
            patch.setattr(clips_of_video, "BLOCK_BYTES", size)
            assert all(map(np.array_equal, clips_of(video, windows, how), wanted))


def test_one_network_at_a_time_sees_one_clip_of_a_cpu_so_that_batches_do_not_show(network, clips):
    model = network(MODEL)
    with open_video(clips / "00000.mp4") as video:
        windows = [list(range(i, i + 4)) for i in range(3)]
        ask = SharedBatches(model.encode_video, torch.device("cpu"))
        rows = list(ask(clips_of(video, windows, model.card.preprocess)))
        alone = [*chain(*(ask(clips_of(video, [w], model.card.preprocess)) for w in reversed(windows)))]
    assert all(map(np.array_equal, rows, reversed(alone)))


def test_texts_are_cut_or_refused_as_their_family_does(network):
    long = "dog " * 90
    model = network(MODEL)
    assert torch.equal(prepare.tokenize(model, "a dog"), torch.from_numpy(tokenizer()(["a dog"], 32)))
    assert prepare.tokenize(model, [long])[0, -1] == tokenizer().end
    with pytest.raises(UsageError, match="tokens"):
        prepare.tokenize(network("internvideo-mm-b-16-debug"), [long])
    with pytest.raises(UsageError, match="reads no text"):
        prepare.tokenize(network("videomae-b-16-debug"), ["a dog"])


@pytest.mark.parametrize("name", [MODEL, "internvideo-mm-b-16-debug"])
def test_padding_that_is_left_out_changes_nothing(name, network):
    model, texts = network(name), ["a dog", "somebody juggles with three balls"]
    with torch.inference_mode():
        whole = model.encode_text(prepare.tokenize(model, texts)).numpy()
    assert np.allclose(prepare.encode_texts(model, texts), whole, atol=1e-6)


def test_a_small_vocabulary_names_the_words_that_it_does_not_know(network, capsys):
    prepare._tell_unknown.cache_clear()
    model = network("viclip-tiny-debug")
    assert torch.equal(prepare.tokenize(model, "a red dog"), prepare.tokenize(model, ["a red"]))
    assert capsys.readouterr().err.count("does not know the word `dog`") == 1
    prepare.tokenize(model, "the red dog")
    assert "dog" not in capsys.readouterr().err  # said once
    with pytest.raises(UsageError, match="knows no word of 'people dancing'"):
        prepare.tokenize(model, ["people dancing"])


def test_errors_of_one_video_stay_with_it_and_order_is_kept(clips):
    places = find_videos([clips / "00001.mp4", clips / "nowhere.mp4", clips / "sub", clips / "00000.mp4"])

    def work(place, check):
        if place.problem:
            raise place.problem
        with open_video(place.path) as video:
            return len(video)

    given = [(place.name, outcome) for place, outcome in lanes.each_video(places, work, 3)]
    assert [name for name, _ in given] == ["00001.mp4", "nowhere.mp4", "broken.mp4", "00000.mp4"]
    assert isinstance(given[1][1], MissingVideo) and isinstance(given[2][1], NotAVideo)
    assert given[0][1] == given[3][1] == 48


def test_our_own_mistakes_are_not_taken_for_broken_videos():
    with pytest.raises(ZeroDivisionError):
        list(lanes.each_video([1, 0], lambda item, check: 1 / item, 2))


@given(st.integers(0, 20), st.integers(1, 4))
def test_lanes_do_each_item_once_and_never_run_far_ahead(count, number):
    begun, lock = [], threading.Lock()

    def work(item, check):
        with lock:
            begun.append(item)
        return item * 2

    for place, (item, result) in enumerate(lanes.each_video(range(count), work, number)):
        assert (item, result) == (place, place * 2)
        assert len(begun) <= place + 2 * number
    assert sorted(begun) == list(range(count))


def test_lanes_share_the_threads_of_torch_and_give_them_back():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    seen = [found for _, found in lanes.each_video([0, 1], lambda item, check: torch.get_num_threads(), 2)]
    after = torch.get_num_threads()
    torch.set_num_threads(before)
    assert (seen, after) == ([2, 2], 4)


def test_whoever_stops_listening_stops_the_work():
    begun = threading.Event()

    def work(item, check):
        begun.set()
        while item:
            check()
        return item

    answers = lanes.each_video([0, 1, 2], work, 2)
    assert next(answers) == (0, 0)
    begun.wait()
    answers.close()  # hangs if the work goes on


def test_items_made_ahead_come_in_order_with_their_errors():
    def items():
        yield from range(5)
        raise VideoError("broken")

    got = []
    with pytest.raises(VideoError):
        for item in ahead(items()):
            got.append(item)  # noqa: PERF402
    assert got == [0, 1, 2, 3, 4]


def test_files_folders_and_patterns_are_found_once_each(clips, tmp_path):
    words = [clips / "00003.mp4", clips, f"{clips}/**/*.mp4"]
    found = find_videos(words)
    assert [place.name for place in found] == [
        "00003.mp4", "00000.mp4", "00001.mp4", "00002.mp4", "00004.mp4", "sub/broken.mp4"
    ]  # fmt: skip
    assert [place.name for place in find_videos([f"{clips}/s*/*.mp4"])] == ["sub/broken.mp4"]
    with pytest.raises(UsageError, match="no videos below"):
        find_videos([tmp_path])


def test_the_model_asked_for_comes_first_then_that_of_the_dataset_then_the_best_one_here(monkeypatch, tmp_path):
    asked = []

    def load(name, weights, *, precision):
        asked.append((name, weights))
        return torch.nn.Identity()

    monkeypatch.setattr(choice, "load_model", load)
    here = {"clip-b-16": tmp_path / "c", "viclip-b-16": tmp_path / "v"}
    monkeypatch.setattr(choice, "local", here.get)
    choice.choose_model("clip-b-16", made_with="viclip-b-16")
    choice.choose_model(made_with="clip-b-16")
    choice.choose_model()
    choice.choose_model("viclip-b-16", "my.pth")
    assert [name for name, _ in asked] == ["clip-b-16", "clip-b-16", "viclip-b-16", "viclip-b-16"]
    assert asked[-1][1] == "my.pth"
    here.clear()
    with pytest.raises(InternVideoError, match="internvideo models fetch clip-b-16"):
        choice.choose_model()
    with pytest.raises(InternVideoError, match="internvideo models fetch viclip-l-14"):
        choice.choose_model("viclip-l-14")
    with pytest.raises(InternVideoError, match="--model"):
        choice.choose_model(weights="my.pth")


def test_debug_models_are_the_same_every_time_and_leave_random_numbers_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (choice.choose_model(MODEL, device="cpu").state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(torch.get_rng_state(), before)
