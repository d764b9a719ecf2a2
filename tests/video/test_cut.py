"""A cut holds exactly the frames of its stretch, at their distances, with their sound, or it does not exist."""

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from internvideo.errors import DamagedVideo, MissingVideo, NoFrames, UnsupportedCodec, UsageError
from internvideo.video.cut import CannotWrite, cut
from internvideo.video.reader import open_video

SIDE = 64  # pixels; 8 squares of 8 x 8 per row write a number in black and white
RATE = 44_100
MILLISECOND = Fraction(1, 1000)


def numbered(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A picture whose first row of squares says its number in binary."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for bit in range(8):
        picture[:8, 8 * bit : 8 * bit + 8] = 235 if number >> bit & 1 else 20
    return picture


def number_of(picture: np.ndarray) -> int:
    return sum(int(picture[2:6, 8 * bit + 2 : 8 * bit + 6].mean() > 128) << bit for bit in range(8))


def film(
    path: Path,
    ticks: list[int],
    *,
    sound: np.ndarray | None = None,
    gop: int = 12,
    codec: str = "libx264",
    side: int = SIDE,
) -> Path:
    """A film of numbered pictures shown at `ticks` milliseconds, with sound (samples,) int16 that begins at zero."""
    with av.open(str(path), "w") as file:
        options = {"x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=2"} if codec == "libx264" else {}
        video = file.add_stream(codec, rate=25, options=options)
        video.width = video.height = side
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = MILLISECOND
        track = file.add_stream("pcm_s16le", rate=RATE, layout="mono") if sound is not None else None
        for number, tick in enumerate(ticks):
            frame = av.VideoFrame.from_ndarray(numbered(number, side, side), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = tick, MILLISECOND
            file.mux(video.encode(frame))
        file.mux(video.encode())
        if track is not None:
            for begin in range(0, len(sound), 1000):
                frame = av.AudioFrame.from_ndarray(sound[None, begin : begin + 1000], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
                file.mux(track.encode(frame))
    return path


def shown(path: Path) -> tuple[list[int], list[Fraction]]:
    """The numbers that the pictures of a film say, and when each is shown."""
    with open_video(path) as video:
        pictures = video.frames(range(len(video)))
        return [number_of(picture) for picture in pictures], [tick * video.time_base for tick in video.ticks.tolist()]


def heard(path: Path) -> tuple[np.ndarray, Fraction]:
    """Mono samples, and when the first one plays."""
    with av.open(str(path)) as file:
        frames = list(file.decode(file.streams.audio[0]))
        samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        return samples.mean(axis=0), frames[0].pts * frames[0].time_base


def hiss(seconds: float) -> np.ndarray:
    """Noise that is smooth enough to survive AAC: every stretch of it is unlike every other."""
    white = np.random.default_rng(3).normal(size=int(seconds * RATE))
    smooth = np.convolve(white, np.hanning(64), mode="same")
    return (smooth / np.abs(smooth).max() * 12_000).astype(np.int16)


def delay(cut_samples: np.ndarray, source: np.ndarray, around: int, reach: int = 2048) -> int:
    """How many samples later than `around` in the source the beginning of the cut plays."""
    probe = cut_samples[:16_384].astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(source.astype(np.float64), len(probe))
    low = max(0, around - reach)
    scores = windows[low : around + reach : 1] @ probe
    return int(np.argmax(scores)) + low - around


@pytest.fixture(scope="module")
def steady(tmp_path_factory) -> Path:
    """60 frames, 40 ms each, a key frame every 12, with 2.4 s of hiss."""
    return film(tmp_path_factory.mktemp("films") / "steady.mkv", [40 * n for n in range(60)], sound=hiss(2.4))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> tuple[Path, list[int]]:
    """40 frames at irregular times."""
    gaps = np.random.default_rng(1).integers(5, 120, 40)
    ticks = np.cumsum(gaps).tolist()
    return film(tmp_path_factory.mktemp("films") / "uneven.mkv", ticks), ticks


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bounds=st.tuples(st.integers(-50, 2600), st.integers(1, 2600)))
def test_an_exact_cut_holds_the_frames_that_begin_in_it_at_their_distances(uneven, tmp_path, bounds):
    path, ticks = uneven
    start, end = bounds[0], bounds[0] + bounds[1]
    inside = [(number, tick) for number, tick in enumerate(ticks) if start <= tick < end]
    if not inside:
        with pytest.raises(NoFrames):
            cut(path, start * MILLISECOND, end * MILLISECOND, tmp_path / "cut.mp4")
        return
    result = cut(path, start * MILLISECOND, end * MILLISECOND, tmp_path / "cut.mp4")
    numbers, times = shown(tmp_path / "cut.mp4")
    first, last = inside[0][1], inside[-1][1]
    assert numbers == [number for number, _ in inside]
    assert times == [(tick - first) * MILLISECOND for _, tick in inside]
    assert result.frames == len(inside) and result.start == first * MILLISECOND
    assert last * MILLISECOND < result.end <= max(end, last + 120) * MILLISECOND
    assert result.bytes == (tmp_path / "cut.mp4").stat().st_size
    with av.open(str(tmp_path / "cut.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.duration * stream.time_base == result.end - result.start


def test_neighbouring_cuts_share_no_frame_and_leave_none_out(uneven, tmp_path):
    path, ticks = uneven
    bounds = [ticks[0], ticks[7], ticks[7] + 1, ticks[20] - 1, ticks[-1] + 1]
    numbers = []
    for at in range(len(bounds) - 1):
        cut(path, bounds[at] * MILLISECOND, bounds[at + 1] * MILLISECOND, tmp_path / "cut.mp4")
        numbers += shown(tmp_path / "cut.mp4")[0]
    assert numbers == list(range(len(ticks)))


def test_seconds_as_floats_mean_the_frames_that_they_were_made_from(tmp_path):
    with av.open(str(tmp_path / "ntsc.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=Fraction(30_000, 1001))
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for number in range(40):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        file.mux(stream.encode())
    for first in range(0, 39, 4):
        start, end = first * 1001 / 30_000, (first + 3) * 1001 / 30_000
        cut(tmp_path / "ntsc.mp4", start, end, tmp_path / "cut.mp4")
        assert shown(tmp_path / "cut.mp4")[0] == [n for n in range(first, first + 3) if n < 40]


def test_an_open_video_is_cut_as_its_file_is_and_stays_open(steady, tmp_path):
    with open_video(steady) as video:
        for number, mode in enumerate(("exact", "keyframes", "exact")):
            start, end = Fraction(number + 1, 3), Fraction(number + 4, 3)
            assert cut(video, start, end, tmp_path / "a.mp4", mode=mode) == cut(
                steady, start, end, tmp_path / "b.mp4", mode=mode
            )
            assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
        assert len(video.frames([3])) == 1
        with pytest.raises(UsageError, match="stream 1"):
            cut(video, 0.0, 1.0, tmp_path / "a.mp4", stream=1)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_the_same_cut_has_the_same_bytes(steady, tmp_path, codec):
    for name in ("a.mp4", "b.mp4"):
        cut(steady, Fraction(1, 2), Fraction(3, 2), tmp_path / name, codec=codec)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert shown(tmp_path / "a.mp4")[0] == list(range(13, 38))


def test_a_turned_film_is_cut_as_a_player_shows_it(shared, tmp_path):
    source = shared / "data/hard/made/rotated_90.mp4"
    cut(source, 0.0, 0.5, tmp_path / "cut.mp4", quality=8)
    with open_video(source) as before, open_video(tmp_path / "cut.mp4") as after:
        assert before.facts.rotation in (90, 270) and after.facts.rotation == 0
        assert (after.facts.height, after.facts.width) == (before.facts.height, before.facts.width)
        difference = before.frames([0, 5]).astype(int) - after.frames([0, 5])
        assert np.abs(difference).mean() < 3


def test_a_copied_film_keeps_the_turn_as_a_wish_to_the_player(shared, tmp_path):
    source = shared / "data/hard/made/rotated_90.mp4"
    cut(source, 0.0, 0.5, tmp_path / "cut.mp4", mode="keyframes")
    with open_video(source) as before, open_video(tmp_path / "cut.mp4") as after:
        assert after.facts.rotation == before.facts.rotation in (90, 270)
        assert np.array_equal(before.frames([0, 5]), after.frames([0, 5]))


def test_height_shrinks_and_never_enlarges(steady, tmp_path):
    for asked, given_ in [(32, 32), (33, 32), (48, 48), (64, 64), (500, 64), (None, 64)]:
        cut(steady, 0.0, 0.2, tmp_path / "cut.mp4", height=asked)
        with open_video(tmp_path / "cut.mp4") as video:
            assert (video.facts.height, video.facts.width) == (given_, given_)


def test_height_is_that_of_the_picture_as_shown(shared, tmp_path):
    cut(shared / "data/hard/made/rotated_90.mp4", 0.0, 0.1, tmp_path / "cut.mp4", height=80)
    with open_video(tmp_path / "cut.mp4") as video, open_video(shared / "data/hard/made/rotated_90.mp4") as source:
        assert video.facts.height == 80
        assert abs(video.facts.width / 80 - source.facts.width / source.facts.height) < 0.05


def test_sound_begins_with_the_first_frame_to_the_sample(steady, tmp_path):
    for start in (0, 200, 1000, 1160):
        result = cut(steady, start * MILLISECOND, (start + 800) * MILLISECOND, tmp_path / "cut.mp4")
        samples, begins = heard(tmp_path / "cut.mp4")
        assert result.sound and begins == 0
        assert abs(delay(samples, hiss(2.4), round(start * RATE / 1000))) <= 1
        assert abs(len(samples) / RATE - 0.8) <= 1024 / RATE


def test_sound_that_begins_late_or_ends_early_leaves_silence(tmp_path):
    film(tmp_path / "short.mkv", [40 * n for n in range(50)], sound=hiss(1.0))
    cut(tmp_path / "short.mkv", 0.6, 1.8, tmp_path / "cut.mp4")
    samples, _ = heard(tmp_path / "cut.mp4")
    assert np.abs(samples[: int(0.38 * RATE)]).max() > 0.05
    assert np.abs(samples[int(0.45 * RATE) :]).max() < 0.01
    assert abs(len(samples) / RATE - 1.2) <= 1024 / RATE


def test_a_gap_in_the_sound_stays_where_it_is(tmp_path):
    with av.open(str(tmp_path / "gap.mkv"), "w") as file:
        video = file.add_stream("libx264", rate=25)
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        track = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for number in range(50):
            file.mux(video.encode(av.VideoFrame.from_ndarray(numbered(number), format="rgb24")))
        file.mux(video.encode())
        for begin in (0, RATE):  # half a second of sound at 0 s and at 1 s
            frame = av.AudioFrame.from_ndarray(hiss(2.0)[None, begin : begin + RATE // 2], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, begin, Fraction(1, RATE)
            for packet in track.codec_context.encode(frame):
                packet.stream = track
                file.mux(packet)
    cut(tmp_path / "gap.mkv", 0.2, 1.6, tmp_path / "cut.mp4")
    samples, _ = heard(tmp_path / "cut.mp4")
    assert np.abs(samples[int(0.35 * RATE) : int(0.75 * RATE)]).max() < 0.01
    later = samples[int(0.8 * RATE) : int(1.2 * RATE)]
    assert abs(delay(later, hiss(2.0), int(1.0 * RATE))) <= 1


def test_sound_is_left_out_when_there_is_none_or_it_is_not_wanted(steady, uneven, tmp_path):
    assert not cut(uneven[0], 0.0, 1.0, tmp_path / "a.mp4").sound
    assert not cut(steady, 0.0, 1.0, tmp_path / "b.mp4", audio=False).sound
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(tmp_path / name)) as file:
            assert not file.streams.audio


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(0, 58), count=st.integers(1, 30))
def test_a_copy_covers_what_was_asked_and_says_what_else(steady, tmp_path, first, count):
    stop = min(60, first + count)
    result = cut(steady, first * 40 * MILLISECOND, stop * 40 * MILLISECOND, tmp_path / "cut.mp4", mode="keyframes")
    numbers, times = shown(tmp_path / "cut.mp4")
    assert numbers == list(range(first // 12 * 12, first // 12 * 12 + result.frames))
    assert numbers[-1] >= stop - 1 and numbers[-1] < stop + 3  # no more than B-frames need
    assert times == [40 * n * MILLISECOND for n in range(result.frames)]
    assert result.start == numbers[0] * 40 * MILLISECOND and result.end == (numbers[-1] + 1) * 40 * MILLISECOND
    with open_video(steady) as before, open_video(tmp_path / "cut.mp4") as after:
        assert np.array_equal(before.frames(numbers), after.frames(range(len(after))))
    samples, begins = heard(tmp_path / "cut.mp4")
    assert begins == 0
    if len(samples) > 20_000:
        assert abs(delay(samples, hiss(2.4), round(result.start * RATE))) <= 1


def test_what_mp4_cannot_hold_is_not_copied_but_can_be_encoded(shared, tmp_path):
    source = shared / "data/hard/made/flv1.flv"
    with pytest.raises(UnsupportedCodec, match="exact"):
        cut(source, 0.0, 1.0, tmp_path / "cut.mp4", mode="keyframes")
    assert not list(tmp_path.iterdir())
    assert cut(source, 0.0, 1.0, tmp_path / "cut.mp4").frames == 30


def test_every_difficult_file_is_cut_to_the_frame(shared, tmp_path):
    folder = shared / "data/hard"
    short = [entry for entry in json.loads((folder / "MANIFEST.json").read_text()) if entry["expected"] == "ok"]
    for entry in short:
        if entry.get("frames", 0) > 200:
            continue
        with open_video(folder / entry["file"]) as video:
            first, stop = len(video) // 3, max(len(video) // 3 + 1, len(video) * 2 // 3)
            times = [tick * video.time_base for tick in video.ticks.tolist()]
            colour = video.frames([first])[0].mean(axis=(0, 1))
        end = times[stop] if stop < len(times) else times[-1] + MILLISECOND
        result = cut(folder / entry["file"], times[first], end, tmp_path / "cut.mp4")
        with open_video(tmp_path / "cut.mp4") as after:
            assert result.frames == len(after) == stop - first, entry["file"]
            assert [t * after.time_base for t in after.ticks.tolist()] == [t - times[first] for t in times[first:stop]]
            assert np.abs(after.frames([0])[0].mean(axis=(0, 1)) - colour).max() < 2, entry["file"]


def test_a_frame_that_does_not_decode_is_an_error_and_leaves_the_old_file(shared, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(b"old")
    with pytest.raises(DamagedVideo, match=r"frame [0-9]+ .* does not decode"):
        cut(shared / "data/hard/made/broken_bit_errors.mp4", 0.0, 1.9, tmp_path / "cut.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.mp4"]
    assert (tmp_path / "cut.mp4").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"start": 1.0, "end": 1.0}, UsageError),
        ({"start": 50.0, "end": 60.0}, NoFrames),
        ({"mode": "quick"}, UsageError),
        ({"codec": "libx246"}, UsageError),
        ({"quality": 99}, UsageError),
        ({"height": 0}, UsageError),
        ({"stream": 7}, UsageError),
        ({"source": "gone.mp4"}, MissingVideo),
    ],
)
def test_what_cannot_be_done_is_said_and_writes_nothing(steady, tmp_path, change, error):
    given_ = {"source": steady, "start": 0.0, "end": 1.0, "out": tmp_path / "cut.mp4", **change}
    with pytest.raises(error) as caught:
        cut(given_.pop("source"), given_.pop("start"), given_.pop("end"), given_.pop("out"), **given_)
    assert caught.value.problem and caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(steady, tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for out in (tmp_path / "nowhere" / "cut.mp4", tmp_path / "folder.mp4", tmp_path / "file" / "cut.mp4"):
        with pytest.raises(CannotWrite, match=r"cut\.mp4|folder\.mp4"):
            cut(steady, 0.0, 0.2, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.mp4"]


def test_names_may_be_long_or_no_text_at_all(steady, tmp_path):
    odd = b"\xff\xfe caf\xe9 " + b"x" * 200 + b".mp4"
    try:
        target = tmp_path / odd.decode("utf-8", "surrogateescape")
        target.touch()
    except (OSError, ValueError):
        pytest.skip("this file system takes UTF-8 names only")
    assert cut(steady, 0.0, 0.2, target).frames == 5
    assert len(list(tmp_path.iterdir())) == 1
