"""What is true of a scene: boxes on every frame and events in time. No words beyond the names of motions, no pixels."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from internvideo.datasets.moving_shapes.draw import frame_size, moments
from internvideo.datasets.moving_shapes.motions import track
from internvideo.datasets.moving_shapes.shapes import extents
from internvideo.datasets.moving_shapes.world import Scene
from internvideo.records import Span

HIT_SECONDS = 0.2  # how long a collision is said to last
LEAST_ALPHA, LEAST_INSIDE = 0.5, 0.25  # fainter or farther outside, and a thing does not count as visible


@dataclass(frozen=True, slots=True)
class Event:
    """A motion of one thing, or "hit": the first thing runs into the second. `things` are names like "red circle"."""

    name: str
    things: tuple[str, ...]
    span: Span


def events(scene: Scene) -> tuple[Event, ...]:
    """Everything that happens, in order of time."""
    moving = [thing for thing in scene.in_order if thing.start < scene.seconds]
    found = [Event(thing.motion, (thing.name,), Span(thing.start, min(thing.end, scene.seconds))) for thing in moving]
    if scene.plot == "collision" and moving:
        first, second = moving
        found.append(Event("hit", (first.name, second.name), Span(second.start, second.start + HIT_SECONDS)))
    return tuple(sorted(found, key=lambda event: (event.span, event.name)))


def boxes(scene: Scene, *, size: int = 128, fps: Fraction = Fraction(16)) -> tuple[np.ndarray, np.ndarray]:
    """Where each thing is on each frame of `render(scene, size=size, fps=fps)`.

    -> boxes (T, n, 4) float32, (x1, y1, x2, y2) in [0, 1], cut at the edge of the picture, things in the order of
    `scene.things`; visible (T, n) bool. A box counts whether or not another thing hides it. Boxes of invisible things
    are zero.
    """
    height, width = frame_size(size, scene.aspect)
    side = min(height, width)
    seconds = moments(scene, fps)
    found = np.zeros((len(seconds), len(scene.things), 4), np.float64)
    visible = np.zeros(found.shape[:2], bool)
    for i, thing in enumerate(scene.things):
        at = track(thing, scene.camera, seconds, scene.seconds)
        left, top, right, bottom = extents(thing.shape, np.cos(2 * np.pi * at.angle), np.sin(2 * np.pi * at.angle))
        xs = 0.5 + (at.x + np.stack([left, right]) * at.radius) * side / width
        ys = 0.5 + (at.y + np.stack([top, bottom]) * at.radius) * side / height
        whole = np.stack([xs[0], ys[0], xs[1], ys[1]], axis=1)
        cut = np.clip(whole, 0, 1)
        visible[:, i] = (at.alpha >= LEAST_ALPHA) & (_area(cut) >= LEAST_INSIDE * _area(whole))
        found[:, i] = np.where(visible[:, i, None], cut, 0)
    return found.astype(np.float32), visible


def _area(box: np.ndarray) -> np.ndarray:
    return np.asarray((box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]))
