"""Features: where rows lie in time, what is in the files, and that runs can be killed, repeated and mixed up."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.scan import Found
from internvideo.errors import DatasetBusy, UsageError
from internvideo.jobs.features import Windows, each_written, features, names_of
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.prepare import prepare
from internvideo.store.lock import WriterLock
from internvideo.video.clips import clips_of
from internvideo.video.reader import open_video

MODEL = "videomae-b-16-debug"


def files_of(folder):
    """All arrays and records below a folder, by name."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.name.endswith((".npy", ".npy.json"))
    }


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([None, 4.0, 10.0, 16.0, 29.97]))
def test_rows_lie_where_the_grid_of_temporal_localisation_says(clips, window, stride, fps):
    how = replace(module_preprocess(), frame_count=min(window, 4))
    with open_video(clips / "00000.mp4") as video:
        grid = Windows(window=window, stride=stride, fps=fps).grid(video, how)
        count = len(video) if fps is None else round(3 * fps)
    rate = 16 if fps is None else fps  # the clips have 16 frames per second and begin at zero
    assert len(grid.windows) == len(grid.times) == max(0, count - window) // stride + 1
    assert grid.fps == pytest.approx(rate) and grid.seconds == pytest.approx(3)
    for i, second in enumerate(grid.times):
        assert second == pytest.approx((i * stride + min(window, count) / 2) / rate, abs=1e-5)
    assert all(list(w) == sorted(w) and w[0] >= 0 and w[-1] < 48 for w in grid.windows)
    assert all(a[0] <= b[0] for a, b in pairwise(grid.windows))
    if fps is None and window == how.frame_count:
        assert grid.windows[0] == list(range(window))


def module_preprocess():
    from internvideo.models import MODELS

    return MODELS[MODEL].family.preprocess


def test_a_row_is_what_the_network_says_of_its_frames(network, clips, tmp_path):
    model, path = network(MODEL), clips / "00003.mp4"
    (written,) = features(path, tmp_path, model, windows=Windows(stride=8))
    array, record = np.load(written.path), json.loads((tmp_path / "00003.npy.json").read_text("utf-8"))
    assert array.dtype == np.float32 and array.shape == (6, 64) == tuple(record["shape"])
    how = replace(model.card.preprocess, frames="dense-2")
    with open_video(path) as video, torch.inference_mode():
        for row, first in zip(array, range(0, 48, 8), strict=False):
            frames = clips_of(video, [list(range(first, first + how.frame_count))], how)
            assert np.array_equal(row, model.encode_video(torch.from_numpy(next(frames))[None])[0].numpy())
    assert record["times"] == [round((i * 8 + 2) / 16, 6) for i in range(6)]
    assert (record["model"], record["weights"], record["fps"], record["window"], record["stride"]) == (
        MODEL, "random", 16.0, 4, 8
    )  # fmt: skip
    assert record["preprocessing"]["frame_count"] == 4 and "name" in record["licence"]


@pytest.mark.parametrize(
    ("name", "width", "tokens"),
    [
        ("viclip-b-16-debug", 32, (65, 64)),
        ("internvideo-mm-b-16-debug", 32, None),
        ("clip-b-16-debug", 32, None),
        ("videomae-b-16-debug", 64, (32, 64)),
        ("videomae-b-16-pretrain-debug", 64, (32, 64)),
        ("uniformerv2-b-16-debug", 64, None),
        ("internvideo-cma-b-debug", 128, ()),
    ],
)
def test_every_network_gives_features(name, width, tokens, network, clips, tmp_path):
    model, path = network(name), clips / "00000.mp4"
    (one,) = features(path, tmp_path / "one", model, windows=Windows(whole=True))
    assert np.load(one.path).shape == (1, width)
    if tokens == ():
        with pytest.raises(UsageError, match="one vector"):
            features(path, tmp_path / "all", model, dense=True)
        return
    (every,) = features(path, tmp_path / "all", model, windows=Windows(whole=True), dense=True)
    dense = np.load(every.path)
    assert dense.ndim == 3 and dense.shape[1:] == (tokens or dense.shape[1:])
    if name == MODEL:  # the head of this network reads the mean of the tokens
        pooled = model.pool(torch.from_numpy(dense[0])[None]).detach().numpy()
        assert np.allclose(pooled, np.load(one.path), atol=1e-5)
        assert np.array_equal(model.encode_video(prepare(model, path)).detach().numpy(), np.load(one.path))


