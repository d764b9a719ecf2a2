"""Heads that choose an answer: from a fixed vocabulary, or among the options of a question.

Source: InternVideo (Wang et al., 2022), the downstream code's classifiers. Knows features; knows no words.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from internvideo.models.renaming import Renames


class AnswerHead(nn.Module):
    """Dropout, linear to twice the width, norm, GELU, dropout, linear: joined features to scores."""

    def __init__(self, width: int, answers: int, dropout: float = 0.1) -> None:
        """width: of the joined features. answers: size of the answer vocabulary, or 1 for one score per option."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(2 * width)
        self.out = nn.Linear(2 * width, answers)

    def forward(self, *features: Tensor) -> Tensor:
        """Features (B, D_i), joined in this order -> (B, answers).

        Published orders: video, text for answers; caption decoder, video, text for options. All before projections.
        """
        hidden = F.gelu(self.norm(self.up(self.dropout(torch.cat(features, dim=-1)))))
        out: Tensor = self.out(self.dropout(hidden))
        return out


def option_scores(scores: Tensor, options: int) -> Tensor:
    """One score per (question, option) row, options fastest: (B * options, 1) -> (B, options)."""
    return scores.reshape(-1, options)


def option_similarity(video: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Scaled cosine of each video with its own options: (B, D), (B * options, D), () -> (B, options)."""
    video = video / video.norm(dim=-1, keepdim=True)
    text = (text / text.norm(dim=-1, keepdim=True)).reshape(len(video), -1, video.shape[-1])
    return scale * torch.einsum("bd,bod->bo", video, text)


# The layers of the published stack, whatever it is called there (`vqa_classifier.`, `rank_output.`).
RENAMES: Renames = (("1.", "up."), ("2.", "norm."), ("5.", "out."))
