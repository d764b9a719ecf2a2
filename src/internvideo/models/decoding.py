"""Sentences from a network with a caption decoder: the likeliest word, one after the other. Tensors only."""

import torch
from torch import Tensor

from internvideo.models.internvideo_mm import InternVideoMM
from internvideo.models.viclip import ViCLIP


@torch.inference_mode()
def greedy_ids(model: ViCLIP | InternVideoMM, video: Tensor, *, start: int, end: int, longest: int) -> Tensor:
    """Token ids that the decoder says of each clip: (B, C, T, H, W) -> (B, L <= longest), zero behind the end token.

    Raises ValueError for a network without a decoder.
    """
    if model.captioner is None:
        raise ValueError("these weights have no caption decoder")
    _, seen = model.encode_tokens(video)
    ids = torch.full((len(video), 1), start, dtype=torch.int64, device=video.device)
    ended = torch.zeros(len(video), dtype=torch.bool, device=video.device)
    while ids.shape[1] < longest and not ended.all():
        following = model.captioner(model.text.tokens(ids), seen)[:, -1].argmax(-1).masked_fill(ended, 0)
        ids = torch.cat([ids, following[:, None]], dim=1)
        ended |= following == end
    return ids
