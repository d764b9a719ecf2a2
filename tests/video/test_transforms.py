"""Crops lie where they should, clips are treated as one, and the published preprocessing comes out to the last bit."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from internvideo.errors import UsageError, pick
from internvideo.models.families import PREPROCESS
from internvideo.records import Preprocess
from internvideo.video import transforms
from internvideo.video.resize import INTERPOLATIONS, resize
from internvideo.video.sampling import FRAME_POLICIES
from internvideo.video.transforms import preprocess

sides = st.integers(1, 300)
seeds = st.integers(0, 2**32 - 1)


def coordinates(height, width, count=2):
    """Frames whose pixels say where they are: (row, column, frame number)."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([np.stack([rows, columns, np.full_like(rows, t)], axis=-1) for t in range(count)]).astype(np.uint8)


def place(frames):
    return int(frames[0, 0, 0, 0]), int(frames[0, 0, 0, 1])


# --- sizes and crops --------------------------------------------------------------------------------------------------


@given(sides, sides, sides)
def test_the_short_side_is_exact_and_the_long_side_within_a_pixel(height, width, side):
    frames = np.zeros((1, height, width, 3), np.uint8)
    down, nearest = (transforms.short_side_size(frames, side, to_nearest=flag) for flag in (False, True))
    exact = side * max(height, width) / min(height, width)
    assert min(down) == min(nearest) == side
    assert max(down) == math.floor(exact) and abs(max(nearest) - exact) <= 0.5
    assert (down[0] >= down[1]) == (height >= width) or down[0] == down[1]


@given(st.integers(8, 60), st.integers(8, 60), st.integers(1, 8))
def test_the_centre_crop_leaves_equal_rests(height, width, size):
    top, left = place(transforms.center_crop(coordinates(height, width), size, size))
    assert abs(2 * top - (height - size)) <= 1 and abs(2 * left - (width - size)) <= 1


def test_an_odd_rest_is_rounded_half_to_even_as_published():
    assert [place(transforms.center_crop(coordinates(8 + rest, 8), 8, 8))[0] for rest in (1, 3, 5, 7)] == [0, 2, 2, 4]


def test_side_crops_slide_along_the_long_side():
    wide = transforms.side_crops(coordinates(32, 48), 32)
    assert [place(one) for one in wide] == [(0, 0), (0, 8), (0, 16)]
    tall = transforms.side_crops(coordinates(48, 32), 32)
    assert [place(one) for one in tall] == [(0, 0), (8, 0), (16, 0)]
    assert [place(one)[1] for one in transforms.side_crops(coordinates(32, 47), 32)] == [0, 7, 15]
    assert [place(one)[1] for one in transforms.side_crops(coordinates(32, 47), 32, round_up=True)] == [0, 8, 15]
    assert [place(one) for one in transforms.side_crops(coordinates(32, 32), 32)] == [(0, 0)] * 3
    assert [place(one) for one in transforms.side_crops(coordinates(32, 48), 32, count=1)] == [(0, 8)]


@pytest.mark.parametrize("window", [(-1, 0, 4, 4), (0, 7, 4, 4), (0, 0, 11, 4)])
def test_a_window_outside_the_picture_is_refused(window):
    with pytest.raises(ValueError, match="does not fit"):
        transforms.crop(coordinates(10, 10), *window)
    with pytest.raises(ValueError, match="do not fit"):
        transforms.side_crops(coordinates(10, 10), 11)


def test_random_crops_reach_every_place_equally_often():
    rng = np.random.default_rng(0)
    seen = Counter(place(transforms.random_crop(coordinates(5, 6), 4, 4, rng)) for _ in range(3000))
    assert set(seen) == {(top, left) for top in range(2) for left in range(3)}
    assert all(abs(count - 500) < 5 * 500**0.5 for count in seen.values())


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 60), st.integers(2, 60), seeds)
def test_a_random_resized_crop_is_one_window_for_all_frames(height, width, seed):
    frames = coordinates(height, width, 3)
    out = transforms.random_resized_crop(frames, 16, np.random.default_rng(seed))
    assert out.shape == (3, 16, 16, 3)
    assert np.array_equal(out[0, ..., :2], out[2, ..., :2]) and (out[2, ..., 2] == 2).all()
    again = transforms.random_resized_crop(frames, 16, np.random.default_rng(seed))
    assert np.array_equal(out, again)


