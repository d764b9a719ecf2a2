"""From decoded frames to RGB arrays: colours, size and orientation, and nothing else.

The matrix and range are those that the frame names (BT.601, BT.709, BT.2020, full or limited); where it names none,
BT.601 limited is assumed, as FFmpeg does. Transfer curves are not touched: HDR material stays as it is coded.
Alpha is ignored. Knows no files and no time.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

if TYPE_CHECKING:
    from av.sidedata.sidedata import SideData

# Triangle filter, widened when shrinking (as Pillow's and torchvision's antialiased "bilinear"). The four others cost a
# few milliseconds per HD frame, bring the mean error of full-size conversion from 1.2 levels to 0.01, keep the colours
# of RGB films at full width, and make the result independent of the vector instructions of the machine.
SCALER = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_LOCAL = threading.local()


def to_rgb(
    frame: av.VideoFrame, *, rotation: int = 0, mirrored: bool = False, size: tuple[int, int] | None = None
) -> np.ndarray:
    """(H, W, 3) uint8 RGB as a player shows it: turned clockwise by `rotation`, after mirroring left-right if asked.

    size: (height, width) of the result; the whole picture is resized to it, without cropping.
    """
    height, width = size or (frame.height, frame.width)
    if size and rotation in (90, 270):
        height, width = width, height
    if not hasattr(_LOCAL, "reformatter"):
        _LOCAL.reformatter = VideoReformatter()  # keeps its scaler from frame to frame; not shared between threads
    plane = _LOCAL.reformatter.reformat(
        frame, width=width, height=height, format="rgb24", interpolation=SCALER, threads=1
    ).planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : width * 3]
    picture = rows.reshape(height, width, 3) if plane.line_size == width * 3 else rows.copy().reshape(height, width, 3)
    if mirrored:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(np.rot90(picture, -rotation // 90))


def orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """How a player shows the stored pixels: (degrees clockwise, mirrored left-right before turning).

    From the display matrix of the frame: new x = a x + c y, new y = b x + d y, y pointing down (ISO 14496-12, `tkhd`).
    Angles between the quarter turns go to the nearest one.
    """
    try:
        entries = cast("Iterable[SideData]", frame.side_data)  # typed as a mapping, but it iterates over the entries
        matrices = [np.frombuffer(bytes(entry), np.int32) for entry in entries if entry.type.name == "DISPLAYMATRIX"]
    except ValueError:  # a kind of side data that this PyAV has no name for; the angle alone is still to be had
        return -round(frame.rotation / 90) * 90 % 360, False
    return quarter_turns(matrices[0].tolist()) if matrices else (0, False)


def quarter_turns(matrix: list[int]) -> tuple[int, bool]:
    """(degrees clockwise, mirrored left-right before turning) of a display matrix [a b u c d v x y w].

    >>> quarter_turns([0, 1, 0, -1, 0, 0, 0, 0, 1])
    (90, False)
    """
    a, b, _, c, d = matrix[:5]
    if not (a or b or c or d):
        return 0, False
    mirrored = a * d - b * c < 0
    if mirrored:  # undo the mirror, which negates x first
        a, b = -a, -b
    across, down = a + d, b - c  # cosine and sine of the clockwise angle, scaled
    if abs(across) >= abs(down):
        return (0 if across > 0 else 180), mirrored
    return (90 if down > 0 else 270), mirrored
