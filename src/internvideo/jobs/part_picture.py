"""How many answers are right of each class, or of each type of question: a bar for each, the worst first."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from internvideo.store.faults import told

MOST = 60  # parts; of more, the worst
FINE = 2  # drawn this much larger, then reduced: smooth letters
LETTERS = 32  # of a name that are shown
BAR, ROW, MARGIN = 420, 24, 24  # pixels
INK, GREY, TRACK, RIGHT, PAPER = "#16191d", "#71777f", "#eef0f3", "#2f6fde", "#ffffff"


def draw_parts(parts: Mapping[str, tuple[int, int]], path: Path) -> bool:
    """Write the picture, unless there is but one part; whether it was written. parts: name -> right, all."""
    found = sorted(((right / count, name, right, count) for name, (right, count) in parts.items() if count))
    if len(found) < 2:
        return False
    title = (
        f"right, % ({'the worst ' if len(found) > MOST else ''}{min(len(found), MOST)} of {len(found)}, worst first)"
    )
    found = found[:MOST]
    names = [name if len(name) <= LETTERS else name[: LETTERS - 1] + "…" for _, name, _, _ in found]
    font, small = ImageFont.load_default(13 * FINE), ImageFont.load_default(12 * FINE)
    left = MARGIN + 12 + max(int(font.getlength(name)) for name in names) // FINE
    size = (left + BAR + 150, 2 * MARGIN + 16 + ROW * len(found))
    image = Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN * FINE, 12 * FINE), title, GREY, small)
    for place, (share, _, right, count) in enumerate(found):
        middle = MARGIN + 22 + place * ROW + ROW // 2
        draw.text(((left - 10) * FINE, middle * FINE), names[place], INK, font, "rm")
        for end, colour in ((left + BAR, TRACK), (left + share * BAR, RIGHT)):
            if end > left:
                draw.rectangle([left * FINE, (middle - 7) * FINE, end * FINE, (middle + 7) * FINE], colour)
        text = f"{100 * share:.0f} %  ({right} of {count})"
        draw.text(((left + BAR + 10) * FINE, middle * FINE), text, INK, small, "lm")
    with told("write", path):
        image.resize(size, Image.Resampling.LANCZOS).save(path)
    return True
