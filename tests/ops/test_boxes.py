"""ROI-align against points that are interpolated one by one, and boxes that stay on the picture."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from internvideo.ops.boxes import roi_align, shake, widen


def at(plane, y, x):
    """One bilinear point of (H, W), zero more than a cell outside."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0.0), height - 1), min(max(x, 0.0), width - 1)
    low_y, low_x = int(y), int(x)
    high_y, high_x = min(low_y + 1, height - 1), min(low_x + 1, width - 1)
    b, a = y - low_y, x - low_x
    top = plane[low_y, low_x] * (1 - a) + plane[low_y, high_x] * a
    low = plane[high_y, low_x] * (1 - a) + plane[high_y, high_x] * a
    return float(top * (1 - b) + low * b)


def point_by_point(features, boxes, size, aligned, samples):
    out = torch.zeros(len(boxes), features.shape[1], size, size)
    for r, box in enumerate(boxes.tolist()):
        x1, y1, x2, y2 = (value - 0.5 * aligned for value in box)
        width, height = (x2 - x1, y2 - y1) if aligned else (max(x2 - x1, 1.0), max(y2 - y1, 1.0))
        down, across = (samples or max(math.ceil(length / size), 1) for length in (height, width))
        for c in range(features.shape[1]):
            for p in range(size):
                for q in range(size):
                    values = [
                        at(
                            features[r, c],
                            y1 + (p + (i + 0.5) / down) * height / size,
                            x1 + (q + (j + 0.5) / across) * width / size,
                        )
                        for i in range(down)
                        for j in range(across)
                    ]
                    out[r, c, p, q] = sum(values) / len(values)
    return out


@pytest.mark.parametrize("samples", [0, 2])
@pytest.mark.parametrize("aligned", [False, True])
def test_cutting_equals_interpolating_point_by_point(aligned, samples):
    draw = torch.Generator().manual_seed(3)
    features = torch.randn(5, 2, 7, 9, generator=draw)
    boxes = torch.tensor([[0, 0, 9, 7], [1.2, 0.7, 4.9, 6.6], [3.3, 2.1, 3.6, 2.4], [-2, -3, 11, 9], [6, 1, 12, 9.0]])
    expected = point_by_point(features, boxes, 3, aligned, samples)
    torch.testing.assert_close(roi_align(features, boxes, 3, aligned=aligned, samples=samples), expected)


def test_a_flat_map_stays_flat_and_gradients_flow_to_what_was_seen():
    features = torch.full((1, 1, 6, 6), 2.5, requires_grad=True)
    out = roi_align(features, torch.tensor([[1.0, 1.0, 4.0, 4.0]]), 2)
    torch.testing.assert_close(out, torch.full((1, 1, 2, 2), 2.5))
    out.sum().backward()
    assert features.grad.sum() == pytest.approx(4.0)
    assert features.grad[0, 0, 5, 5] == 0


def test_no_boxes_give_no_rows():
    assert roi_align(torch.zeros(0, 3, 4, 4), torch.zeros(0, 4), 7).shape == (0, 3, 7, 7)


def test_widening_adds_its_share_in_all_and_stops_at_the_edge():
    torch.testing.assert_close(widen(torch.tensor([0.4, 0.4, 0.6, 0.6])), torch.tensor([0.39, 0.395, 0.61, 0.605]))
    torch.testing.assert_close(widen(torch.tensor([0.0, 0.0, 1.0, 1.0])), torch.tensor([0.0, 0.0, 1.0, 1.0]))


@given(st.integers(0, 10**6))
def test_shaken_boxes_move_at_most_as_far_as_allowed(seed):
    boxes = torch.tensor([[0.3, 0.3, 0.7, 0.5]]).expand(50, 4)
    moved = shake(boxes, torch.Generator().manual_seed(seed)) - boxes
    out = moved * torch.tensor([-1, -1, 1, 1])
    assert (out <= torch.tensor([0.08, 0.02, 0.08, 0.02]) + 1e-6).all()
    assert (out >= -torch.tensor([0.04, 0.01, 0.04, 0.01]) - 1e-6).all()
