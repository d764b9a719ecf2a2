"""Where one shot ends and the next begins, from numbers per frame.

Three detectors with the definitions of PySceneDetect 0.7: `content_cuts` (the difference to the frame before exceeds a
threshold), `adaptive_cuts` (it stands out from the differences around it) and `fade_cuts` (the picture was dark).
A cut is the number of the first frame of the new shot.

Distances are measured on a clock of whole numbers, any unit: frame numbers, ticks, microseconds. Knows no pixels.
"""

import numpy as np

FLAT = 1e-5  # a mean difference below this counts as none


def content_scores(
    hue: np.ndarray, saturation: np.ndarray, value: np.ndarray, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> np.ndarray:
    """Weighted mean of the three differences between neighbouring frames.

    hue, saturation, value: (F,) float64, mean absolute difference to the frame before -> (F,) float64 in [0, 255].
    NaN (the first frame has none before it) becomes 0.
    """
    total = sum(abs(weight) for weight in weights)
    if not total:
        raise ValueError("at least one weight must not be zero")
    scores = (hue * weights[0] + saturation * weights[1] + value * weights[2]) / total
    return np.where(np.isnan(scores), 0.0, scores)


def content_cuts(
    scores: np.ndarray, clock: np.ndarray, minimum: int, *, threshold: float = 27.0, merge: bool = True
) -> np.ndarray:
    """Frames whose score reaches `threshold`, at least `minimum` apart.

    scores: (F,) float. clock: (F,) int, ascending, of each frame; minimum: shortest shot, in the same unit.
    merge: of a burst of such frames the first makes a cut, and one more is made where it ends if it lasted `minimum`;
    else frames that come too early are passed over. -> (cuts,) int64 frame numbers, ascending.
    """
    above = np.flatnonzero(scores >= threshold)
    if minimum <= 0 or not len(above):
        return above
    times = clock.tolist()
    return np.array((_merged if merge else _spaced)(above.tolist(), times, minimum), np.int64)


def _spaced(above: list[int], times: list[int], minimum: int) -> list[int]:
    """Each frame that comes at least `minimum` after the cut before it, or after the beginning."""
    cuts, last = [], times[0]
    for frame in above:
        if times[frame] - last >= minimum:
            cuts.append(frame)
            last = times[frame]
    return cuts


def _merged(above: list[int], times: list[int], minimum: int) -> list[int]:
    """Bursts. One begins with a frame that comes less than `minimum` after the one before it, once there was a cut.

    It is over after `minimum` without such frames, provided that from its beginning to its last frame it lasted as
    long; then the last frame is a cut. A shorter one goes on with the next frame, however late.
    """
    cuts: list[int] = []
    burst: int | None = None  # when it began
    last = times[0]
    for i, frame in enumerate(above):
        near = times[frame] - last < minimum
        last = times[frame]
        if burst is None and not near:
            cuts.append(frame)
        elif burst is None and cuts:
            burst = last
        quiet_until = times[above[i + 1] - 1] if i + 1 < len(above) else times[-1]
        if burst is not None and last - burst >= minimum and quiet_until - last >= minimum:
            cuts.append(frame)
            burst = None
    return cuts


def adaptive_scores(scores: np.ndarray, window: int) -> np.ndarray:
    """How far each score stands out: its ratio to the mean of the `window` scores before and after it, at most 255.

    scores: (F,) float64 -> (F,) float64; 0 for the first and last `window` frames; where the mean is nil, 255 if the
    score is not (callers also ask for a least score).
    """
    if window < 1:
        raise ValueError(f"window must be at least 1 frame, got {window}")
    ratios = np.zeros(len(scores))
    middle = scores[window : len(scores) - window]
    if not len(middle):
        return ratios
    around = np.zeros(len(middle))
    for shift in range(2 * window + 1):  # in this order, so that sums round as in a running program
        if shift != window:
            around += scores[shift : shift + len(middle)]
    around /= 2.0 * window
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios[window : len(scores) - window] = np.where(
            np.abs(around) < FLAT, np.where(middle > 0, 255.0, 0.0), np.minimum(middle / around, 255.0)
        )
    return ratios


def adaptive_cuts(
    scores: np.ndarray,
    clock: np.ndarray,
    minimum: int,
    *,
    threshold: float = 3.0,
    window: int = 2,
    least: float = 15.0,
) -> np.ndarray:
    """Frames that stand out `threshold` times from their neighbours and whose own score is `least` or more.

    scores: (F,) float64. clock, minimum: as for `content_cuts`. -> (cuts,) int64 frame numbers, ascending.
    """
    outstanding = np.flatnonzero((adaptive_scores(scores, window) >= threshold) & (scores >= least))
    if not len(outstanding):
        return outstanding
    return np.array(_spaced(outstanding.tolist(), clock.tolist(), minimum), np.int64)


def fade_cuts(
    levels: np.ndarray,
    clock: np.ndarray,
    minimum: int,
    *,
    threshold: int = 12,
    bias: float = 0.0,
    add_last: bool = False,
) -> np.ndarray:
    """One cut for every stretch of frames darker than `threshold` that is followed by brighter ones.

    levels: (F,) float, mean of all R, G and B values. clock, minimum: as for `content_cuts`; distances are counted from
    the frame where the picture came back. bias in [-1, 1]: the cut lies at the first dark frame (-1), in the middle (0)
    or at the first bright one (1). add_last: a dark end makes a cut at its first frame.
    -> (cuts,) int64 frame numbers, ascending.
    """
    if not -1 <= bias <= 1:
        raise ValueError(f"bias must be in [-1, 1], got {bias}")
    if not len(levels):
        return np.empty(0, np.int64)
    dark = levels < threshold
    starts = np.flatnonzero(dark & ~np.concatenate([[False], dark[:-1]]))
    cuts, last = [], int(clock[0])
    for start in starts.tolist():
        bright = np.flatnonzero(~dark[start:])
        if len(bright):
            back = start + int(bright[0])
            if clock[back] - last >= minimum:
                cuts.append(start + round((back - start) * (1 + bias) / 2))
                last = int(clock[back])
        elif add_last and start and clock[-1] - last >= minimum:
            cuts.append(start)
    return np.array(cuts, np.int64)


def join(first: np.ndarray, second: np.ndarray, clock: np.ndarray, minimum: int) -> np.ndarray:
    """All cuts of `first`, and those of `second` that keep `minimum` away from every cut taken before."""
    taken = np.sort(first)
    for cut in np.sort(second).tolist():
        near = np.abs(clock[taken] - clock[cut]) < max(minimum, 1)
        if not near.any():
            taken = np.sort(np.append(taken, cut))
    return taken.astype(np.int64)
