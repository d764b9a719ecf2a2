"""From a network to what indexing and search need of it: vectors of clips, sentences, pictures, stretches of video."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from internvideo.errors import InternVideoError, UsageError
from internvideo.records import Space, Span
from internvideo.search.calibration import UNRELATED

if TYPE_CHECKING:
    from torch import nn

LABORATORY = "viclip-tiny"  # knows only the small world of `moving_shapes`


@dataclass(frozen=True)
class ModelEmbedder:
    """Makes, in a worker process, what embeds clips. weights: as `choose_model` takes them."""

    space: Space
    weights: str | None
    device: str | None = None

    def __call__(self) -> Callable[[np.ndarray], np.ndarray]:
        from internvideo.jobs.prepare import device_of
        from internvideo.jobs.shared_batches import SharedBatches

        model = load(self.space, self.weights, self.device)
        batches = SharedBatches(model.encode_video, device_of(model))  # type: ignore[arg-type]  # typed as a Tensor
        return lambda clips: np.stack(list(batches(iter(clips))))


def space_of_model(model: "nn.Module", precision: str = "fp32") -> Space:
    """Raises UsageError for networks that know no texts."""
    from internvideo.jobs.prepare import card_of, encode_texts

    card = card_of(model)
    dimension = encode_texts(model, ["a"]).shape[1]  # says so if it reads no text
    return Space(card.name, card.weights, precision, dimension, card.preprocess)


def load(space: Space, weights: str | None = None, device: str | None = None) -> "nn.Module":
    """The network that a space was made with. Raises InternVideoError where the weights at hand are others."""
    from internvideo.jobs.choice import choose_model
    from internvideo.jobs.prepare import card_of

    model = choose_model(space.model, weights, precision=space.precision, device=device)
    if card_of(model).weights != space.weights:
        raise InternVideoError(
            f"the index was made with other weights of `{space.model}` ({space.weights[:12]})",
            "give their file with --weights, or `internvideo index --beside` makes a second index with these",
        )
    return model


class Asker:
    """Turns what a person gives into vectors. translate: makes English of a query in another language."""

    def __init__(self, model: "nn.Module", translate: Callable[[str], str] | None = None) -> None:
        self.model, self._translate = model, translate

    def text(self, query: str) -> np.ndarray:
        """(D,) float32."""
        from internvideo.jobs.prepare import card_of, encode_texts
        from internvideo.text.prompts import fill

        card = card_of(self.model)
        said = self._translate(query) if self._translate else query
        cleaned = fill(["{}"], [said], card.family.cleaning)[0][0]
        found: np.ndarray = encode_texts(self.model, [_cut(cleaned)])[0]
        return found

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        """(n, D) float32."""
        return np.stack([self.text(sentence) for sentence in sentences])

    def unrelated(self) -> np.ndarray:
        """(n, D) float32 of sentences about as many things as possible, of the world that the network knows."""
        from internvideo.datasets.moving_shapes import caption, scene
        from internvideo.jobs.prepare import card_of

        small = card_of(self.model).name == LABORATORY
        return self.texts([caption(scene("train", number)) for number in range(48)] if small else UNRELATED)

    def picture(self, pixels: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (D,) float32: as a video that stands still."""
        from internvideo.jobs.prepare import card_of
        from internvideo.video.transforms import preprocess

        how = card_of(self.model).preprocess
        clip = preprocess(pixels[None], how)
        return self._embed(np.repeat(clip, how.frame_count, axis=1))

    def stretch(self, path: str | os.PathLike[str], span: Span | None = None) -> np.ndarray:
        """Of a video, or of some seconds of it -> (D,) float32."""
        from internvideo.jobs.prepare import prepare

        source = os.fspath(path)
        return self._embed(prepare(self.model, source if span is None else (source, span))[0].numpy())

    def _embed(self, clip: np.ndarray) -> np.ndarray:
        from internvideo.jobs.prepare import device_of
        from internvideo.jobs.shared_batches import SharedBatches

        batches = SharedBatches(self.model.encode_video, device_of(self.model))  # type: ignore[arg-type]
        (vector,) = batches(iter([clip]))
        found: np.ndarray = vector / np.linalg.norm(vector)
        return found


def read_picture(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 of an image file's bytes. Raises UsageError for anything else and for more than 64 megapixels."""
    import io

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > 64_000_000:
                raise UsageError(f"a picture of {image.width} x {image.height} pixels is too large", "make it smaller")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise UsageError("this is no picture that can be read", "PNG, JPEG, WebP and GIF are understood") from error


def _cut(text: str) -> str:
    """Queries are short; what is beyond 60 words no network here reads."""
    return " ".join(text.split()[:60])
