"""Small models, batches and runs that several tests of training share; also the program of other processes.

python -m tests.training.small FOLDER     # one of several processes, started with torchrun's variables
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from internvideo import distributed
from internvideo.models import cross_model, internvideo_mm, low_rank, viclip, videomae
from internvideo.training.checkpoint import Checkpoints, State
from internvideo.training.hooks import Average, Log, NaNGuard, Save
from internvideo.training.learner import Learner, learn_from
from internvideo.training.loop import train
from internvideo.training.objectives import Classify, Contrastive, ContrastiveCaption, Coordinate, MaskedPixels
from internvideo.training.optim import adamw, trainable, viclip_groups, viclip_schedule

WORDS, LENGTH = 50, 8


def contrastive_model():
    text = replace(viclip.VICLIP_DEBUG.text, vocabulary=WORDS, context=LENGTH)
    return viclip.ViCLIP(replace(viclip.VICLIP_DEBUG, text=text, lowest_temperature=0.05))


def contrastive_model_with_decoder():
    """As the bundled network is: contrast alone leaves the decoder without a gradient."""
    config = contrastive_model().config
    return viclip.ViCLIP(replace(config, captioner=caption_model().config.captioner))


def caption_model():
    base = internvideo_mm.INTERNVIDEO_MM_DEBUG
    return internvideo_mm.InternVideoMM(
        replace(
            base,
            text=replace(base.text, vocabulary=WORDS, context=LENGTH),
            captioner=replace(base.captioner, vocabulary=WORDS),
        )
    )


def masked_model():
    return videomae.VideoMAE(videomae.PRETRAIN_DEBUG)


def classifier():
    return videomae.VideoMAEClassifier(replace(videomae.CLASSIFIER_DEBUG, classes=5, head_scale=1.0))


def adapted():
    """Only low-rank differences and the head learn."""
    model = classifier()
    low_rank.adapt(model.encoder, low_rank.LowRank(rank=2))
    model.mean_norm.requires_grad_(False)
    for name, parameter in model.encoder.named_parameters():
        parameter.requires_grad_(name.endswith((".up", ".down")))
    return model


def cross():
    debug = cross_model.CROSS_MODEL_DEBUG
    return cross_model.CrossModel(
        replace(debug, masked=replace(debug.masked, classes=5), frames=replace(debug.frames, classes=5))
    )


# name: model, objective; in all of them the parts of a batch are computed alike, however it is cut
KINDS = {
    "contrastive": (contrastive_model, Contrastive()),
    "decoder aside": (contrastive_model_with_decoder, Contrastive()),
    "same-source": (contrastive_model, Contrastive(same_source=True, tile=3)),
    "sigmoid": (contrastive_model, Contrastive(kind="sigmoid", shift=-3.0)),
    "caption": (caption_model, ContrastiveCaption()),
    "classify": (classifier, Classify(classes=5, smoothing=0.1)),
    "low-rank": (adapted, Classify(classes=5)),
    "coordinate": (cross, Coordinate(classes=5)),
}
DRAWING = {  # random numbers belong to parts, so these agree between as many parts in all
    "masked": (masked_model, MaskedPixels(hidden=0.75)),
    "dropped": (contrastive_model, Contrastive(dropped=0.5)),
    "mixed": (classifier, Classify(classes=5, mixup=0.8, cutmix=1.0)),
}


def learner_of(kind, seed=0):
    torch.manual_seed(seed)
    build, objective = (KINDS | DRAWING)[kind]
    model = build()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():  # gates and tables that begin at zero would hide mistakes
        for parameter in model.parameters():
            if parameter.ndim > 0:
                parameter.add_(0.02 * torch.randn_like(parameter))
            elif parameter.item() == 0:
                parameter.fill_(0.3)
    return Learner(model, objective).train()


def batch_of(kind, size=8, seed=1):
    generator = torch.Generator().manual_seed(seed)
    model = (KINDS | DRAWING)[kind][0]()
    config = model.config
    clip = getattr(config, "clip", None) or getattr(getattr(config, "masked", None), "clip", None) or config.video
    frames = getattr(clip, "frames", 2)
    text = torch.zeros(size, LENGTH, dtype=torch.int64)
    for row, length in zip(text, torch.randint(3, LENGTH + 1, (size,), generator=generator).tolist(), strict=True):
        row[:length] = torch.randint(1, WORDS - 1, (length,), generator=generator)
        row[length - 1] = WORDS - 1
    return {
        "video": torch.randn(size, 3, frames, clip.size, clip.size, generator=generator),
        "text": text,
        "uid": torch.tensor([10**12 + i for i in (0, 1, 2, 3, 4, 5, 2, 7)][:size]),
        "source": torch.tensor([0, 0, -1, 1, 1, 2, -1, -1][:size]),
        "label": torch.randint(5, (size,), generator=generator),
        "media": "video",
    }


def learned(kind, size=8, parts=1, batch=None, **how):
    """Loss and gradients by name of one batch on this process, and those that it has to hand."""
    learner = learner_of(kind)
    module = distributed.parallelize(learner, unused=learner.objective.leaves_unused(learner.model), **how)
    logs = learn_from(module, batch_of(kind, size) if batch is None else batch, (0, 5), parts)
    loss = distributed.mean(logs["loss"])
    grads = {n: distributed.whole(p.grad) for n, p in learner.model.named_parameters() if p.grad is not None}
    return {"loss": loss, **grads}


def own_part(batch):
    """The consecutive rows of this process."""
    size = len(batch["video"]) // distributed.world()
    rows = slice(distributed.rank() * size, (distributed.rank() + 1) * size)
    return {key: value[rows] if isinstance(value, torch.Tensor) else value for key, value in batch.items()}


def steps_of(folder, steps, *, how="ddp", kind="contrastive", every=2, save=True, log=None, start_over=False):
    """A run on synthetic batches that goes on from its latest checkpoint; gives weights and average in the end."""
    learner = learner_of(kind)
    module = distributed.parallelize(learner, how, unused=learner.objective.leaves_unused(learner.model))
    model = learner.model
    groups = viclip_groups(trainable(model), rate=1e-3, weight_decay=0.1)
    optimizer = adamw(model, groups, eps=1e-3)  # or Adam makes steps of the rounding errors of zero (biases of keys)
    average = Average(model, 0.9)
    state = State(model, optimizer, average.values, seed=3)
    checkpoints = Checkpoints(folder, {"data": "synthetic"})
    checkpoints.resume(state)

    def batches(epoch, first):
        for step in range(first, 4):
            yield own_part(batch_of(kind, seed=100 * epoch + step))

    train(
        module,
        batches,
        optimizer,
        lambda step: viclip_schedule(step, warmup=2, total=12),
        steps=steps,
        steps_per_epoch=4,
        guard=NaNGuard(print),
        start=state.step,
        clip=1.0,
        seed=state.seed,
        hooks=[average, *([Save(checkpoints, state, every)] if save else []), *([Log(log, state.step)] if log else [])],
    )
    return state.tensors()


def together(folder: Path) -> None:
    """What two processes compute, for comparison with one."""
    with distributed.start():
        found = {kind: learned(kind, batch=own_part(batch_of(kind))) for kind in KINDS | DRAWING}
        for kind in ("contrastive", "caption", "classify"):
            found[f"{kind} in parts"] = learned(kind, parts=2, batch=own_part(batch_of(kind)))
        for kind in KINDS | DRAWING:
            found[f"{kind} cut"] = learned(kind, how="fsdp", batch=own_part(batch_of(kind)))
        for kind in ("contrastive", "caption"):
            found[f"{kind} cut in parts"] = learned(kind, how="fsdp", parts=2, batch=own_part(batch_of(kind)))
        rows = torch.arange(6.0).reshape(3, 2) + 10 * distributed.rank()
        ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
        weights = torch.arange(12.0).reshape(6, 2)
        (distributed.gather(ours) * weights).sum().backward()
        (distributed.gather(theirs, published=True) * weights).sum().backward()
        found["gather"] = {"rows": distributed.gather(rows), "grad": ours.grad, "published": theirs.grad}
        found["run"] = steps_of(folder / "two", 6)
        found["cut run"] = steps_of(folder / "cut", 6, how="fsdp")
        torch.save(found, folder / f"rank{distributed.rank()}.pt")
        steps_of(folder / "resumed", 6)  # from what one process left there
        steps_of(folder / "cut on", 6, how="fsdp")


if __name__ == "__main__":
    torch.set_num_threads(1)
    together(Path(sys.argv[1]))
