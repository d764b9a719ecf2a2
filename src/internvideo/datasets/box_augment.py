"""Training views of clips with boxes: squares cut out at random, colours shifted; boxes go with their pixels.

Clips are (C, T, H, W) float, boxes (P, 4) in [0, 1] of the picture.
"""

import numpy as np

TRIES = 20  # of a crop that leaves at least one box


def cropped_with_boxes(
    clip: np.ndarray, boxes: np.ndarray, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random square of `side` pixels (or what there is), its boxes, and which of them are left: (P,) bool.

    A box is left if its middle is inside; it is cut at the edges. The square is drawn again while none is, 20 times at
    most; then nothing is cut off.
    """
    height, width = clip.shape[2:]
    high, wide = min(side, height), min(side, width)
    for _ in range(TRIES):
        top, left = int(rng.integers(height - high + 1)), int(rng.integers(width - wide + 1))
        moved = (boxes * np.array([width, height] * 2) - np.array([left, top] * 2)) / np.array([wide, high] * 2)
        middle = (moved[:, :2] + moved[:, 2:]) / 2
        stays = ((middle > 0) & (middle < 1)).all(1)
        if stays.any():
            return clip[:, :, top : top + high, left : left + wide], np.clip(moved, 0, 1)[stays], stays
    return clip, boxes, np.ones(len(boxes), bool)


def shifted_colours(clip: np.ndarray, most: tuple[float, float, float], rng: np.random.Generator) -> np.ndarray:
    """Another hue, saturation and value of a whole RGB clip in [0, 1].

    most: by how many degrees the hue is turned at most, and by what share saturation and value grow or shrink.
    """
    turn, saturate, brighten = (float(rng.uniform(-each, each)) for each in most)
    red, green, blue = clip
    value, least = clip.max(0), clip.min(0)
    spread = value - least
    safe = np.where(spread > 0, spread, 1)
    hue = np.where(
        value == red,
        (green - blue) / safe % 6,
        np.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    hue = np.where(spread > 0, hue, 0) + turn / 60
    share = np.divide(spread, value, out=np.zeros_like(spread), where=value > 0)
    share, value = np.clip(share * (1 + saturate), 0, 1), np.clip(value * (1 + brighten), 0, 1)
    places = [(number + hue) % 6 for number in (5, 3, 1)]
    return np.stack([value - value * share * np.clip(np.minimum(k, 4 - k), 0, 1) for k in places]).astype(clip.dtype)
