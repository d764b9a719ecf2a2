"""Which class was taken for which, as a picture: a row per true class, a column per answer. Knows no network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from internvideo.store.faults import told

MOST = 60  # classes: more would not be legible
FINE = 2  # drawn this much larger, then reduced: smooth letters
LETTERS = 24  # of a name that are shown
INK, GREY, PAPER = "#16191d", "#71777f", "#ffffff"
RIGHT, WRONG = (47, 111, 222), (226, 116, 59)


def draw_confusion(counts: np.ndarray, names: Sequence[str], path: Path, title: str = "") -> bool:
    """Write the picture, unless there are more than `MOST` classes; whether it was written.

    counts: (K, K) or (K, K + 1): row: true class, column: answer, the last one for none. Colours are shares of a row.
    """
    rows, columns = counts.shape
    if not 0 < rows <= MOST:
        return False
    labels = [name if len(name) <= LETTERS else name[: LETTERS - 1] + "…" for name in names]
    labels_across = [*labels, "no answer"][:columns]
    cell = 46 if rows <= 20 else 24
    font, small = ImageFont.load_default(13 * FINE), ImageFont.load_default((12 if rows <= 20 else 8) * FINE)
    margin = 24 + max(int(font.getlength(name)) for name in labels_across) // FINE
    size = (margin + columns * cell + 24, margin + 40 + rows * cell + 24)
    image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((16 * FINE, 12 * FINE), title, INK, ImageFont.load_default(16 * FINE))
    top = margin + 40
    for place, name in enumerate(labels_across):
        _upright(image, name, font, (margin + place * cell + cell // 2) * FINE, (top - 8) * FINE)
    for row, name in enumerate(labels):
        middle = top + row * cell + cell // 2
        draw.text(((margin - 8) * FINE, middle * FINE), name, INK, font, "rm")
        total = max(int(counts[row].sum()), 1)
        for column in range(columns):
            count = int(counts[row, column])
            box = [
                margin + column * cell,
                top + row * cell,
                margin + (column + 1) * cell - 2,
                top + (row + 1) * cell - 2,
            ]
            share = count / total
            colour = RIGHT if row == column else WRONG
            fill = tuple(round(246 + (part - 246) * share) for part in colour)
            draw.rectangle([edge * FINE for edge in box], fill)
            if count:
                ink = PAPER if share > 0.5 else INK
                draw.text(((box[0] + box[2]) / 2 * FINE, (box[1] + box[3]) / 2 * FINE), str(count), ink, small, "mm")
    draw.text((margin * FINE, (size[1] - 18) * FINE), "rows: what it is, columns: what was answered", GREY, small)
    with told("write", path):
        image.resize(size, Image.Resampling.LANCZOS).save(path)
    return True


def _upright(image: Image.Image, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, x: int, y: int) -> None:
    """Text that reads upwards from (x, y)."""
    width, height = int(font.getlength(text)) + 4, 20 * FINE
    strip = Image.new("RGB", (width, height), PAPER)
    ImageDraw.Draw(strip).text((0, height // 2), text, INK, font, "lm")
    turned = strip.rotate(90, expand=True)
    image.paste(turned, (x - turned.width // 2, y - turned.height))
