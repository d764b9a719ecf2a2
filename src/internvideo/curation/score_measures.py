"""Numbers of single frames that the scores of clips are made of; listed among `curation.measures.MEASURES`.

Only `movement` looks at every frame, at colours that shot detection has prepared anyway. The others look at two frames
a second, which at 30 frames a second divides their cost by fifteen. NaN where a number is not defined.
"""

import math
from collections.abc import Callable

from internvideo.ops import motion, quality
from internvideo.video.picture import Picture

PERIOD = 0.5  # seconds between the instants that all but `movement` look at; the pictures they prepare are shared

MeasureFunction = Callable[[Picture, Picture | None], tuple[float, ...]]


def movement(picture: Picture, before: Picture | None) -> tuple[float, ...]:
    """Mean |luma difference| to the frame before and the largest of a block, in grey levels; see `ops.motion`."""
    if before is None or picture.small.shape != before.small.shape:
        return math.nan, math.nan
    return motion.movement(picture.small, before.small)


def flow(picture: Picture, before: Picture | None) -> tuple[float, ...]:
    """Optical flow from the frame before: mean and 90th percentile of the speed, mean without the camera's motion.

    In frame heights per second of the time that lies between the two frames, however long it is.
    """
    if before is None or picture.seconds <= before.seconds or picture.luma.shape != before.luma.shape:
        return math.nan, math.nan, math.nan
    then, now = motion.shrink(before.luma), motion.shrink(picture.luma)
    found = motion.summarize(motion.optical_flow(then, now), motion.height_in_points(picture.luma.shape))
    seconds = picture.seconds - before.seconds
    return found.mean / seconds, found.p90 / seconds, found.other / seconds


def exposure(picture: Picture, before: Picture | None) -> tuple[float, ...]:
    """Mean luma; shares of dark, bright and extreme pixels, see `ops.quality.exposure`."""
    found = quality.exposure(picture.luma)
    return found.luma, found.dark, found.bright, found.extreme


def bars(picture: Picture, before: Picture | None) -> tuple[float, ...]:
    """Black bars at the top, bottom, left and right, as shares of height and width; NaN in dark pictures."""
    return quality.black_bars(picture.luma)


def sharpness(picture: Picture, before: Picture | None) -> tuple[float, ...]:
    """Sharpness of the picture as large as `Picture.luma`, see `ops.quality.sharpness`."""
    return (quality.sharpness(picture.luma),)


def colour(picture: Picture, before: Picture | None) -> tuple[float, ...]:
    """Colourfulness, share of colourless pixels and variance of R, G and B, see `ops.quality.colour`."""
    found = quality.colour(picture.small)
    return found.colourfulness, found.grey, found.variance


# name: (columns, period in seconds (0.0: every frame), version, function)
SCORE_MEASURES: dict[str, tuple[tuple[str, ...], float, int, MeasureFunction]] = {
    "movement": (("difference", "block"), 0.0, 1, movement),
    "flow": (("mean", "p90", "other"), PERIOD, 1, flow),
    "exposure": (("luma", "dark", "bright", "extreme"), PERIOD, 1, exposure),
    "bars": (("top", "bottom", "left", "right"), PERIOD, 1, bars),
    "sharpness": (("value",), PERIOD, 1, sharpness),
    "colour": (("colourfulness", "grey", "variance"), PERIOD, 1, colour),
}
