"""Films for curation: every cut, flaw, copy and sidecar is where the truth says."""

import json
import re
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest

from internvideo.datasets.moving_shapes import Truth, caption, film_frames, films, write_world
from internvideo.datasets.moving_shapes.film_truth import truth_of

SMALL = {"count": 6, "seconds": (9.0, 12.0), "size": 90}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return folder, write_world(folder, **SMALL)


@pytest.fixture(scope="module")
def drawn():
    """The frames of the same films before encoding."""
    made = films(SMALL["count"], seconds=SMALL["seconds"], size=SMALL["size"])
    return [(film, np.stack(list(film_frames(film)))) for film in made]


def read(path):
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


def difference(a, b):
    return float(np.abs(a.astype(int) - b).mean())


def test_every_cut_is_the_largest_step_near_it(drawn):
    cuts = 0
    for film, frames in drawn:
        steps = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
        for shot in film.shots[1:]:
            if shot.join == "cut":
                near = slice(shot.start - 20, shot.start + 20)
                assert np.argmax(steps[near]) + near.start + 1 == shot.start
                assert steps[shot.start - 1] > 5 * np.median(steps[near])
                cuts += 1
    assert cuts >= 6


def test_fades_pass_through_black_and_dissolves_mix_both_shots(drawn):
    joins = {"fade": 0, "dissolve": 0}
    for film, frames in drawn:
        for shot in film.shots[1:]:
            first, last = frames[shot.start - shot.half], frames[shot.start + shot.half - 1]
            if shot.join == "fade":
                assert frames[shot.start - 1].max() == 0 and frames[shot.start].max() == 0
                light = frames[shot.start : shot.start + shot.half].mean(axis=(1, 2, 3))
                assert (np.diff(light) > 0).all()
            if shot.join == "dissolve":
                middle = (first.astype(int) + last) / 2
                assert difference(frames[shot.start], middle) < 0.5 * difference(first, last)
            joins[shot.join] = joins.get(shot.join, 0) + 1
    assert joins["fade"] and joins["dissolve"]


def test_shots_fill_the_film_without_gaps(drawn):
    for film, frames in drawn:
        assert len(frames) == film.frames
        assert film.shots[0].start == 0 and film.shots[0].join == "cut"
        for before, after in zip(film.shots, film.shots[1:], strict=False):
            assert before.end == after.start
            assert before.end - before.start > before.half + after.half
            assert 2.0 - 0.05 <= (after.end - after.start) / film.fps <= 6.05


def test_every_flaw_is_there_and_looks_like_it(drawn):
    seen = {}
    for film, frames in drawn:
        for shot in film.shots:
            inner = frames[shot.start + shot.half + 1 : shot.end - 13].astype(np.int16)
            bars = "letterboxed" in shot.flags
            picture = inner[:, 14:-14] if bars else inner
            for flag in shot.flags:
                seen.setdefault(flag, []).append(picture)
            if bars:
                assert inner[:, :10].max() == 0 and inner[:, -10:].max() == 0
            elif not {"dark"} & set(shot.flags):
                assert inner[:, :10].mean() > 20
            if "dark" in shot.flags:
                assert picture.mean() < 20
            if "overexposed" in shot.flags:
                assert (picture > 250).mean() > 0.3
            if "blurred" in shot.flags:
                assert np.abs(np.diff(picture, axis=2)).max() <= 255 // 4 + 1  # over four pixels
            if "still" in shot.flags:
                assert np.abs(np.diff(picture, axis=0)).max() == 0
            elif "dark" not in shot.flags:
                assert np.abs(np.diff(picture, axis=0)).mean() > 0.05
    assert set(seen) == {"still", "dark", "blurred", "overexposed", "letterboxed"}


def test_films_differ_in_container_codec_rate_size_and_sound(world):
    _, truth = world
    made = [film for film in truth.films if not film.copy_of]
    assert len({film.file.rsplit(".")[-1] for film in made}) >= 5
    assert len({film.codec for film in made}) >= 4
    assert {film.fps for film in made} == {"25/1", "30/1", "24/1", "30000/1001"}
    assert len({film.height for film in made}) == 2
    assert {film.audio for film in made} == {True, False}


def test_every_file_holds_what_the_truth_says(world):
    folder, truth = world
    for film in truth.films:
        with av.open(str(folder / film.file)) as file:
            stream = file.streams.video[0]
            assert (stream.width, stream.height) == (film.width, film.height)
            assert bool(file.streams.audio) == film.audio
            expected = {"libx264": "h264", "libx265": "hevc", "libvpx-vp9": "vp9"}.get(film.codec, film.codec)
            assert stream.codec_context.codec.canonical_name == expected
            assert abs(float(stream.average_rate) - float(Fraction(film.fps))) < 0.01
            assert sum(1 for _ in file.decode(stream)) == film.frames
        assert film.shots[-1].end_frame == film.frames
        assert film.cuts == tuple(shot.start_frame for shot in film.shots[1:])


