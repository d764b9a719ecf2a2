"""The films that the decoding benchmarks read: made here, with the frame number burnt in as a bar code.

    python benchmarks/films.py            # makes them all (some minutes), kept in benchmarks/out/films

Each frame is a window that wanders over a large texture, with sensor noise, two moving shapes and, along the top edge,
16 blocks (white for 1) that spell the frame number and survive a resize to 224 x 224. Encoded with libx264, preset
veryfast, 3 B-frames, fixed distance of key frames; knows nothing of who reads them.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS, BITS = 1280, 720, 30, 16
FOLDER = Path(__file__).resolve().parent / "out" / "films"


@dataclass(frozen=True)
class Film:
    """What one file is to be."""

    name: str
    seconds: int
    gop: int

    @property
    def frames(self) -> int:
        return self.seconds * FPS


FILMS = (
    Film("10s-gop250", 10, 250),
    Film("60s-gop250", 60, 250),
    Film("300s-gop250", 300, 250),
    Film("60s-gop48", 60, 48),
)


def film(wanted: Film) -> Path:
    """The file, made on first use."""
    path = FOLDER / f"{wanted.name}.mp4"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.mp4")
        _encode(wanted, part)
        part.replace(path)
    return path


def _encode(wanted: Film, path: Path) -> None:
    options = {
        "preset": "veryfast",
        "crf": "20",
        "x264-params": f"keyint={wanted.gop}:min-keyint={wanted.gop}:scenecut=0:bframes=3:threads=2",
    }
    rng = np.random.default_rng(7)
    texture, noise = _texture(rng), rng.integers(-5, 6, (8, HEIGHT, WIDTH), dtype=np.int16)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(wanted.frames):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            _draw(frame, number, texture, noise[rng.integers(8)])
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Blobs of several sizes, (2 H, 2 W) in [30, 220]."""
    total = np.zeros((2 * HEIGHT, 2 * WIDTH))
    for cell in (80, 40, 20, 10):
        total += np.kron(rng.random((2 * HEIGHT // cell, 2 * WIDTH // cell)), np.ones((cell, cell))) * cell**0.5
    total = (total - total.min()) / (total.max() - total.min())
    return (30 + 190 * total).astype(np.int16)


def _draw(frame: av.VideoFrame, number: int, texture: np.ndarray, noise: np.ndarray) -> None:
    top = int(HEIGHT / 2 * (1 + np.sin(number / 97)))
    left = int(WIDTH / 2 * (1 + np.sin(number / 131)))
    luma = texture[top : top + HEIGHT, left : left + WIDTH] + noise
    for speed, size in ((7, 120), (-4, 200)):
        y, x = 200 + speed * number % (HEIGHT - size - 200), 2 * speed * number % (WIDTH - size)
        luma[y : y + size, x : x + size] += 40
    for bit in range(BITS):
        luma[:80, bit * 80 : bit * 80 + 80] = 235 if number >> bit & 1 else 16
    _fill(frame.planes[0], np.clip(luma, 16, 235).astype(np.uint8))
    for plane, speed in zip(frame.planes[1:], (3, 5), strict=True):
        chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
        chroma[40:] = 128 + (20 * np.sin(number / 40 * speed / 3))
        _fill(plane, chroma)


def _fill(plane: av.video.plane.VideoPlane, values: np.ndarray) -> None:
    rows = np.zeros((values.shape[0], plane.line_size), np.uint8)
    rows[:, : values.shape[1]] = values
    plane.update(rows)


def read_number(picture: np.ndarray) -> int:
    """The frame number in a picture (H, W, 3) of any size."""
    height, width = picture.shape[:2]
    row = picture[height // 18 : height // 18 + 1].mean(axis=(0, 2))
    centres = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    return int(sum(1 << bit for bit, centre in enumerate(centres) if row[centre] > 128))


if __name__ == "__main__":
    for each in FILMS:
        made = film(each)
        print(f"{made.name}: {made.stat().st_size * 8 / each.seconds / 1e6:.2f} Mbit/s")
