"""Real encoded films: what people do to copies, from file to group, and films of the shared folder."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from internvideo.curation.duplicates import FrameHashes, NearDuplicates, PacketDigest
from internvideo.curation.measures import DensePass
from internvideo.curation.operator import SPAN_COLUMNS, Subject
from internvideo.ops.packets import packet_digest
from internvideo.store.values import CLIP_KEY, VIDEO_KEY
from internvideo.video.reader import open_video

SIZE = (144, 256)
RATE = 25


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 with the falling spectrum of natural pictures."""
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    fall = np.maximum(np.hypot(y, x), 1 / width) ** 1.2
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / fall, s=(height, width)) for _ in range(3)]
    picture = np.stack([(plane - plane.mean()) / plane.std() for plane in planes], -1)
    return np.clip(128 + 50 * picture, 0, 255).astype(np.uint8)


def scene(seed: int, seconds: float, take: int = 0) -> np.ndarray:
    """(T, H, W, 3) uint8: the camera pans over a landscape and a disc moves; a `take` has the same landscape."""
    height, width = SIZE
    rng, motion = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2, take])
    landscape = texture(rng, 2 * height, 2 * width)
    start, speed = motion.uniform(20, 60, 2), motion.uniform(-8, 8, 2)
    centre, drift = motion.uniform(30, 110, 2), motion.uniform(-25, 25, 2)
    y, x = np.mgrid[:height, :width]
    frames = []
    for number in range(int(seconds * RATE)):
        time = number / RATE
        top, left = np.rint(np.clip(start + speed * time, 0, 100)).astype(int)
        frame = landscape[top : top + height, left : left + width].copy()
        frame[np.hypot(*(np.stack([y, x]) - (centre + drift * time)[:, None, None])) < 30] = (250, 240, 20)
        frames.append(frame)
    return np.stack(frames)


def write(path: Path, frames: np.ndarray, *, rate: int = RATE, size=None, crf: int = 23, gain: float = 1.0) -> Path:
    with av.open(str(path), "w") as sink:
        height, width = size or SIZE
        stream = sink.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "ultrafast"}
        for picture in frames:
            picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))
            picture = np.clip(picture * gain, 0, 255).astype(np.uint8)
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        sink.mux(stream.encode(None))
    return path


def remux(source: Path, path: Path) -> Path:
    with av.open(str(source)) as one, av.open(str(path), "w") as other:
        stream = other.add_stream_from_template(one.streams.video[0])
        for packet in one.demux(video=0):
            if packet.size:
                packet.stream = stream
                other.mux(packet)
    return path


