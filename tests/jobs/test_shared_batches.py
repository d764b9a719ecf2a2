"""Several lanes ask one network: the same answers in full batches, and nobody waits for ever."""

import math
import threading
from concurrent.futures import Future

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.errors import VideoError
from internvideo.jobs.asking import Network
from internvideo.jobs.classify import Question, each_answer
from internvideo.jobs.features import Windows, each_written
from internvideo.jobs.lanes import each_video
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.shared_batches import BATCH, SharedBatches

CPU = torch.device("cpu")
MODEL = "viclip-b-16-debug"
PATIENCE = 30  # seconds until something that ought to end counts as hanging


def within(call):
    """What `call` gives; fails if that does not come."""
    outcome = Future()

    def run():
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(PATIENCE)


class Summing:
    """A network with a memory: sums of a clip, and how many clips each call had. Raises where a clip is `poison`."""

    def __init__(self, poison=None):
        self.sizes, self.poison = [], poison

    def __call__(self, batch):
        self.sizes.append(len(batch))
        if self.poison is not None and (batch == self.poison).any():
            raise ArithmeticError("poison")
        return torch.stack([batch.flatten(1).sum(1), batch.flatten(1).square().sum(1)], 1)


@st.composite
def films(draw):
    """Videos as lists of clips of one or two shapes, each clip with its own number; some break at the end."""
    lengths = draw(st.lists(st.integers(0, 7), min_size=1, max_size=14))
    shapes = draw(st.sampled_from([[(2,)], [(2,), (3,)], [(2,), (3,), (4,)]]))
    number = iter(range(1, 1000))
    clips = [[np.full(draw(st.sampled_from(shapes)), next(number), np.float32) for _ in range(n)] for n in lengths]
    return [(place, film, draw(st.booleans())) for place, film in enumerate(clips)]


def played(film, made=None):
    _, clips, broken = film
    for clip in clips:
        if made is not None:
            made()
        yield clip
    if broken:
        raise VideoError("broken")


def watch(batches, films, lanes, made=None):
    def work(film, check):
        rows = []
        for row in batches(played(film, made)):
            rows.append(row)
            check()
        return np.array(rows)

    return within(lambda: list(each_video(films, work, lanes, batches)))


@given(films(), st.integers(1, 6), st.integers(2, 5))
def test_answers_are_those_of_each_clip_alone_whatever_is_mixed(films, lanes, size):
    network, held, most, lock = Summing(), 0, 0, threading.Lock()

    def change(by):
        nonlocal held, most
        with lock:
            held += by
            most = max(most, held)

    def counting(batch):
        change(-len(batch))
        return network(batch)

    given = watch(SharedBatches(counting, CPU, size), films, lanes, lambda: change(1))
    assert [film[0] for film, _ in given] == list(range(len(films)))
    for (_, clips, broken), rows in given:
        if broken:
            assert isinstance(rows, VideoError)
            continue
        alone = [Summing()(torch.from_numpy(clip[None]))[0].numpy() for clip in clips]
        assert np.allclose(rows, np.array(alone))
    assert max(network.sizes, default=0) <= size
    if not any(broken for *_, broken in films):  # clips of a broken video are computed or not
        assert sum(network.sizes) == sum(len(clips) for _, clips, _ in films)
        assert held == 0 and most <= 2 * size + lanes + size  # the last are at the network's door


@given(st.data(), st.integers(1, 8), st.integers(2, 5))
def test_no_more_calls_than_full_batches_make(data, lanes, size):
    lengths = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=2 * lanes))
    films = [(i, [np.full((2,), i, np.float32)] * length, False) for i, length in enumerate(lengths)]
    network, total = Summing(), sum(lengths)
    watch(SharedBatches(network, CPU, size), films, lanes)
    full = network.sizes.count(size)
    if min(lanes, len(films)) >= size:
        assert len(network.sizes) == math.ceil(total / size)
    else:  # fewer lanes than a batch has clips: what they have at once is the most there can be
        assert len(network.sizes) - full <= math.ceil(len(films) / lanes)


def test_clips_of_other_shapes_have_batches_of_their_own():
    films = [(i, [np.ones((2 + i % 2,), np.float32)], False) for i in range(8)]
    network = Summing()
    watch(SharedBatches(network, CPU, 4), films, 8)
    assert network.sizes == [4, 4]


def test_only_the_lane_whose_clip_the_network_refuses_hears_of_it():
    films = [(i, [np.full((2,), i, np.float32)], False) for i in range(8)]
    network = Summing(poison=5)
    batches = SharedBatches(network, CPU, 8)

    def work(film, check):
        try:
            return next(batches(played(film)))[0]
        except ArithmeticError as error:
            return str(error)

    given = within(lambda: [row for _, row in each_video(films, work, 8, batches)])
    assert given == [0, 2, 4, 6, 8, "poison", 12, 14]
    assert len(network.sizes) == 1 + 2 * 3  # halved three times