def test_random_resized_crops_have_the_promised_areas_and_shapes(monkeypatch):
    windows = []
    monkeypatch.setattr(transforms, "resize", lambda part, *size, **how: windows.append(part.shape[1:3]) or part)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        transforms.random_resized_crop(coordinates(200, 250), 16, rng, scale=(0.2, 0.6), ratio=(0.5, 1.5))
    areas = np.array([h * w for h, w in windows]) / 50_000
    ratios = np.array([w / h for h, w in windows])
    assert areas.min() > 0.19 and areas.max() < 0.61 and abs(areas.mean() - 0.4) < 0.015
    assert ratios.min() > 0.49 and ratios.max() < 1.52
    assert abs(np.log(ratios).mean() - (math.log(0.5) + math.log(1.5)) / 2) < 0.05


@pytest.mark.parametrize("shape, window", [((10, 200), (10, 13)), ((200, 10), (13, 10))])
def test_when_no_draw_fits_the_largest_middle_part_is_taken(monkeypatch, shape, window):
    found = []
    monkeypatch.setattr(transforms, "resize", lambda part, *size, **how: found.append(part) or part)
    transforms.random_resized_crop(coordinates(*shape), 16, np.random.default_rng(0), scale=(1.0, 1.0))
    assert found[0].shape[1:3] == window
    assert place(found[0]) == tuple(round((old - new) / 2) for old, new in zip(shape, window, strict=True))


