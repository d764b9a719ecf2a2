"""InternVideo-MM that answers questions about a video: from a fixed vocabulary, or among the options of a question.

What the caption decoder makes of question and video, the video's feature and the question's, all before projections,
go through one head. Source: InternVideo (Wang et al., 2022), the downstream code's model `vtc_cap`. Knows tensors.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from internvideo.models.answer_head import RENAMES as HEAD_RENAMES
from internvideo.models.answer_head import AnswerHead
from internvideo.models.internvideo_mm import (
    CHECKPOINT_RENAMES,
    INTERNVIDEO_MM_B16_CAPTION,
    INTERNVIDEO_MM_DEBUG,
    INTERNVIDEO_MM_L14_CAPTION,
    InternVideoMM,
    InternVideoMMConfig,
    infer_config,
)
from internvideo.models.renaming import Renames, Shapes, prefixed
from internvideo.models.weights import Weights


@dataclass(frozen=True, kw_only=True)
class VideoAnswerConfig:
    base: InternVideoMMConfig = INTERNVIDEO_MM_B16_CAPTION
    classes: int = 1501  # answers of the vocabulary, one more in published heads; 1: one score per option
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.base.captioner is None:
            raise ValueError("answers are read from the caption decoder; give base=replace(base, captioner=...)")


class VideoAnswer(nn.Module):
    def __init__(self, config: VideoAnswerConfig) -> None:
        super().__init__()
        self.config = config
        self.base = InternVideoMM(config.base)
        assert self.base.captioner is not None
        self.base.captioner.predict = nn.Sequential()  # no words are predicted
        width = 2 * config.base.text.width + config.base.video.width
        self.head = AnswerHead(width, config.classes, config.dropout)
        for part in self.head.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.02)
                nn.init.zeros_(part.bias)

    def forward(self, video: Tensor, ids: Tensor) -> Tensor:
        """video: (B, C, T, H, W) normalised; ids: (B, L) or, for several texts, (B, K, L), zero padded.

        -> (B, classes) or (B, K, classes).
        """
        feature, tokens = self.base.video_feature(video)
        memory = tokens.flatten(1, 2)
        if ids.ndim == 3:
            count = ids.shape[1]
            each = self._scores(
                feature.repeat_interleave(count, 0), memory.repeat_interleave(count, 0), ids.flatten(0, 1)
            )
            return each.reshape(*ids.shape[:2], -1)
        return self._scores(feature, memory, ids)

    def _scores(self, feature: Tensor, memory: Tensor, ids: Tensor) -> Tensor:
        assert self.base.captioner is not None
        text = self.base.text
        tokens = text.tokens(ids)
        end = ids.argmax(-1).clamp(max=ids.shape[1] - 2)  # the decoder never sees the last position
        rows = torch.arange(len(ids), device=ids.device)
        joined = self.base.captioner.tokens(tokens[:, :-1], memory)[rows, end]
        scores: Tensor = self.head(joined, feature, text.pool(tokens, ids))
        return scores


def infer_answer_config(shapes: Shapes, base: VideoAnswerConfig) -> VideoAnswerConfig:
    """The configuration that weights of these shapes (under our names) belong to."""
    inner = {name.removeprefix("base."): shape for name, shape in shapes.items() if name.startswith("base.")}
    return replace(base, base=infer_config(inner, base.base), classes=shapes["head.out.weight"][0])


def start_from_base(weights: Weights) -> Weights:
    """What it takes over from InternVideo-MM's weights (our names): all but the words that the decoder predicts."""
    return {f"base.{key}": value for key, value in weights.items() if not key.startswith("captioner.predict.")}


NEW_BESIDE_BASE = ("head.",)


VIDEO_ANSWER_B16 = VideoAnswerConfig(base=INTERNVIDEO_MM_B16_CAPTION)
VIDEO_ANSWER_L14 = VideoAnswerConfig(base=INTERNVIDEO_MM_L14_CAPTION)
VIDEO_ANSWER_DEBUG = VideoAnswerConfig(base=INTERNVIDEO_MM_DEBUG, classes=66)

# The downstream code's checkpoints: the parts of InternVideo-MM as in its own, and the head beside them.
RENAMES: Renames = (
    *((theirs, f"base.{ours}" if ours else None) for theirs, ours in CHECKPOINT_RENAMES),
    *prefixed(HEAD_RENAMES, "vqa_classifier.", "head."),
)
