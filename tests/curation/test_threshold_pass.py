"""The pass for a threshold finds what the dense pass finds: cuts, flashes, fades and strobes at any frame."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from internvideo.curation.measures import DensePass
from internvideo.curation.operator import FrameRequest, Series
from internvideo.curation.segmenters import Shots
from internvideo.curation.threshold_pass import common_threshold, threshold_pass
from internvideo.video.reader import open_video

WIDTH, HEIGHT, THRESHOLD = 320, 192, 27.0
X264 = (  # what decides which frames are B-frames, which of those are references, and what they cost
    {"preset": "veryfast", "x264-params": "bframes=3:keyint=250"},
    {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "bframes=0"},
    {"preset": "veryfast", "x264-params": "bframes=3:b-adapt=0:scenecut=0:keyint=250"},
    {"preset": "veryfast", "x264-params": "bframes=16:b-adapt=0:b-pyramid=none:scenecut=0"},
    {"preset": "veryfast", "x264-params": "bframes=5:b-adapt=0:b-pyramid=strict:open-gop=1:keyint=20"},
    {"preset": "veryfast", "x264-params": "bframes=3:b-adapt=0:cabac=0:weightb=0:keyint=12:min-keyint=12"},
)


def events(rng: np.random.Generator, frames: int) -> np.ndarray:
    """(frames,) levels to add to a picture: steps and flashes, most of them near the threshold, strobes and fades."""
    levels = np.zeros(frames)
    near = [75, 78, 80, 81, 82, 84, 88, 40, 120]
    for at in rng.integers(1, frames, 5):
        levels[at:] += rng.choice(near) * (1 if levels[at] < 60 else -1)
    for at in rng.integers(1, frames, 6):
        levels[at] += rng.choice(near) * (1 if levels[at] < 60 else -1)
    start = int(rng.integers(0, frames - 12))
    levels[start : start + 8 : 2] += rng.choice(near)
    levels[start + 4 : start + 12] *= np.linspace(1, rng.choice([0.2, 1.5]), 8)
    return levels


def encode(path: Path, seed: int, options: dict[str, str], frames: int, *, codec: str = "libx264") -> None:
    """A film of scenes with texture, noise and colour, or of plain surfaces; some frames are shown for longer."""
    rng = np.random.default_rng(seed)
    texture = rng.integers(30, 120, (4, HEIGHT // 16, WIDTH // 16)).repeat(16, 1).repeat(16, 2)
    contrast, noise, speed = rng.choice([0.0, 0.3, 1.0]), int(rng.choice([1, 2, 12])), int(rng.integers(0, 5))
    colour = rng.integers(100, 156, (4, 2)) if rng.random() < 0.6 else np.full((4, 2), 128)
    levels, scene = events(rng, frames), 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        pts = 0
        for number in range(frames):
            scene = int(rng.integers(4)) if rng.random() < 0.05 else scene
            luma = 30 + contrast * np.roll(texture[scene], speed * number, axis=1) + levels[number]
            luma = luma + rng.integers(0, noise, (HEIGHT, WIDTH))
            chroma = [np.full((HEIGHT // 2, WIDTH // 2), value) for value in colour[scene]]
            planes = [np.clip(plane, 16, 235).astype(np.uint8) for plane in (luma, *chroma)]
            frame = av.VideoFrame.from_ndarray(
                np.concatenate([plane.ravel() for plane in planes]).reshape(-1, WIDTH), "yuv420p"
            )
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            pts += 40 * int(rng.choice([1, 1, 1, 2]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def dense(path: Path) -> dict[str, Series]:
    exact = DensePass(["clock", "change"])
    with open_video(path) as video:
        for picture in video.pictures():
            exact.feed(picture)
    return exact.result()


def reached(series: dict[str, Series]) -> list[int]:
    return np.flatnonzero(np.mean(list(series["change"].columns.values()), axis=0) >= THRESHOLD).tolist()


def check(path: Path) -> int:
    """Both passes agree on the film. How many of its frames reach the threshold."""
    expected = dense(path)
    with open_video(path) as video:
        found = threshold_pass(video, THRESHOLD)
        time_base = video.time_base
    assert (found["clock"].ticks == expected["clock"].ticks).all()
    assert (found["clock"].columns["duration"] == expected["clock"].columns["duration"]).all()
    assert reached(found) == reached(expected)
    for shots in (Shots(detector="content"), Shots(detector="content", min_shot_frames=0, merge=False)):
        assert shots.cuts(found, time_base).tolist() == shots.cuts(expected, time_base).tolist()
    return len(reached(expected))


def test_random_films_have_the_same_cuts(tmp_path: Path) -> None:
    reaching = 0
    for seed, options in enumerate(X264):
        crf = str(np.random.default_rng(seed).choice([20, 30, 45]))
        encode(path := tmp_path / f"{seed}.mp4", seed, {**options, "crf": crf}, frames=60)
        reaching += check(path)
    assert reaching > 30


@pytest.mark.slow
@pytest.mark.parametrize("options", X264, ids=range(len(X264)))
def test_many_random_films_have_the_same_cuts(options: dict[str, str], tmp_path: Path) -> None:
    for seed in range(100, 125):
        crf = str(np.random.default_rng(seed).choice([12, 24, 34, 44, 51]))
        encode(path := tmp_path / "film.mp4", seed, {**options, "crf": crf}, frames=150)
        check(path)


@pytest.mark.slow
@pytest.mark.parametrize("quality", ["24", "40"])
def test_hevc_with_b_frames_has_the_same_cuts(quality: str, tmp_path: Path) -> None:
    for seed in range(200, 206):
        options = {"preset": "ultrafast", "x265-params": f"bframes=4:crf={quality}:log-level=none:pools=1"}
        encode(path := tmp_path / "film.mp4", seed, options, frames=90, codec="libx265")
        check(path)


def test_pieces_and_parts_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(path := tmp_path / "film.mp4", 3, {**X264[4], "crf": "30"}, frames=90)
    expected = dense(path)
    monkeypatch.setattr("internvideo.curation.threshold_pass.PART", 25)
    check(path)
    with open_video(path) as video:
        middle = int(video.ticks[40])
        first = threshold_pass(video, THRESHOLD, (None, middle + 1))
        rest = threshold_pass(video, THRESHOLD, (middle, None), continues=True)
    assert reached(first) + [41 + frame for frame in reached(rest)] == reached(expected)
    assert first["clock"].ticks.tolist() + rest["clock"].ticks.tolist() == expected["clock"].ticks.tolist()


def test_frames_in_doubt_are_decoded_with_the_loop_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(path := tmp_path / "film.mp4", 4, {**X264[2], "crf": "35"}, frames=60)
    expected = np.array(list(dense(path)["change"].columns.values()))[:, 1:]
    module = "internvideo.curation.threshold_pass."
    for name, value in (("GLANCE", 0.0), ("AGAIN", 1e9), ("FILTERED", 1e9)):
        monkeypatch.setattr(module + name, value)
    with open_video(path) as video:
        settled = np.array(list(threshold_pass(video, THRESHOLD)["change"].columns.values()))[:, 1:]
        monkeypatch.setattr(module + "FILTERED", 0.0)
        drafts = np.array(list(threshold_pass(video, THRESHOLD)["change"].columns.values()))[:, 1:]
    assert (settled == expected).all()
    assert 0 < np.abs(drafts.mean(axis=0) - expected.mean(axis=0)).max() < 3


def test_a_flash_between_all_samples_of_a_regular_grid_is_seen(tmp_path: Path) -> None:
    """Every second row flashes, as one field of an interlaced picture does."""
    path = tmp_path / "fields.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "10", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(20):
            rows = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            rows[:HEIGHT] = 60
            if number in (7, 12):
                rows[number % 2 : HEIGHT : 2] = 235
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rows, "yuv420p")))
        container.mux(stream.encode(None))
    assert check(path) == 4


def test_a_threshold_is_enough_only_if_nobody_asks_for_more() -> None:
    content, adaptive = Shots(detector="content").frames, Shots().frames
    clock, movement = FrameRequest(measures=("clock",)), FrameRequest(measures=("movement",))
    assert common_threshold([content, clock, FrameRequest()]) == 27.0
    assert common_threshold([content, Shots(detector="content", threshold=30).frames]) is None
    assert common_threshold([content, movement]) is common_threshold([content, adaptive]) is None
    assert common_threshold([clock]) is common_threshold([]) is None
    assert Shots(detector="content", weights=(1, 1, 0)).frames.threshold is None
