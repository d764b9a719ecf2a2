"""Shares of the work that ran apart come together as if they never had been apart."""

import os
import shutil

import pytest

from internvideo.curation.facts import Decoding, Probe
from internvideo.curation.run import Run
from internvideo.curation.scan import in_share, scan, whole_roots
from internvideo.errors import DatasetBusy
from internvideo.store.dataset import Dataset
from internvideo.store.merge import take_over
from tests.curation.toys import Brightness, Halves, grey_film
from tests.e2e.conftest import value_files

OPERATORS = (Probe(), Decoding(), Halves(), Brightness())


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number in range(6):
        grey_film(folder / f"film {number}.mp4", levels=(10 * number, 200 - number), frames=5 + 3 * number)
    (folder / "deep").mkdir()
    shutil.copy(folder / "film 2.mp4", folder / "deep" / "a copy.mp4")
    (folder / "broken.mp4").write_text("no video")
    return folder


def curate(dataset, folder, share=None, operators=OPERATORS):
    found = [place for place in scan([folder]) if share is None or in_share(place, *share)]
    with dataset.writer() as writer, Run(writer, operators, workers=1, tell=lambda _: None) as run:
        return run.go(found, whole_roots([folder], found))


def merged(whole, parts):
    with whole.writer() as writer:
        for part in parts:
            take_over(writer, part)
    return whole


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_file_is_in_exactly_one_share_and_copies_are_together(films, count):
    found = list(scan([films]))
    shares = [[place for place in found if in_share(place, i + 1, count)] for i in range(count)]
    assert sorted(place.path for share in shares for place in share) == sorted(place.path for place in found)
    of = {place.relative: i for i, share in enumerate(shares) for place in share}
    assert of[b"film 2.mp4"] == of[b"deep/a copy.mp4"]


def test_merged_parts_have_the_bytes_of_one_run(films, tmp_path):
    straight = Dataset.create(tmp_path / "straight")
    curate(straight, films)
    parts = [Dataset.create(tmp_path / f"part {i}") for i in range(3)]
    for i, part in enumerate(parts):
        curate(part, films, (i + 1, 3))
    whole = merged(Dataset.create(tmp_path / "whole"), parts[::-1])
    assert value_files(whole.path) == value_files(straight.path)
    assert whole.verify() == []
    assert [item.kind for item in whole.failures()] == ["not-a-video"]
    assert curate(whole, films).done == 0, "a merged dataset has nothing left to do"
    before = value_files(whole.path)
    assert value_files(merged(whole, parts).path) == before, "merging again changes nothing"


def test_a_file_that_changed_between_two_merges_is_one_video_that_is_gone_and_one_that_is_there(films, tmp_path):
    folder = tmp_path / "films"
    shutil.copytree(films, folder)
    part, whole = Dataset.create(tmp_path / "part"), Dataset.create(tmp_path / "whole")
    curate(part, folder)
    merged(whole, [part])
    old = whole.status()
    grey_film(folder / "film 1.mp4", levels=(99,), frames=4)
    curate(part, folder)
    merged(whole, [part])
    new = whole.status()
    assert (new.videos, new.gone, new.files) == (old.videos + 1, old.gone + 1, old.files)
    straight = Dataset.create(tmp_path / "straight")
    curate(straight, films)  # the folder as it was
    assert set(straight.places()) != set(whole.places())


def test_only_the_asked_videos_are_taken_and_withheld_ones_never(films, tmp_path):
    part, whole = Dataset.create(tmp_path / "part"), Dataset.create(tmp_path / "whole")
    curate(part, films)
    videos = sorted(set(part.rows("probe")["video"].to_pylist()))
    with whole.writer() as writer:
        writer.withhold(videos[0], date="2026-01-01", reason="asked for")
        take_over(writer, part, videos[:3])
    assert sorted(set(whole.rows("brightness")["video"].to_pylist())) == videos[1:3]


def test_a_part_that_somebody_works_on_is_not_merged(films, tmp_path):
    from internvideo.jobs.curate import merge

    folder = tmp_path / "dataset" / "parts" / "1-of-1"
    part = Dataset.create(folder)
    (folder / "share.json").write_text('{"recipe": "default", "overrides": []}')
    with part.writer() as writer:
        from internvideo.config import dump
        from internvideo.jobs.curate import recipe_of

        writer.set_recipe(dump(recipe_of("default", [])))
        with pytest.raises(DatasetBusy, match=str(os.getpid())):
            merge(tmp_path / "dataset", quiet=True)
    assert folder.is_dir()