def operator_rows(path: Path) -> tuple[dict[str, pa.Table], dict]:
    """Rows of the three operators, and one clip of the whole film."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata or b""
        digest = packet_digest((bytes(packet) for packet in container.demux(stream)), codec, extradata)
        bit_rate = container.bit_rate
    with open_video(path) as video:
        dense = DensePass(["hash"])
        for picture in video.pictures(None, None):
            dense.feed(picture)
        base, ticks, stream_number = Fraction(video.time_base), video.ticks, video.facts.stream
        size = (video.facts.width, video.facts.height)
    facts = {"packet_digest": digest, "start_tick": int(ticks[0])}
    subject = Subject(path.name, stream_number, base, facts, series=dense.result())
    probe = {"video": path.name, "item": 0, "width": size[0], "height": size[1], "bit_rate": bit_rate}
    start, end = int(ticks[0]), int(2 * ticks[-1] - ticks[-2])
    clip = {"video": path.name, "stream": stream_number, "start": start, "end": end, "item": 0, "frames": len(ticks)}
    clip |= {"start_seconds": float(start * base), "end_seconds": float(end * base)}
    schema = pa.schema([*VIDEO_KEY, ("width", pa.int32()), ("height", pa.int32()), ("bit_rate", pa.int64())])
    rows = {operator.name: operator.process(subject) for operator in (FrameHashes(), PacketDigest())}
    return {**rows, "probe": pa.Table.from_pylist([probe], schema=schema)}, clip


def duplicates(paths: list[Path]) -> dict[str, dict]:
    """The row of every film by its name."""
    read = [operator_rows(path) for path in paths]
    rows = {name: pa.concat_tables([tables[name] for tables, _ in read]) for name in read[0][0]}
    clips = pa.Table.from_pylist([clip for _, clip in read], schema=pa.schema([*CLIP_KEY, *SPAN_COLUMNS]))
    found = NearDuplicates(clip_set="whole").process_all({**rows, "whole": clips})
    return {row["video"]: row for row in found.to_pylist()}


def groups(rows: dict[str, dict]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for name, row in sorted(rows.items()):
        if row["group"]:
            found.setdefault(row["group"], []).append(name)
    return sorted(found.values())


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, dict]:
    """Ten films of which seven show the first scene."""
    folder: Path = tmp_path_factory.mktemp("films")
    first, others = scene(1, 5), [scene(seed, 4) for seed in (2, 3)]
    original = write(folder / "original.mp4", first, crf=18)
    long = np.concatenate([others[1][::-1][: 2 * RATE + 7], first[RATE // 2 : -7], scene(4, 3)])
    paths = [
        original,
        remux(original, folder / "remuxed.mkv"),
        remux(original, folder / "remuxed.ts"),
        write(folder / "smaller.mp4", first, size=(72, 128), crf=28),
        write(folder / "larger.webm.mkv", first, size=(216, 384), crf=28),
        write(folder / "darker.mp4", first, gain=0.8),
        write(folder / "inside longer.mp4", long, size=(120, 214)),
        write(folder / "other take.mp4", scene(1, 5, take=1)),
        write(folder / "unrelated.mp4", others[0]),
        write(folder / "black.mp4", np.zeros_like(first)),
    ]
    return duplicates(paths)


COPIES = [
    "darker.mp4",
    "inside longer.mp4",
    "larger.webm.mkv",
    "original.mp4",
    "remuxed.mkv",
    "remuxed.ts",
    "smaller.mp4",
]


def test_every_copy_is_found_and_no_other_film(films):
    assert groups(films) == [COPIES]


def test_the_largest_copy_and_the_longer_film_are_kept(films):
    kept = [name for name, row in films.items() if row["keeper"]]
    assert kept == ["black.mp4", "inside longer.mp4", "larger.webm.mkv", "other take.mp4", "unrelated.mp4"]
    dropped = [row for row in films.values() if not row["keeper"]]
    assert {row["other_video"] for row in dropped} == {"larger.webm.mkv"}
    assert min(row["matched"] for row in dropped) >= 0.9 and min(row["similarity"] for row in dropped) > 0.97


def test_a_black_film_has_no_frames_to_compare(films):
    assert films["black.mp4"]["frames"] == 0 and films["black.mp4"]["group"] is None


def test_a_remuxed_film_alone_is_found_by_its_packets(tmp_path):
    one = write(tmp_path / "a.mp4", scene(5, 3))
    rows = duplicates([one, remux(one, tmp_path / "b.ts"), write(tmp_path / "c.mp4", scene(6, 3))])
    assert groups(rows) == [["a.mp4", "b.ts"]]
    assert (rows["a.mp4"]["level"], rows["b.ts"]["level"]) == ("packets", "packets")
    assert {row["matched"] for row in rows.values() if not row["keeper"]} == {1.0}


def flat_scene(seed: int, seconds: float) -> np.ndarray:
    """(T, H, W, 3) uint8: one square moves over a plain ground; hashes have a quality of 10 to 40."""
    (height, width), rng = SIZE, np.random.default_rng([seed, 3])
    ground, square, side = rng.integers(60, 110), rng.integers(150, 220), int(rng.integers(24, 36))
    start, speed = rng.uniform(20, 60, 2), rng.uniform(-8, 8, 2)
    frames = np.full((int(seconds * RATE), height, width, 3), ground, np.uint8)
    for number, frame in enumerate(frames):
        top, left = np.rint(start + speed * number / RATE).astype(int)
        frame[top : top + side, left : left + side] = square
    return frames


def test_smaller_copies_of_films_with_little_in_the_picture_are_found_and_other_such_films_are_not(tmp_path):
    paths = [write(tmp_path / f"film {seed}.mp4", flat_scene(seed, 4)) for seed in (1, 2, 3)]
    paths += [
        write(tmp_path / f"smaller {seed}.mp4", flat_scene(seed, 4), size=(108, 192), crf=28) for seed in (1, 2, 3)
    ]
    quality = operator_rows(paths[0])[0]["frame_hashes"]["quality"].to_numpy()
    assert quality.min() >= 10 and quality.max() < 50, "else this test is about other films"
    assert groups(duplicates(paths)) == [[f"film {seed}.mp4", f"smaller {seed}.mp4"] for seed in (1, 2, 3)]


def test_real_copies_are_found_among_signs_of_one_person_but_not_a_film_shown_sideways(shared):
    """The rotation that `issue-134-rotate.mp4` asks for turns the pictures of its twin by 90 degrees."""
    videos = shared / "data" / "videos"
    names = ["mmaction2/test.mp4", "mmaction2/part_0.mp4", "mmaction2/demo.mp4"]
    names += ["PySceneDetect/goldeneye-vfr-drop3.mp4", "PySceneDetect/issue-134-rotate.mp4"]
    names += [f"intel-sample-videos/{word}.mkv" for word in ("no", "yes", "please")]
    assert groups(duplicates([videos / name for name in names])) == [["part_0.mp4", "test.mp4"]]
