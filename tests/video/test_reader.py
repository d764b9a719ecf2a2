"""How frames are shown: colours, size, orientation, order; and that the reader does no more work than it must."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from internvideo.errors import UsageError
from internvideo.video import passes, sampling
from internvideo.video.colour import orientation, quarter_turns, to_rgb
from internvideo.video.index import Index
from internvideo.video.reader import open_video
from tests.video.reader_films import HEIGHT, WIDTH, Film, make, number_of, picture, x264

QUIET = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return make(x264("film.mp4", "keyint=12:bframes=2"), tmp_path_factory.mktemp("film"))


@pytest.fixture
def video(film):
    with open_video(film) as opened:
        yield opened


MATRICES = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593), 2: (0.299, 0.114)}
YUV = st.tuples(st.integers(60, 200), st.integers(100, 156), st.integers(100, 156))


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@given(yuv=YUV)
@settings(max_examples=20)
def test_colours_follow_the_equations_of_their_matrix_and_range(matrix, full, yuv):
    """ITU-R BT.601, BT.709 and BT.2020: red = y + 2 (1 - kr) cr, blue = y + 2 (1 - kb) cb, y = kr r + kg g + kb b."""
    frame = av.VideoFrame(32, 16, "yuv420p")
    for plane, value in zip(frame.planes, yuv, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    y = float(yuv[0]) if full else (yuv[0] - 16) * 255 / 219
    cb, cr = ((value - 128) * (1 if full else 255 / 224) for value in yuv[1:])
    kr, kb = MATRICES[matrix]
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    expected = np.clip([red, green, blue], 0, 255)
    for size in (None, (8, 40)):
        assert np.abs(to_rgb(frame, size=size).astype(float) - expected).max() <= 1


@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "gbrp", "gray", "nv12", "yuva420p", "bgra"]
)
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (43, 57), (640, 36)])
def test_every_layout_and_odd_size_keeps_the_picture(pixels, size):
    height, width = size
    smooth = np.stack(np.meshgrid(np.linspace(40, 200, width), np.linspace(60, 220, height)), -1)
    shown = np.concatenate([smooth, smooth[..., :1]], -1).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(shown, format="rgb24").reformat(format=pixels, threads=1)
    back = to_rgb(frame)
    assert back.shape == shown.shape and back.dtype == np.uint8 and back.flags.c_contiguous
    if pixels != "gray":
        assert np.abs(back.astype(int) - shown)[4:-4, 4:-4].max() <= 8
    else:
        assert (back[..., 0] == back[..., 1]).all()


@pytest.mark.parametrize("size", [(24, 32), (32, 24), (8, 96), (130, 200)])
def test_a_resize_is_the_antialiased_one_of_pillow(size):
    shown = np.array(Image.fromarray(picture(3)).resize((WIDTH * 2, HEIGHT * 2), Image.Resampling.BICUBIC))
    frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
    ours = to_rgb(frame, size=size).astype(int)
    theirs = np.array(Image.fromarray(shown).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
    assert ours.shape == (*size, 3)
    assert np.abs(ours - theirs).mean() < 1.0


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_films_are_shown_the_way_they_were_held(degrees, mirrored, tmp_path):
    """All eight orientations, written by FFmpeg's own matrix functions: counter-clockwise, then mirrored."""
    path = make(
        Film("held.mp4", "libx264", {"qp": "0"}, pixels="yuv444p", frames=2, turned=(degrees, mirrored)), tmp_path
    )
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0))
    expected = np.rot90(to_rgb(stored), degrees // 90)
    expected = expected[:, ::-1] if mirrored else expected
    with open_video(path) as video:
        shown = video.frames([0])[0]
        assert shown.shape == expected.shape == (video.facts.height, video.facts.width, 3)
        assert (shown == expected).all()
        assert (next(video.pictures()).rgb == expected).all()
        assert (video.facts.rotation, video.facts.mirrored) == orientation(stored)
        small = video.frames([0], size=(30, 20))[0].astype(int)
    back = np.rot90(small[:, ::-1] if mirrored else small, -degrees // 90)
    plain = to_rgb(stored, size=back.shape[:2]).astype(int)
    assert np.abs(back - plain).max() <= 1


@given(turns=st.integers(0, 3), mirrored=st.booleans(), scale=st.integers(1, 1 << 17), tilt=st.floats(-0.7, 0.7))
def test_a_matrix_is_read_back_as_the_turn_that_made_it(turns, mirrored, scale, tilt):
    """Turning by a little more or less than a quarter changes nothing; scale neither."""
    angle = turns * np.pi / 2 + tilt
    a, b, c, d = np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)
    if mirrored:  # x is negated first
        a, b = -a, -b
    matrix = [round(value * scale * 100) for value in (a, b)] + [0] + [round(v * scale * 100) for v in (c, d)] + [0] * 4
    assert quarter_turns(matrix) == (turns * 90, mirrored)


def test_a_matrix_of_zeros_turns_nothing():
    assert quarter_turns([0] * 9) == (0, False)


@given(numbers=st.lists(st.integers(0, 47), max_size=9))
@QUIET
def test_frames_come_in_the_order_asked_for(numbers, film):
    with open_video(film) as video:
        assert [number_of(shown) for shown in video.frames(numbers)] == numbers
        assert video.damage.expected == len(set(numbers))


def test_no_frames_are_an_empty_array(video):
    assert video.frames([]).shape == (0, HEIGHT, WIDTH, 3)
    assert video.at_seconds([], size=(5, 7)).shape == (0, 5, 7, 3)


@given(second=st.floats(-1, 3, allow_nan=False))
@QUIET
def test_at_seconds_gives_the_last_frame_that_began(second, film):
    with open_video(film) as video:
        began = [number for number in range(48) if Fraction(number, 25) <= Fraction(second) + Fraction(1, 1_000_000)]
        assert number_of(video.at_seconds([second])[0]) == max(began, default=0)


def test_the_seconds_of_a_frame_lead_back_to_it(video):
    seconds = [video.seconds(number) for number in range(48)]
    assert [number_of(shown) for shown in video.at_seconds(seconds)] == list(range(48))
    rounded = [round(second, 6) for second in seconds]
    assert [number_of(shown) for shown in video.at_seconds(rounded)] == list(range(48))


@pytest.mark.parametrize("length", [1, 5, 48, 100])
def test_blocks_joined_are_the_film(length, video):
    numbers, frames = zip(*video.blocks(length), strict=True)
    assert all(len(part) <= length for part in frames)
    assert np.concatenate(numbers).tolist() == list(range(48))
    assert (np.concatenate(frames) == video.frames(range(48))).all()


def test_pictures_know_where_they_are(video):
    pictures = list(video.pictures())
    assert [p.number for p in pictures if p.key] == video.key_frames.tolist() == [0, 12, 24, 36]
    assert [p.tick for p in pictures] == video.ticks.tolist()
    assert [p.seconds for p in pictures] == [video.seconds(n) for n in range(48)]
    assert (pictures[17].rgb == video.frames([17])[0]).all()


def test_frames_may_be_fetched_while_a_pass_is_under_way(video):
    seen = []
    for shown in video.pictures():
        seen.append(shown.number)
        if shown.number % 7 == 0:
            assert number_of(video.frames([47 - shown.number])[0]) == 47 - shown.number
            assert video.facts.width == WIDTH
    assert seen == list(range(48))


def test_a_pass_that_is_left_early_closes_its_file(video):
    passing = video.pictures()
    next(passing)
    passing.close()
    assert number_of(video.frames([9])[0]) == 9


@pytest.mark.parametrize("policy", sorted(sampling.FRAME_POLICIES))
def test_clips_are_the_frames_that_the_policy_names(policy, video):
    wanted = sampling.FRAME_POLICIES[policy](48, 8)
    assert [number_of(shown) for shown in video.clip(8, policy)] == wanted


def test_random_clips_follow_their_generator(video):
    first, again, other = (
        [number_of(shown) for shown in video.clip(6, "random", rng=np.random.default_rng(seed))] for seed in (1, 1, 2)
    )
    assert first == again != other
    assert [number // 8 for number in first] == list(range(6))
    window = [number_of(shown) for shown in video.clip(6, "dense", stride=3, rng=np.random.default_rng(1))]
    assert np.diff(window).tolist() == [3] * 5
    assert [number_of(shown) for shown in video.clip(6, "dense", stride=3)] == sampling.dense(48, 6, 3)
    with pytest.raises(UsageError, match="generator"):
        video.clip(6, "random")


@pytest.mark.parametrize("rate", [1, 2.5, 25, 60])
def test_a_clip_at_a_rate_is_that_of_even_films(rate, video):
    wanted = sampling.at_rate(48, Fraction(25), Fraction(rate), 200)
    assert [number_of(shown) for shown in video.clip(200, "fps", rate=rate)] == wanted
    with pytest.raises(UsageError, match="positive rate"):
        video.clip(8, "fps")


def index_of(keys, frames):
    """Closed groups of pictures without reordering."""
    places, starts = np.arange(frames), np.array(sorted({0, *keys}))
    return Index(places, places, starts, starts, starts, starts)


@given(st.data())
def test_a_plan_costs_no_more_than_the_better_of_forward_and_seeking(data):
    frames = data.draw(st.integers(1, 400))
    index = index_of(data.draw(st.sets(st.integers(0, frames - 1), max_size=20)), frames)
    numbers = sorted(data.draw(st.sets(st.integers(0, frames - 1), min_size=1, max_size=12)))
    runs = passes.plan(index, numbers)
    assert [number for run in runs for number in run.numbers] == numbers
    decoded = 0
    for run in runs:
        begin = int(index.starts[run.start])
        assert begin <= run.numbers[0]
        decoded += run.numbers[-1] - begin + 1
    forward = numbers[-1] + 1
    each = sum(n - int(index.starts[index.start_for(n)]) + 1 for n in numbers)
    assert decoded + passes.SEEK_COST * (len(runs) - 1) <= forward + passes.SEEK_COST
    assert decoded <= each + passes.SEEK_COST * len(numbers)


def test_only_the_packets_that_are_needed_are_decoded(video, monkeypatch):
    """Frame 30 of groups of 12: from frame 24 on, without the ones that nothing refers to, and none behind."""
    fed = []
    decode = type(video._decoder).decode
    assert video.facts.width == WIDTH
    monkeypatch.setattr(
        type(video._decoder),
        "decode",
        lambda self, packet, **how: fed.append((packet.pts, how)) or decode(self, packet, **how),
    )
    len(video)
    video.frames([30])
    numbers = [video._index.ticks.tolist().index(tick) for tick, _ in fed]
    assert min(numbers) == 24 and max(numbers) <= 33 and len(numbers) <= 10
    assert [number for number, (_, how) in zip(numbers, fed, strict=True) if how["wanted"]] == [30]


def test_a_plain_mp4_is_not_read_to_be_counted(tmp_path, monkeypatch):
    film = make(x264("long.mp4", "keyint=12", frames=200), tmp_path)
    with open_video(film) as video:
        taken = []
        packets = type(video._decoder).packets
        monkeypatch.setattr(type(video._decoder), "packets", lambda self: (taken.append(p) or p for p in packets(self)))
        assert len(video) == 200 and len(video.key_frames) == 17
        assert len(taken) <= 16


def test_both_ways_to_an_index_agree(tmp_path):
    films = [
        x264("a.mp4", "keyint=12:bframes=3"),
        x264("b.mov", "keyint=12:bframes=0"),
        x264("c.mp4", "keyint=12:bframes=3", container={"movflags": "negative_cts_offsets+faststart"}),
        x264("d.mp4", "keyint=12:bframes=3", container={"use_editlist": "0"}),
        x264("e.mp4", "keyint=12:bframes=3", ticks=lambda i: 33 * i + i * i % 29),
        Film("f.mov", "prores_ks", pixels="yuv422p10le", frames=5),
    ]
    for film in films:
        with open_video(make(film, tmp_path)) as video:
            short, long = video._header_index(), video._full_index()
            for name in ("ticks", "positions", "starts", "start_ticks", "start_dts", "start_positions"):
                assert (getattr(short, name) == getattr(long, name)).all(), (film.name, name)
