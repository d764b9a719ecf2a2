"""Lists of scenes without files: the same as the files would hold, and twins that only deeds tell apart."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from internvideo.datasets.moving_shapes import caption, render, scene
from internvideo.datasets.moving_shapes.listed import PARTS, Drawing, DrawnScenes
from internvideo.datasets.moving_shapes.motions import THEN, track
from internvideo.datasets.moving_shapes.quiz import ANSWERS, group_of, open_questions
from internvideo.datasets.moving_shapes.wording import ADVERBS, PHRASES, meaning
from internvideo.datasets.moving_shapes.world import (
    COLOURS,
    MOTIONS,
    PLOTS,
    SHAPES,
    SPEEDS,
    TURNING,
    Camera,
    combinations,
    turn_of,
)
from internvideo.datasets.pixels import frames_of
from internvideo.datasets.sample import Samples, coverage
from internvideo.errors import UsageError

numbers = st.integers(0, 5000)


@settings(max_examples=15, deadline=None)
@given(numbers, st.lists(st.integers(0, 15), min_size=1, max_size=5))
@example(3653, [9, 13])  # the point of a star that is larger in other frames
def test_chosen_frames_look_as_among_all(index, chosen):
    one, fps = scene("train", index, seconds=2.0), Fraction(8)
    assert np.array_equal(render(one, size=48, fps=fps, numbers=chosen), render(one, size=48, fps=fps)[chosen])


def test_a_list_holds_the_scenes_of_its_split_and_their_pixels():
    samples = DrawnScenes(Drawing(split="validation", size=48, seconds=1.0), 5)
    assert len(samples) == 5 and samples.captioned == 5 and samples.media == ("video",)
    for number, sample in enumerate(samples):
        one = scene("validation", number, seconds=1.0)
        assert sample == samples[number] and sample.captions == (caption(one),) and sample.source == one.key
        assert np.array_equal(frames_of(sample, lambda count: [0, count - 1]), render(one, size=48)[[0, -1]])
    assert isinstance(samples[1:3], Samples) and coverage(samples).missing_files == 0
    assert samples[-1] == samples[4]
    with pytest.raises(IndexError):
        samples[5]


def test_lists_differ_by_what_they_show():
    lists = [
        DrawnScenes(Drawing(), 5),
        DrawnScenes(Drawing(), 6),
        DrawnScenes(Drawing(twins=2), 5),
        DrawnScenes(Drawing(size=64), 5),
        DrawnScenes(Drawing(plot="single", says="motion"), 5),
    ]
    assert len({each.hash for each in lists}) == len(lists)


@settings(max_examples=60, deadline=None)
@given(numbers, st.sampled_from(sorted(PLOTS)), st.sampled_from(("train", "validation", "test")))
def test_twins_show_the_same_things_which_do_what_their_split_allows(group, plot, split):
    drawing = Drawing(split=split, plot=plot, twins=4)
    scenes = [drawing.scene(4 * group + place) for place in range(4)]
    assert scenes == [drawing.scene(4 * group + place) for place in range(4)]
    assert scenes[0] == scene(split, group, plot=plot)
    for one in scenes:
        assert one.plot == plot
        assert sorted(thing.name for thing in one.things) == sorted(thing.name for thing in scenes[0].things)
        assert set(meaning(one).parts) <= set(combinations(split))


def test_the_first_twin_of_things_in_order_differs_in_nothing_but_the_order():
    drawing = Drawing(plot="in order", twins=2)
    for group in range(20):
        one, other = (meaning(drawing.scene(2 * group + place)).parts for place in range(2))
        assert one != other and sorted(one) == sorted(other)


def test_twins_mostly_mean_different_things_and_equal_meanings_have_one_uid():
    drawing = Drawing(twins=4)
    samples = list(DrawnScenes(drawing, 400))
    told = [meaning(drawing.scene(number)) for number in range(400)]
    uids = [sample.uid for sample in samples]
    assert all((uids[i] == uids[j]) == (told[i] == told[j]) for i in range(0, 400, 7) for j in range(400))
    assert len(set(uids)) > 300


def test_captions_of_motions_leave_out_the_thing():
    samples = list(DrawnScenes(Drawing(plot="single", says="motion"), 64))
    words = " ".join(sample.captions[0] for sample in samples).split()
    assert not set(words) & {"a", "an", "red", "blue", "circle", "square"}
    assert len({sample.uid for sample in samples}) <= 32  # motions x speeds
    with pytest.raises(UsageError, match="one thing"):
        DrawnScenes(Drawing(says="motion"), 1)


def test_a_class_can_be_all_that_one_thing_is_and_does():
    samples = list(DrawnScenes(Drawing(plot="single", says="parts"), 64))
    for sample in samples:
        label, found = sample.label, []
        for count in reversed(PARTS.values()):
            label, value = divmod(label, count)
            found.append(value)
        shape, colour, motion, speed = reversed(found)
        assert (SHAPES[shape] in sample.captions[0]) and (list(COLOURS)[colour] in sample.captions[0])
        assert any(phrase in sample.captions[0] for pair in PHRASES[MOTIONS[motion]] for phrase in pair)
        assert any(adverb in sample.captions[0] for adverb in ADVERBS[SPEEDS[speed]])
    assert len({sample.label for sample in samples}) > 50


def test_questions_have_many_kinds_and_their_answers_numbers():
    samples = list(DrawnScenes(Drawing(says="question"), 300))
    for number, sample in enumerate(samples):
        asked = {(q.text, q.answer) for q in open_questions(Drawing().scene(number))}
        assert (sample.captions[0], ANSWERS[sample.label]) in asked
    assert len({sample.label for sample in samples}) > 40
    with pytest.raises(UsageError, match="unknown"):
        DrawnScenes(Drawing(says="question", split="unknown"), 1)


def test_only_scenes_with_one_thing_have_a_class():
    assert DrawnScenes(Drawing(), 1)[0].label is None and not DrawnScenes(Drawing(), 1).classes
    single = DrawnScenes(Drawing(plot="single"), 32)
    assert sorted(sample.label for sample in single) == sorted([*range(16)] * 2)
    assert single[3:5].classes == single.classes and single.labelled == 32


def test_some_motions_come_in_equal_numbers_with_their_class():
    motions = ("spin clockwise", "left", "circle clockwise")
    drawing = Drawing(plot="single", motions=motions, seed=3)
    samples = list(DrawnScenes(drawing, 96))
    assert [MOTIONS[sample.label] for sample in samples] == list(motions) * 32
    assert len({sample.source for sample in samples}) == 96
    assert drawing.scene(0) == scene("train", turn_of("train", 3, motions, 0), plot="single", seed=3)
    assert drawing.scene(0) != replace(drawing, seed=4).scene(0)
    assert DrawnScenes(Drawing(), 2)[1].label is None
    with pytest.raises(UsageError, match="did you mean `left`"):
        DrawnScenes(Drawing(plot="single", motions=("leftt",)), 1)
    with pytest.raises(UsageError, match="one thing"):
        DrawnScenes(Drawing(motions=motions), 1)


def test_a_mixed_scene_goes_on_to_another_kind_of_motion_and_has_no_name():
    drawing = Drawing(plot="single", mixed=True, seed=5)
    samples = DrawnScenes(drawing, 40)
    assert samples.captioned == samples.labelled == 0 and not samples.classes and samples.highest_label == -1
    assert all(sample.label is None and not sample.captions for sample in samples)
    kinds = set()
    for number in range(40):
        (thing,) = drawing.scene(number).things
        one, other = (replace(thing, motion=motion) for motion in thing.motion.split(THEN))
        assert one.motion not in group_of(other.motion)
        kinds.add((one.motion, other.motion))
        length, still = 3.0, Camera()
        middle, quarter = (thing.start + share * (thing.end - thing.start) for share in (0.5, 0.25))
        seconds = np.array([middle - 1e-6, middle, thing.start, thing.end])
        found = track(thing, still, seconds, length)
        assert found.x[1] == pytest.approx(thing.x, abs=1e-4) and found.y[1] == pytest.approx(thing.y, abs=1e-4)
        assert (
            abs(found.x[0] - found.x[1]) + abs(found.y[0] - found.y[1]) + abs(found.radius[0] - found.radius[1]) < 1e-3
        )
        before = track(one, still, np.array([thing.start, middle, thing.end]), length)
        early = track(thing, still, np.array([thing.start, quarter, middle - 1e-6]), length)
        assert np.allclose(early.x - early.x[2], before.x - before.x[2], atol=1e-3)  # all of it, in half of the time
        assert np.allclose(early.radius / early.radius[2], before.radius / before.radius[2], atol=1e-3)
        after = track(other, still, np.array([thing.start, thing.end]), length)
        assert np.allclose(found.y[3] - found.y[1], after.y[1] - after.y[0], atol=1e-3)
    assert len(kinds) > 20
    with pytest.raises(UsageError, match="one thing"):
        DrawnScenes(Drawing(mixed=True), 1)
    with pytest.raises(UsageError, match="nothing can be said"):
        DrawnScenes(Drawing(plot="single", mixed=True, says="motion"), 1)


def test_twins_may_differ_in_their_shapes_alone():
    drawing = Drawing(twins=4, differ="shapes")
    for group in range(30):
        first, *others = (meaning(drawing.scene(4 * group + place)) for place in range(4))
        for other in others:
            for one, twin in zip(sorted(first.parts, key=deed_of), sorted(other.parts, key=deed_of), strict=True):
                assert deed_of(one) == deed_of(twin)
                assert twin in combinations("train")
            assert len({(part.colour, part.shape) for part in other.parts}) == len(other.parts)
        assert any(other.parts != first.parts for other in others)


def deed_of(one):
    return one.colour, one.motion, one.speed


def test_coded_frames_keep_brightness_and_lose_the_edges_of_colours():
    drawing, numbers = Drawing(plot="single"), (0, 20, 40)
    plain, coded = (
        np.stack([frames_of(DrawnScenes(one, 8)[place], lambda _: numbers) for place in range(8)]).astype(float)
        for one in (drawing, replace(drawing, coded=True))
    )
    assert plain.shape == coded.shape
    luma = np.array([0.299, 0.587, 0.114])

    def spread(values):
        """How much a value differs within squares of 2 x 2 pixels."""
        return values.reshape(8, 3, 48, 2, 48, 2).std(axis=(3, 5)).mean()

    assert spread(coded @ luma) > 0.5 * spread(plain @ luma)  # sensor noise goes, edges stay
    for channel in (0, 2):  # red and blue without brightness: what is stored at half the resolution
        assert spread(coded[..., channel] - coded @ luma) < 0.25 * spread(plain[..., channel] - plain @ luma)


@settings(max_examples=30, deadline=None)
@given(numbers, st.floats(1.01, 4))
def test_an_enlarged_thing_does_the_same_and_shows_more(number, times):
    plain, large = (Drawing(plot="single", enlarged=e).scene(number) for e in (1.0, times))
    (one,), (other,) = plain.things, large.things
    assert meaning(plain) == meaning(large) and caption(plain) == caption(large)
    assert 0.8 * times <= other.size / one.size <= 1.1 * times
    assert abs(other.x) <= abs(one.x) and abs(other.y) <= abs(one.y)
    assert replace(other, size=one.size, x=one.x, y=one.y) == one and replace(large, things=plain.things) == plain


@pytest.mark.parametrize("options", [{"enlarged": 2.0}, {"enlarged": 0.5, "plot": "single"}])
def test_only_single_things_are_enlarged_and_never_made_small(options):
    with pytest.raises(UsageError, match="enlarged"):
        DrawnScenes(Drawing(**options), 3)


@settings(max_examples=40, deadline=None)
@given(numbers, st.sampled_from([("train", ()), ("test", ()), ("train", ("square",)), ("train", ("ring", "star"))]))
def test_in_balance_a_thing_does_not_tell_its_motion(number, which):
    split, shapes = which
    spins = TURNING[2:]
    drawing = Drawing(split=split, plot="single", motions=spins, balanced=True, shapes=shapes)
    (one,) = meaning(drawing.scene(number)).parts
    assert not shapes or one.shape in shapes
    assert one.motion == Drawing(split=split, plot="single", motions=spins).scene(number).label
    assert all(replace(one, motion=motion) in combinations(split) for motion in spins)
    assert frames_of(DrawnScenes(drawing, number + 1)[number], lambda count: [0]).shape == (1, 96, 96, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"motions": (), "balanced": True},
        {"motions": MOTIONS, "balanced": True},
        {"motions": TURNING, "shapes": ("ring",)},
    ],
)
def test_balance_that_cannot_be_is_refused(options):
    with pytest.raises(UsageError, match="balanced"):
        DrawnScenes(Drawing(plot="single", **options), 3)
