"""How well a share is known that was counted on a few: intervals. numpy only."""

import math

Z95 = 1.959963984540054  # of the standard normal distribution: 95 % lie within


def wilson_interval(hits: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """(low, high) in [0, 1] that holds the true share in 95 of 100 cases; (0, 1) without trials. Wilson, 1927.

    >>> [round(bound, 3) for bound in wilson_interval(9, 10)]
    [0.596, 0.982]
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"{hits} of {trials} is no share")
    if not trials:
        return 0.0, 1.0
    share, square = hits / trials, z * z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = z / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)
