"""Augmentations against Pillow, and that a clip gets one draw for all its frames."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from internvideo.errors import UsageError
from internvideo.video import augment
from internvideo.video.augment import OPERATIONS, RandAugment, affine, operate, rand_augment, random_erasing

LEVELS = [0.0, 0.37, 0.63, 1.0]


def pictures(count=2, height=40, width=56):
    """Half smooth, half noise, so that both flat and busy parts count."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2) % 230 + 10
    frames[:, :, : width // 2] = ramp[:, : width // 2, None] // np.array([1, 2, 3])
    return frames


def with_pillow(change):
    return np.stack([np.asarray(change(Image.fromarray(frame))) for frame in pictures()])


def within_one(a, b):
    return np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize("level", LEVELS)
def test_colour_operations_are_pillows(level):
    frames = pictures()
    assert within_one(operate(frames, "autocontrast", level), with_pillow(ImageOps.autocontrast))
    assert np.array_equal(operate(frames, "equalize", level), with_pillow(ImageOps.equalize))
    assert np.array_equal(operate(frames, "invert", level), with_pillow(ImageOps.invert))
    threshold, added = 256 - int(level * 256), int(level * 110)
    assert np.array_equal(operate(frames, "solarize", level), with_pillow(lambda i: ImageOps.solarize(i, threshold)))
    lighter = [min(255, v + added) if v < 128 else v for v in range(256)] * 3
    assert np.array_equal(operate(frames, "solarize_add", level), with_pillow(lambda i: i.point(lighter)))
    bits = 4 - int(level * 4)
    kept = operate(frames, "posterize", level)
    assert np.array_equal(kept, with_pillow(lambda i: ImageOps.posterize(i, bits)) if bits else np.zeros_like(kept))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["color", "contrast", "brightness", "sharpness"])
def test_enhancements_are_pillows(name, level, sign):
    enhancer = getattr(ImageEnhance, name.capitalize())
    expected = with_pillow(lambda image: enhancer(image).enhance(1 + sign * 0.9 * level))
    assert within_one(operate(pictures(), name, level, sign), expected)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
def test_movements_are_pillows(level, sign, kind):
    frames, amount = pictures(), level * sign
    resample, grey = Image.Resampling[kind.upper()], (augment.FILL,) * 3

    def moved(*matrix):
        return with_pillow(lambda i: i.transform(i.size, Image.Transform.AFFINE, matrix, resample, fillcolor=grey))

    assert within_one(operate(frames, "shear_x", level, sign, interpolation=kind), moved(1, 0.3 * amount, 0, 0, 1, 0))
    assert within_one(operate(frames, "shear_y", level, sign, interpolation=kind), moved(1, 0, 0, 0.3 * amount, 1, 0))
    across, down = 0.45 * amount * 56, 0.45 * amount * 40
    assert within_one(operate(frames, "translate_x", level, sign, interpolation=kind), moved(1, 0, across, 0, 1, 0))
    assert within_one(operate(frames, "translate_y", level, sign, interpolation=kind), moved(1, 0, 0, 0, 1, down))
    turned = with_pillow(lambda i: i.rotate(30 * amount, resample, fillcolor=grey))
    ours = operate(frames, "rotate", level, sign, interpolation=kind)
    on_edge = (np.abs(ours.astype(int) - turned) > 1).any(axis=(0, 3)).sum()
    assert on_edge <= 2  # a centre that falls on the border of the picture may count as in or out


def test_nothing_moves_under_the_identity_and_whole_steps_are_exact():
    frames = pictures()
    assert np.array_equal(affine(frames, (1, 0, 0, 0, 1, 0)), frames)
    shifted = affine(frames, (1, 0, 3, 0, 1, -2), fill=7)
    assert np.array_equal(shifted[:, 2:, :-3], frames[:, :-2, 3:])
    assert (shifted[:, :2] == 7).all() and (shifted[:, :, -3:] == 7).all()


@pytest.mark.parametrize("name", [*OPERATIONS])
def test_every_operation_keeps_shape_and_treats_frames_alike(name):
    frames = np.repeat(pictures(1), 3, axis=0)
    before = frames.copy()
    out = operate(frames, name, 0.5)
    assert out.shape == frames.shape and out.dtype == np.uint8
    assert np.array_equal(out[0], out[2]) and np.array_equal(frames, before)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y", "color", "contrast",
                                  "brightness", "sharpness", "solarize", "solarize_add"])  # fmt: skip
