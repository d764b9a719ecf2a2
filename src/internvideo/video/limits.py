"""How much of a video may be read before it is refused: the guard against decompression bombs.

A few kilobytes can promise a picture of four gigapixels or a film of a million hours. The limits are checked before
memory is taken. They are values in code: no environment variable changes them.
"""

from dataclasses import dataclass

from internvideo.errors import OverLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may ask for. All are inclusive."""

    pixels: int = 8192 * 8192  # of one frame as stored
    frames: int = 20_000_000  # of one stream; 92 hours at 60 frames per second
    seconds: float = 7 * 24 * 3600.0  # of one stream
    array_bytes: int = 8 * 2**30  # of one array of frames that is handed out

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"limit {name} must be positive, got {getattr(self, name)}")

    def check(self, name: str, value: float, what: str) -> None:
        """Raise `OverLimits` when `value` exceeds the limit called `name`; `what` names the thing measured."""
        allowed = getattr(self, name)
        if value > allowed:
            raise OverLimits(
                f"{what}: {value:,} {name.replace('_', ' ')}, the limit is {allowed:,}",
                f"if you trust the file, open it with limits=Limits({name}={_round_up(value)})",
            )


def _round_up(value: float) -> int:
    return int(-(-value // 1))


DEFAULT_LIMITS = Limits()
