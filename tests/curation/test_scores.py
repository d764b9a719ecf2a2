"""Scores of clips from pictures and from series whose answer is known."""

import math
from fractions import Fraction

import av
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.operator import Operator, Series, Subject
from internvideo.curation.score_measures import SCORE_MEASURES
from internvideo.curation.scores import (
    Bars,
    Colour,
    Exposure,
    Motion,
    Sharpness,
    Stillness,
    samples,
    still_stretches,
)
from internvideo.store.values import CLIP_KEY
from internvideo.video.picture import Picture

OPERATORS = (Motion(), Exposure(), Bars(), Stillness(), Sharpness(), Colour())
TICKS = 90_000  # per second
H, W = 144, 256


def cloud(seed: int = 0) -> np.ndarray:
    """(H, 4 W) uint8: a cloudy texture to move a window over."""
    noise = np.fft.fft2(np.random.default_rng(seed).standard_normal((H, 4 * W)))
    down, across = np.fft.fftfreq(H)[:, None], np.fft.fftfreq(4 * W)
    layers = [np.fft.ifft2(noise * np.exp(-2 * np.pi**2 * s**2 * (down**2 + across**2))).real for s in (2, 10)]
    mixed = sum(layer / layer.std() for layer in layers)
    return np.clip(np.rint(120 + 30 * mixed), 0, 255).astype(np.uint8)


def grey(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[..., None], 3, axis=2)


def look(frames: list[np.ndarray], seconds: list[float], clips: list[tuple[float, float]] | None = None) -> Subject:
    """What the dense pass would hand to the operators: frames (H, W, 3) uint8 shown at `seconds`; clips in seconds."""
    pictures = [
        Picture(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            number=number,
            tick=round(time * TICKS),
            seconds=time,
            key=False,
            rotation=0,
        )
        for number, (frame, time) in enumerate(zip(frames, seconds, strict=True))
    ]
    series = {}
    for name, (columns, period, _, measure) in SCORE_MEASURES.items():
        ticks, rows, before = [], [], None
        for picture in pictures:
            due = not period or before is None or picture.seconds // period != before.seconds // period
            if due:
                ticks.append(picture.tick)
                rows.append(measure(picture, before))
            before = picture
        values = np.array(rows, float).reshape(len(rows), len(columns))
        series[name] = Series(np.array(ticks, np.int64), dict(zip(columns, values.T, strict=True)))
    return subject(series, clips or [(seconds[0], seconds[-1] + 0.001)])


def subject(series: dict[str, Series], clips: list[tuple[float, float]]) -> Subject:
    starts, ends = ([round(bounds[k] * TICKS) for bounds in clips] for k in (0, 1))
    table = pa.table({"start": starts, "end": ends})
    return Subject("ab" * 32, 0, Fraction(1, TICKS), {}, rows={"clips": table}, series=series)


def score(operator: Operator, seen: Subject, clip: int = 0) -> dict:
    return operator.process(seen).to_pylist()[clip]


def times(fps: float, seconds: float) -> list[float]:
    return [k / fps for k in range(round(seconds * fps))]


def panned(speed: float, when: list[float], seed: int = 0) -> list[np.ndarray]:
    """A window that glides over a texture by `speed` pixels per second, sampled between pixels."""
    plane = cloud(seed).astype(float)
    frames = []
    for time in when:
        whole, rest = divmod(speed * time, 1)
        left = plane[:, int(whole) : int(whole) + W + 1]
        frames.append(grey(np.rint((1 - rest) * left[:, :-1] + rest * left[:, 1:]).astype(np.uint8)))
    return frames


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_every_operator_keeps_to_the_protocol(operator):
    assert isinstance(operator, Operator) and operator.needs == ("clips",)
    assert set(operator.frames.measures) <= set(SCORE_MEASURES)
    when = times(20, 1.5)
    seen = look(panned(40, when), when, [(0.0, 0.7), (0.7, 1.5)])
    table = operator.process(seen)
    assert table.schema == pa.schema([*CLIP_KEY, *operator.columns])
    assert table["start"].to_pylist() == seen.rows["clips"]["start"].to_pylist()
    assert operator.process(look([], [], [(0.0, 1.0)])).num_rows == 1  # a pass that gave no frames


@pytest.mark.parametrize(("fps", "step"), [(10, 8), (24, 4), (30, 1), (60, 2)])
def test_flow_is_in_heights_per_second_at_any_frame_rate(fps, step):
    when = times(fps, 2.2)
    speed = min(step * fps, 240)
    found = score(Motion(), look(panned(speed, when), when))
    assert found["flow_mean"] == pytest.approx(speed / H, rel=0.1)
    assert found["camera_share"] > 0.8