def test_level_zero_changes_nothing(name):
    assert np.array_equal(operate(pictures(), name, 0.0), pictures())


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_one_draw_serves_all_frames_and_follows_from_the_generator(seed):
    frames = np.repeat(pictures(1), 3, axis=0)
    policy = RandAugment.parse("rand-m7-n4-mstd0.5-inc1")
    out = rand_augment(frames, policy, np.random.default_rng(seed))
    assert np.array_equal(out[0], out[1]) and np.array_equal(out[0], out[2])
    assert np.array_equal(out, rand_augment(frames, policy, np.random.default_rng(seed)))
    jittered = augment.color_jitter(frames, np.random.default_rng(seed))
    assert np.array_equal(jittered[0], jittered[2])


def test_policies_are_read_as_timm_writes_them():
    assert RandAugment.parse("rand-m7-n4-mstd0.5-inc1") == RandAugment(7.0, 4, 0.5)
    assert RandAugment.parse("rand-m9-mstd0.5-inc1") == RandAugment(9.0, 2, 0.5)
    for wrong in ("rand-m7", "augmix-m3", "rand-n4-m7-inc1", ""):
        with pytest.raises(UsageError, match="no RandAugment policy"):
            RandAugment.parse(wrong)


def test_operations_are_drawn_evenly_half_of_them_done_at_the_magnitude(monkeypatch):
    done = []

    def note(frames, name, level, sign, *, interpolation):
        done.append((name, level, sign))
        return frames

    monkeypatch.setattr(augment, "operate", note)
    rng = np.random.default_rng(0)
    for _ in range(3000):
        rand_augment(pictures(1), RandAugment(7.0, 4, 0.5), rng)
    assert len(OPERATIONS) == 15
    assert abs(len(done) - 6000) < 5 * 3000**0.5
    names, signs = Counter(name for name, _, _ in done), Counter(sign for _, _, sign in done)
    assert set(names) == set(OPERATIONS) and all(abs(count - 400) < 5 * 400**0.5 for count in names.values())
    assert abs(signs[1] - signs[-1]) < 5 * 6000**0.5
    levels = np.array([level for _, level, _ in done])
    assert abs(levels.mean() - 0.7) < 0.004 and abs(levels.std() - 0.05) < 0.003


def test_jitter_of_nothing_changes_nothing_and_one_factor_at_a_time_is_an_enhancement():
    frames, rng = pictures(), np.random.default_rng(0)
    assert np.array_equal(augment.color_jitter(frames, rng, brightness=0, contrast=0, saturation=0), frames)
    dark = augment.color_jitter(frames, np.random.default_rng(3), brightness=0.4, contrast=0, saturation=0)
    factor = np.random.default_rng(3).uniform(0.6, 1.4)
    assert within_one(dark, with_pillow(lambda image: ImageEnhance.Brightness(image).enhance(factor)))


def test_erasing_puts_normal_noise_into_one_box_of_all_frames():
    clip = np.full((3, 8, 64, 64), 9.0, np.float32)
    rng = np.random.default_rng(0)
    areas, erased = [], 0
    for _ in range(400):
        out = random_erasing(clip, rng)
        changed = out != 9.0
        if not changed.any():
            assert out is clip
            continue
        erased += 1
        box = changed.all(axis=(0, 1))
        assert np.array_equal(changed, np.broadcast_to(box, changed.shape))
        rows, columns = np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert box.sum() == height * width and 0.2 < height / width < 5
        areas.append(height * width / 4096)
        noise = out[:, :, box]
        assert not np.array_equal(noise[:, 0], noise[:, 1])
        assert abs(noise.mean()) < 6 / noise.size**0.5 and abs(noise.std() - 1) < 6 / noise.size**0.5
    assert abs(erased - 100) < 5 * 75**0.5
    assert min(areas) > 0.015 and max(areas) < 0.35
    assert (clip == 9.0).all()


def test_unknown_operations_are_refused():
    with pytest.raises(UsageError, match="unknown operation"):
        operate(pictures(), "shear", 0.5)
