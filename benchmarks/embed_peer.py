"""VideoMAE of `transformers`, kept running: a line in, the seconds of one forward pass and the logits out.

python embed_peer.py WEIGHTS.safetensors BLOCKS THREADS    # in `.venv-bench`; the file also holds the clip `video`
"""

import json
import sys
import time

import torch
from safetensors.torch import load_file
from transformers import VideoMAEConfig, VideoMAEForVideoClassification


def main(path: str, depth: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    weights = load_file(path)
    video = weights.pop("video").transpose(1, 2).contiguous()
    config = VideoMAEConfig(num_hidden_layers=int(depth), num_labels=len(weights["classifier.bias"]))
    model = VideoMAEForVideoClassification.from_pretrained(None, config=config, state_dict=weights).eval()
    for _ in sys.stdin:
        with torch.inference_mode():
            wall, cpu = time.perf_counter(), time.process_time()
            logits = model(video).logits[0]
            took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({**took, "logits": logits.tolist()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
