"""Pre-training VideoMAE of `transformers`, kept running: a line in, the seconds of one step and its loss out.

python train_step_peer.py WEIGHTS.safetensors BLOCKS THREADS    # in `.venv-bench`; the file also holds video and mask

A request is {"precision": "fp32" or "bf16"}. A step is forward and backward.
"""

import json
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import VideoMAEConfig, VideoMAEForPreTraining


def main(path: str, depth: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    weights = load_file(path)
    video, hidden = weights.pop("video").transpose(1, 2).contiguous(), weights.pop("hidden").bool()
    config = VideoMAEConfig(num_hidden_layers=int(depth), layer_norm_eps=1e-6, use_mean_pooling=False)
    model = VideoMAEForPreTraining.from_pretrained(None, config=config, state_dict=weights).train()
    for line in sys.stdin:
        bf16 = json.loads(line)["precision"] == "bf16"
        wall, cpu = time.perf_counter(), time.process_time()
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, bf16):
            loss = model(video, bool_masked_pos=hidden).loss
        loss.backward()
        took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({**took, "loss": loss.item()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