def test_flow_is_the_same_where_the_frame_rate_varies():
    rng = np.random.default_rng(1)
    when = [float(time) for time in np.cumsum(rng.choice([1 / 60, 1 / 30, 1 / 24, 1 / 10], 60))]
    found = score(Motion(), look(panned(90, when), when))
    assert found["flow_mean"] == pytest.approx(90 / H, rel=0.1)


def test_something_that_moves_before_a_still_scene_is_no_camera():
    when, ground, thing = times(30, 2), cloud(1)[:, :W], cloud(2)[:60, :60]
    frames = []
    for number in range(len(when)):
        plane = ground.copy()
        plane[40:100, 20 + 2 * number : 80 + 2 * number] = thing
        frames.append(grey(plane))
    found = score(Motion(), look(frames, when))
    assert found["camera_share"] < 0.2 and found["flow_mean"] > 0.02
    assert score(Stillness(), look(frames, when))["still_share"] == 0


@pytest.mark.parametrize("noise", [0, 2, 6])
def test_noise_is_no_motion(noise):
    when, ground, rng = times(25, 2), cloud(3)[:, :W], np.random.default_rng(0)
    frames = [np.clip(grey(ground) + np.rint(rng.normal(0, noise, (H, W, 3))), 0, 255).astype(np.uint8) for _ in when]
    seen = look(frames, when)
    motion, stillness = score(Motion(), seen), score(Stillness(), seen)
    assert motion["flow_mean"] < 0.002 and motion["camera_share"] is None
    assert stillness["still_share"] == pytest.approx(1) and stillness["longest_still_seconds"] == pytest.approx(1.96)


@pytest.mark.parametrize("fps", [10, 25, 60])
def test_a_still_stretch_has_the_length_that_it_has(fps):
    when = times(fps, 4)
    frames = panned(80, [min(time, 1.0) if time < 2.5 else time - 1.5 for time in when])
    found = score(Stillness(), look(frames, when))
    assert found["longest_still_seconds"] == pytest.approx(1.5, abs=1.5 / fps)
    assert found["still_share"] == pytest.approx(1.5 / (4 - 1 / fps), abs=1.5 / fps)


def test_frames_that_are_shown_twice_or_thrice_are_not_still():
    when = times(24, 2)
    held = [math.floor(time * 8 + 1e-9) / 8 for time in when]  # animation on threes
    assert score(Stillness(), look(panned(80, held), when))["still_share"] == 0


def test_differences_are_the_same_at_half_the_frame_rate():
    ramp = np.broadcast_to(np.arange(W)[None] * 0.25 + 20, (H, W))
    found = {}
    for fps in (15, 30, 60):
        when = times(fps, 2)
        frames = [grey(np.rint(ramp + 60 * time).astype(np.uint8)) for time in when]
        found[fps] = score(Motion(), look(frames, when))["difference_mean"]
    assert found[15] == pytest.approx(2, rel=0.05)  # 60 levels a second
    assert found[30] == pytest.approx(found[15], rel=0.05) and found[60] == pytest.approx(found[15], rel=0.05)


def test_a_flash_is_the_greatest_difference_and_a_cut_belongs_to_the_clip_before():
    when = times(30, 2)
    frames = [np.full((H, W, 3), 100 if time < 1 else 180, np.uint8) for time in when]
    frames[10] = np.full((H, W, 3), 150, np.uint8)
    seen = look(frames, when, [(0.0, 1.0), (1.0, 2.0)])
    first, second = (score(Motion(), seen, clip) for clip in (0, 1))
    assert first["difference_max"] == pytest.approx(50, abs=0.1)
    assert second["difference_max"] == second["difference_mean"] == 0


def test_a_hidden_cut_is_not_fast_motion():
    when = times(20, 2)
    frames = [grey(cloud(int(time >= 0.999))[:, :W]) for time in when]
    found = score(Motion(), look(frames, when))
    assert found["flow_mean"] == 0 and found["camera_share"] is None and found["difference_max"] > 20


def test_black_and_white_clips_are_badly_exposed_and_flat():
    when = times(10, 2)
    for level, bad in ((0, 1), (255, 1), (128, 0)):
        seen = look([np.full((H, W, 3), level, np.uint8)] * len(when), when)
        exposure, colour, bars = score(Exposure(), seen), score(Colour(), seen), score(Bars(), seen)
        assert exposure["luma_mean"] == pytest.approx(level, abs=1) and exposure["bad_frames"] == bad
        assert colour["flat_frames"] == 1 and colour["grey_share"] == 1 and colour["colourfulness"] == 0
        assert bars["top_bottom"] == bars["left_right"] == 0
        assert score(Sharpness(), seen)["median"] is None


