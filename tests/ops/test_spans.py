"""Targets, losses and decoding of segments: closed forms, laws and a plain twin of the assignment."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.spans import (
    Decoding,
    Grid,
    decode,
    focal_loss,
    joined_loss,
    localisation_loss,
    offset_loss,
    point_targets,
)


def points(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def assigned(grid, segments, labels, classes, radius):
    """Point by point, segment by segment."""
    kinds, offsets = torch.zeros(len(grid), classes), torch.zeros(len(grid), 2)
    for n, (t, low, high, stride) in enumerate(grid.tolist()):
        able = []
        for (start, end), label in zip(segments.tolist(), labels.tolist(), strict=True):
            first, last = start, end
            if radius is not None:
                first, last = (
                    max(start, (start + end) / 2 - radius * stride),
                    min(end, (start + end) / 2 + radius * stride),
                )
            if first < t < last and low <= max(t - start, end - t) <= high:
                able.append((end - start, label, start, end))
        if able:
            shortest = min(able)[0]
            best = min(able, key=lambda found: found[0])
            for length, label, _, _ in able:
                kinds[n, label] = float(length <= shortest + 1e-3) or kinds[n, label]
            offsets[n] = torch.tensor([t - best[2], best[3] - t]) / stride
    return kinds, offsets


@pytest.mark.parametrize("radius", [1.5, 1.0, None])
@pytest.mark.parametrize("seed", range(5))
def test_targets_equal_the_plain_assignment(seed, radius):
    draw = torch.Generator().manual_seed(seed)
    rows = [(t, 4.0 * (s > 1) * s / 2, 4.0 * s if s < 4 else 1e4, s) for s in (1, 2, 4) for t in range(0, 40, s)]
    grid = points(*rows)
    start = torch.rand(9, generator=draw) * 30
    segments = torch.stack([start, start + 1 + torch.rand(9, generator=draw) * 14], 1)
    segments[3] = segments[2]  # two classes at one place
    labels = torch.randint(5, (9,), generator=draw)
    kinds, offsets = point_targets(grid, segments, labels, 5, radius)
    expected, distances = assigned(grid, segments, labels, 5, radius)
    assert torch.equal(kinds, expected)
    found = kinds.sum(1) > 0
    assert found.any() and not found.all()
    torch.testing.assert_close(offsets[found], distances[found])


def test_a_point_answers_for_the_shortest_segment_near_its_middle_in_its_range():
    grid = points((5, 0, 8, 1), (5, 8, 100, 1), (9, 0, 100, 1))
    segments, labels = torch.tensor([[4.0, 7.0], [0.0, 11.0]]), torch.tensor([0, 1])
    kinds, offsets = point_targets(grid, segments, labels, 2)
    assert kinds.tolist() == [[1, 0], [0, 0], [0, 0]]  # range 8 on has none so near; 9 is far from every middle
    assert offsets[0].tolist() == [1, 2]
    assert point_targets(grid, segments, labels, 2, None)[0].tolist() == [[1, 0], [0, 0], [0, 1]]


def test_a_video_without_segments_has_only_background():
    kinds, _ = point_targets(points((1, 0, 4, 1)), torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), 3)
    assert kinds.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize(("target", "expected"), [(1.0, 0.043322), (0.0, 0.129965)])
def test_focal_loss_of_not_knowing(target, expected):
    assert focal_loss(torch.zeros(1), torch.tensor([target])).item() == pytest.approx(expected, abs=1e-6)


def test_focal_loss_with_gamma_zero_is_weighted_cross_entropy():
    logits, targets = torch.tensor([0.3, -2.0]), torch.tensor([1.0, 0.0])
    expected = torch.tensor([0.25, 0.75]) * torch.nn.functional.binary_cross_entropy_with_logits(
        logits, targets, reduction="none"
    )
    torch.testing.assert_close(focal_loss(logits, targets, gamma=0.0), expected)


def test_offset_losses_of_known_segments():
    ours, theirs = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 2.0]])
    assert offset_loss(ours, theirs, "iou").item() == pytest.approx(0.4)
    assert offset_loss(ours, theirs).item() == pytest.approx(0.44)
    assert offset_loss(ours, ours).item() == pytest.approx(0.0)


@given(st.integers(0, 10**6))
def test_offset_losses_are_symmetric_and_bounded(seed):
    ours, theirs = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(seed)) * 9
    loss = offset_loss(ours, theirs)
    torch.testing.assert_close(loss, offset_loss(theirs, ours))
    assert (loss >= -1e-6).all() and (loss <= 2).all()


def test_empty_offsets_have_a_finite_gradient():
    ours = torch.zeros(1, 2, requires_grad=True)
    offset_loss(ours, torch.zeros(1, 2)).sum().backward()
    assert ours.grad.isfinite().all()


def test_padding_counts_in_neither_loss():
    draw = torch.Generator().manual_seed(0)
    logits, offsets = torch.randn(1, 6, 2, generator=draw), torch.rand(1, 6, 2, generator=draw)
    kinds, real = (
        torch.tensor([[[1.0, 0], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]]]),
        torch.tensor([[True] * 4 + [False] * 2]),
    )
    whole = localisation_loss(logits, offsets, real, kinds, offsets + 1)
    cut = localisation_loss(logits[:, :4], offsets[:, :4], real[:, :4], kinds[:, :4], offsets[:, :4] + 1)
    for one, other in zip(whole, cut, strict=True):
        torch.testing.assert_close(one, other)
    assert whole[2].item() == 2


def test_a_weight_of_zero_or_less_makes_both_losses_count_alike():
    class_loss, span_loss = torch.tensor(3.0, requires_grad=True), torch.tensor(0.5, requires_grad=True)
    loss = joined_loss(class_loss, span_loss, -1)
    loss.backward()
    assert loss.item() == pytest.approx(6.0)
    assert (class_loss.grad.item(), span_loss.grad.item()) == pytest.approx((1.0, 6.0))


def test_decoding_turns_offsets_back_into_the_segment_they_came_from():
    grid = points(*((t, 0, 4, 1) for t in range(8))), points(*((t, 4, 1e4, 2) for t in range(0, 8, 2)))
    segment, labels = torch.tensor([[1.0, 6.5]]), torch.tensor([1])
    logits, offsets, masks = [], [], []
    for level in grid:
        kinds, distances = point_targets(level, segment, labels, 3, None)
        logits.append(torch.logit(kinds.T.clamp(1e-6, 1 - 1e-6)))
        offsets.append(distances.T)
        masks.append(torch.ones(len(level), dtype=torch.bool))
    segments, scores, names = decode(grid, logits, offsets, masks, Decoding(lowest=0.5))
    assert len(segments) > 1
    np.testing.assert_allclose(segments, np.tile([[1.0, 6.5]], (len(segments), 1)), atol=1e-6)
    assert set(names.tolist()) == {1} and (scores > 0.99).all()
    short = decode(grid, logits, offsets, masks, Decoding(lowest=0.5, shortest=6.0))
    assert len(short[0]) == 0
    assert len(decode(grid, logits, offsets, masks, Decoding(lowest=0.5, per_level=1))[0]) == 2


def test_padding_gives_no_segments():
    level = points((0, 0, 4, 1), (1, 0, 4, 1))
    found = decode([level], [torch.full((1, 2), 5.0)], [torch.ones(2, 2)], [torch.tensor([True, False])], Decoding())
    assert found[0].tolist() == [[-1, 1]]


def test_the_grid_of_features():
    grid = Grid(fps=30, stride=4, window=16)
    assert grid.steps(np.array(10.0)) == 73
    assert grid.seconds(np.array(73.0)) == 10.0
    assert grid.seconds(np.array([-9.0, 1e6]), 12.0).tolist() == [0, 12]
    with pytest.raises(ValueError, match="fps > 0"):
        Grid(fps=0, stride=4, window=16)


@given(st.floats(1, 120), st.integers(1, 64), st.integers(0, 64), st.floats(0, 3600))
def test_grids_are_invertible(fps, stride, window, second):
    grid = Grid(fps=fps, stride=stride, window=window)
    assert math.isclose(float(grid.seconds(grid.steps(np.array(second)))), second, abs_tol=1e-6)