def test_encoded_films_show_the_drawn_frames(world, drawn):
    folder, truth = world
    for (film, frames), known in zip(drawn, truth.films, strict=False):
        assert known.file == film.name + film.suffix
        back = read(folder / known.file)
        picks = [len(back) // 7 * i + 3 for i in range(7)]
        assert max(difference(back[i], frames[i]) for i in picks) < 14


def test_copies_show_the_same_film(world):
    folder, truth = world
    by_file = {film.file: film for film in truth.films}
    relations = {film.relation: film for film in truth.films if film.copy_of}
    assert set(relations) == {"exact", "re-scaled", "re-encoded", "excerpt", "re-muxed"}
    for relation, copy in relations.items():
        source = by_file[copy.copy_of]
        assert copy.cuts == source.cuts or relation == "excerpt"
        same_bytes = (folder / copy.file).read_bytes() == (folder / source.file).read_bytes()
        assert same_bytes == (relation == "exact")
        new, old = read(folder / copy.file), read(folder / source.file)[copy.first_frame :][: copy.frames]
        assert len(new) == len(old)
        if relation == "re-muxed":
            assert np.array_equal(new, old)
        elif relation == "re-scaled":
            assert new.shape[1] < old.shape[1]
            assert np.abs(new.mean(axis=(1, 2, 3)) - old.mean(axis=(1, 2, 3))).max() < 4
        else:
            assert difference(new, old) < 9


def test_duplicate_groups_name_whole_copies_only(world):
    _, truth = world
    groups = [set(group) for group in truth.duplicates]
    assert len(groups) == 4
    whole = {film.file for film in truth.films if film.relation not in {"", "excerpt"}}
    assert {file for group in groups for file in group if file.startswith("copies/")} == whole


def test_an_excerpt_knows_the_cuts_inside_it(world):
    _, truth = world
    excerpt = next(film for film in truth.films if film.relation == "excerpt")
    source = next(film for film in truth.films if film.file == excerpt.copy_of)
    first, end = excerpt.first_frame, excerpt.first_frame + excerpt.frames
    assert 0 < first < end < source.frames + 1
    assert excerpt.cuts == tuple(cut - first for cut in source.cuts if first < cut < end)
    assert excerpt.shots[0].start_frame == 0


def test_sidecars_say_what_is_seen_when_it_is_seen(world):
    folder, truth = world
    kinds = set()
    for film in truth.films:
        for name in film.sidecars:
            suffix = name.removeprefix(film.file.rsplit(".", 1)[0])
            kinds.add(suffix)
            text = (folder / name).read_text("utf-8")
            if suffix == ".captions.jsonl":
                rows = [json.loads(line) for line in text.splitlines()]
                assert [(r["start"], r["end"], r["caption"]) for r in rows] == [
                    (s.start, s.end, s.caption) for s in film.shots
                ]
            elif suffix in {".srt", ".vtt"}:
                times = re.findall(r"(\d\d):(\d\d):(\d\d)[,.](\d{3})", text)
                seconds = [int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000 for h, m, s, ms in times]
                assert len(seconds) == 2 * len(film.shots) and seconds == sorted(seconds)
                for i, shot in enumerate(film.shots):
                    assert shot.start < seconds[2 * i] < seconds[2 * i + 1] < shot.end
                    assert shot.caption in text
            elif suffix == ".info.json":
                info = json.loads(text)
                assert {"id", "title", "uploader", "channel", "tags", "duration", "webpage_url"} <= set(info)
                assert abs(info["duration"] - film.seconds) <= 0.5
            else:
                assert suffix == ".txt" and film.shots[0].caption in text
    assert kinds == {".captions.jsonl", ".srt", ".vtt", ".txt", ".info.json"}


def test_broken_files_are_broken_as_said(world):
    folder, truth = world
    assert [broken.kind for broken in truth.broken] == ["truncated", "not-a-video", "not-a-video"]
    for broken in truth.broken:
        with pytest.raises(av.error.FFmpegError), av.open(str(folder / broken.file)) as file:
            next(file.decode(video=0))
    interrupted = (folder / truth.broken[0].file).read_bytes()
    assert b"ftyp" in interrupted[:16] and b"moov" not in interrupted


def test_the_truth_survives_its_file(world):
    folder, truth = world
    assert Truth.read(folder / "truth.json") == truth
    assert truth_of(films(6, seconds=SMALL["seconds"], size=90)[2]).shots == truth.films[2].shots
    assert json.loads((folder / "truth.json").read_text())["duplicates"]


def test_a_complete_folder_is_left_alone_and_a_damaged_one_is_made_again(tmp_path):
    order = {"count": 1, "seconds": (4.0, 5.0), "size": 64, "copies": False}
    truth = write_world(tmp_path, **order)
    film = tmp_path / truth.films[0].file
    before = film.read_bytes()
    film.touch()
    stamp = film.stat().st_mtime_ns
    assert write_world(tmp_path, **order) == truth
    assert film.stat().st_mtime_ns == stamp
    film.write_bytes(before[:-1])
    assert write_world(tmp_path, **order) == truth and film.read_bytes() == before
    assert write_world(tmp_path, seed=1, **order) != truth


def test_equal_orders_give_equal_bytes(tmp_path):
    order = {"count": 2, "seconds": (4.0, 5.0), "size": 64}
    for name in ("a", "b"):
        write_world(tmp_path / name, **order)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) > 10
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    shutil.rmtree(tmp_path / "b")


def test_neighbouring_shots_look_different_and_say_what_they_show(drawn):
    for film, _ in drawn:
        for before, after in zip(film.shots, film.shots[1:], strict=False):
            assert before.scene.background.texture != after.scene.background.texture
        assert [shot.caption for shot in truth_of(film).shots] == [caption(shot.scene) for shot in film.shots]
        for shot in film.shots:
            assert ("still" in shot.flags) == shot.scene.is_still
