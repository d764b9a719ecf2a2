"""Looking at what moves: where in a picture most changes during a clip, and change itself as channels of a picture.

frames are (T, H, W, 3) uint8 RGB. Whole-number arithmetic up to one division: the same on every machine. For small
training sets, in which a network cannot learn by itself that place and surroundings do not matter.
"""

import numpy as np

NOISE = 15  # levels of change from one frame to the next that do not count: noise of cameras and codecs
COARSE = 64  # pixels of the short side that are enough to find a place
SMOOTHING = 3.0  # frames: deviation of the weights with which a moving window looks before and behind


def luma(frames: np.ndarray) -> np.ndarray:
    """BT.601 brightness, weights rounded to 1 / 256: (T, H, W, 3) uint8 -> (T, H, W) int16 in [0, 255]."""
    red, green, blue = (frames[..., channel].astype(np.uint16) for channel in range(3))
    light: np.ndarray = 77 * red + 150 * green + 29 * blue + 128 >> 8  # never over 65,408
    return light.astype(np.int16)


def motion_centres(frames: np.ndarray, *, follow: bool = False) -> np.ndarray:
    """Where change is: (T, 2) float64, row and column in pixels, the mean place of all changes of the clip.

    follow: sideways, of the changes around each frame; up and down still of all, so that a jump stays a jump. Where
    nothing changes it is the middle of the picture. Large pictures are looked at in steps of some pixels.
    """
    count, height, width = frames.shape[:3]
    step = max(1, min(height, width) // COARSE)
    light = luma(frames[:, step // 2 :: step, step // 2 :: step])
    change = np.maximum(np.abs(np.diff(light, axis=0)) - NOISE, 0).astype(np.int32)
    rows, columns = change.sum(axis=2), change.sum(axis=1)  # (T - 1, H), (T - 1, W)
    total = np.ones((count, len(rows)))
    near = total
    if follow:
        distance = np.arange(count)[:, None] - np.arange(len(rows)) - 0.5
        near = np.exp(-0.5 * (distance / SMOOTHING) ** 2)
    places = [_mean_place(total @ rows, step, height), _mean_place(near @ columns, step, width)]
    return np.stack(places, axis=1)


def _mean_place(mass: np.ndarray, step: int, size: int) -> np.ndarray:
    """(T, n) mass at every `step`-th pixel -> (T,) its mean place, the middle of `size` where there is none."""
    pixels = np.arange(mass.shape[1]) * step + step // 2 + 0.5
    total = mass.sum(axis=1)
    return np.where(total > 0, mass @ pixels / np.where(total > 0, total, 1), size / 2)


def cut_around(frames: np.ndarray, centres: np.ndarray, height: int, width: int) -> np.ndarray:
    """A window of each frame around its centre (T, 2); black where it reaches over the edge: (T, height, width, 3)."""
    out = np.zeros((len(frames), height, width, frames.shape[3]), np.uint8)
    corners = np.floor(centres - np.array([height, width]) / 2 + 0.5).astype(int)
    for frame, cut, (top, left) in zip(frames, out, corners.tolist(), strict=True):
        rows = slice(max(top, 0), max(min(top + height, frames.shape[1]), 0))
        columns = slice(max(left, 0), max(min(left + width, frames.shape[2]), 0))
        part = frame[rows, columns]
        cut[rows.start - top : rows.start - top + part.shape[0], columns.start - left :][:, : part.shape[1]] = part
    return out


def as_motion(frames: np.ndarray) -> np.ndarray:
    """Brightness and its change instead of colours: (T, H, W, 3) uint8 -> the same shape.

    Channels: brightness; 128 plus the change to the next frame; four times the size of that change. Of the last frame
    the change from the one before.
    """
    light = luma(frames)
    change = np.diff(light, axis=0) if len(light) > 1 else np.zeros_like(light)
    change = np.concatenate([change, change[-1:]])[: len(light)]
    channels = [light, 128 + change, 4 * np.abs(change)]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)
