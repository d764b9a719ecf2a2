"""Videos and texts as a network wants them: the one path that all verbs, the Python API and evaluation take.

Which frames, how resized and how normalised is said by the `Preprocess` that travels with the weights. Knows how to
read; what is done with the tensors is for others to say.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.errors import UsageError
from internvideo.jobs.talk import note
from internvideo.models.families import Card
from internvideo.records import Preprocess, Span
from internvideo.text.prompts import fill
from internvideo.text.words import vocabulary
from internvideo.video.clips import choose_frames, clips_of
from internvideo.video.opening import PathLike
from internvideo.video.reader import Video, open_video

Source = PathLike | Video | tuple[PathLike | Video, Span]

TEXTS = 64  # texts at once


def prepare(model: nn.Module, videos: Source | Sequence[Source], how: Preprocess | None = None) -> Tensor:
    """Clips as `model` wants them: (B, 3, T, size, size) float32, normalised, on the CPU.

    videos: one or several of: a path, an open video, or (either, Span) for a stretch of it in seconds of the file.
    how: another preprocessing than the one that travels with the weights (`model.card.preprocess`).
    Raises a `VideoError` that names the video.
    """
    how = how or card_of(model).preprocess
    clips: list[np.ndarray] = []
    for source in [videos] if isinstance(videos, str | bytes | os.PathLike | Video) or _is_part(videos) else videos:
        path, span = source if isinstance(source, tuple) else (source, None)
        with ExitStack() as stack:
            video = path if isinstance(path, Video) else stack.enter_context(open_video(path))
            clips += clips_of(video, [choose_frames(video, how, span)], how)
    if not clips:
        raise UsageError("no videos to prepare", "give at least one")
    return torch.from_numpy(np.stack(clips))


def tokenize(model: nn.Module, texts: str | Sequence[str]) -> Tensor:
    """Token ids as `model` reads them: (B, context) int64, zero padded. Texts are taken as they are.

    ViCLIP cuts longer texts, as published; the others raise UsageError. Of words that a small vocabulary does not know
    it is told once that they are left out; a text without any known word is a UsageError.
    """
    family = card_of(model).family
    if not family.context:
        raise UsageError(
            f"`{card_of(model).name}` reads no text: it knows only the classes it was trained on",
            "take a model of videos and texts, such as clip-b-16, viclip-b-16 or internvideo-mm-b-16",
        )
    rows = [texts] if isinstance(texts, str) else list(texts)
    words = vocabulary(family.vocabulary)
    for text in rows:
        unknown = words.unknown(text)
        if unknown and not words.encode(text):
            raise UsageError(
                f"`{card_of(model).name}` knows no word of {text!r}",
                "it was trained on captions such as `a red circle moves left slowly`; another --model knows more",
            )
        for word in unknown:
            _tell_unknown(card_of(model).name, word)
    return torch.from_numpy(words(rows, family.context, family.overlong))


@cache
def _tell_unknown(name: str, word: str) -> None:
    note(f"`{name}` does not know the word `{word}`: it is left out")


def card_of(model: nn.Module) -> Card:
    """What travels with a network that `load_model` made. Raises TypeError for any other."""
    card = getattr(model, "card", None)
    if not isinstance(card, Card):
        raise TypeError(f"this {type(model).__name__} has no card; networks made by `load_model` have one")
    return card


def encode_texts(model: nn.Module, texts: Sequence[str]) -> np.ndarray:
    """(n, D) float32, unit length. Padding that no text needs is left out: nothing looks at it."""
    return _encode_ids(model, tokenize(model, texts))


def encode_captions(model: nn.Module, texts: Sequence[str]) -> np.ndarray:
    """(n, D) float32, unit length: captions as they come, cleaned as the family does it and cut to what it reads.

    NaN for a text of which the network knows no word.
    """
    family = card_of(model).family
    words = vocabulary(family.vocabulary)
    (cleaned,) = fill(["{}"], texts, "viclip" if family.cleaning == "viclip" else "none")
    known = [place for place, text in enumerate(cleaned) if words.encode(text)]
    ids = words([cleaned[place] for place in known] or ["a"], family.context, "truncate")
    found = _encode_ids(model, torch.from_numpy(ids))
    vectors = np.full((len(cleaned), found.shape[1]), np.nan, np.float32)
    vectors[known] = found[: len(known)]
    return vectors


def _encode_ids(model: nn.Module, ids: Tensor) -> np.ndarray:
    ids = ids[:, : int(ids.ne(0).sum(1).max())].to(device_of(model))
    network: Callable[[Tensor], Tensor] = model.encode_text  # type: ignore[assignment]  # nn.Module types it as a Tensor
    with torch.inference_mode():
        rows = [network(ids[place : place + TEXTS]).float().cpu().numpy() for place in range(0, len(ids), TEXTS)]
    return np.concatenate(rows)


def device_of(model: nn.Module) -> torch.device:
    """Where the weights lie."""
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))


def _is_part(source: object) -> bool:
    return isinstance(source, tuple) and len(source) == 2 and isinstance(source[1], Span)
