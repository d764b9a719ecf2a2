"""Indexes follow their folder, keep to one network, and verbs find what is in them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from internvideo.config import classes_of, plain, restore
from internvideo.curation.presets import PRESETS
from internvideo.errors import UsageError
from internvideo.jobs import choice
from internvideo.jobs import index as index_job
from internvideo.jobs import search as search_job
from internvideo.jobs.index import AnotherIndex, index
from internvideo.jobs.search import Searcher, search
from internvideo.records import Space
from internvideo.search.arrays import Arrays, space_of
from internvideo.search.engine import Engine, spaces_of
from internvideo.store.dataset import Dataset
from tests.search.colours import EMBEDDING, film, indexed, world

MODEL = "viclip-b-16-debug"


@pytest.fixture(scope="module")
def searchable(clips, tmp_path_factory):
    """The five rendered clips, indexed with a debug network."""
    out = tmp_path_factory.mktemp("index") / "dataset"
    return index([clips], out, model=MODEL, workers=1, quiet=True), out


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_recipe_comes_back_from_its_text(name):
    assert restore(json.loads(json.dumps(plain(PRESETS[name]))), classes_of(PRESETS[name])) == PRESETS[name]


def test_vectors_are_those_of_the_one_preprocessing_path(searchable, clips, network):
    """What indexing stored equals what `prepare` and the network say of the same stretch."""
    from internvideo.jobs.embedder import Asker

    searcher = Searcher(searchable[1])
    moments = searcher.engine.moments
    for row in range(0, len(moments), 3):
        facts = moments.facts(row)
        fresh = Asker(network(MODEL)).stretch(facts.path, moments.span(row))
        assert np.abs(searcher.engine.vector_of(row) - fresh).max() < 2e-3


def test_one_broken_file_loses_nothing_else(searchable):
    summary = searchable[0].summary
    assert [failure["kind"] for failure in summary.failures] == ["not-a-video"] and summary.exit_code == 1
    assert searchable[0].vectors >= 5 and summary.videos == 5


def test_nothing_is_mixed_and_a_second_index_stands_beside(searchable, clips, tmp_path):
    out = tmp_path / "dataset"
    shutil.copytree(searchable[1], out)
    with pytest.raises(AnotherIndex, match="is indexed with viclip-b-16-debug"):
        index([clips], out, model="clip-b-16-debug", workers=1, quiet=True)
    again = index([clips], out, workers=1, quiet=True)
    assert again.space.model == MODEL and again.parts == 0 and again.summary.done_now == 0
    both = index([clips], out, model="clip-b-16-debug", beside=True, workers=1, quiet=True)
    assert both.space.model == "clip-b-16-debug" and both.vectors == again.vectors
    assert [space_of(spec).model for spec in spaces_of(Dataset(out))] == ["clip-b-16-debug", MODEL]
    assert Searcher(out).space.model == "clip-b-16-debug" and Searcher(out, model=MODEL).space.model == MODEL
    with pytest.raises(UsageError, match="unknown index"):
        Searcher(out, model="viclip-l-14")


def test_a_space_is_all_that_vectors_depend_on(searchable):
    space = Searcher(searchable[1]).space
    assert isinstance(space, Space) and space.weights == "random"
    others = [replace(space, weights="ab"), replace(space, precision="bf16")]
    others += [replace(space, preprocess=replace(space.preprocess, frames="ends"))]
    assert len({space.operator, *(other.operator for other in others)}) == 4


def test_search_takes_words_pictures_clips_and_moments(searchable, clips, tmp_path):
    from PIL import Image

    from internvideo.video.reader import open_video

    out = searchable[1]
    with open_video(clips / "00002.mp4") as video:
        picture = video.frames([20])[0]
    Image.fromarray(picture).save(tmp_path / "frame.png")
    found = search(out, tmp_path / "frame.png", cut_off=0.0)
    assert [hit.as_row() for hit in found] == [h.as_row() for h in search(out, picture, cut_off=0.0)]
    (best, *_) = search(out, clips / "00002.mp4", cut_off=0.0)
    assert best.name == "00002.mp4" and best.score > 0.5
    liked = search(out, like="00002.mp4@1.0", cut_off=0.0)
    assert liked and all(hit.name != "00002.mp4" for hit in liked)
    assert search(out, "00004", cut_off=0.3)[0].name == "00004.mp4"
    for bad, words in (("nowhere.mp4@3", "nothing in this dataset"), ("00002.mp4", "names no moment")):
        with pytest.raises(Exception, match=words):
            search(out, like=bad)
    (tmp_path / "text.png").write_text("no picture", "utf-8")
    with pytest.raises(UsageError, match="no picture"):
        search(out, tmp_path / "text.png")


def test_a_query_is_translated_where_asked(searchable):
    heard = []
    searcher = Searcher(searchable[1], translate=lambda text: heard.append(text) or "a red circle")
    plain_one = Searcher(searchable[1])
    assert np.array_equal(searcher.question("ein roter Kreis").vector, plain_one.question("a red circle").vector)
    assert heard == ["ein roter Kreis"]
    assert search_job.command_hook("tr a-z A-Z")("red") == "RED"
    with pytest.raises(UsageError, match="translation command failed"):
        search_job.command_hook("false")("red")


def test_words_serve_alone_where_the_network_is_missing(searchable, monkeypatch):
    searcher = Searcher(searchable[1])
    monkeypatch.setattr(
        choice, "choose_model", lambda *a, **k: (_ for _ in ()).throw(search_job.InternVideoError("gone", "get it"))
    )
    assert searcher.question("circle").vector is None and "words alone" in searcher.notes[0]


def test_an_index_follows_its_folder(tmp_path):
    """New, moved, changed and deleted files: only what is new is computed, nothing gone is shown."""
    films, out = world(tmp_path / "films"), tmp_path / "dataset"
    engine = lambda: Engine(Dataset(out), Dataset(out).operator(EMBEDDING.name))  # noqa: E731
    names = lambda made: {made.moments.facts(row).name for row in np.flatnonzero(~made.moments.hidden)}  # noqa: E731
    dataset = indexed(films, out)
    spec = dataset.operator(EMBEDDING.name)
    before = engine()
    (films / "moved").mkdir()
    (films / "one.mp4").rename(films / "moved" / "uno.mp4")
    (films / "three.mp4").unlink()
    film(films / "new.mp4", ("white", "red"))
    stale = []
    arrays_update = Arrays.update
    Arrays.update = lambda self, *given: stale.append(self.stale()) or arrays_update(self, *given)
    try:
        indexed(films, out)
    finally:
        Arrays.update = arrays_update
    after = engine()
    assert names(before) == {"one.mp4", "sub/two.mp4", "three.mp4"}
    assert names(after) == {"moved/uno.mp4", "sub/two.mp4", "new.mp4"}
    assert len(stale[0]) == 1, "one new video touches one part"
    hidden = {after.moments.facts(row).name for row in np.flatnonzero(after.moments.hidden)}
    assert hidden == {"three.mp4"}
    from internvideo.search.engine import Question

    for text in ("signal lamps on a ship", "three"):
        assert not after.search(Question(text=text)).hits
    assert after.search(Question(text="uno", cut_off=0.0)).hits[0].name == "moved/uno.mp4"
    assert [garbage.path for garbage in Dataset(out).gc()] == [] and (out / "index" / spec.fingerprint[:8]).is_dir()


def test_watching_waits_until_files_stand_still(monkeypatch):
    states, done = iter(["a", "a", "b", "c", "c", "c", "a", "a"]), []
    monkeypatch.setattr(index_job, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(index_job, "_state", lambda folders: next(states))
    with pytest.raises(StopIteration):
        index_job.watch([], lambda: "indexed", done.append)
    assert done == ["indexed"] * 2, "once for c, once for a; never while files still come"


def test_the_verbs_speak_json_and_say_when_nothing_is_there(searchable, run):
    out = searchable[1]
    code, data, _ = run("search", "00003", "--dataset", out, "--json", "--cut-off", "0.3")
    found = json.loads(data)
    assert code == 0 and found["relevant"] and found["hits"][0]["name"] == "00003.mp4"
    code, data, _ = run("search", "zebra crossing", "--dataset", out)
    assert code == 0 and data.startswith("nothing relevant among ")
    code, data, _ = run("search", "--like", "00001.mp4@1", "--dataset", out, "--export", "edl", "--cut-off", "0")
    assert code == 0 and data.startswith("TITLE:")
    assert run("search", "x", "--dataset", out, "--where", "nonsense")[0] == 2
    assert run("search", "--dataset", out)[0] == 2
    assert run("search", "x", "--dataset", out / "none")[0] == 3
