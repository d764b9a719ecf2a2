"""The films that `benchmarks/shots.py` looks at, with cuts, fades to black and flashes at known frames.

    python benchmarks/shot_films.py       # makes them (a few minutes), kept in benchmarks/out/films

Each shot is a window that drifts over a texture of its own, with noise and a moving shape, in its own colours.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS = 1280, 720, 30
FADE, DARK = 18, 6  # frames that a fade takes, and that the picture stays black
FOLDER = Path(__file__).resolve().parent / "out" / "films"


@dataclass(frozen=True)
class Film:
    """What one file is to be. The shots are the same in all, so films differ in their bit rate only."""

    name: str
    mbit: float
    seconds: int = 60

    @property
    def shots(self) -> list[tuple[int, int, bool]]:
        """(first frame, frame after the last, fades in and out) of each shot."""
        rng = np.random.default_rng(11)
        shots, first, total = [], 0, self.seconds * FPS
        while first < total:
            stop = min(total, first + int(rng.integers(30, 150)))
            shots.append((first, stop, bool(rng.random() < 0.2)))
            first = stop
        return shots

    @property
    def cuts(self) -> list[int]:
        """Frames where the picture changes at once: neither of the two shots fades."""
        shots = self.shots
        return [shots[i][0] for i in range(1, len(shots)) if not shots[i][2] and not shots[i - 1][2]]

    @property
    def flashes(self) -> set[int]:
        """Single white frames inside shots."""
        rng = np.random.default_rng(12)
        return {int((first + stop) // 2) for first, stop, fades in self.shots if not fades and rng.random() < 0.25}


FILMS = (Film("shots-1M", 1.0), Film("shots-2M", 2.0), Film("shots-4M", 4.0))


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
    rate = round(wanted.mbit * 1e6)
    options = {
        "preset": "veryfast",
        "x264-params": f"bframes=3:keyint=250:threads=2:vbv-maxrate={rate // 500}:vbv-bufsize={rate // 250}",
    }
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", rate
        number = 0
        for index, (first, stop, fades) in enumerate(wanted.shots):
            scene = _Scene(np.random.default_rng(100 + index))
            for place in range(stop - first):
                planes = scene.draw(place)
                if first + place in wanted.flashes:
                    planes[0][...] = 235
                if fades:
                    _darken(planes, min(place, stop - first - 1 - place))
                frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
                for plane, values in zip(frame.planes, planes, strict=True):
                    _fill(plane, values)
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))


class _Scene:
    """One shot: planes of any of its frames."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._luma = _texture(rng, HEIGHT + 256, WIDTH + 256, (64, 32, 16, 8), 30, 210)
        self._chroma = [
            _texture(rng, HEIGHT // 2 + 128, WIDTH // 2 + 128, (64, 32), *sorted(rng.integers(60, 200, 2)))
            for _ in "uv"
        ]
        self._noise = rng.integers(-3, 4, (4, HEIGHT, WIDTH)).astype(np.int16)
        self._speed, self._shape = rng.uniform(-1.6, 1.6, 2), rng.integers(40, 160, 2)

    def draw(self, place: int) -> list[np.ndarray]:
        """(720, 1280), (360, 640), (360, 640) uint8."""
        top, left = (int(128 + speed * place) // 2 * 2 % 256 for speed in self._speed)
        luma = self._luma[top : top + HEIGHT, left : left + WIDTH] + self._noise[place % 4]
        y, x = (100 + 3 * place) % (HEIGHT - 200), (200 + 5 * place) % (WIDTH - 200)
        luma[y : y + self._shape[0], x : x + self._shape[1]] = 200
        chroma = [
            plane[top // 2 : top // 2 + HEIGHT // 2, left // 2 : left // 2 + WIDTH // 2] for plane in self._chroma
        ]
        return [np.clip(plane, 16, 240).astype(np.uint8) for plane in (luma, *chroma)]


def _darken(planes: list[np.ndarray], distance: int) -> None:
    """Towards black as the frame comes near an end of its shot: black for DARK frames, all there after FADE more."""
    share = min(1.0, max(0.0, (distance - DARK) / FADE))
    for plane, neutral in zip(planes, (16, 128, 128), strict=True):
        plane[...] = (neutral + (plane - float(neutral)) * share).round()


def _texture(
    rng: np.random.Generator, height: int, width: int, cells: tuple[int, ...], low: float, high: float
) -> np.ndarray:
    total = np.zeros((height, width), np.float32)
    for cell in cells:
        small = rng.random((height // cell + 1, width // cell + 1), np.float32)
        total += np.repeat(np.repeat(small, cell, 0), cell, 1)[:height, :width] * cell**0.5
    total = (total - total.min()) / (total.max() - total.min())
    return (low + (high - low) * total).astype(np.int16)


def _fill(plane: av.video.plane.VideoPlane, values: np.ndarray) -> None:
    np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : values.shape[1]] = values


if __name__ == "__main__":
    for each in FILMS:
        made = film(each)
        rate = made.stat().st_size * 8 / each.seconds / 1e6
        print(f"{made.name}: {rate:.2f} Mbit/s, {len(each.cuts)} cuts, {len(each.flashes)} flashes")