@pytest.mark.parametrize(("top_bottom", "left_right"), [(18, 0), (0, 36), (12, 24), (0, 0)])
def test_bars_stay_when_scenes_are_dark_in_between(top_bottom, left_right):
    when = times(10, 5)
    frames = []
    for number, frame in enumerate(panned(10, when)):
        framed = np.zeros_like(frame)
        inside = slice(top_bottom, H - top_bottom), slice(left_right, W - left_right)
        framed[inside] = frame[inside] // (12 if 10 <= number < 25 else 1)
        frames.append(framed)
    found = score(Bars(), look(frames, when))
    assert found["top_bottom"] == pytest.approx(2 * top_bottom / H)
    assert found["left_right"] == pytest.approx(2 * left_right / W)


def test_a_clip_without_a_sample_gets_the_one_before_its_end():
    when = times(30, 2)
    frames = [np.full((H, W, 3), 40 if time < 0.99 else 200, np.uint8) for time in when]
    seen = look(frames, when, [(0.1, 0.3), (1.2, 1.4)])
    assert [score(Exposure(), seen, clip)["luma_mean"] for clip in (0, 1)] == pytest.approx([40, 200], abs=1)


def test_a_clip_of_one_frame_has_no_differences_but_a_look():
    seen = look([grey(cloud()[:, :W])], [0.0])
    assert score(Motion(), seen)["difference_mean"] is None and score(Stillness(), seen)["still_share"] is None
    assert score(Motion(), seen)["flow_mean"] is None
    assert score(Sharpness(), seen)["median"] > 0 and score(Exposure(), seen)["luma_mean"] > 0


@given(st.integers(0, 10_000))
def test_shares_are_shares_whatever_the_series(seed):
    rng = np.random.default_rng(seed)
    series = {}
    for name, (columns, _, _, _) in SCORE_MEASURES.items():
        count = int(rng.integers(0, 12))
        ticks = np.sort(rng.choice(4 * TICKS, count, replace=False))
        values = {column: np.where(rng.random(count) < 0.2, np.nan, rng.random(count) / 2) for column in columns}
        series[name] = Series(ticks, values)
    seen = subject(series, [(0.0, 1.0), (0.5, 0.6), (1.0, 4.0)])
    for operator in OPERATORS:
        for row in operator.process(seen).to_pylist():
            for name in operator.columns.names:
                assert row[name] is None or row[name] >= 0
                if name.endswith("share") or name in ("bad_frames", "flat_frames", "top_bottom", "left_right"):
                    assert row[name] is None or row[name] <= 1


@given(st.integers(1, 59), st.integers(0, 1000))
def test_differences_of_two_halves_and_the_step_between_them_add_up(cut, seed):
    ticks = np.arange(60, dtype=np.int64) * 3000
    difference = np.random.default_rng(seed).random(60)
    empty = Series(np.empty(0, np.int64), {name: np.empty(0) for name in ("mean", "p90", "other")})
    movement = Series(ticks, {"difference": difference, "block": difference})
    at = cut / 30
    seen = subject({"movement": movement, "flow": empty}, [(0.0, at), (0.0, 2.0), (at, 2.0)])
    first, whole, second = Motion().process(seen)["difference_mean"].to_pylist()
    parts = (first or 0) * (cut - 1) + difference[cut] + (second or 0) * (59 - cut)
    assert whole * 59 == pytest.approx(parts, rel=1e-5)


@given(st.lists(st.tuples(st.integers(1, 32).map(lambda n: n / 64), st.booleans()), max_size=40))
def test_stretches_are_runs_counted_one_by_one(steps):
    seconds, still = np.array([s for s, _ in steps]), np.array([q for _, q in steps], bool)
    expected, run = [], 0.0
    for length, quiet in [*steps, (0.0, False)]:
        if quiet:
            run += length
        elif run:
            expected.append(run)
            run = 0.0
    if not still.all():
        expected = [run for run in expected if run >= 0.2]
    assert still_stretches(seconds, still) == pytest.approx(expected)


def test_a_fifth_of_a_second_is_just_long_enough_to_be_still():
    assert still_stretches(np.array([0.3, 0.1, 0.1, 0.3]), np.array([False, True, True, False])) == pytest.approx([0.2])
    assert not len(still_stretches(np.array([0.3, 0.1, 0.09, 0.3]), np.array([False, True, True, False])))


@given(st.lists(st.integers(0, 50), unique=True).map(sorted), st.integers(0, 50), st.integers(1, 20), st.booleans())
def test_samples_are_those_inside_else_the_last_before_the_end(ticks, start, length, between):
    series = Series(np.array(ticks, np.int64), {"value": np.array(ticks, float)})
    end = start + length
    found = samples(series, start, end, between=between).ticks.tolist()
    allowed = [tick for tick in ticks if not (between and tick == start)]
    inside = [tick for tick in allowed if start <= tick < end]
    before = [tick for tick in allowed if tick < end][-1:]
    assert found == (inside or before or allowed[:1])
