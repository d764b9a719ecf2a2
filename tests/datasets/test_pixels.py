"""Frames of a sample wherever it lies: the same pictures from a file, a folder, a shard; what fails is a VideoError."""

import io
import os
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from internvideo.datasets.augment import AUGMENTS, CROPS, FRAME_DRAWS, Augment, augmented
from internvideo.datasets.pixels import Kept, frames_of
from internvideo.datasets.readers import READERS
from internvideo.datasets.sample import Member, Sample
from internvideo.errors import MissingVideo, NoFrames, TruncatedVideo, UsageError, VideoError
from internvideo.records import Preprocess, Span
from internvideo.video.render import write_video
from internvideo.video.transforms import preprocess
from tests.datasets.worlds import films

RAMP = [np.full((24, 32, 3), 20 * t + 10, np.uint8) for t in range(10)]


@pytest.fixture
def ramp(tmp_path):
    """A film of one second whose frame t has the brightness 20 t + 10."""
    write_video(tmp_path / "ramp.mp4", RAMP, fps=Fraction(10))
    return tmp_path / "ramp.mp4"


def everything(count):
    return range(count)


def levels(frames):
    return [round((float(frame.mean()) - 10) / 20) for frame in frames]


def test_a_span_chooses_among_the_frames_that_begin_in_it(ramp):
    assert levels(frames_of(Sample(0, str(ramp)), everything)) == list(range(10))
    assert levels(frames_of(Sample(0, str(ramp), Span(0.2, 0.5)), everything)) == [2, 3, 4]
    assert levels(frames_of(Sample(0, str(ramp), Span(0.25, 0.29)), everything)) == [2]  # what is on screen
    assert levels(frames_of(Sample(0, str(ramp), Span(0.2, 0.5)), lambda count: [count - 1, 0])) == [4, 2]
    with pytest.raises(NoFrames, match="has nothing from 7 to 8 s"):
        frames_of(Sample(0, str(ramp), Span(7, 8)), everything)


def test_a_clip_in_a_shard_has_the_frames_of_its_file(ramp, tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        tar.add(ramp, "a.mp4")
    (sample,) = READERS["webdataset"](tmp_path)
    assert np.array_equal(frames_of(sample, everything), frames_of(Sample(0, str(ramp)), everything))


def test_a_folder_of_images_is_a_film_in_the_order_of_their_numbers(tmp_path):
    for t, frame in enumerate(RAMP, start=5):
        Image.fromarray(frame).save(tmp_path / f"img_{t}.png")
    assert levels(frames_of(Sample(0, str(tmp_path)), everything)) == list(range(10))


def test_images_are_turned_and_are_one_frame(tmp_path):
    picture = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, 2))
    exif = picture.getexif()
    exif[0x0112] = 6  # a viewer turns it by 90 degrees
    picture.save(tmp_path / "a.png", exif=exif)
    frames = frames_of(Sample(0, str(tmp_path / "a.png"), media="image"), everything)
    assert frames.shape == (1, 3, 2, 3) and frames[0, :, 1, 0].tolist() == [0, 1, 2]


BROKEN = {
    "missing": (lambda folder: Sample(0, str(folder / "x.mp4")), MissingVideo),
    "no place": (lambda folder: Sample(0, ""), MissingVideo),
    "missing image": (lambda folder: Sample(0, str(folder / "x.png"), media="image"), MissingVideo),
    "missing shard": (lambda folder: Sample(0, Member(str(folder / "x.tar"), 0, 5, "mp4").path), MissingVideo),
    "empty folder": (lambda folder: Sample(0, str(folder)), NoFrames),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_there_is_said(name, tmp_path):
    make, kind = BROKEN[name]
    with pytest.raises(kind):
        frames_of(make(tmp_path), everything)


@pytest.mark.parametrize("content", [b"", b"no picture", "cut"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_damaged_images_are_video_errors(content, form, tmp_path):
    sink = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(sink, form)
    path = tmp_path / "a.img"
    path.write_bytes(sink.getvalue()[: len(sink.getvalue()) // 2] if content == "cut" else content)
    with pytest.raises(VideoError):
        frames_of(Sample(0, str(path), media="image"), everything)


def test_a_shard_that_was_cut_off_is_said(tmp_path):
    (tmp_path / "s.tar").write_bytes(b"short")
    with pytest.raises(TruncatedVideo, match=r"s\.tar` ends before"):
        frames_of(Sample(0, Member(str(tmp_path / "s.tar"), 0, 99, "mp4").path), everything)


def test_pictures_of_different_sizes_are_no_film(tmp_path):
    for number, side in enumerate((8, 9)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{number}.png")
    with pytest.raises(VideoError, match="differ in size"):
        frames_of(Sample(0, os.fspath(tmp_path)), everything)


HOW = Preprocess(size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
NOISE = np.random.default_rng(1).integers(0, 256, (4, 40, 60, 3), np.uint8)


@pytest.mark.parametrize("name", AUGMENTS)
def test_published_views_have_the_shape_of_the_model_and_follow_their_key(name):
    first, again, other = (augmented(NOISE, HOW, AUGMENTS[name], np.random.default_rng([seed])) for seed in (1, 1, 2))
    assert first.shape == (3, 4, 32, 32) and first.dtype == np.float32
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("crop", CROPS)
def test_every_crop_of_a_plain_picture_is_the_plain_picture(crop):
    grey = np.full((2, 50, 40, 3), 128, np.uint8)
    view = augmented(grey, HOW, Augment(crop=crop, flip=0.5), np.random.default_rng(0))
    assert np.array_equal(view, preprocess(grey, HOW))


def test_without_crop_and_flip_training_is_evaluation():
    view = augmented(NOISE, HOW, Augment(crop="none", flip=0.0), np.random.default_rng(0))
    assert np.array_equal(view, preprocess(NOISE, HOW))


@pytest.mark.parametrize("name", FRAME_DRAWS)
@pytest.mark.parametrize("count", [1, 3, 8, 100])
def test_draws_give_as_many_frames_as_asked_inside_the_clip(name, count):
    for seed in range(20):
        numbers = FRAME_DRAWS[name](count, 8, np.random.default_rng(seed))
        assert len(numbers) == 8 and numbers == sorted(numbers) and numbers[0] >= 0 and numbers[-1] < count


def test_unknown_names_in_an_augmentation_are_refused_with_the_nearest():
    for bad, near in [
        ({"frames": "viclipp"}, "viclip"),
        ({"crop": "resize"}, "resized"),
        ({"policy": "rand"}, "rand-m"),
    ]:
        with pytest.raises(UsageError) as caught:
            Augment(**bad)
        assert near in str(caught.value)


def test_short_videos_are_decoded_once_and_large_or_broken_ones_as_ever(tmp_path, monkeypatch):
    samples = films(tmp_path, 3)
    size = 8 * 24 * 32 * 3
    kept = Kept(2 * size)
    plain = [frames_of(sample, lambda count: [0, 3, count - 1]) for sample in samples]
    for _ in range(2):
        given = [kept.frames_of(sample, lambda count: [0, 3, count - 1]) for sample in samples]
        assert all(np.array_equal(one, other) for one, other in zip(given, plain, strict=True))
    Path(samples[0].path).unlink()
    Path(samples[2].path).unlink()
    assert np.array_equal(kept.frames_of(samples[0], lambda count: [2, 2]), plain[0][[1, 1]])
    with pytest.raises(MissingVideo):
        kept.frames_of(samples[2], lambda count: [0])
