"""One training step: masked contrastive (ViCLIP-B/16) and masked pixels (VideoMAE-B), against plain formulations.

    python benchmarks/train_step.py            # batch 8 and 4, five rounds
    python benchmarks/train_step.py --quick    # two blocks, batch 2, two rounds: does it run?
    python benchmarks/train_step.py --only contrastive|masking|videomae

The baseline of ViCLIP is the published step: every token embedded, then 90 % dropped by a mask drawn on the host,
blocks of `nn.MultiheadAttention` that are all computed again in the backward pass, whole similarity matrices with dense
targets. Ours is what `internvideo train` runs. Both end with AdamW. The peer of VideoMAE is `transformers`, forward and
backward. Losses, and gradients of the first and last layers, are compared before anything is timed.

What masking gains is the time of a step without dropping over that with (forward and backward), as a share of the
ratio of their operations, the text tower's included. A share of the limit is operations per second over those of the
best product of 2,048 x 2,048 matrices in the same run, in wall seconds. Ratios are medians over rounds.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from internvideo.models import MODELS, viclip, videomae
from internvideo.models.cost import measure
from internvideo.models.meta import shapes_only
from internvideo.models.renaming import to_theirs
from internvideo.models.weights import write_weights
from internvideo.ops import masks
from internvideo.training.learner import Learner, Precision, learn_from
from internvideo.training.objectives import Contrastive, MaskedPixels
from internvideo.training.optim import adamw, trainable, viclip_groups
from pairing import Peer, circumstances, compared, median, paired, peer, product_peaks, write
from plain_viclip import PlainText, PlainVideo

DROPPED = 0.9
PEER_SCRIPT = Path(__file__).with_name("train_step_peer.py")
Row = dict[str, object]
Batch = dict[str, Tensor]


class PlainStep:
    """The published step."""

    def __init__(self, ours: viclip.ViCLIP) -> None:
        ours = deepcopy(ours)
        self.video, self.text, self.temperature = PlainVideo(ours.video), PlainText(ours.text), ours.temperature
        self.video.blocks.recompute = self.text.blocks.recompute = True
        self.parts = nn.ModuleList([self.video, self.text])
        self.optimizer = torch.optim.AdamW([*self.parts.parameters(), self.temperature], lr=1e-6)
        self.rng = np.random.default_rng(0)

    def loss(self, batch: Batch, kept: Tensor, precision: str) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, precision == "bf16"):
            video, text = self.video(batch["video"], kept), self.text(batch["text"])
        same = (batch["uid"][:, None] == batch["uid"]).float()
        targets = same / same.sum(1, keepdim=True)
        each = (video.float() @ text.float().T / self.temperature, text.float() @ video.float().T / self.temperature)
        return sum(-(logits.log_softmax(1) * targets).sum(1).mean() for logits in each) / 2

    def __call__(self, batch: Batch, precision: str) -> None:
        self.optimizer.zero_grad()
        _, _, frames, height, width = batch["video"].shape
        tokens = frames * (height // 16) * (width // 16)
        kept = masks.random_kept(tokens, DROPPED, len(batch["video"]), self.rng)
        self.loss(batch, torch.from_numpy(kept), precision).backward()
        self.optimizer.step()


class OurStep:
    """What the training loop does with a batch, in any precision."""

    def __init__(self, model: viclip.ViCLIP) -> None:
        self.model = model
        self.optimizer = adamw(model, viclip_groups(trainable(model), rate=1.0, weight_decay=0.01))
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-6

    def __call__(self, batch: Batch, precision: Precision, dropped: float = DROPPED, *, steps: bool = True) -> None:
        self.optimizer.zero_grad()
        learn_from(Learner(self.model, Contrastive(dropped=dropped), precision).train(), batch, (0, 0))
        if steps:
            self.optimizer.step()


def contrastive_batch(size: int) -> Batch:
    text = torch.randint(1, 49_000, (size, 32))
    text[:, -1] = 49_407
    return {"video": torch.randn(size, 3, 8, 224, 224), "text": text, "uid": torch.arange(size)}


def must_agree(ours: viclip.ViCLIP, plain: PlainStep, batch: Batch) -> None:
    """The same loss and gradients for the same kept tokens."""
    kept = torch.from_numpy(masks.random_kept(8 * 14 * 14, DROPPED, len(batch["video"]), plain.rng))
    vectors = ours.encode_video(batch["video"], kept), ours.encode_text(batch["text"])
    loss, _ = Contrastive(dropped=DROPPED).compare(ours, vectors, batch)
    expected = plain.loss(batch, kept, "fp32")
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    pairs = [
        (ours.video.patches.weight, plain.video.conv.weight),
        (ours.video.blocks[0].attention.qkv.weight, plain.video.blocks.blocks[0].attention.in_proj_weight),
        (ours.text.embedding.weight, plain.text.embedding.weight),
        (ours.video.projection, plain.video.projection),
    ]
    found = torch.autograd.grad(loss, [one for one, _ in pairs])
    truth = torch.autograd.grad(expected, [other for _, other in pairs])
    for mine, theirs in zip(found, truth, strict=True):
        off = float((mine - theirs).norm() / theirs.norm())
        assert off < 1e-3, f"gradients differ by {off:.1e}"


def step_flops(config: viclip.ViCLIPConfig, batch: int, dropped: float) -> int:
    """Forward and backward of a step; the backward pass counts twice the forward one."""
    with shapes_only():
        model, tokens = viclip.ViCLIP(config).to("meta").eval(), 8 * 14 * 14
        video, ids = torch.empty(1, 3, 8, 224, 224), torch.zeros(1, 32, dtype=torch.int64)
        kept = torch.zeros(1, tokens - int(dropped * tokens), dtype=torch.int64) if dropped else None
        flops = measure(lambda: (model.encode_video(video, kept), model.encode_text(ids)))[0]
    return 3 * batch * flops


def measure_contrastive(depth: int, size: int, rounds: int) -> list[Row]:
    """A step of ours in both precisions against the published one in both."""
    config, model = contrastive_model(depth)
    batch = contrastive_batch(size)
    plain = PlainStep(model)
    must_agree(model, plain, batch)
    ours = OurStep(model)
    calls: dict[str, Callable[[], object]] = {
        "plain fp32": lambda: plain(batch, "fp32"),
        "fp32": lambda: ours(batch, "fp32"),
        "plain bf16": lambda: plain(batch, "bf16"),
        "bf16": lambda: ours(batch, "bf16"),
    }
    taken = paired(calls, rounds)
    flops = step_flops(config, size, DROPPED)
    name = f"ViCLIP-B/16, batch {size}, 90 % dropped"
    return [
        {**compared(f"{name}: {mine} against published {base[6:]}", taken, base, mine, target),
         "gflops": round(flops / median(taken[mine], "wall") / 1e9, 1), "precision": mine}
        for base, mine, target in (
            ("plain fp32", "fp32", 1.25), ("plain bf16", "bf16", 1.25), ("plain fp32", "bf16", 3.5)
        )
    ]  # fmt: skip


def contrastive_model(depth: int) -> tuple[viclip.ViCLIPConfig, viclip.ViCLIP]:
    torch.manual_seed(0)
    towers = viclip.VICLIP_B16
    config = replace(towers, video=replace(towers.video, depth=depth), text=replace(towers.text, depth=depth))
    model = viclip.ViCLIP(config)
    nn.init.normal_(model.video.times, std=0.02)
    return config, model


def measure_masking(depth: int, size: int, rounds: int, precision: Precision) -> Row:
    """What dropping 90 % of the tokens gains, of what it could."""
    config, model = contrastive_model(depth)
    batch = contrastive_batch(size)
    step = OurStep(model)
    calls = {
        "all tokens": lambda: step(batch, precision, 0.0, steps=False),
        "masked": lambda: step(batch, precision, DROPPED, steps=False),
    }
    taken = paired(calls, rounds)
    all_flops, some_flops = (step_flops(config, size, dropped) for dropped in (0.0, DROPPED))
    row = compared(f"ViCLIP-B/16, batch {size}, {precision}: masking", taken, "all tokens", "masked", 0.8)
    ceiling = all_flops / some_flops
    shares = {kind: round(float(str(row[kind])) / ceiling, 2) for kind in ("ratio", "cpu_ratio")}
    return {**row, "gain": row["ratio"], "cpu_gain": row["cpu_ratio"], "ceiling": round(ceiling, 2), **shares,
            "gflops": round(some_flops / median(taken["masked"], "wall") / 1e9, 1), "precision": precision}  # fmt: skip


def measure_videomae(depth: int, size: int, rounds: int) -> list[Row]:
    """Ours against `transformers`: the same weights, clips and hidden cubes; then with half of the decoder masked."""
    try:
        peer("import transformers, json; print(json.dumps({'version': transformers.__version__}))")
    except (RuntimeError, OSError):
        print("VideoMAE is left out: .venv-bench has no transformers", file=sys.stderr)
        return []
    torch.manual_seed(0)
    config = replace(videomae.PRETRAIN_B, encoder=replace(videomae.TRUNK_B, depth=depth))
    model = videomae.VideoMAE(config)
    batch = {"video": torch.randn(size, 3, 16, 224, 224).clamp(-2, 2)}
    grid, rng = model.encoder.patches.grid(batch["video"]), np.random.default_rng(0)
    hidden = np.stack([masks.tube(grid, 0.9, rng) for _ in range(size)])
    steps = {}
    for name, precision, decoded in (("fp32", "fp32", 1.0), ("bf16", "bf16", 1.0), ("half decoded", "fp32", 0.5)):
        steps[name] = Learner(model, MaskedPixels(decoded=decoded), precision).train()

    def ours(name: str) -> float:
        model.zero_grad()
        return float(learn_from(steps[name], batch, (0, 0))["loss"])

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "videomae.safetensors"
        theirs = to_theirs(model.state_dict(), MODELS["videomae-b-16-pretrain"].layouts["hf"])
        write_weights(path, theirs | {"video": batch["video"], "hidden": torch.from_numpy(hidden).to(torch.uint8)})
        with Peer(PEER_SCRIPT, str(path), str(depth), str(torch.get_num_threads())) as other:
            theirs_loss = float(str(other.ask(precision="fp32")["loss"]))
            torch.testing.assert_close(loss_of(model, batch, hidden), theirs_loss, rtol=1e-5, atol=0)
            calls = {
                "theirs fp32": lambda: other.seconds(precision="fp32"),
                "fp32": lambda: ours("fp32"),
                "half decoded": lambda: ours("half decoded"),
                "theirs bf16": lambda: other.seconds(precision="bf16"),
                "bf16": lambda: ours("bf16"),
            }
            taken = paired(calls, rounds)
    name = f"VideoMAE-B, batch {size}, forward and backward, transformers:"
    pairs = (("theirs fp32", "fp32", 1.1), ("theirs bf16", "bf16", 1.2), ("theirs fp32", "half decoded", 1.5))
    return [compared(f"{name} {ours} against {base[7:]}", taken, base, ours, goal) for base, ours, goal in pairs]


def loss_of(model: videomae.VideoMAE, batch: Batch, hidden: np.ndarray) -> float:
    """Our objective with a given mask."""
    drawn = iter(hidden)
    objective = MaskedPixels()
    before, masks.tube = masks.tube, lambda *_: next(drawn)
    try:
        return float(objective.look(model, batch, np.random.default_rng(0)).loss.detach())
    finally:
        masks.tube = before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two blocks, batch 2, two rounds")
    parser.add_argument("--only", choices=("contrastive", "masking", "videomae"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--blocks", type=int, default=12, help="of every tower, the narrow decoder aside")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    depth, size, rounds = (2, 2, 2) if asked.quick else (asked.blocks, 8, asked.rounds)
    peaks = product_peaks()
    about = {**circumstances(), "torch": torch.__version__, "threads": asked.threads, "peaks": peaks}
    print(f"{about['cpu']}, {asked.threads} threads, load {about['load']}; best products, GFLOP/s: {peaks}")
    rows = []
    if asked.only in (None, "contrastive"):
        rows += measure_contrastive(depth, size, rounds)
    if asked.only in (None, "masking"):
        rows += [measure_masking(depth, size, min(rounds, 3), precision) for precision in ("fp32", "bf16")]
    if asked.only in (None, "videomae"):
        rows += measure_videomae(depth, max(size // 2, 1), rounds)
    for found in rows:
        line = "{row}: {ours_s} s, baseline {baseline_s} s, {ratio} x (CPU {cpu_ratio} x), spread {spread:.0%}"
        if "ceiling" in found:
            line = "{row}: {gain} x of at most {ceiling} x, share {ratio} (CPU {cpu_ratio}), spread {spread:.0%}"
        if "gflops" in found:
            found["of_peak"] = round(float(str(found["gflops"])) / peaks[str(found["precision"])], 2)
            line += ", {gflops} GFLOP/s, {of_peak:.0%} of the best product"
        print(line.format(**found) + f", goal {found['target']}")
    write("train_step-quick" if asked.quick else "train_step", [{**found, **about, "blocks": depth} for found in rows])
    missed = [found for found in rows if float(str(found["ratio"])) < float(str(found["target"]))]
    return 1 if missed and not asked.quick else 0


if __name__ == "__main__":
    sys.exit(main())
