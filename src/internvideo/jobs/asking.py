"""A loaded network as tasks ask it: views of a video in, embeddings or logits out; texts in, vectors out."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.datasets.pixels import frames_of
from internvideo.datasets.sample import Sample, member_of
from internvideo.errors import NoFrames, UsageError, pick
from internvideo.jobs.choice import choose_model
from internvideo.jobs.prepare import card_of, device_of, encode_texts, tokenize
from internvideo.jobs.shared_batches import SharedBatches
from internvideo.models.video_answer import VideoAnswer
from internvideo.records import Preprocess
from internvideo.tasks.task import Views
from internvideo.video.clips import clips_of
from internvideo.video.reader import open_video
from internvideo.video.sampling import FRAME_POLICIES, dense_views, sparse_views
from internvideo.video.transforms import preprocess_crops

T = TypeVar("T")
ONE_VIEW = Views()


class Network:
    """`tasks.task.Asked`, of a network that `load_model` made. Several threads may ask at once."""

    def __init__(self, model: nn.Module) -> None:
        self.network, self.card = model, card_of(model)
        self._lock, self._kept = threading.Lock(), dict[str, object]()
        network = getattr(model, "encode_video", model) if self.card.family.context else model
        self.batches = SharedBatches(cast("Callable[[Tensor], Tensor]", network), device_of(model))

    @property
    def scale(self) -> float:
        """What cosines are multiplied with before a softmax."""
        scale = self.network.scale
        return scale.item() if isinstance(scale, Tensor) else float(scale)  # type: ignore[arg-type]

    def clips(self, sample: Sample, views: Views = ONE_VIEW) -> Tensor:
        """(V, 3, T, size, size) float32, normalised, on the device of the network. Raises a `VideoError`."""
        return torch.from_numpy(np.stack(list(views_of(sample, self.card.preprocess, views)))).to(
            device_of(self.network)
        )

    def videos(self, sample: Sample, views: Views = ONE_VIEW) -> np.ndarray:
        """(V, D) float32 unit embeddings, or (V, K) logits of a class head. Raises a `VideoError`."""
        if isinstance(self.network, VideoAnswer):
            raise UsageError(f"`{self.card.name}` answers questions only", "`internvideo evaluate question-answering`")
        return np.stack(list(self.batches(views_of(sample, self.card.preprocess, views))))

    def texts(self, sentences: Sequence[str]) -> np.ndarray:
        """(n, D) float32, unit length. Raises UsageError for a network that reads no text."""
        return encode_texts(self.network, sentences)

    def answers(self, sample: Sample, questions: Sequence[str], views: Views = ONE_VIEW) -> np.ndarray:
        """(Q, A) scores. Raises UsageError for a network that answers no questions, and a `VideoError`."""
        if not isinstance(self.network, VideoAnswer):
            raise UsageError(
                f"`{self.card.name}` answers no questions",
                "take a fine-tuned network such as internvideo-mm-b-16-answer",
            )
        ids = tokenize(self.network, questions).to(device_of(self.network))
        with torch.inference_mode():
            scores: Tensor = self.network(self.clips(sample, views), ids[None])[0]
        return scores.float().cpu().numpy()

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What `make` gives, made once."""
        with self._lock:
            if key not in self._kept:
                self._kept[key] = make()
            return cast(T, self._kept[key])


def views_of(sample: Sample, how: Preprocess, views: Views = ONE_VIEW) -> Iterator[np.ndarray]:
    """The clips of one sample, (3, T, size, size) float32 each, clip by clip, crop by crop. Raises a `VideoError`."""
    if views.sampling == "blank":
        yield np.zeros((3, how.frame_count, how.size, how.size), np.float32)
        return
    if member_of(sample.path) is None and sample.media == "video" and not Path(sample.path).is_dir():
        with open_video(sample.path) as video:
            try:
                inside = video.frames_in(sample.span)
            except UsageError as error:  # the list is wrong about this video: one sample's trouble
                raise NoFrames(error.problem, error.hint) from error
            windows = [[inside[number] for number in window] for window in windows_of(len(inside), how, views)]
            yield from clips_of(video, windows, how, views.crops)
        return
    chosen: list[list[int]] = []

    def choose(num_frames: int) -> list[int]:
        chosen.extend(windows_of(num_frames, how, views))
        return sorted({number for window in chosen for number in window})

    frames = frames_of(sample, choose)
    place = {number: at for at, number in enumerate(sorted({n for window in chosen for n in window}))}
    for window in chosen or [[0]]:
        yield from preprocess_crops(frames[[place.get(number, 0) for number in window]], how, views.crops)


def windows_of(num_frames: int, how: Preprocess, views: Views) -> list[list[int]]:
    """Frame numbers of each clip. Raises UsageError for several clips of a policy that knows only one."""
    count = how.frame_count
    if views.sampling == "dense":
        return dense_views(num_frames, count, views.stride, views.clips)
    if views.sampling == "sparse":
        return sparse_views(num_frames, count, views.clips)
    if views.sampling == "still":
        return [[num_frames // 2] * count]
    if views.clips != 1:
        raise UsageError(
            f"the frame policy `{how.frames}` of these weights gives one clip, not {views.clips}",
            "sampling=dense (Kinetics) or sampling=sparse (Something-Something) spreads several",
        )
    chosen = pick(FRAME_POLICIES, how.frames, "frame policy")(num_frames, count)
    if views.sampling == "shuffled":
        chosen = [chosen[place] for place in np.random.default_rng(0).permutation(count)]
    return [chosen]


class Encoder:
    """A network by name for outside evaluation harnesses: paths and sentences in, unit vectors out.

    >>> Encoder("viclip-b-16").encode_text(["a cat"]).shape  # doctest: +SKIP
    (1, 512)
    """

    def __init__(self, model: str, weights: str | None = None, *, device: str | None = None) -> None:
        """As `--model`, `--weights` and `--device` of the command line."""
        self.model = choose_model(model, weights, device=device)
        self._network = Network(self.model)

    def encode_video(self, paths: Sequence[str]) -> np.ndarray:
        """(n, D) float32, unit length. Raises the `VideoError` of the first that cannot be used."""
        return np.stack([self._network.videos(Sample(0, path))[0] for path in paths])

    def encode_text(self, sentences: Sequence[str]) -> np.ndarray:
        """(n, D) float32, unit length; sentences are taken as they are."""
        return self._network.texts(sentences)