def test_a_network_that_always_fails_ends_the_run_with_its_own_words():
    films = [(i, [np.full((2,), 5, np.float32)] * 3, False) for i in range(9)]
    network = Summing(poison=5)
    with pytest.raises(ArithmeticError, match="poison"):
        watch(SharedBatches(network, CPU, 4), films, 3)


def test_a_network_with_too_few_answers_hangs_nobody():
    films = [(0, [np.ones((2,), np.float32)] * 3, False)]
    with pytest.raises(ValueError, match="zip"):
        watch(SharedBatches(lambda batch: batch[:0], CPU, 2), films, 1)


def test_whoever_stops_listening_is_not_kept_by_lanes_that_wait():
    films = [(i, [np.full((2,), i, np.float32)] * 50, False) for i in range(9)]
    batches = SharedBatches(Summing(), CPU, 16)

    def work(film, check):
        for _ in batches(played(film)):
            check()
        return film[0]

    def run():
        answers = each_video(films, work, 2, batches)
        assert next(answers)[1] == 0
        answers.close()
        return next(batches(iter([np.full((2,), 3, np.float32)])))  # and it can be used again

    assert within(run)[0] == 6


def test_threads_of_no_run_wait_for_nobody():
    batches = SharedBatches(Summing(), CPU, 16)
    clips = [np.full((2,), number, np.float32) for number in range(40)]

    def ask(into):
        into.append([row[0] for row in batches(iter(clips))])

    into = []
    threads = [threading.Thread(target=ask, args=(into,), daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    within(lambda: [thread.join() for thread in threads])
    assert into == [[2.0 * number for number in range(40)]] * 3


def test_an_accelerator_gets_batches_and_lanes_that_fill_them_a_cpu_single_clips():
    alone, shared = SharedBatches(Summing(), CPU), SharedBatches(Summing(), torch.device("cuda"))
    assert (alone.size, alone.lanes) == (1, torch.get_num_threads())
    assert (shared.size, shared.lanes) == (BATCH, max(torch.get_num_threads(), 2 * BATCH))


@pytest.fixture
def calls(network, monkeypatch):
    """How many clips the network saw at each call."""
    model, seen = network(MODEL), []
    inner = model.encode_video
    monkeypatch.setattr(model, "encode_video", lambda batch: seen.append(len(batch)) or inner(batch))
    return seen


def test_features_of_short_videos_share_batches(network, calls, clips, tmp_path):
    model, places, windows = network(MODEL), find_videos([clips]), Windows(whole=True)
    alone = list(each_written(places, tmp_path / "alone", model, windows=windows))
    assert calls == [1] * 5
    calls.clear()
    shared = within(lambda: list(each_written(places, tmp_path / "shared", model, windows=windows, batch=5)))
    assert calls == [5]
    assert [w.video for w in shared] == [w.video for w in alone]
    assert [w.video for w in shared if w.problem] == ["sub/broken.mp4"]
    for one, other in zip(alone, shared, strict=True):
        assert one.problem or np.allclose(np.load(one.path), np.load(other.path), atol=1e-5)


def test_so_do_classes_and_their_segments(network, calls, clips):
    ask, places = Question(network(MODEL), ["a dog", "a cat"]), find_videos([clips])
    alone = list(each_answer(places, ask, 1.0))
    calls.clear()
    ask.batches = SharedBatches(network(MODEL).encode_video, CPU, 5)
    shared = within(lambda: list(each_answer(places, ask, 1.0)))
    assert calls == [5, 5, 5, 5]  # of five videos the whole and three segments
    for one, other in zip(alone, shared, strict=True):
        assert one.video == other.video and bool(one.problem) == bool(other.problem)
        assert np.allclose(one.scores, other.scores, atol=1e-5) and np.allclose(one.timeline, other.timeline, atol=1e-5)


def test_and_so_does_evaluation(network, calls, clips):
    from internvideo.datasets.sample import Sample
    from internvideo.jobs.evaluate import _each
    from internvideo.tasks.task import Example

    class Task:
        def predict(self, asked, group):
            yield from asked.videos(group[0].sample)

    groups = [[Example(str(i), Sample(i, str(clips / f"{i:05}.mp4")))] for i in range(5)]
    rows = {}
    for size in (1, 5):
        asked = Network(network(MODEL))
        asked.batches = SharedBatches(network(MODEL).encode_video, CPU, size)
        rows[size] = within(lambda asked=asked: [given for _, given, _ in _each(Task(), asked, groups, None)])
    assert calls == [1] * 5 + [5]
    assert np.allclose(rows[1], rows[5], atol=1e-5)
