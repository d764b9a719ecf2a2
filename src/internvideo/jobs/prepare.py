"""Videos and texts as a network wants them: the one path that all verbs, the Python API and evaluation take.

Which frames, how resized and how normalised is said by the `Preprocess` that travels with the weights. Every frame is
decoded and preprocessed once, however many clips look at it. Knows how to read; what is done with the tensors is for
others to say.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.errors import UsageError, pick
from internvideo.jobs.lanes import ahead
from internvideo.models.families import Card
from internvideo.records import Preprocess, Span
from internvideo.text.tokenizer import tokenizer
from internvideo.video.colour import orientation, to_rgb
from internvideo.video.opening import PathLike
from internvideo.video.reader import Video, open_video
from internvideo.video.sampling import FRAME_POLICIES
from internvideo.video.transforms import preprocess_crops

Source = PathLike | Video | tuple[PathLike | Video, Span]

BLOCK_BYTES = 64 << 20  # of full-size frames that are held at once
DENSE = 4  # frames this near to each other, on average, are taken from one pass over all
BATCH = 16  # clips of one video at once on a GPU; on a CPU one: it is as fast there, and numbers change with the batch
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

    ViCLIP cuts longer texts, as published; the others raise UsageError.
    """
    family = card_of(model).family
    if not family.context:
        raise UsageError(
            f"`{card_of(model).name}` reads no text: it knows only the classes it was trained on",
            "take a model of videos and texts, such as clip-b-16, viclip-b-16 or internvideo-mm-b-16",
        )
    rows = [texts] if isinstance(texts, str) else list(texts)
    ids = tokenizer()(rows, family.context, "truncate" if family.name == "viclip" else "raise")
    return torch.from_numpy(ids)


def card_of(model: nn.Module) -> Card:
    """What travels with a network that `load_model` made. Raises TypeError for any other."""
    card = getattr(model, "card", None)
    if not isinstance(card, Card):
        raise TypeError(f"this {type(model).__name__} has no card; networks made by `load_model` have one")
    return card


def choose_frames(video: Video, how: Preprocess, span: Span | None = None) -> list[int]:
    """The frames of one clip: the policy of `how` over the frames in `span`."""
    inside = video.frames_in(span)
    policy = pick(FRAME_POLICIES, how.frames, "frame policy")
    return [inside[number] for number in policy(len(inside), how.frame_count)]


def clips_of(video: Video, windows: Sequence[Sequence[int]], how: Preprocess, crops: int = 1) -> Iterator[np.ndarray]:
    """One clip per window of frame numbers, or `crops` of each: (3, T, size, size) float32, normalised.

    Memory is bounded if windows advance: a frame is kept from the first window that needs it to the last one.
    """
    last_use = {number: place for place, window in enumerate(windows) for number in window}
    blocks = _decoded(video, sorted(last_use))
    held: dict[int, np.ndarray] = {}
    for place, window in enumerate(windows):
        while not held.keys() >= set(window):
            numbers, frames = next(blocks)
            held.update(zip(numbers, np.moveaxis(preprocess_crops(frames, how, crops), 2, 0), strict=True))
        for crop in range(crops):
            yield np.stack([held[number][crop] for number in window], axis=1)
        for number in set(window):
            if last_use[number] == place:
                del held[number]


def encode(
    clips: Iterator[np.ndarray], network: Callable[[Tensor], Tensor], device: torch.device
) -> Iterator[np.ndarray]:
    """The answer of `network` to each clip, in order: float32 arrays. Clips are made while the network computes.

    The clips must be of one video: then no answer depends on what else is in a run.
    """
    size = 1 if device.type == "cpu" else BATCH
    for batch in ahead(_batched(clips, size)):
        with torch.inference_mode():  # holds for one thread, and not over a `yield`
            rows = network(torch.from_numpy(batch).to(device)).float().cpu().numpy()
        yield from rows


def encode_texts(model: nn.Module, texts: Sequence[str]) -> np.ndarray:
    """(n, D) float32, unit length. Padding that no text needs is left out: nothing looks at it."""
    ids = tokenize(model, texts)
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


def _batched(clips: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    waiting: list[np.ndarray] = []
    for clip in clips:
        waiting.append(clip)
        if len(waiting) == size:
            yield np.stack(waiting)
            waiting = []
    if waiting:
        yield np.stack(waiting)


def _decoded(video: Video, numbers: Sequence[int]) -> Iterator[tuple[Sequence[int], np.ndarray]]:
    """Frames by number (ascending, distinct), in blocks of bounded size: (numbers, (n, H, W, 3) uint8)."""
    length = max(1, BLOCK_BYTES // (video.facts.height * video.facts.width * 3))
    if len(numbers) > length and numbers[-1] - numbers[0] < DENSE * len(numbers):
        yield from _swept(video, numbers, length)
        return
    for place in range(0, len(numbers), length):
        block = numbers[place : place + length]
        yield block, video.frames(block)


def _swept(video: Video, numbers: Sequence[int], length: int) -> Iterator[tuple[Sequence[int], np.ndarray]]:
    """The same in one pass over all frames from the first to the last."""
    size = video.facts.height, video.facts.width
    stop = int(video.ticks[numbers[-1] + 1]) if numbers[-1] + 1 < len(video) else None
    pictures = video.pictures(int(video.ticks[numbers[0]]), stop)
    picture = next(pictures, None)
    for place in range(0, len(numbers), length):
        block = numbers[place : place + length]
        rows = np.empty((len(block), *size, 3), np.uint8)
        for row, number in zip(rows, block, strict=True):
            while picture is not None and picture.number < number:
                picture = next(pictures, None)
            if picture is not None and picture.number == number:
                rotation, mirrored = orientation(picture.frame)
                row[:] = to_rgb(picture.frame, rotation=rotation, mirrored=mirrored, size=size)
            else:
                row[:] = video.frames([number])[0]  # gives what can still be had, or says why not
        yield block, rows
