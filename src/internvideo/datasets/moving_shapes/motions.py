"""Where a thing is, how large, how turned and how solid at every moment.

Every path passes through the thing's own place, size and angle half way (u = 1/2): see `world`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from internvideo.datasets.moving_shapes.world import DIRECTIONS, TRAVEL, Camera, Thing

# How much happens between start and end, beside the travel of straight motions.
TURNS = {"slow": 0.4, "fast": 1.2}  # of a spin
LAPS = {"slow": 0.6, "fast": 1.4}  # of a circle
SWINGS = {"slow": 1.0, "fast": 2.5}  # of bouncing and swaying
GROWTH = {"slow": 1.6, "fast": 2.8}  # last size over first
THEN = " then "  # between two motions of which a thing makes one after the other
ORBIT, SWING = 0.15, 0.14  # radius of circles, amplitude of swings, in short sides


@dataclass(frozen=True)
class Track:
    """One value per moment: x, y and radius in short sides, from the centre; angle in turns; alpha from 0 to 1."""

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    alpha: np.ndarray


def track(thing: Thing, camera: Camera, seconds: np.ndarray, length: float) -> Track:
    """A thing as the camera sees it at the moments `seconds` of a scene that lasts `length`.

    seconds: (T,) -> arrays (T,) float64, rounded to 1/65536 so that the last bits of sines do not matter.
    """
    u = np.clip((seconds - thing.start) / (thing.end - thing.start), 0.0, 1.0)
    x, y, scale, angle, alpha = _path(thing, u)
    pan_x, pan_y, zoom = view(camera, seconds / length)
    values = (
        (thing.x + thing.reach * x - pan_x) * zoom,
        (thing.y + thing.reach * y - pan_y) * zoom,
        thing.size * scale * zoom,
        thing.angle + angle,
        alpha,
    )
    return Track(*(_rounded(np.broadcast_to(value, u.shape)) for value in values))


def view(camera: Camera, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the camera looks (x, y in short sides) and how much it magnifies; nothing and 1 at u = 1/2."""
    none, middle = np.zeros_like(u), u - 0.5
    if camera.move == "shake":
        x, y = (np.sin(2 * np.pi * rate * middle) for rate in (7.3, 9.1))
        return _rounded(camera.amount * x), _rounded(camera.amount * y), none + 1.0
    if camera.move.startswith("zoom"):
        sign = 1 if camera.move == "zoom in" else -1
        return none, none, _rounded(camera.amount ** (sign * middle))
    if camera.move.startswith("pan"):
        dx, dy = DIRECTIONS[camera.move.removeprefix("pan ")]
        return _rounded(camera.amount * dx * middle), _rounded(camera.amount * dy * middle), none + 1.0
    return none, none, none + 1.0


Values = tuple[np.ndarray | float, np.ndarray | float, np.ndarray | float, np.ndarray | float, np.ndarray | float]


def _path(thing: Thing, u: np.ndarray) -> Values:
    first, then, second = thing.motion.partition(THEN)
    if not then:
        return _PATHS[first](thing, u)
    return _joined(replace(thing, motion=first), replace(thing, motion=second), u)


def _joined(one: Thing, other: Thing, u: np.ndarray) -> Values:
    """The whole of one motion, then the whole of the other, each in half of the time; they meet half way."""
    early = u < 0.5
    (*before, seen), (*after, seen_then) = (
        [np.broadcast_to(value, len(u) + 1) for value in _path(thing, np.append(at, joint))]
        for thing, at, joint in ((one, np.minimum(2 * u, 1), 1.0), (other, np.maximum(2 * u - 1, 0), 0.0))
    )
    x, y, scale, angle = (
        np.where(early, change(a[:-1], a[-1]), change(b[:-1], b[-1]))
        for change, a, b in zip((np.subtract, np.subtract, np.divide, np.subtract), before, after, strict=True)
    )
    return x, y, scale, angle, np.where(early, seen[:-1], seen_then[:-1])


