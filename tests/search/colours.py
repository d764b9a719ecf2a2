"""A world of plain colours, whose vectors are its colours: what search must find is known without any network."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from internvideo.curation.embedding import Embedding
from internvideo.curation.presets import SEARCH
from internvideo.jobs.curate import run_recipe
from internvideo.records import Preprocess, Space
from internvideo.search.arrays import Arrays
from internvideo.store.dataset import Dataset
from internvideo.video.render import write_video

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220), "white": (230, 230, 230)}
SPACE = Space("colours", "none", "fp32", 3, Preprocess(size=16, mean=(0.0,) * 3, std=(1.0,) * 3, frame_count=2))
FILMS = {"one": ("red", "green", "blue"), "sub/two": ("green", "white"), "three": ("blue", "red", "white", "green")}


@dataclass(frozen=True)
class ColourEmbedder:
    def __call__(self):
        return lambda clips: clips.mean(axis=(2, 3, 4))


EMBEDDING = Embedding(SPACE, ColourEmbedder())


def vector(name):
    """What the embedder says of a colour, and of nothing else."""
    value = np.array(COLOURS[name], np.float32)
    return value / np.linalg.norm(value)


def unrelated():
    rng = np.random.default_rng(0)
    vectors = np.abs(rng.normal(size=(16, 3))).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def film(path: Path, colours, seconds=1.2):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(colours))
    frames = []
    for colour in colours:
        picture = np.broadcast_to(np.array(COLOURS[colour], np.uint8), (48, 64, 3))
        frames += [np.clip(picture + rng.integers(-6, 7, picture.shape), 0, 255).astype(np.uint8)] * round(10 * seconds)
    write_video(path, iter(frames), fps=Fraction(10))


def world(folder: Path) -> Path:
    """Films, a caption file beside one of them, and a file that is no video."""
    for name, colours in FILMS.items():
        film(folder / f"{name}.mp4", colours)
    (folder / "one.captions.jsonl").write_text(
        '{"start": 0.0, "end": 1.2, "text": "A red wall in Lisbon"}\n'
        '{"start": 1.2, "end": 2.4, "text": "Grass seen from above"}\n',
        "utf-8",
    )
    (folder / "three.txt").write_text("Signal lamps on a ship", "utf-8")
    (folder / "broken.mp4").write_text("no video", "utf-8")
    return folder


def indexed(folder: Path, out: Path) -> Dataset:
    run_recipe([folder], out, SEARCH, [EMBEDDING], workers=1, quiet=True)
    dataset = Dataset(out)
    Arrays(dataset, dataset.operator(EMBEDDING.name)).update(unrelated)
    return dataset