def test_neither_order_nor_lanes_nor_company_changes_a_byte(network, clips, tmp_path):
    model, places = network("viclip-b-16-debug"), find_videos([clips])
    runs = {"a": (places, 1), "b": (places[::-1], 3), "c": (places[3:], 2)}
    for name, (order, lanes) in runs.items():
        list(each_written(order, tmp_path / name, model, windows=Windows(stride=12), lanes=lanes))
    files = {name: files_of(tmp_path / name) for name in runs}
    assert files["a"] == files["b"] and len(files["a"]) == 10
    assert files["c"].items() <= files["a"].items()


def test_what_is_there_is_not_made_again_and_what_changed_is(network, clips, tmp_path):
    model, out, video = network(MODEL), tmp_path / "out", tmp_path / "film.mp4"
    video.write_bytes((clips / "00000.mp4").read_bytes())
    assert [w.new for w in features(video, out, model)] == [True]
    before = files_of(out)
    assert [w.new for w in features(video, out, model)] == [False] and files_of(out) == before
    (out / "film.npy").write_bytes(before["film.npy"][:-1])
    assert [w.new for w in features(video, out, model)] == [True] and files_of(out) == before
    video.write_bytes((clips / "00001.mp4").read_bytes())
    assert [w.new for w in features(video, out, model)] == [True]
    assert files_of(out)["film.npy"] != before["film.npy"]


def test_another_setting_is_refused_and_changes_nothing(network, clips, tmp_path):
    features(clips / "00000.mp4", tmp_path, network(MODEL))
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match="another windows"):
        features(clips, tmp_path, network(MODEL), windows=Windows(stride=1))
    with pytest.raises(UsageError, match="another model"):
        features(clips, tmp_path, network("uniformerv2-b-16-debug"))
    assert files_of(tmp_path) == before


def test_lanes_do_not_mix_what_the_two_heads_of_a_cross_model_read(network, clips, tmp_path):
    model, places = network("internvideo-cma-b-debug"), find_videos([clips])
    for lanes in (1, 4):
        written = list(each_written(places, tmp_path / str(lanes), model, windows=Windows(stride=8), lanes=lanes))
        assert sum(one.problem is None for one in written) == 5
    assert files_of(tmp_path / "1") == files_of(tmp_path / "4")


def test_only_one_run_writes_a_folder(network, clips, tmp_path):
    with WriterLock(tmp_path), pytest.raises(DatasetBusy):
        features(clips / "00000.mp4", tmp_path, network(MODEL))


def test_a_run_that_stopped_in_the_middle_of_a_video_goes_on_there(network, clips, tmp_path, monkeypatch):
    model, windows = network(MODEL), Windows(stride=4)
    features(clips / "00000.mp4", tmp_path / "whole", model, windows=windows)
    inner, seen = model.encode_video, []

    def failing(batch):
        if len(seen) == 5:
            raise MemoryError
        seen.append(1)
        return inner(batch)

    monkeypatch.setattr(model, "encode_video", failing)
    with pytest.raises(MemoryError):
        features(clips / "00000.mp4", tmp_path / "half", model, windows=windows)
    (part,) = (tmp_path / "half").glob("*.part")
    part.write_bytes(part.read_bytes() + b"torn")
    assert not files_of(tmp_path / "half")
    counted = []
    monkeypatch.setattr(model, "encode_video", lambda batch: counted.append(1) or inner(batch))
    features(clips / "00000.mp4", tmp_path / "half", model, windows=windows)
    assert len(counted) == 12 - 5 and not list((tmp_path / "half").glob("*.part"))
    assert files_of(tmp_path / "half") == files_of(tmp_path / "whole")