def _straight(thing: Thing, u: np.ndarray) -> Values:
    dx, dy = DIRECTIONS[thing.motion]
    gone = TRAVEL[thing.speed] * (u - 0.5)
    return dx * gone, dy * gone, 1.0, 0.0, 1.0


def _circle(thing: Thing, u: np.ndarray) -> Values:
    sign = -1 if "counter" in thing.motion else 1
    start, now = thing.phase, thing.phase + sign * LAPS[thing.speed] * (u - 0.5)
    return ORBIT * (_cos(now) - _cos(start)), ORBIT * (_sin(now) - _sin(start)), 1.0, 0.0, 1.0


def _spin(thing: Thing, u: np.ndarray) -> Values:
    sign = -1 if "counter" in thing.motion else 1
    return 0.0, 0.0, 1.0, sign * TURNS[thing.speed] * (u - 0.5), 1.0


def _size(thing: Thing, u: np.ndarray) -> Values:
    sign = 1 if thing.motion == "grow" else -1
    return 0.0, 0.0, GROWTH[thing.speed] ** (sign * (u - 0.5)), 0.0, 1.0


def _swing(thing: Thing, u: np.ndarray) -> Values:
    out = SWING * _sin(SWINGS[thing.speed] * (u - 0.5))
    return (out, 0.0, 1.0, 0.0, 1.0) if thing.motion == "sway" else (0.0, out, 1.0, 0.0, 1.0)


def _fade(thing: Thing, u: np.ndarray) -> Values:
    return 0.0, 0.0, 1.0, 0.0, u if thing.motion == "appear" else 1.0 - u


def _zigzag(thing: Thing, u: np.ndarray) -> Values:
    along, across = TRAVEL[thing.speed] * (u - 0.5), SWING * (2 * np.abs((3 * (u - 0.5) - 0.25) % 1 - 0.5) - 0.5)
    c, s = _cos(np.asarray(thing.phase)), _sin(np.asarray(thing.phase))
    return c * along - s * across, s * along + c * across, 1.0, 0.0, 1.0


def _figure_eight(thing: Thing, u: np.ndarray) -> Values:
    laps = LAPS[thing.speed] * (u - 0.5)
    return ORBIT * _sin(laps), ORBIT / 2 * _sin(2 * laps), 1.0, 0.0, 1.0


def _spiral(thing: Thing, u: np.ndarray) -> Values:
    turns, half = thing.phase + 1.5 * LAPS[thing.speed] * u, thing.phase + 0.75 * LAPS[thing.speed]
    x, y = 2 * ORBIT * u * _cos(turns), 2 * ORBIT * u * _sin(turns)
    return x - ORBIT * _cos(np.asarray(half)), y - ORBIT * _sin(np.asarray(half)), 1.0, 0.0, 1.0


def _blink(thing: Thing, u: np.ndarray) -> Values:
    return 0.0, 0.0, 1.0, 0.0, ((SWINGS[thing.speed] * (u - 0.5) + 0.25) % 1 < 0.5).astype(np.float64)


_PATHS: Mapping[str, Callable[[Thing, np.ndarray], Values]] = {
    **dict.fromkeys(DIRECTIONS, _straight),
    "circle clockwise": _circle,
    "circle counter-clockwise": _circle,
    "spin clockwise": _spin,
    "spin counter-clockwise": _spin,
    "grow": _size,
    "shrink": _size,
    "bounce": _swing,
    "sway": _swing,
    "appear": _fade,
    "disappear": _fade,
    "zigzag": _zigzag,
    "figure eight": _figure_eight,
    "spiral": _spiral,
    "blink": _blink,
}


def _cos(turns: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.cos(2 * np.pi * np.asarray(turns)))


def _sin(turns: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.sin(2 * np.pi * np.asarray(turns)))


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.round(values * 65536) / 65536