def test_multi_scale_crops_are_the_published_sizes_at_the_thirteen_places(monkeypatch):
    found = Counter()
    monkeypatch.setattr(
        transforms, "resize", lambda part, *size, **how: found.update([(part.shape[1:3], place(part))]) or part
    )
    rng = np.random.default_rng(0)
    for _ in range(20_000):
        transforms.multi_scale_crop(coordinates(112, 144, 1), 84, rng)
    shapes = Counter()
    for (shape, _), count in found.items():
        shapes[shape] += count
    sides = [112, 98, 84, 73]
    assert set(shapes) == {(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1}
    assert all(abs(count - 2000) < 5 * 2000**0.5 for count in shapes.values())
    places = {at for shape, at in found if shape == (84, 84)}
    assert places == {(7 * r, 15 * c) for r, c in transforms.ANCHORS} and len(transforms.ANCHORS) == 13
    transforms.multi_scale_crop(coordinates(113, 113, 1), 111, rng, scales=(1.0,))
    assert ((111, 111), (0, 0)) in found  # 113 is within three pixels of 111


def test_flips_mirror_and_happen_half_of_the_time():
    frames = coordinates(3, 4)
    assert np.array_equal(transforms.flip(transforms.flip(frames)), frames)
    assert transforms.flip(frames)[0, 0, :, 1].tolist() == [3, 2, 1, 0]
    rng = np.random.default_rng(0)
    flipped = sum(transforms.random_flip(frames, rng)[0, 0, 0, 1] == 3 for _ in range(1000))
    assert abs(flipped - 500) < 5 * 250**0.5


# --- preprocessing ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 255), st.floats(0.01, 0.99), st.floats(0.05, 1))
def test_normalise_is_the_formula_in_double_precision(level, mean, std):
    frames = np.full((2, 3, 4, 3), level, np.uint8)
    out = transforms.normalise(frames, (mean, 0.5, 0.5), (std, 0.5, 1.0))
    assert out.shape == (3, 2, 3, 4) and out.dtype == np.float32
    assert (out[0] == np.float32((level / 255 - mean) / std)).all()
    assert (out[1] == np.float32((level / 255 - 0.5) / 0.5)).all()


@pytest.mark.parametrize("name", sorted(PREPROCESS))
@pytest.mark.parametrize("shape", [(120, 160), (160, 120), (300, 300), (31, 97)])
def test_every_preset_gives_what_its_model_takes(name, shape):
    how = PREPROCESS[name]
    assert how.interpolation in INTERPOLATIONS
    frames = np.random.default_rng(0).integers(0, 256, (40, *shape, 3), dtype=np.uint8)
    chosen = pick(FRAME_POLICIES, how.frames, "frame policy")(len(frames), how.frame_count)
    out = preprocess(frames[chosen], how)
    assert out.shape == (3, how.frame_count, how.size, how.size) and out.dtype == np.float32
    assert abs(out.mean()) < 1


def test_the_families_keep_their_own_constants():
    assert PREPROCESS["viclip"].mean == PREPROCESS["videomae"].mean == (0.485, 0.456, 0.406)
    assert PREPROCESS["internvideo-mm-demo"].std == (0.26862954, 0.26130258, 0.27577711)
    assert PREPROCESS["uniformerv2"].mean == (0.45,) * 3 and PREPROCESS["uniformerv2"].std == (0.225,) * 3


def test_squashing_sees_all_of_the_picture_and_cropping_the_middle_only():
    frames = np.zeros((1, 64, 128, 3), np.uint8)
    frames[:, :, 24:104] = 255
    how = Preprocess(size=32, mean=(0, 0, 0), std=(1, 1, 1), interpolation="bilinear")
    assert (preprocess(frames, how) > 0.9).all()
    squashed = preprocess(frames, replace(how, resize="squash"))[0, 0]
    assert (squashed[:, 10:22] > 0.99).all() and (squashed[:, :5] < 0.01).all()
    both = preprocess(frames, replace(how, resize="squash", short_side=64))[0, 0]  # 64 x 64, then the middle
    assert (both > 0.99).all()


def test_unknown_policies_and_impossible_sizes_are_refused():
    how = Preprocess(size=8, mean=(0, 0, 0), std=(1, 1, 1), resize="squish")
    with pytest.raises(UsageError, match="unknown resize policy `squish`") as caught:
        preprocess(coordinates(9, 9), how)
    assert "squash" in caught.value.hint
    for wrong in ({"size": 0}, {"short_side": 7}, {"std": (1, 0, 1)}, {"frame_count": 0}, {"mean": (0, 0)}):
        with pytest.raises(ValueError):
            replace(how, **wrong)


def test_the_viclip_demo_comes_out_bit_by_bit(shared):
    stored = load_file(shared / "parity/viclip/preprocess.safetensors")
    frames = stored["in.frames_bgr_u8"][..., ::-1]
    how = replace(PREPROCESS["viclip-demo"], size=32)
    out = preprocess(frames[FRAME_POLICIES[how.frames](len(frames), how.frame_count)], how)
    assert np.array_equal(out.transpose(1, 0, 2, 3)[None], stored["out.tensor"])


def test_the_internvideo_mm_demo_comes_out_to_float_precision(shared):
    stored = load_file(shared / "parity/internvideo_mm/preprocess.safetensors")
    frames, how = stored["in.frames_rgb_u8"], PREPROCESS["internvideo-mm-demo"]
    chosen = FRAME_POLICIES[how.frames](len(frames), how.frame_count)
    assert chosen == stored["out.indices"].tolist()
    out = preprocess(frames[chosen], how)
    assert np.abs(out[:, :, ::7, ::7] - stored["out.video_stride7"]).max() < 1e-6
    assert np.abs(out.mean(axis=(0, 2, 3)) - stored["out.mean_per_frame"]).max() < 1e-5


def test_preprocess_is_its_parts_in_order():
    frames = np.random.default_rng(1).integers(0, 256, (2, 50, 70, 3), dtype=np.uint8)
    how = Preprocess(size=20, short_side=24, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    by_hand = resize(frames, 24, 33)[:, 2:22, round(6.5) : round(6.5) + 20]
    assert np.array_equal(preprocess(frames, how), transforms.normalise(by_hand, how.mean, how.std))
