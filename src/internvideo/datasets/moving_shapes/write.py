"""Write the world to disk: clips with their truth for models, films with flaws and copies for curation.

Knows files and encoders; what is in them is said by `world`, `film` and `sidecars`.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from internvideo.datasets.moving_shapes.draw import render
from internvideo.datasets.moving_shapes.film import FILMS_VERSION, Film, film_frames, films
from internvideo.datasets.moving_shapes.film_truth import BrokenFile, FilmTruth, Truth, excerpt_of, truth_of
from internvideo.datasets.moving_shapes.quiz import questions
from internvideo.datasets.moving_shapes.sidecars import sidecars
from internvideo.datasets.moving_shapes.truth import boxes, events
from internvideo.datasets.moving_shapes.wording import caption, captions
from internvideo.datasets.moving_shapes.world import VERSION, Scene
from internvideo.video.render import remux, write_video

TRUTH, STAMP = "truth.json", ".moving-shapes.json"
WORKERS = 2  # threads; the encoders run outside the interpreter lock


def write_world(
    folder: Path,
    *,
    seed: int = 0,
    count: int = 12,
    seconds: tuple[float, float] = (20.0, 40.0),
    size: int = 180,
    copies: bool = True,
    broken: bool = True,
) -> Truth:
    """Films with sidecars, copies of five of them, three broken files, and `truth.json` about all of it.

    A folder that already holds the same world, complete, is left alone. Copies need count >= 1 and lie in
    `copies/`; with few films, several are of the same one. seconds: least and most length of a film, about. size: of
    the short side.
    """
    folder = Path(folder)
    order = {"version": [VERSION, FILMS_VERSION], "seed": seed, "count": count, "seconds": list(seconds), "size": size}
    order |= {"copies": copies, "broken": broken}
    if _is_complete(folder, order):
        return Truth.read(folder / TRUTH)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STAMP).unlink(missing_ok=True)
    found: list[FilmTruth] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        made = films(count, seed=seed, seconds=seconds, size=size)
        found += pool.map(lambda item: _write_film(folder, item[1], item[0], seed), enumerate(made))
        if copies and found:
            found += pool.map(lambda make: make(folder), _copies(tuple(found)))
    truth = Truth(VERSION, seed, tuple(found), _write_broken(folder, found) if broken and found else ())
    (folder / TRUTH).write_text(truth.to_json(), "utf-8")
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*.*"))}
    (folder / STAMP).write_text(json.dumps({"order": order, "sizes": sizes}, indent=1), "utf-8")
    return truth


def write_clips(
    folder: Path, scenes: Sequence[Scene], *, size: int = 128, fps: Fraction = Fraction(16), crf: int = 23
) -> list[dict[str, Any]]:
    """One H.264 file per scene, `00000.mp4` on, and `clips.jsonl` with everything that is known about each.

    Returns the rows of `clips.jsonl`: see `describe`, and "file".
    """
    folder.mkdir(parents=True, exist_ok=True)

    def write(item: tuple[int, Scene]) -> dict[str, Any]:
        number, scene = item
        file = f"{number:05}.mp4"
        write_video(folder / file, render(scene, size=size, fps=fps), fps=fps, options={"crf": str(crf)})
        return {"file": file, **describe(scene, size=size, fps=fps)}

    with ThreadPoolExecutor(WORKERS) as pool:
        rows = list(pool.map(write, enumerate(scenes)))
    (folder / "clips.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return rows


def describe(scene: Scene, *, size: int = 128, fps: Fraction = Fraction(16)) -> dict[str, Any]:
    """All that is known about a scene, ready for JSON.

    Keys: scene (its nouns), label, caption, captions, events (name, things, start and end in seconds, in order), boxes
    (per frame, per thing of scene.things: [x1, y1, x2, y2] in [0, 1], or null where it is not visible), questions.
    """
    where, visible = boxes(scene, size=size, fps=fps)
    shown = [
        [[round(float(v), 5) for v in box] if seen else None for box, seen in zip(*frame, strict=True)]
        for frame in zip(where, visible, strict=True)
    ]
    happened = [
        {"name": e.name, "things": list(e.things), "start": e.span.start, "end": e.span.end} for e in events(scene)
    ]
    return {
        "scene": asdict(scene),
        "label": scene.label,
        "caption": caption(scene),
        "captions": list(captions(scene, 4)),
        "events": happened,
        "boxes": shown,
        "questions": [asdict(question) for question in questions(scene)],
    }


def _is_complete(folder: Path, order: dict[str, Any]) -> bool:
    """Whether the stamp names this order and every file still has its size."""
    try:
        stamp = json.loads((folder / STAMP).read_text("utf-8"))
        return stamp["order"] == order and all(
            (folder / file).stat().st_size == size for file, size in stamp["sizes"].items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write_film(folder: Path, film: Film, number: int, seed: int) -> FilmTruth:
    truth = truth_of(film)
    path = folder / truth.file
    write_video(path, film_frames(film), fps=film.fps, codec=film.codec, options=film.options, audio=film.audio)
    beside = sidecars(truth, number, seed)
    for suffix, text in beside.items():
        path.with_name(film.name + suffix).write_text(text, "utf-8", newline="\n")
    return replace(truth, sidecars=tuple(film.name + suffix for suffix in beside))


def _copies(originals: tuple[FilmTruth, ...]) -> list[Callable[[Path], FilmTruth]]:
    """What to make of which film, one of each relation."""

    def film(number: int) -> FilmTruth:
        return originals[number % len(originals)]

    return [
        lambda folder: _copy_bytes(folder, film(0)),
        lambda folder: _encode_again(folder, film(1), scale=Fraction(3, 4)),
        lambda folder: _encode_again(folder, film(2), scale=Fraction(1)),
        lambda folder: _excerpt(folder, film(3)),
        lambda folder: _copy_packets(folder, film(5)),
    ]


def _stem(file: str) -> str:
    return Path(file).stem


def _copy_bytes(folder: Path, film: FilmTruth) -> FilmTruth:
    file = f"copies/{_stem(film.file)} (1){Path(film.file).suffix}"
    (folder / file).parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / film.file, folder / file)
    return replace(film, file=file, sidecars=(), copy_of=film.file, relation="exact")


def _copy_packets(folder: Path, film: FilmTruth) -> FilmTruth:
    file = f"copies/{_stem(film.file)}-remuxed.mkv"
    (folder / file).parent.mkdir(exist_ok=True)
    remux(folder / film.file, folder / file)
    return replace(film, file=file, sidecars=(), copy_of=film.file, relation="re-muxed")


def _encode_again(folder: Path, film: FilmTruth, scale: Fraction) -> FilmTruth:
    """As H.264 of lower quality, without sound, perhaps smaller."""
    relation = "re-encoded" if scale == 1 else "re-scaled"
    file = f"copies/{_stem(film.file)}-{relation}.mp4"
    height, width = (int(side * scale) // 2 * 2 for side in (film.height, film.width))
    _encode(folder / film.file, folder / file, (height, width), Fraction(film.fps), 0, film.frames)
    new = replace(film, file=file, height=height, width=width, codec="libx264", audio=False, sidecars=())
    return replace(new, copy_of=film.file, relation=relation)


def _excerpt(folder: Path, film: FilmTruth) -> FilmTruth:
    """From the middle of one shot to the middle of the next but one, or to the end."""
    middles = [(shot.start_frame + shot.end_frame) // 2 for shot in film.shots]
    first = middles[min(1, len(middles) - 1)]
    end = middles[3] if len(middles) > 3 else film.frames
    file = f"copies/{_stem(film.file)}-excerpt.mp4"
    _encode(folder / film.file, folder / file, (film.height, film.width), Fraction(film.fps), first, end)
    return excerpt_of(film, file, first, end, "libx264")


def _encode(source: Path, target: Path, size: tuple[int, int], fps: Fraction, first: int, end: int) -> None:
    """Frames [first, end) of one film into another file."""
    target.parent.mkdir(exist_ok=True)

    def frames() -> Iterator[np.ndarray]:
        with av.open(str(source)) as file:
            for frame in itertools.islice(file.decode(video=0), first, end):
                yield frame.to_ndarray(format="rgb24", height=size[0], width=size[1])

    write_video(target, frames(), fps=fps, options={"preset": "ultrafast", "crf": "28"})


def _write_broken(folder: Path, found: Sequence[FilmTruth]) -> tuple[BrokenFile, ...]:
    """A recording that was interrupted before its index was written, an empty file, and a text with a wrong name."""
    fps = Fraction(found[0].fps)
    with av.open(str(folder / found[0].file)) as file:
        start = [frame.to_ndarray(format="rgb24") for frame in itertools.islice(file.decode(video=0), 50)]
    interrupted = folder / "broken-interrupted.mp4"
    write_video(interrupted, start, fps=fps, options={"preset": "superfast"}, faststart=False)
    whole = interrupted.read_bytes()
    interrupted.write_bytes(whole[: len(whole) * 6 // 10])
    (folder / "broken-empty.mp4").write_bytes(b"")
    (folder / "broken-text.mp4").write_text("This is a text that somebody gave the name of a video.\n", "utf-8")
    return (
        BrokenFile("broken-interrupted.mp4", "truncated"),
        BrokenFile("broken-empty.mp4", "not-a-video"),
        BrokenFile("broken-text.mp4", "not-a-video"),
    )
