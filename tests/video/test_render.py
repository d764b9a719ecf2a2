"""What is written can be read back, is the same twice, and is never half there."""

import hashlib
from fractions import Fraction

import av
import numpy as np
import pytest

from internvideo.errors import UsageError
from internvideo.video.render import remux, write_video

FPS = Fraction(25)
CODECS = [
    ("libx264", ".mp4"),
    ("libx264", ".mkv"),
    ("libx264", ".mov"),
    ("libx264", ".ts"),
    ("libx265", ".mp4"),
    ("libvpx-vp9", ".webm"),
    ("libsvtav1", ".mkv"),
    ("mpeg4", ".avi"),
    ("mjpeg", ".avi"),
    ("ffv1", ".mkv"),
    ("gif", ".gif"),
]


def moving_square(frames=24, height=96, width=128):
    """(T, H, W, 3) uint8: a bright square that steps 3 pixels per frame over a smooth ground."""
    ground = np.add.outer(np.arange(height), np.arange(width)) // 4 + 40
    clip = np.repeat(np.repeat(ground[None, :, :, None], 3, axis=3), frames, axis=0).astype(np.uint8)
    for i in range(frames):
        clip[i, 30:60, 3 * i : 3 * i + 30] = (220, 60, 40)
    return clip


def read(path):
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


@pytest.mark.parametrize("codec, suffix", CODECS)
def test_frames_come_back_in_number_order_and_colour(tmp_path, codec, suffix):
    clip = moving_square()
    path = tmp_path / f"a{suffix}"
    write_video(path, clip, fps=FPS, codec=codec)
    back = read(path)
    assert back.shape == clip.shape
    assert np.abs(back.astype(int) - clip).mean() < (20 if codec == "gif" else 6)
    closest = [int(np.abs(clip.astype(int) - frame).mean(axis=(1, 2, 3)).argmin()) for frame in back]
    assert closest == list(range(len(clip)))


@pytest.mark.parametrize("codec, suffix", CODECS)
def test_equal_frames_give_equal_bytes(tmp_path, codec, suffix):
    hashes = set()
    for name in ("a", "another-name"):
        path = tmp_path / f"{name}{suffix}"
        write_video(path, moving_square(10), fps=FPS, codec=codec, audio="tone" if suffix in {".mp4", ".mkv"} else None)
        hashes.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_the_rate_and_the_groups_of_pictures_are_as_asked(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, moving_square(20), fps=Fraction(30_000, 1001), gop=5, b_frames=0)
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert stream.average_rate == Fraction(30_000, 1001)
        frames = list(file.decode(stream))
    assert [i for i, frame in enumerate(frames) if frame.key_frame] == [0, 5, 10, 15]
    assert {frame.pict_type for frame in frames} == {av.video.frame.PictureType.I, av.video.frame.PictureType.P}


def test_b_frames_are_written_on_request(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, moving_square(20), fps=FPS, b_frames=3, options={"preset": "medium"})
    with av.open(str(path)) as file:
        kinds = [frame.pict_type for frame in file.decode(video=0)]
    assert av.video.frame.PictureType.B in kinds


@pytest.mark.parametrize("suffix, codec", [(".mp4", "libx264"), (".webm", "libvpx-vp9"), (".avi", "mpeg4")])
@pytest.mark.parametrize("kind", ["silent", "tone"])
def test_a_sound_track_lasts_as_long_as_the_pictures(tmp_path, suffix, codec, kind):
    path = tmp_path / f"a{suffix}"
    write_video(path, moving_square(50), fps=FPS, codec=codec, audio=kind)
    with av.open(str(path)) as file:
        wave = np.concatenate([f.to_ndarray().ravel().astype(float) for f in file.decode(audio=0)])
    assert 1.9 * 48_000 < len(wave) < 2.2 * 48_000
    crossings = (np.diff(np.signbit(wave[4_800:48_000])) != 0).sum()
    if kind == "tone":
        assert abs(crossings / (43_200 / 48_000) / 2 - 440) < 5  # hertz
    else:
        assert np.abs(wave).max() < 1e-3
    assert len(read(path)) == 50


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotation_is_stored_for_the_player(tmp_path, rotation):
    path = tmp_path / "a.mp4"
    write_video(path, moving_square(3), fps=FPS, rotation=rotation)
    with av.open(str(path)) as file:
        turned = next(file.decode(video=0)).rotation
    assert -turned % 360 == rotation  # PyAV counts counter-clockwise


@pytest.mark.parametrize("height, matrix", [(96, 5), (720, 1)])  # 5: BT.601, 1: BT.709
def test_the_colour_matrix_is_stored_with_the_stream(tmp_path, height, matrix):
    path = tmp_path / "a.mp4"
    write_video(path, moving_square(2, height=height), fps=FPS)
    with av.open(str(path)) as file:
        assert next(file.decode(video=0)).colorspace == matrix


def test_a_missing_encoder_names_what_there_is(tmp_path):
    with pytest.raises(UsageError, match="no encoder `libx26x`") as caught:
        write_video(tmp_path / "a.mp4", moving_square(2), fps=FPS, codec="libx26x")
    assert "libx26" in caught.value.hint
    with pytest.raises(UsageError, match="encodes no pictures"):
        write_video(tmp_path / "a.mp4", moving_square(2), fps=FPS, codec="aac")


def test_unknown_suffix_wrong_container_and_odd_size_are_refused(tmp_path):
    clip = moving_square(2)
    with pytest.raises(UsageError, match="video suffix"):
        write_video(tmp_path / "a.mpx", clip, fps=FPS)
    with pytest.raises(UsageError, match="cannot hold"):
        write_video(tmp_path / "a.webm", clip, fps=FPS)
    with pytest.raises(UsageError, match=r"crop to 126x94"):
        write_video(tmp_path / "a.mp4", clip[:, :95, :127], fps=FPS)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_in_the_middle_leaves_nothing_behind(tmp_path):
    def frames():
        yield from moving_square(5)
        raise RuntimeError("the source broke")

    old = tmp_path / "a.mp4"
    old.write_bytes(b"the former file")
    with pytest.raises(RuntimeError, match="the source broke"):
        write_video(old, frames(), fps=FPS)
    assert old.read_bytes() == b"the former file"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_no_frames_or_frames_of_two_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        write_video(tmp_path / "a.mp4", [], fps=FPS)
    with pytest.raises(ValueError, match="one size"):
        write_video(tmp_path / "a.mp4", [*moving_square(2), *moving_square(1, height=64)], fps=FPS)
    with pytest.raises(ValueError, match="uint8"):
        write_video(tmp_path / "a.mp4", moving_square(2).astype(np.float32), fps=FPS)


def test_a_remuxed_copy_has_the_same_packets_in_another_container(tmp_path):
    source, target = tmp_path / "a.mp4", tmp_path / "b.mkv"
    write_video(source, moving_square(), fps=FPS, audio="tone")
    remux(source, target)
    assert np.array_equal(read(source), read(target))
    with av.open(str(target)) as file:
        assert file.format.name.startswith("matroska")
        assert [stream.type for stream in file.streams] == ["video", "audio"]


def test_without_faststart_the_index_comes_last(tmp_path):
    first, last = tmp_path / "a.mp4", tmp_path / "b.mp4"
    write_video(first, moving_square(), fps=FPS)
    write_video(last, moving_square(), fps=FPS, faststart=False)
    assert first.read_bytes().find(b"moov") < first.read_bytes().find(b"mdat")
    assert last.read_bytes().find(b"moov") > last.read_bytes().find(b"mdat")
