"""How much of a picture is covered by writing: subtitles, titles, watermarks, logos with letters.

Boxes come from an OCR package that ships its own networks (extra `ocr`). Its detector alone takes wheels and clouds for
letters, so a box counts if at least two letters can be read in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from internvideo.curation.operator import FrameRequest, Grain, Subject, clip_rows
from internvideo.errors import MissingExtra

LETTERS, SURE = 2, 0.8  # least letters of a box, and how sure their reader is; on real films others had under 0.8
GRID = 96  # points per side on which areas are counted
Detector = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 RGB -> (n, 4, 2) float corners in pixels


@dataclass(frozen=True)
class TextOverlay:
    """Areas are shares of the picture, [0, 1], on uniformly spaced frames of a clip.

    area, most: mean and greatest share that boxes of writing cover. static: share that is covered in every frame:
    watermarks, logos and what else stays where it is. boxes: mean number of them.
    reader: the package that finds and reads them, with its version. size: pixels of the short side that it sees.
    """

    reader: str
    count: int = 4
    size: int = 480

    name: ClassVar[str] = "text"
    version: ClassVar[int] = 1
    grain: ClassVar[Grain] = "clip"
    needs: ClassVar[tuple[str, ...]] = ("clips",)
    columns: ClassVar[pa.Schema] = pa.schema([(name, pa.float32()) for name in ("area", "most", "static", "boxes")])

    @property
    def frames(self) -> FrameRequest:
        return FrameRequest(per_clip=self.count, size=self.size)

    def process(self, subject: Subject) -> pa.Table:
        """One row per clip of this part of the video."""
        clips, pictures = subject.rows["clips"], subject.pictures
        if pictures is None or not len(pictures):
            return clip_rows(subject, self.columns, [])
        rows = []
        for start, end, frames in zip(clips["start"].to_pylist(), clips["end"].to_pylist(), pictures, strict=True):
            found = [detector()(frame) for frame in frames]
            rows.append({"start": start, "end": end, **areas(found, *frames.shape[1:3])})
        return clip_rows(subject, self.columns, rows)


def areas(boxes: list[np.ndarray], height: int, width: int) -> dict[str, float]:
    """The columns of `TextOverlay`: boxes of each frame, (n, 4, 2) corners (x, y) in pixels."""
    covered = np.stack([_covered(one, height, width) for one in boxes])
    shares = covered.mean(axis=(1, 2))
    return {
        "area": float(shares.mean()),
        "most": float(shares.max()),
        "static": float(covered.all(axis=0).mean()),
        "boxes": float(np.mean([len(one) for one in boxes])),
    }


def _covered(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """(GRID, GRID) bool: which points lie in one of the convex quadrilaterals."""
    centres = (np.arange(GRID) + 0.5) / GRID
    x, y = centres[None, :] * width, centres[:, None] * height
    covered = np.zeros((GRID, GRID), bool)
    for box in boxes:
        sides = [
            (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            for (ax, ay), (bx, by) in zip(box, np.roll(box, -1, axis=0), strict=True)
        ]
        turns = np.stack(sides)
        covered |= (turns >= 0).all(axis=0) | (turns <= 0).all(axis=0)
    return covered


@cache
def detector() -> Detector:
    """Loaded once per worker process. Raises MissingExtra."""
    try:
        from rapidocr import RapidOCR
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "ocr") from None
    engine: Any = RapidOCR(params={"Global.log_level": "error"})

    def boxes(picture: np.ndarray) -> np.ndarray:
        found = engine(picture[:, :, ::-1], use_det=True, use_cls=False, use_rec=True)  # it takes BGR
        read = zip(found.boxes, found.txts, found.scores, strict=True) if found.txts else ()
        kept = [box for box, text, score in read if score >= SURE and len(text.strip()) >= LETTERS]
        return np.asarray(kept, np.float64).reshape(-1, 4, 2)

    return boxes
