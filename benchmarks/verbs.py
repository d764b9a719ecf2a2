"""The verbs that need a forward pass, as people meet them: from files to vectors, and a new process's first answer.

    python benchmarks/verbs.py            # medians of five
    python benchmarks/verbs.py --quick    # one round

From files to vectors: `features` with ViCLIP-B/16 on eight films of 20 s, 720p, one vector each. Decoding alone and
computing alone are timed in CPU seconds; two cores that never wait would need half of their sum. Cold start:
`internvideo classify` with two labels on a film of 10 s, 360p, CLIP B/16 on disk. Weights are random.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

import torch

from curate import OUT, make_films, moving
from internvideo.jobs.features import Windows, features
from internvideo.models import MODELS, load_model
from internvideo.models.weights import write_weights
from internvideo.video.clips import choose_frames, clips_of
from internvideo.video.reader import open_video
from internvideo.video.render import write_video
from pairing import circumstances, write

WALL_GOAL, START_GOAL = 1.1, 5.0


def from_files(rounds: int) -> dict[str, object]:
    """Wall seconds of `features` against half the CPU seconds of its parts."""
    torch.manual_seed(0)
    model = load_model("viclip-b-16")
    films = sorted(make_films(OUT / "films-20", 8, 20).glob("*.mp4"))
    decoding, computing, walls = [], [], []
    for turn in range(rounds + 1):  # the first is not counted
        began = time.process_time()
        clips = []
        for film in films:
            with open_video(film) as video:
                how = model.card.preprocess
                clips += clips_of(video, [choose_frames(video, how)], how)
        decoded = time.process_time()
        with torch.inference_mode():
            for clip in clips:
                model.encode_video(torch.from_numpy(clip[None]))
        computed = time.process_time()
        with tempfile.TemporaryDirectory() as out:
            started = time.perf_counter()
            features(films, out, model, windows=Windows(whole=True))
            wall = time.perf_counter() - started
        if turn:
            decoding.append(decoded - began)
            computing.append(computed - decoded)
            walls.append(wall)
    ratio = median(w / ((d + c) / 2) for w, d, c in zip(walls, decoding, computing, strict=True))
    return {
        "row": "from files to vectors",
        "decode_cpu_s": round(median(decoding), 2),
        "compute_cpu_s": round(median(computing), 2),
        "wall_s": round(median(walls), 2),
        "of_the_limit": round(ratio, 2),
        "goal": WALL_GOAL,
    }


def cold_start(rounds: int) -> dict[str, object]:
    """Wall seconds of a new process until it has answered and ended."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        weights, film = Path(folder, "b16.safetensors"), Path(folder, "film.mp4")
        write_weights(weights, MODELS["clip-b-16"]().state_dict())
        write_video(film, moving(0, 10, 368, 640), fps=Fraction(30), options={"b": "1M", "bf": "3"})
        command = [sys.executable, "-m", "internvideo", "classify", str(film), "--labels", "a dog,a cat"]
        command += ["--model", "clip-b-16", "--weights", str(weights)]
        walls, spent = [], []
        for _ in range(rounds + 1):
            started, before = time.perf_counter(), sum(os.times()[2:4])
            subprocess.run(command, check=True, capture_output=True)
            walls.append(time.perf_counter() - started)
            spent.append(sum(os.times()[2:4]) - before)
    found = walls[1:]
    return {
        "row": "cold start of classify",
        "wall_s": round(median(found), 2),
        "cpu_s": round(median(spent[1:]), 2),  # what counts where others use the cores
        "spread": round((max(found) - min(found)) / median(found), 2),
        "goal": START_GOAL,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--only", choices=("files", "start"), help="one of the two rows")
    asked = parser.parse_args()
    rounds = 1 if asked.quick else 5
    torch.set_num_threads(2)
    rows = [call(rounds) for name, call in (("files", from_files), ("start", cold_start)) if asked.only in (None, name)]
    for found in rows:
        print("  ".join(f"{name} {value}" for name, value in found.items()))
    about = {**circumstances(), "torch": torch.__version__}
    print(about)
    write("verbs", [{**found, **about} for found in rows])


if __name__ == "__main__":
    main()
