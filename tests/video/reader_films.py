"""Films for the tests of the reader, and the slow plain twin that it is compared with."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 96, 64
X264 = {"preset": "veryfast", "crf": "26"}


@dataclass(frozen=True)
class Film:
    """What a file is to be: its name decides the container."""

    name: str
    codec: str
    options: dict[str, str] = field(default_factory=dict)
    container: dict[str, str] = field(default_factory=dict)
    frames: int = 48
    pixels: str = "yuv420p"
    gop: int | None = None
    b_frames: int | None = None
    rate: int = 25
    ticks: Callable[[int], int] | None = None  # in milliseconds; None: at the frame rate
    turned: tuple[float, bool] | None = None  # degrees counter-clockwise, mirrored
    colours: tuple[int, int] | None = None  # matrix and range, as FFmpeg numbers them
    size: tuple[int, int] = (WIDTH, HEIGHT)

    def __str__(self) -> str:
        return self.name


def x264(name: str, parameters: str = "", *, profile: str | None = None, **more: object) -> Film:
    options = {**X264, "x264-params": f"scenecut=0{':' if parameters else ''}{parameters}"}
    return Film(name, "libx264", options | ({"profile": profile} if profile else {}), **more)


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(H, W, 3) uint8: wandering blocks, and the number in eight squares along the top."""
    rng = np.random.default_rng(5)
    texture = np.kron(rng.integers(40, 216, (height // 4, width // 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    top, left = number % height, 2 * number % width
    shown = texture[top : top + height, left : left + width].copy()
    for bit in range(8):
        shown[:8, 8 * bit : 8 * bit + 8] = 235 if number >> bit & 1 else 16
    return shown


def number_of(shown: np.ndarray) -> int:
    """What the squares along the top spell, in a picture of the size that `picture` makes."""
    return sum(int(shown[2:6, 8 * bit + 2 : 8 * bit + 6].mean() > 128) << bit for bit in range(8))


def make(film: Film, folder: Path) -> Path:
    path = folder / film.name
    base = Fraction(1, 1000) if film.ticks else Fraction(1, film.rate)
    with av.open(str(path), "w", options=film.container) as container:
        stream = container.add_stream(film.codec, rate=film.rate, options=film.options)
        stream.width, stream.height = film.size
        stream.pix_fmt = film.pixels
        if film.ticks:
            stream.codec_context.time_base = base
        if film.gop is not None:
            stream.gop_size = film.gop
        if film.b_frames is not None:
            stream.max_b_frames = film.b_frames
        if film.turned:
            stream.set_display_rotation(film.turned[0], hflip=film.turned[1])
        if film.colours:
            stream.colorspace, stream.color_range = film.colours
        for number in range(film.frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *film.size), format="rgb24").reformat(format=film.pixels)
            frame.pts, frame.time_base = (film.ticks(number) if film.ticks else number), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def digest(frame: av.VideoFrame) -> str:
    """Of the stored pixels, without the padding of rows."""
    found = hashlib.md5()
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        packed = len(frame.planes) == 1
        bits = sum(part.bits for part in frame.format.components) if packed else component.bits
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height]
        found.update(rows[:, : plane.width * (-(-bits // 8))].tobytes())
    return found.hexdigest()


def decode_all(path: Path) -> list[tuple[int | None, str]]:
    """(tick, digest) of every frame, by feeding every packet of the first stream to one decoder."""
    out: list[av.VideoFrame] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for packet in [*(p for p in container.demux(stream) if p.size), None]:
            try:
                out += stream.codec_context.decode(packet)
            except av.error.FFmpegError:
                continue
        return [(frame.pts, digest(frame)) for frame in out]
