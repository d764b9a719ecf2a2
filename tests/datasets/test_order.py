"""Places of an epoch as arithmetic: permutations, exact shares, one medium per batch, ranks that see what one would."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.datasets.order import Mixture, apportioned, permuted

SHARES = st.lists(st.integers(1, 50), min_size=1, max_size=5).map(lambda parts: [Fraction(part) for part in parts])


@given(count=st.integers(1, 600), key=st.integers(0, 2**64 - 1))
def test_a_keyed_shuffle_is_a_permutation(count, key):
    assert sorted(permuted(place, count, key) for place in range(count)) == list(range(count))


def test_a_keyed_shuffle_sends_every_place_everywhere_about_equally_often():
    count, keys = 7, 3500
    table = np.zeros((count, count), int)
    for key in range(keys):
        for place in range(count):
            table[place, permuted(place, count, key)] += 1
    chi_square = ((table - keys / count) ** 2 / (keys / count)).sum() * (count - 1) / count
    assert chi_square < 67.98  # the 0.999 quantile for (7 - 1)^2 degrees of freedom


def test_neighbours_are_torn_apart_and_other_keys_give_other_orders():
    orders = [[permuted(place, 1000, 5, epoch) for place in range(1000)] for epoch in range(2)]
    assert orders[0] != orders[1]
    for order in orders:
        assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.1
        assert abs(np.corrcoef(order, range(1000))[0, 1]) < 0.1


def test_a_place_in_a_list_of_a_hundred_million_needs_no_table():
    places = {permuted(place, 100_000_000, 1) for place in range(2000)}
    assert len(places) == 2000 and max(places) > 90_000_000


@given(total=st.integers(0, 10_000), shares=SHARES)
def test_parts_add_up_and_are_less_than_one_from_their_share(total, shares):
    parts = apportioned(total, shares)
    assert sum(parts) == total
    assert all(abs(part - total * share / sum(shares)) < 1 for part, share in zip(parts, shares, strict=True))


def mixture(lengths, shares=None, media=None, batch=4, steps=None, seed=3, shuffle=True):
    lengths = tuple(lengths)
    return Mixture(
        lengths=lengths,
        media=tuple(media or ["video"] * len(lengths)),
        shares=tuple(map(Fraction, shares or lengths)),
        batch=batch,
        steps=steps or sum(lengths) // batch,
        seed=seed,
        shuffle=shuffle,
    )


def epoch_of(order, epoch):
    return [order.places(epoch, step, range(order.batch)) for step in range(order.steps)]


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=4), shares=SHARES, steps=st.integers(1, 12))
def test_every_corpus_has_exactly_its_share_of_an_epoch(lengths, shares, steps):
    shares = (shares * len(lengths))[: len(lengths)]
    order = mixture(lengths, shares, steps=steps)
    drawn = Counter(place.corpus for batch in epoch_of(order, 2) for place in batch)
    assert [drawn[corpus] for corpus in range(len(lengths))] == apportioned(4 * steps, shares)


@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=3), shares=SHARES, batch=st.integers(1, 5))
def test_nothing_comes_twice_before_all_of_its_corpus_has_come(lengths, shares, batch):
    shares = (shares * len(lengths))[: len(lengths)]
    order = mixture(lengths, shares, batch=batch, steps=6)
    drawn = [Counter() for _ in lengths]
    for epoch in range(4):
        for places in epoch_of(order, epoch):
            for place in places:
                assert 0 <= place.number < lengths[place.corpus]
                drawn[place.corpus][place.number] += 1
        for counts, length in zip(drawn, lengths, strict=True):
            turns = [counts[number] for number in range(length)]
            assert max(turns) - min(turns) <= 1


def test_without_shuffling_a_list_comes_in_its_order():
    order = mixture([10], shuffle=False, batch=5)
    assert [place.number for batch in epoch_of(order, 0) for place in batch] == list(range(10))


def test_every_batch_is_of_one_medium_and_media_have_their_share_of_batches():
    order = mixture([30, 10, 20], media=["video", "image", "video"], batch=3, steps=30, shares=[3, 2, 1])
    batches = epoch_of(order, 1)
    kinds = [{order.media[place.corpus] for place in batch} for batch in batches]
    assert all(kind == {order.medium(1, step)} for step, kind in enumerate(kinds))
    assert sum(kind == {"image"} for kind in kinds) == 10
    assert [order.medium(1, step) for step in range(30)] != [order.medium(2, step) for step in range(30)]


@pytest.mark.parametrize("steps", [6, 7])
def test_media_take_turns_with_batches_of_their_own_size(steps):
    order = mixture([30, 10], media=["video", "image"], batch=3, steps=steps)
    order = replace(order, image_batch=5, alternate=True)
    assert [order.medium(1, step) for step in range(steps)] == (["video", "image"] * steps)[:steps]
    slots, drawn = [], Counter()
    for epoch in (0, 1):
        for step in range(steps):
            places = order.places(epoch, step, range(order.size(order.medium(epoch, step))))
            drawn.update((place.corpus, place.number) for place in places)
            slots += [place.slot for place in places] if epoch == 0 else []
    assert len(set(slots)) == len(slots) == 3 * -(-steps // 2) + 5 * (steps // 2)
    counts = [drawn[1, number] for number in range(10)]
    assert sum(counts) == 2 * 5 * (steps // 2) and max(counts) - min(counts) <= 1


def test_slots_of_an_epoch_are_all_different():
    order = mixture([9, 9], batch=3)
    slots = [place.slot for batch in epoch_of(order, 0) for place in batch]
    assert sorted(slots) == list(range(18))


def test_epochs_are_in_different_orders():
    order = mixture([40], batch=4)
    first, second = ([place.number for batch in epoch_of(order, epoch) for place in batch] for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(40)) and first != second


def test_replacements_are_of_the_same_corpus_and_differ_by_attempt():
    order = mixture([50, 50], batch=5)
    (place,) = order.places(0, 3, range(2, 3))
    others = [order.instead(0, place, attempt) for attempt in range(10)]
    assert {other.corpus for other in others} == {place.corpus} and len({other.number for other in others}) > 5


def test_a_place_outside_is_refused():
    with pytest.raises(ValueError, match="place 5 is not among 5"):
        permuted(5, 5, 0)
