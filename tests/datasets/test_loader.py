"""The loader: the same items for any number of workers and after any resume; a broken file costs its own pair only."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from internvideo.datasets import workers as workers_module
from internvideo.datasets.augment import Augment
from internvideo.datasets.loader import Corpus, Loader, TooManyBroken, in_order
from internvideo.datasets.sample import Sample, Samples
from internvideo.datasets.workers import CrashedReader, Workers
from internvideo.errors import UsageError
from internvideo.text.tokenizer import tokenizer
from tests.datasets.worlds import films, images, recipe, shown


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Twelve films and eight images."""
    folder = tmp_path_factory.mktemp("world")
    return {"films": films(folder / "films", 12), "images": images(folder / "images", 8)}


def corpora(world, **shares):
    return [Corpus(name, samples, shares.get(name)) for name, samples in world.items()]


def equal(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        same = torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value == second[name]
        assert same, name


TRAINING = {"augment": Augment(policy="rand-m7-n4-mstd0.5-inc1", erasing=0.25)}


def test_a_batch_is_what_the_interface_says(world):
    with Loader(corpora(world), recipe(), batch=4) as loader:
        for batch in loader.batches(0):
            frames = 2 if batch["media"] == "video" else 1
            assert batch["video"].shape == (4, 3, frames, 16, 16) and batch["video"].dtype == torch.float32
            assert [batch[name].dtype for name in ("uid", "source", "label", "text")] == [torch.int64] * 4
            assert batch["text"].shape == (4, 6)
        assert loader.steps_per_epoch == 5


def test_pixels_caption_label_and_uid_of_a_row_belong_together(world):
    known = {sample.uid: sample for samples in world.values() for sample in samples}
    words = tokenizer()
    with Loader(corpora(world), recipe(), batch=4) as loader:
        for batch in loader.batches(0):
            for clip, uid, label, text in zip(
                *(batch[name] for name in ("video", "uid", "label", "text")), strict=True
            ):
                sample = known[int(uid)]
                assert sample.label == int(label) == shown(clip) and sample.media == batch["media"]
                assert text.tolist() == words([*sample.captions], 6)[0].tolist()


def test_soft_labels_come_as_shares_and_hard_ones_beside_them_as_one(world):
    shares = {number: ((number, 0.75), (14, 0.25)) for number in range(0, 12, 2)}
    softly = Samples(replace(one, soft=shares.get(one.label, ())) for one in world["films"])
    lists = [Corpus("films", softly), Corpus("images", world["images"])]
    with Loader(lists, recipe(**TRAINING, repeats=2), batch=4, workers=2) as loader:
        for batch in loader.batches(0):
            assert batch["soft"].shape == (8, 15) and batch["soft"].dtype == torch.float32
            for row, label in zip(batch["soft"], batch["label"].tolist(), strict=True):
                hard = batch["media"] == "image" or label % 2
                expected = {label: 1.0} if hard else {label: 0.75, 14: 0.25}
                assert {place: float(row[place]) for place in row.nonzero()[:, 0].tolist()} == expected
    assert all("soft" in batch for batch in in_order(softly, recipe(), [], batch=5))
    with Loader(corpora(world), recipe(), batch=4) as loader:
        assert all("soft" not in batch for batch in loader.batches(0))


@pytest.mark.parametrize(("count", "processes"), [(1, False), (2, False), (1, True), (2, True)])
def test_items_are_the_same_for_any_workers(world, count, processes):
    with Loader(corpora(world), recipe(**TRAINING), batch=4, seed=5) as plain:
        expected = list(plain.batches(1))
    with Loader(corpora(world), recipe(**TRAINING), batch=4, seed=5, workers=count, processes=processes) as loader:
        for first, second in zip(expected, loader.batches(1), strict=True):
            equal(first, second)


@pytest.mark.parametrize("stop", [0, 1, 4, 5, 7])
def test_a_run_that_goes_on_sees_what_it_would_have_seen(world, stop):
    with Loader(corpora(world), recipe(**TRAINING), batch=4, seed=5) as loader:
        batches = iter(loader)
        expected = [next(batches) for _ in range(10)]
    with Loader(corpora(world), recipe(**TRAINING), batch=4, seed=5, workers=1, processes=False) as loader:
        batches = iter(loader)
        for _ in range(stop):
            next(batches)
        state = loader.state_dict()
        assert (state["epoch"], state["step"]) == divmod(stop, 5)
    with Loader(corpora(world), recipe(**TRAINING), batch=4, seed=5, workers=2, processes=False) as loader:
        loader.load_state_dict(state)
        for first, second in zip(expected[stop:], loader, strict=False):
            equal(first, second)


def test_any_epoch_can_be_asked_for_at_any_time(world):
    with Loader(corpora(world), recipe(**TRAINING), batch=4) as plain:
        expected = {epoch: list(plain.batches(epoch)) for epoch in (0, 1, 2)}
    with Loader(corpora(world), recipe(**TRAINING), batch=4, workers=2, processes=False) as loader:
        next(loader.batches(2, 3))  # broken off
        for epoch, start in ((0, 0), (1, 0), (1, 2), (0, 4), (2, 0)):
            for first, second in zip(expected[epoch][start:], loader.batches(epoch, start), strict=True):
                equal(first, second)


def test_ranks_see_together_what_one_process_sees(world):
    def batches(rank, world_size, batch):
        with Loader(corpora(world), recipe(), batch=batch, rank=rank, world=world_size) as loader:
            return list(loader.batches(0))

    for whole, first, second in zip(batches(0, 1, 4), batches(0, 2, 2), batches(1, 2, 2), strict=True):
        assert first["media"] == second["media"] == whole["media"]
        for name in ("video", "uid", "text"):
            assert torch.equal(torch.cat([first[name], second[name]]), whole[name])


def test_the_weights_of_a_mixture_are_kept(world):
    with Loader(corpora(world, films=3, images=1), recipe(), batch=4, steps_per_epoch=8) as loader:
        media = Counter(batch["media"] for batch in loader.batches(0))
    assert media == {"video": 6, "image": 2}


def test_clips_and_pictures_take_turns_in_batches_of_their_own_sizes(world):
    def batches(rank, ranks, batch, image_batch):
        more = {"image_batch": image_batch, "alternate": True, "rank": rank, "world": ranks}
        with Loader(corpora(world), recipe(), batch=batch, **more) as loader:
            assert loader.steps_per_epoch == 12 // 4 + 8 // 2
            return list(loader.batches(0))

    whole = batches(0, 1, 4, 2)
    assert [(batch["media"], len(batch["video"])) for batch in whole[:3]] == [("video", 4), ("image", 2), ("video", 4)]
    for one, first, second in zip(whole, batches(0, 2, 2, 1), batches(1, 2, 2, 1), strict=True):
        assert torch.equal(torch.cat([first["uid"], second["uid"]]), one["uid"])


def test_an_epoch_of_one_list_sees_every_sample_once(world):
    with Loader([Corpus("films", world["films"])], recipe(), batch=4) as loader:
        seen = [uid for batch in loader.batches(3) for uid in batch["uid"].tolist()]
    assert sorted(seen) == sorted(sample.uid for sample in world["films"])


@pytest.fixture
def damaged(tmp_path):
    """Films of which 1 is missing, 2 is text and 3 is cut off."""
    samples = films(tmp_path / "films", 8)
    (tmp_path / "films/1.mp4").unlink()
    (tmp_path / "films/2.mp4").write_text("no video")
    content = (tmp_path / "films/3.mp4").read_bytes()
    (tmp_path / "films/3.mp4").write_bytes(content[: len(content) // 3])
    return samples


@pytest.mark.parametrize("processes", [False, True])
def test_a_broken_file_costs_its_own_pair_and_is_named(damaged, processes):
    known = {sample.uid: sample for sample in damaged}
    with Loader([Corpus("films", damaged)], recipe(), batch=4, workers=0) as plain:
        expected, broken = list(plain.batches(0)), plain.broken
    with Loader([Corpus("films", damaged)], recipe(), batch=4, workers=2, processes=processes) as loader:
        for first, second in zip(expected, loader.batches(0), strict=True):
            equal(first, second)
        assert loader.broken == broken
    rows = [(int(uid), clip) for batch in expected for uid, clip in zip(batch["uid"], batch["video"], strict=True)]
    assert len(rows) == 8 and all(known[uid].label == shown(clip) for uid, clip in rows)  # never a wrong pair
    whole = {sample.uid for sample in damaged} - {sample.uid for sample in damaged[1:4]}
    assert whole <= {uid for uid, _ in rows}  # what is sound has lost nothing
    assert {(Path(each.path).name, each.kind) for each in broken} == {
        ("1.mp4", "missing"),
        ("2.mp4", "not-a-video"),
        ("3.mp4", "truncated"),
    }
    assert all(each.count >= 1 and each.message for each in broken)


def test_what_was_broken_survives_a_resume(damaged):
    with Loader([Corpus("films", damaged)], recipe(), batch=4) as loader:
        list(loader.batches(0))
        state, broken = loader.state_dict(), loader.broken
    with Loader([Corpus("films", damaged)], recipe(), batch=4) as loader:
        loader.load_state_dict(state)
        assert loader.broken == broken != []


def test_a_list_of_which_nothing_is_there_ends_with_the_reason(tmp_path):
    samples = Samples(Sample(uid, os.fspath(tmp_path / f"{uid}.mp4"), captions=("a",)) for uid in range(4))
    with Loader([Corpus("films", samples)], recipe(), batch=2, workers=1, processes=False) as loader:
        assert loader.coverage()["films"].share == 1.0
        with pytest.raises(
            TooManyBroken, match="32 samples of `films` in a row are broken; the last: there is no file"
        ):
            next(iter(loader))


def test_a_changed_list_is_refused_at_resume_unless_told(world):
    with Loader([Corpus("films", world["films"])], recipe(), batch=4) as loader:
        state = loader.state_dict()
    with Loader([Corpus("films", world["films"][1:])], recipe(), batch=4, seed=1) as loader:
        with pytest.raises(UsageError, match=r"list `films` was \w+, now \w+; seed was 0, now 1"):
            loader.load_state_dict(state)
        loader.load_state_dict(state, changed=True)


def test_samples_without_a_class_have_the_class_minus_one_beside_others(world):
    silent = Samples(replace(one, label=None) for one in world["films"])
    lists = [Corpus("films", silent), Corpus("images", world["images"])]
    with Loader(lists, recipe(), batch=4) as loader:
        for batch in loader.batches(0):
            assert (batch["label"] >= 0).tolist() == [batch["media"] == "image"] * 4
    softly = Samples(replace(one, soft=((one.label, 0.5), (14, 0.5))) for one in world["images"])
    with Loader([lists[0], Corpus("images", softly)], recipe(), batch=4) as loader:
        assert all("label" not in batch for batch in loader.batches(0))


def test_repeats_are_other_views_of_the_same_frames(world):
    how = recipe(augment=Augment(flip=0.0, erasing=1.0), repeats=2)
    with Loader([Corpus("films", world["films"])], how, batch=3) as loader:
        batch = next(iter(loader))
    assert batch["video"].shape[0] == 6
    assert batch["uid"][0::2].tolist() == batch["uid"][1::2].tolist()
    assert not torch.equal(batch["video"][0], batch["video"][1])


def test_sources_are_equal_for_one_film_and_unlike_for_none(world):
    lone = Samples(Sample(each.uid, each.path, captions=each.captions) for each in world["films"])
    with Loader([Corpus("films", world["films"])], recipe(), batch=12, shuffle=False) as loader:
        sources = next(iter(loader))["source"].tolist()
    assert [first == second for first, second in itertools.pairwise(sources)] == [True, False] * 5 + [True]
    with Loader([Corpus("films", lone)], recipe(), batch=12, shuffle=False) as loader:
        batch = next(iter(loader))
    assert torch.equal(batch["source"], batch["uid"]) and "label" not in batch


def test_lists_that_cannot_be_trained_on_are_refused(world):
    silent = Samples(Sample(uid, "x") for uid in range(3))
    for make, problem in [
        (
            lambda: Loader([Corpus("films", world["films"])], recipe(), batch=13),
            "12 samples do not fill one batch of 13",
        ),
        (
            lambda: Loader([Corpus("silent", silent)], recipe(), batch=1),
            "3 of the 3 samples of `silent` have no caption",
        ),
        (lambda: Corpus("none", Samples([])), "the list `none` is empty"),
        (lambda: Corpus("both", Samples([*world["films"], *world["images"]])), "holds videos and images"),
        (lambda: Corpus("films", world["films"], 0), "the share of `films` is 0"),
        (lambda: Loader([Corpus("a", silent)] * 2, recipe(context=0), batch=1), "corpora of different names"),
    ]:
        with pytest.raises(UsageError, match=problem):
            make()


def test_evaluation_goes_through_a_list_once_and_leaves_out_what_is_broken(damaged):
    broken = []
    batches = list(in_order(damaged, recipe(), broken, batch=3, workers=1, processes=False))
    assert [label for batch in batches for label in batch["label"].tolist()] == [0, 4, 5, 6, 7]
    assert [shown(clip) for batch in batches for clip in batch["video"]] == [0, 4, 5, 6, 7]
    assert [each.kind for each in broken] == ["missing", "not-a-video", "truncated"]


def test_a_process_that_dies_is_replaced_and_its_sample_named(world, monkeypatch):
    sample = world["films"][0]
    clips = np.empty(recipe().shape("video"), np.float32)
    workers = Workers(recipe(), 1)
    try:
        workers.make(sample, (0,), clips)
        expected = clips.copy()
        (process,) = workers._started
        process._process.kill()
        clips[...] = 0
        workers.make(sample, (0,), clips)  # the second process does it
        assert np.array_equal(clips, expected)
        start = process._start

        def start_and_die():
            start()
            process._process.kill()
            process._process.join()

        monkeypatch.setattr(process, "_start", start_and_die)
        process._process.kill()
        with pytest.raises(CrashedReader, match=r"0\.mp4` ended a worker process twice"):
            workers.make(sample, (0,), clips)
        monkeypatch.undo()
        workers.make(sample, (0,), clips)
        assert np.array_equal(clips, expected)
    finally:
        workers.close()


def test_a_process_that_says_nothing_counts_as_dead(world, monkeypatch):
    monkeypatch.setattr(workers_module, "SILENCE", 0.0)
    workers = Workers(recipe(), 1)
    try:
        with pytest.raises(CrashedReader):
            workers.make(world["films"][0], (0,), np.empty(recipe().shape("video"), np.float32))
    finally:
        workers.close()


def test_mistakes_of_ours_in_a_process_are_raised_and_not_taken_for_broken_files(world):
    workers = Workers(recipe(), 1)
    try:
        with pytest.raises(RuntimeError, match=r"in a worker process:(.|\n)*IndexError"):
            workers.make(Sample(0, world["films"][0].path), (0,), np.empty(recipe().shape("video"), np.float32))
    finally:
        workers.close()


def test_no_more_batches_are_under_way_than_are_asked_for(world, monkeypatch):
    begun, given = [], 0
    plain = Loader._begin
    monkeypatch.setattr(Loader, "_begin", lambda self, *place: begun.append(place) or plain(self, *place))
    with Loader(corpora(world), recipe(), batch=2, workers=2, processes=False, prefetch=3) as loader:
        for _ in loader.batches(0):
            given += 1
            assert len(begun) - given <= 3
        assert given == loader.steps_per_epoch == 10
        assert begun[given:] == [(1, 0), (1, 1), (1, 2)]  # of the next epoch, so that it begins at once


SCRIPT = """
import numpy as np
from internvideo.datasets.sample import Sample
from internvideo.datasets.workers import Workers
from tests.datasets.worlds import recipe
Workers(recipe(), 1).make(Sample(0, "x.mp4", captions=("a",)), (0,), np.empty(recipe().shape("video"), np.float32))
"""


def test_a_script_without_a_guard_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": os.fspath(root)}
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "UsageError: a worker process ended before it began" in done.stderr
    assert 'below `if __name__ == "__main__":`' in done.stderr and "leaked" not in done.stderr
