"""Captions by a network of ours that has a caption decoder, in this process: no address, no network."""

import asyncio
import json
import os
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.curation.language.protocol import Answer, Request, RequestRejected
from internvideo.errors import UsageError, VideoError, pick
from internvideo.jobs.choice import choose_model, say_model
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.prepare import card_of, device_of, prepare
from internvideo.jobs.talk import note
from internvideo.models.decoding import greedy_ids
from internvideo.models.internvideo_mm import InternVideoMM
from internvideo.models.viclip import ViCLIP
from internvideo.text.words import vocabulary
from internvideo.video.opening import display_name
from internvideo.video.sampling import FRAME_POLICIES
from internvideo.video.transforms import preprocess_crops


def describe(model: nn.Module, clips: Tensor) -> list[str]:
    """A sentence about each clip that `prepare` made: (B, 3, T, size, size). Raises UsageError if it has no decoder."""
    card = card_of(model)
    if not isinstance(model, ViCLIP | InternVideoMM) or model.captioner is None:
        raise UsageError(f"`{card.name}` writes no captions", "--model viclip-tiny does, of moving shapes")
    words = vocabulary(card.family.vocabulary)
    clips = clips.to(device_of(model))
    ids = greedy_ids(model, clips, start=words.start, end=words.end, longest=card.family.context)
    return [words.decode(number for number in row if number not in (0, words.start, words.end)) for row in ids.tolist()]


class OwnCaptioner:
    """The same network behind the protocol of language models: it looks at the frames and reads no question."""

    def __init__(self, name: str, weights: str | None = None) -> None:
        self._network = choose_model(name, weights)
        say_model(self._network)
        self._busy = threading.Lock()

    @property
    def identity(self) -> str:
        card = card_of(self._network)
        return f"{card.name}@{card.weights[:12]}"

    async def ask(self, request: Request) -> Answer:
        """Raises RequestRejected for a question without pictures."""
        if not request.images:
            raise RequestRejected("this network merges no texts", "captioning.merger=rules does")
        return await asyncio.to_thread(self._answer, request)

    async def close(self) -> None:
        """Nothing to give back."""

    def _answer(self, request: Request) -> Answer:
        how = card_of(self._network).preprocess
        chosen = pick(FRAME_POLICIES, how.frames, "frame policy")(len(request.images), how.frame_count)
        frames = np.stack([request.images[number] for number in chosen])
        clip = torch.from_numpy(next(iter(preprocess_crops(frames, how, 1))))
        with self._busy:
            text = describe(self._network, clip[None])[0]
        return Answer(text or None, "stop" if text else "refused", model=self.identity)


def run_own_captions(videos: Sequence[str], model: str, weights: str | None, *, as_json: bool = False) -> int:
    """`internvideo caption --model`: one sentence about each whole video. Returns the exit code."""
    places = find_videos(videos)
    network = choose_model(model, weights)
    say_model(network)
    failed = 0
    for place in places:
        path = os.fsdecode(place.path)
        try:
            if place.problem is not None:
                raise place.problem
            text = describe(network, prepare(network, path))[0]
        except VideoError as error:
            failed += 1
            note(f"{display_name(path)}: {error.kind}: {error.problem}")
            continue
        row = {"scale": "clip", "text": text}
        told = json.dumps({"video": display_name(path), "captions": [row]}, ensure_ascii=False)
        print(told if as_json else f"{display_name(path)}\n  {text}", flush=True)
    return 0 if not failed else 1 if failed < len(places) else 3
