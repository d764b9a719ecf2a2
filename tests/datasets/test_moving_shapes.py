"""The laboratory world keeps its promises: the same for ever, hard where it should be, and exactly known."""

import hashlib
import itertools
import json
from collections import Counter
from dataclasses import asdict, replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from internvideo.datasets.moving_shapes import (
    CLASS_NAMES,
    MOTIONS,
    UNKNOWN_MOTIONS,
    VERSION,
    boxes,
    caption,
    captions,
    choose_caption,
    describe,
    events,
    questions,
    render,
    retrieval_scenes,
    scene,
    write_clips,
)
from internvideo.datasets.moving_shapes.draws import Draws
from internvideo.datasets.moving_shapes.quiz import alternatives, choose_motion, choose_order
from internvideo.datasets.moving_shapes.shapes import DISTANCES, REACH, extents
from internvideo.datasets.moving_shapes.wording import meaning, wordings
from internvideo.datasets.moving_shapes.world import COLOURS, PLOTS, SHAPES, SPEEDS, SPLITS, Camera, combinations
from internvideo.errors import UsageError
from internvideo.text.tokenizer import tokenizer

FPS = Fraction(8)
indices = st.integers(0, 10_000)
splits = st.sampled_from(("train", "validation", "test"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def the_test_list():
    return [{**asdict(one), "caption": caption(one)} for one in (scene("test", i) for i in range(256))]


# --- for ever ---------------------------------------------------------------------------------------------------------


def test_version_one_is_frozen_to_the_last_letter_and_pixel():
    """If this fails, what was scored before can no longer be compared: raise VERSION, then freeze the new values."""
    assert VERSION == 1
    assert digest(json.dumps(the_test_list(), sort_keys=True).encode()) == "437b3b056a56ffd8"
    retrieval = [caption(one) for one in retrieval_scenes()]
    assert digest("\n".join(retrieval).encode()) == "0e120b1452feee99"
    pixels = [digest(render(scene("test", i), fps=FPS).tobytes()) for i in range(3)]
    assert pixels == ["de6879aac7f99a10", "5e020fbd465afeb1", "3006fc4757e6a57f"]


def test_a_scene_does_not_depend_on_what_was_made_before():
    alone = scene("train", 17, seed=3)
    for i in range(17):
        scene("train", i, seed=3)
    assert scene("train", 17, seed=3) == alone
    assert np.array_equal(render(alone, fps=FPS), render(scene("train", 17, seed=3), fps=FPS))


def test_seeds_and_splits_give_other_scenes():
    assert len({scene(split, 5, seed=seed).key for split in SPLITS for seed in range(3)}) == 12
    assert scene("train", 5, seed=0).things != scene("train", 5, seed=1).things


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 2**40))
def test_draws_are_fair_and_in_range(weights, key):
    draws = Draws("law", key)
    assert all(0 <= draws.below(7) < 7 for _ in range(20))
    assert all(2 <= draws.uniform(2, 3) <= 3 for _ in range(20))
    assert sorted(draws.shuffled(range(9))) == list(range(9))
    assert draws.weighted(dict(enumerate(weights))) in range(len(weights))


def test_draws_have_the_frequencies_they_promise():
    draws = Draws("frequencies")
    counts = Counter(draws.weighted({"a": 1, "b": 3}) for _ in range(4000))
    assert abs(counts["b"] - 3000) < 5 * (4000 * 0.25 * 0.75) ** 0.5
    bits = draws.raw_bytes((1000, 80))
    assert abs(bits.mean() - 127.5) < 5 * 73.9 / 80_000**0.5


# --- hard where it should be ------------------------------------------------------------------------------------------


def test_the_world_is_large_enough():
    assert len(SHAPES) >= 6 and len(COLOURS) >= 8 and len(MOTIONS) >= 12 and len(SPEEDS) == 2
    assert not set(MOTIONS) & set(UNKNOWN_MOTIONS)