def test_a_killed_process_leaves_only_whole_arrays_and_the_next_one_completes_them(network, clips, tmp_path):
    code = (
        "import sys; from internvideo.jobs.inference import run_features\n"
        f"run_features([sys.argv[1]], sys.argv[2], model={MODEL!r}, stride=1, lanes=2, device='cpu')"
    )
    out = tmp_path / "killed"
    child = subprocess.Popen([sys.executable, "-c", code, str(clips), str(out)], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()  # one array is there
    child.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    child.communicate()
    left = files_of(out)
    assert left
    windows = Windows(stride=1)
    features(clips, tmp_path / "whole", network(MODEL), windows=windows)
    whole = files_of(tmp_path / "whole")
    assert left.items() <= whole.items()
    features(clips, out, network(MODEL), windows=windows)
    assert files_of(out) == whole


def found(relative, root=b"/videos"):
    return Found(root, relative)


def test_names_come_from_the_path_and_never_meet():
    places = [
        found(b"a/cat.mp4"), found(b"b/cat.mp4"), found(b"b/cat.avi"), found(b"b/CAT.webm"), found(b"dog.mp4"),
        found(b"dog.mp4", b"/more"), found(b"dog.mp4", b"/x/more"), found(b"caf\xe9.mp4"), found(b"x" * 250 + b".mp4"),
        found(b"con: 1%.mp4"),
    ]  # fmt: skip
    names = names_of(places)
    assert names[:5] == ["a/cat", "b/cat.mp4", "b/cat.avi", "b/CAT", "videos/dog.mp4"] or names[3] == "b/CAT.webm"
    assert names[5].startswith("more/dog.mp4-") and names[6].startswith("more/dog.mp4-")
    assert names[7] == "caf%E9" and names[9] == "con%3A 1%25" and len(names[8]) < 200
    assert len({name.casefold() for name in names}) == len(names)


@given(st.lists(st.binary(min_size=1, max_size=6).filter(lambda b: not set(b) & set(b"/\0")), min_size=1, unique=True))
def test_any_names_of_files_give_names_of_arrays_of_their_own(names):
    made = names_of([found(name + b".mp4") for name in names])
    assert len({name.casefold() for name in made}) == len(names)
    assert all(name.isprintable() and not set(name) & set('<>:"|?*\\') and name[-1] not in ". " for name in made)


def test_odd_names_of_files_are_no_trouble(network, clips, tmp_path):
    folder = tmp_path / "in"
    (folder / "sub dir").mkdir(parents=True)
    for name in ("name with spaces – 视频.mp4", "sub dir/a.b%c.mp4", "features.mp4", "writer.mp4"):
        (folder / name).write_bytes((clips / "00000.mp4").read_bytes())
    if sys.platform == "linux":
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4")).write_bytes((clips / "00001.mp4").read_bytes())
    written = features(folder, tmp_path / "out", network(MODEL), windows=Windows(whole=True))
    assert all(w.problem is None and np.load(w.path).shape == (1, 64) for w in written)
    assert (tmp_path / "out" / "sub dir" / "a.b%25c.npy").exists()
    assert not any(w.new for w in features(folder, tmp_path / "out", network(MODEL), windows=Windows(whole=True)))


@pytest.mark.parametrize(
    "wrong", [{"window": 0}, {"stride": -1}, {"fps": 0.0}, {"fps": float("nan")}, {"whole": True, "window": 4}]
)
def test_windows_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        Windows(**wrong)


def test_the_verb_tells_what_is_new_what_failed_and_what_was_there(run, clips, tmp_path):
    words = ("features", clips, "--model", MODEL, "--out", tmp_path, "--whole")
    code, out, err = run(*words)
    assert code == 1 and out.count("1 rows") == 5 and "failed: sub/broken.mp4: not-a-video" in err
    code, out, err = run(*words, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1 and [row.get("new") for row in rows] == [False] * 5 + [None] and rows[5]["failed"] == "not-a-video"
    assert run("features", clips / "00000.mp4", *words[2:])[0] == 0
    assert run("features", clips / "sub", *words[2:])[0] == 3
    assert run("features", clips, *words[2:], "--stride", "2")[0] == 2


def test_real_videos_give_as_many_rows_as_their_length_asks_for(shared, network, tmp_path):
    paths = [shared / "data" / "videos" / "MSVD", shared / "data" / "hard" / "made" / "vfr.mp4"]
    written = features(paths, tmp_path, network(MODEL), windows=Windows(fps=4.0, window=4))
    for one in written:
        record = json.loads(one.path.with_name(one.path.name + ".json").read_text("utf-8"))
        assert one.problem is None and one.rows == max(0, round(record["seconds"] * 4) - 4) // 4 + 1
        assert record["times"][-1] <= record["times"][0] + record["seconds"]
