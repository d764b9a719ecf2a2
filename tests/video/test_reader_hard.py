"""The difficult and broken files of the shared folder: every one has its expected outcome."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from internvideo.errors import DamagedVideo, NoFrames, NotAVideo, TruncatedVideo, VideoError
from internvideo.video.probe import probe
from internvideo.video.reader import open_video

HARD = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "hard"
MANIFEST = json.loads((HARD / "MANIFEST.json").read_text("utf-8")) if HARD.is_dir() else []
SOUND = [entry for entry in MANIFEST if entry["expected"] == "ok"]
BROKEN = [entry for entry in MANIFEST if entry["expected"].startswith("raise a clear error, or")]
REFUSED = {
    "made/audio_only.mp4": NoFrames,
    "made/broken_empty.mp4": NotAVideo,
    "made/broken_html_error_page.mp4": NotAVideo,
    "made/broken_no_moov.mp4": TruncatedVideo,
    "made/broken_zeros.mp4": NotAVideo,
}


def name(entry):
    return entry["file"].split("/")[-1]


def test_the_whole_manifest_is_looked_at(shared):
    one_frame = [entry for entry in MANIFEST if entry["expected"].startswith("one frame or")]
    assert len(SOUND) + len(BROKEN) + len(REFUSED) + len(one_frame) == len(MANIFEST) == 52


@pytest.mark.parametrize("entry", SOUND, ids=name)
def test_count_times_size_and_colours_are_as_listed(entry):
    with open_video(HARD / entry["file"]) as video:
        assert len(video) == entry["frames"]
        if entry["first_pts"] is not None:
            assert video.seconds(0) == pytest.approx(entry["first_pts"], abs=0.001)
            assert video.seconds(len(video) - 1) == pytest.approx(entry["last_pts"], abs=0.001)
        if "all_pts" in entry:
            assert [video.seconds(i) for i in range(len(video))] == pytest.approx(entry["all_pts"], abs=0.001)
        shown = entry.get("display_size_after_rotation", [entry["width"], entry["height"]])
        assert [video.facts.width, video.facts.height] == shown
        frames = video.frames([0, len(video) // 2, len(video) - 1])
        assert frames.shape[1:] == (shown[1], shown[0], 3)
        means = frames.reshape(3, -1, 3).mean(axis=1)
        assert np.abs(means - np.array(entry["mean_rgb_first_middle_last"])).max() <= 2
        assert [picture.number for picture in video.pictures()] == list(range(len(video)))
        assert video.damage.missing == 0


@pytest.mark.parametrize("entry", SOUND, ids=name)
def test_facts_are_as_listed(entry):
    facts = probe(HARD / entry["file"], count=True)
    assert facts.counted_frames == entry["frames"]
    assert (facts.codec, facts.profile, facts.pixel_format) == (entry["codec"], entry["profile"], entry["pix_fmt"])
    assert (facts.coded_width, facts.coded_height) == (entry["width"], entry["height"])
    assert facts.video_streams == entry["video_streams"]
    assert facts.header_frames == (entry["nb_frames_in_header"] and int(entry["nb_frames_in_header"]))
    if entry["sample_aspect_ratio"]:
        assert str(facts.sample_aspect_ratio).split("/") == [
            s for s in entry["sample_aspect_ratio"].split(":") if s != "1"
        ] or (entry["sample_aspect_ratio"] == "1:1" and facts.sample_aspect_ratio == 1)
    if entry["last_pts"] is not None:
        length = facts.seconds - (entry["last_pts"] - entry["first_pts"])
        assert 0 < length <= 1.05, "the last frame is shown for a while"
    assert json.loads(json.dumps(facts.as_row())) == facts.as_row()


@pytest.mark.parametrize("file", sorted(REFUSED))
def test_what_is_no_film_is_refused_with_its_reason(file, shared):
    for look in (open_video, probe):
        with pytest.raises(REFUSED[file]) as caught:
            look(HARD / file)
        assert caught.value.hint and Path(file).name in caught.value.problem


@pytest.mark.parametrize("entry", BROKEN, ids=name)
def test_damaged_files_give_what_decodes_and_count_the_rest(entry):
    promised = int(entry["nb_frames_in_header"] or entry["frames"])
    with open_video(HARD / entry["file"]) as video:
        decodes = entry["frames"] - (name(entry) == "broken_truncated.avi")  # FFmpeg conceals half of its last picture
        assert decodes <= len(video) <= promised
        pictures = [(p.number, p.tick) for p in video.pictures()]
        assert len(pictures) == video.damage.decoded == decodes
        assert video.damage.expected == len(video)
        assert pictures == sorted(set(pictures))
        missing = sorted(set(range(len(video))) - {number for number, _ in pictures})
        assert bool(missing) == bool(video.damage.message)
        blocks = [n for numbers, frames in video.blocks(7, size=(8, 8)) for n in numbers if len(numbers) == len(frames)]
        assert blocks == [number for number, _ in pictures]
        for number in missing:
            with pytest.raises(DamagedVideo, match=f"frame {number} at {video.seconds(number):.3f} s"):
                video.frames([0, number])
        assert video.frames([pictures[-1][0]]).any()


def test_frames_behind_the_end_of_a_cut_file_are_called_missing(shared):
    with open_video(HARD / "made/broken_truncated_faststart.mp4") as video:
        assert len(video) == 15
        with pytest.raises(TruncatedVideo, match=r"frame 40 .* ends after 15 of 60 frames"):
            video.frames([3, 40])


def test_a_picture_that_is_named_like_a_film_is_one_frame(shared):
    with open_video(HARD / "made/broken_image_named.mp4") as video:
        assert len(video) == 1
        assert video.frames([0]).shape == (1, 120, 160, 3)


def test_both_streams_of_a_file_can_be_read(shared):
    with open_video(HARD / "found/nasa_13013.mp4") as first:
        others = [n for n in range(6) if n != first.stream]
        sizes = set()
        for number in others:
            try:
                with open_video(HARD / "found/nasa_13013.mp4", stream=number) as video:
                    sizes.add(video.frames([len(video) - 1]).shape[1:3])
            except VideoError as error:
                pytest.fail(str(error))
            except Exception as error:
                assert "not a video stream" in str(error)
    assert sizes == {(270, 480)}


def test_counter_shows_the_frames_in_order(shared):
    """Each picture shows its number: all are different, and any order gives the same pictures."""
    with open_video(HARD / "found/counter.mp4") as video:
        forward = video.frames(range(30), size=(270, 480))
        order = np.random.default_rng(1).permutation(30)
        assert (video.frames(order, size=(270, 480)) == forward[order]).all()
    assert (np.abs(np.diff(forward.astype(int), axis=0)).reshape(29, -1).max(axis=1) > 60).all()


def test_names_and_places_do_not_matter(shared, tmp_path):
    source = HARD / "made/single_frame.mp4"
    names = [
        b"not utf-8 \xff\xfe.mp4",
        ("long " + "x" * 240 + ".mp4").encode(),
        b"%03d.mp4",
        b"http:x.mp4",
        b"- a|b#c?d.mp4",
    ]
    for raw in names:
        path = tmp_path / raw.decode("utf-8", "surrogateescape")
        try:
            shutil.copy(source, path)
        except OSError:
            continue  # this file system does not take the name
        with open_video(path) as video, open_video(bytes(path)) as same:
            assert (video.frames([0]) == same.frames([0])).all()
            repr(video).encode()
    deep = tmp_path.joinpath(*["d" * 200] * 12)
    deep.mkdir(parents=True)
    shutil.copy(source, deep / "film.mp4")
    with open_video(deep / "film.mp4") as video:
        assert len(video) == 1
