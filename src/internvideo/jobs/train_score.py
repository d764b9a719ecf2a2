"""What a network in training scores on a held-out list, whose clips it sees as evaluation sees them."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from internvideo import distributed
from internvideo.datasets.items import ClipRecipe
from internvideo.datasets.loader import Broken, Corpus, in_order
from internvideo.metrics.ranking import best_ranks, recall_at
from internvideo.training.learner import Learner
from internvideo.training.objectives import Batch, Logs, Look

DEPTHS = (1, 5, 10)  # of recall


def held_out_scores(
    module: nn.Module,
    corpus: Corpus,
    clips: ClipRecipe,
    *,
    batch: int,
    device: torch.device,
    seed: int,
    tell: Callable[[str], None],
) -> dict[str, float]:
    """Means over the list of what the objective says of its batches; recall in percent if it compares clips and texts.

    `score`, higher is better: the mean recall at 1 of both directions, else the accuracy, else the loss below zero.
    Each process takes its stretch of each batch, so that as many samples are compared as on one; what does not divide
    by the number of processes at the end of the list is left out.
    """
    broken: list[Broken] = []
    sums: dict[str, float] = {}
    rows: list[tuple[Tensor, ...]] = []
    seen, world = 0, distributed.world()
    for number, whole in enumerate(in_order(corpus.samples, clips, broken, batch=batch)):
        count = len(whole["video"]) // world
        mine = slice(distributed.rank() * count, (distributed.rank() + 1) * count)
        own = {k: v[mine].to(device) if isinstance(v, Tensor) else v for k, v in whole.items()}
        if count:
            loss, logs, vectors = module(own, (seed, number), _Seen(own))
            seen += count
            for name, value in {"loss": loss, **logs}.items():
                sums[name] = sums.get(name, 0.0) + count * float(distributed.mean(value))
            rows.append(tuple(each.cpu() for each in vectors))
    for each in broken if distributed.is_main() else []:
        tell(f"not evaluated: {each.message}")
    means = {name: value / seen for name, value in sums.items()}
    if not means:
        return {}
    if rows[0]:
        means |= recalls(*(torch.cat(column) for column in zip(*rows, strict=True)))
        return {**means, "score": (means["t2v_R@1"] + means["v2t_R@1"]) / 2}
    return {**means, "score": means.get("accuracy", -means["loss"])}


def recalls(video: Tensor, text: Tensor, ids: Tensor) -> dict[str, float]:
    """R@1, R@5 and R@10 in percent, texts finding clips (t2v) and clips texts: two (N, D) of unit length, ids (N, L).

    Clips with the same words belong to each other's texts.
    """
    similarity = (video @ text.T).numpy()
    group = np.unique(ids.numpy(), axis=0, return_inverse=True)[1].reshape(-1)
    own = [np.flatnonzero(group == each).tolist() for each in group]
    both = {"t2v": best_ranks(similarity.T, own), "v2t": best_ranks(similarity, own)}
    return {f"{name}_R@{k}": recall_at(ranks, k) for name, ranks in both.items() for k in DEPTHS}


class _Seen:
    """The loss of a batch, its numbers, and the vectors of all processes with the texts they belong to."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __call__(self, learner: Learner, own: Tensor, look: Look) -> tuple[Tensor, Logs, list[Tensor]]:
        loss, logs = learner.objective.compare(learner.model, look.vectors, self.batch)
        rows = [*(each.float() for each in look.vectors), self.batch["text"]] if look.vectors else []
        return own + loss, {**look.logs, **logs}, [distributed.gather(each) for each in rows]