def test_no_combination_is_in_two_splits_and_every_split_knows_every_word():
    sets = {split: set(combinations(split)) for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not sets[one] & sets[other]
    known = sets["train"] | sets["validation"] | sets["test"]
    assert len(known) == len(SHAPES) * len(COLOURS) * len(MOTIONS) * len(SPEEDS)
    for split in ("train", "validation", "test"):
        assert {one.shape for one in sets[split]} == set(SHAPES)
        assert {one.colour for one in sets[split]} == set(COLOURS)
        assert {(one.motion, one.speed) for one in sets[split]} == set(itertools.product(MOTIONS, SPEEDS))
    assert 0.15 < len(sets["test"]) / len(known) < 0.25


@settings(max_examples=60, deadline=None)
@given(splits, indices, st.sampled_from(sorted(PLOTS)))
def test_every_thing_of_a_scene_is_a_combination_of_its_split(split, index, plot):
    one = scene(split, index, plot=plot)
    allowed = {(c.shape, c.colour, c.motion, c.speed) for c in combinations(split)}
    assert all((t.shape, t.colour, t.motion, t.speed) in allowed for t in one.things)
    assert (
        len({t.name for t in one.things}) == len(one.things) == {"single": 1, "collision": 2}.get(plot, len(one.things))
    )
    assert 1 <= len(one.things) <= 3


def test_single_scenes_show_every_motion_equally_often():
    for start in (0, 160):
        shown = Counter(scene("test", i, plot="single").label for i in range(start, start + 10 * len(MOTIONS)))
        assert set(shown.values()) == {10} and set(shown) == set(MOTIONS)
    unknown = Counter(scene("unknown", i).label for i in range(40))
    assert set(unknown.values()) == {10} and set(unknown) == set(UNKNOWN_MOTIONS)


def test_plots_and_camera_moves_come_as_often_as_promised():
    scenes = [scene("train", i) for i in range(1500)]
    plots = Counter(one.plot for one in scenes)
    for plot, weight in PLOTS.items():
        expected = 1500 * weight / 20
        assert abs(plots[plot] - expected) < 5 * expected**0.5
    moving = sum(one.camera.move != "still" for one in scenes)
    assert abs(moving - 450) < 5 * (1500 * 0.3 * 0.7) ** 0.5
    assert {len(one.things) for one in scenes} == {1, 2, 3}


@settings(max_examples=16, deadline=None)
@given(indices)
def test_the_middle_frame_of_a_single_scene_is_the_same_whatever_moves(index):
    one = scene("test", index, plot="single", seconds=2.0)
    frames = render(one, size=96, fps=FPS)
    middle = frames[len(frames) // 2]
    for motion in MOTIONS:
        speed = SPEEDS[index % 2]
        other = replace(one, things=(replace(one.things[0], motion=motion, speed=speed, start=0.0, end=2.0),))
        if motion not in {"appear", "disappear"}:  # these take a part of the time: below
            assert np.array_equal(render(other, size=96, fps=FPS)[len(frames) // 2], middle)


def test_what_appears_or_disappears_is_fully_there_half_way():
    faders = [s for i in range(320) if (s := scene("train", i, plot="single")).label in {"appear", "disappear"}]
    assert len(faders) == 40
    for one in faders:
        thing = one.things[0]
        assert thing.end <= 1.5 if thing.motion == "appear" else thing.start >= 1.5


def test_nothing_but_motion_tells_the_class_of_a_single_scene():
    """Place, size, colour, background and camera: a nearest neighbour on them guesses as well as chance."""

    def features(one):
        thing, ground = one.things[0], one.background
        return [thing.x, thing.y, thing.size * 5, thing.angle, thing.phase, *(np.array(thing.rgb) / 255), one.noise / 9,
                *(np.array(ground.dark) / 255), ground.period]  # fmt: skip

    train = [scene("train", i, plot="single") for i in range(960)]
    test = [scene("test", i, plot="single") for i in range(480)]
    known = np.array([features(one) for one in train])
    right = sum(train[int(((known - features(one)) ** 2).sum(axis=1).argmin())].label == one.label for one in test)
    chance = 480 / len(MOTIONS)
    assert right < chance + 5 * chance**0.5


# --- exactly known ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_extents_are_those_of_the_signed_distance(shape):
    grid = np.linspace(-1.4, 1.4, 1401)
    inside = DISTANCES[shape](grid[None, :], grid[:, None]) <= 0
    for angle in np.linspace(0, 1, 13):
        c, s = np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)
        ys, xs = np.nonzero(inside)
        x, y = grid[xs] * c - grid[ys] * s, grid[xs] * s + grid[ys] * c
        assert (
            np.abs([x.min(), y.min(), x.max(), y.max()] - np.ravel(extents(shape, np.array([c]), np.array([s])))).max()
            < 5e-3
        )
        assert np.hypot(x, y).max() <= REACH + 1e-6


@settings(max_examples=25, deadline=None)
@given(indices, st.sampled_from(sorted(PLOTS)), st.sampled_from([1.0, 16 / 9, 9 / 16]))
def test_boxes_hold_exactly_the_pixels_of_their_thing(index, plot, aspect):
    """Each thing alone, against the same scene without it: what differs lies in the box and fills it."""
    whole = replace(scene("train", index, plot=plot, aspect=aspect), noise=0.0)
    for thing in whole.things:
        one, empty = replace(whole, things=(thing,)), replace(whole, things=())
        where, visible = boxes(one, size=96, fps=FPS)
        frames, ground = render(one, size=96, fps=FPS), render(empty, size=96, fps=FPS)
        height, width = frames.shape[1:3]
        for frame, under, box, seen in zip(frames, ground, where[:, 0], visible[:, 0], strict=True):
            ys, xs = np.nonzero((frame != under).any(axis=2))
            if seen:
                drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
                assert np.abs(drawn - box * (width, height, width, height)).max() <= 2.1
            else:
                assert (box == 0).all()


def test_a_thing_that_fades_counts_as_visible_from_half_way():
    one = next(s for i in range(99) if (s := scene("train", i, plot="single")).label == "appear")
    _, visible = boxes(one, fps=Fraction(100))
    thing = one.things[0]
    first = int(visible[:, 0].argmax()) / 100
    assert abs(first - (thing.start + thing.end) / 2) <= 0.011


@given(splits, indices, st.sampled_from(["in order", "entrance"]))
def test_things_that_act_in_order_never_overlap_in_time(split, index, plot):
    found = events(scene(split, index, plot=plot))
    assert len(found) >= 2
    assert all(a.span.end <= b.span.start for a, b in itertools.pairwise(found))
    assert found[0].span.start >= 0 and found[-1].span.end <= 3.0


@settings(deadline=None)
@given(splits, indices)
def test_a_collision_is_a_touch_at_the_moment_of_the_hit(split, index):
    one = replace(scene(split, index, plot="collision"), camera=Camera())
    hit = next(event for event in events(one) if event.name == "hit")
    first, second = one.in_order
    assert hit.things == (first.name, second.name)
    assert hit.span.start == first.end == second.start
    where, _ = boxes(one, size=256, fps=Fraction(40))
    a, b = (where[:, one.things.index(thing)] for thing in (first, second))
    moved = [np.abs(np.diff(box, axis=0)).max(axis=1) for box in (a, b)]
    at = round(hit.span.start * 40)
    assert moved[1][: at - 1].max() < 1e-4 and moved[0][at + 1 :].max() < 1e-4  # one stops when the other goes
    axis, sign = (0 if first.motion in {"left", "right"} else 1), (1 if first.motion in {"right", "down"} else -1)
    front, back = (a[:, 2 + axis], b[:, axis]) if sign > 0 else (a[:, axis], b[:, 2 + axis])
    gap = sign * (back - front)
    assert -0.02 < gap[at] < 0.005 and gap[: at - 4].min() > gap[at] and gap[at + 4 :].min() > gap[at]


@given(splits, indices)
def test_events_lie_in_the_scene_and_begin_in_order(split, index):
    one = scene(split, index)
    found = events(one)
    assert {name for event in found for name in event.things} == {thing.name for thing in one.things}
    assert [e.span.start for e in found] == sorted(e.span.start for e in found)
    assert all(0 <= e.span.start < e.span.end <= one.seconds for e in found)


# --- words ------------------------------------------------------------------------------------------------------------


def test_two_captions_are_equal_only_if_they_mean_the_same():
    scenes = [scene(split, i) for split in SPLITS for i in range(400)]
    by_caption = {}
    for one in scenes:
        for text in captions(one, 3):
            by_caption.setdefault(text, set()).add(meaning(one))
    assert len(by_caption) > 2000
    assert all(len(meanings) == 1 for meanings in by_caption.values())


@given(splits, indices)
def test_a_caption_names_every_thing_and_is_short_plain_english(split, index):
    one = scene(split, index)
    text = caption(one)
    assert all(thing.name in text for thing in one.things)
    assert text == text.strip() and "  " not in text and text.isascii() and len(text.split()) <= 36
    assert " a orange" not in f" {text}" and " an red" not in f" {text}"


def test_all_captions_fit_into_the_context_of_viclip():
    texts = [text for i in range(500) for text in captions(scene("train", i), 2)]
    assert max(len(tokenizer().encode(text)) + 2 for text in texts) <= 32


def test_what_is_named_after_after_came_before():
    for one in (scene("train", i, plot="in order") for i in range(60)):
        for text in captions(one, 4):
            names = sorted((thing.name for thing in one.things), key=text.index)
            told = names[::-1] if " after " in text else names
            assert told == [thing.name for thing in one.in_order]


def test_wordings_differ_and_begin_with_the_own_one():
    one = scene("train", 0)
    assert captions(one, 4)[0] == caption(one)
    assert len(set(captions(one, 4))) == 4


def test_every_class_has_a_name_of_its_own():
    assert list(CLASS_NAMES) == [*MOTIONS, *UNKNOWN_MOTIONS]
    assert len(set(CLASS_NAMES.values())) == len(CLASS_NAMES)


def test_retrieval_candidates_all_differ_and_a_quarter_shares_colours_and_shapes():
    scenes = retrieval_scenes(200)
    texts = [caption(one) for one in scenes]
    assert len(scenes) == len(set(texts)) == len({meaning(one) for one in scenes}) == 200
    looks = Counter(frozenset(thing.name for thing in one.things) for one in scenes)
    assert sum(count for count in looks.values() if count >= 5) >= 50
    allowed = {(c.shape, c.colour, c.motion, c.speed) for c in combinations("test")}
    assert all((t.shape, t.colour, t.motion, t.speed) in allowed for one in scenes for t in one.things)
    assert retrieval_scenes(200, seed=1) != scenes


# --- questions --------------------------------------------------------------------------------------------------------


@given(splits, indices)
def test_questions_have_one_right_answer_among_different_options(split, index):
    for question in questions(scene(split, index)):
        assert len(set(question.options)) == len(question.options) >= 2
        assert question.answer == question.options[question.right]


@given(splits, indices)
def test_motion_and_order_are_asked_among_options_that_differ_in_nothing_else(split, index):
    one = scene(split, index, plot="single")
    motion = choose_motion(one)
    assert len(set(motion.options)) == 12 and motion.answer in wordings(meaning(one))
    assert sum(motion.answer == option for option in motion.options) == 1
    together = scene(split, index, plot="in order")
    order = choose_order(together)
    assert len(set(order.options)) == len(order.options) == {2: 2, 3: 6}[len(together.things)]
    assert order.answer in wordings(meaning(together))
    words = [sorted(option.replace(",", "").split()) for option in order.options]
    assert len(together.things) == 2 or all(each == words[0] for each in words)


def test_what_is_asked_of_the_test_split_is_frozen():
    """If this fails, what was scored before can no longer be compared: see the first test."""
    asked = [asdict(choose_motion(scene("test", i, plot="single"))) for i in range(200)]
    asked += [asdict(choose_order(scene("test", i, plot="in order"))) for i in range(200)]
    assert digest(json.dumps(asked).encode()) == "0fdfb4dbe4adcec0"


@given(splits, indices)
def test_wordings_are_all_captions_that_are_true(split, index):
    one = scene(split, index)
    assert set(captions(one, 24)) <= wordings(meaning(one))
    other = scene(split, index + 1)
    assert (caption(other) in wordings(meaning(one))) == (meaning(other) == meaning(one))


def test_answers_are_true():
    for i in range(150):
        one = scene("test", i)
        by_name = {thing.name: thing for thing in one.things}
        for question in questions(one):
            if question.kind == "motion":
                thing = next(t for name, t in by_name.items() if f"the {name} " in question.text)
                assert question.answer == CLASS_NAMES[thing.motion]
            if question.kind == "which":
                assert question.text == f"which shape is {CLASS_NAMES[by_name[question.answer].motion]}?"
            if question.kind == "first":
                assert by_name[question.answer].start == min(thing.start for thing in one.things)
            if question.kind == "hit":
                assert by_name[question.answer].start == max(thing.start for thing in one.things)
            if question.kind == "caption":
                assert question.answer.count(" a") >= len(one.things) - 1


def test_who_cannot_see_the_video_is_right_by_chance_only():
    """The answer is at every place equally often, and no option is right more often than its share."""
    places, wins, offers = Counter(), Counter(), Counter()
    for i in range(1600):
        for question in questions(scene("test", i, plot="single")):
            places[question.kind, len(question.options), question.right] += 1
            if question.kind in {"motion", "speed"}:
                wins[question.answer] += 1
                offers.update(question.options)
    for (_, options, _), count in places.items():
        expected = 1600 / options
        assert abs(count - expected) < 5 * expected**0.5
    for option, offered in offers.items():
        share = 4 if option in CLASS_NAMES.values() else 2
        assert abs(wins[option] - offered / share) < 5 * (offered / share) ** 0.5


@settings(deadline=None)
@given(splits, indices)
def test_the_alternatives_of_a_caption_are_the_same_for_all_of_them(split, index):
    true = meaning(scene(split, index, plot=["single", "together", "in order", "collision"][index % 4]))
    others = alternatives(true)
    assert true in others and len(set(others)) == len(others)
    if len(others) < 100:
        assert set(alternatives(others[index % len(others)])) == set(others)
    chosen = choose_caption(scene(split, index))
    assert len(set(chosen.options)) == 5


# --- pixels and files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "size, aspect, shape", [(96, 1.0, (96, 96)), (128, 16 / 9, (128, 228)), (90, 9 / 16, (160, 90))]
)
def test_frames_have_the_size_and_number_asked_for(size, aspect, shape):
    frames = render(scene("train", 1, aspect=aspect, seconds=1.5), size=size, fps=Fraction(10))
    assert frames.shape == (15, *shape, 3) and frames.dtype == np.uint8


def test_sensor_noise_has_the_strength_it_says():
    one = replace(scene("train", 0), things=(), camera=Camera(), noise=5.0)
    clean = render(replace(one, noise=0.0), fps=FPS).astype(float)
    difference = render(one, fps=FPS) - clean
    assert abs(difference.std() - 5.0) < 0.15 and abs(difference.mean()) < 0.1
    assert not np.array_equal(difference[0], difference[1])


@pytest.mark.parametrize(
    "move, sign, axis", [("pan left", 1, 2), ("pan right", -1, 2), ("pan up", 1, 1), ("pan down", -1, 1)]
)
def test_the_world_goes_the_other_way_when_the_camera_pans(move, sign, axis):
    still = replace(scene("train", 2), things=(), camera=Camera(), noise=0.0)
    first, last = render(replace(still, camera=Camera(move, 0.12)), size=200, fps=FPS)[[0, -1]].astype(float)
    shift = round(0.12 * 200 * 23 / 24)
    costs = {s: np.abs(np.roll(first, s, axis - 1) - last)[30:-30, 30:-30].mean() for s in range(-30, 31)}
    assert abs(min(costs, key=costs.get) - sign * shift) <= 1


def test_unknown_splits_are_refused_by_name():
    with pytest.raises(UsageError, match="unknown split `tset`") as caught:
        scene("tset", 0)
    assert "test" in caught.value.hint
    with pytest.raises(UsageError, match="no plot `collision`"):
        scene("unknown", 0, plot="collision")


def test_clips_are_real_files_with_their_truth_beside_them(tmp_path):
    scenes = [scene("test", i, seconds=1.0) for i in range(3)]
    rows = write_clips(tmp_path, scenes, size=96, fps=FPS)
    stored = [json.loads(line) for line in (tmp_path / "clips.jsonl").read_text().splitlines()]
    assert stored == json.loads(json.dumps(rows)) and [row["caption"] for row in stored] == [caption(s) for s in scenes]
    for one, row in zip(scenes, stored, strict=True):
        with av.open(str(tmp_path / row["file"])) as file:
            assert file.streams.video[0].codec_context.name == "h264"
            back = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
        wanted = render(one, size=96, fps=FPS)
        assert back.shape == wanted.shape and np.abs(back.astype(int) - wanted).mean() < 8
        assert len(row["boxes"]) == len(back) and len(row["boxes"][0]) == len(one.things)


def test_a_description_is_json_and_complete():
    row = json.loads(json.dumps(describe(scene("train", 8))))
    assert set(row) == {"scene", "label", "caption", "captions", "events", "boxes", "questions"}
