"""The other side of `benchmarks/shots.py --agreement`: runs in `.venv-bench`, prints one JSON line per file.

    .venv-bench/bin/python benchmarks/shots_peer.py FILE...

PySceneDetect's own manager, reader (OpenCV) and detectors, unchanged; several detectors see the same frames, and each
keeps its cuts for itself. Cuts are told as PySceneDetect tells them: seconds, and frames of constant rate.
"""

import json
import sys
from typing import Any

from scenedetect import AdaptiveDetector, ContentDetector, SceneManager, ThresholdDetector, open_video
from scenedetect.detector import SceneDetector


def detectors() -> dict[str, SceneDetector]:
    """The settings that are compared; `ours` in `shots.py` has the same names."""
    return {
        "content": ContentDetector(),
        "content-t30": ContentDetector(threshold=30),
        "content-0.6s": ContentDetector(min_scene_len=0.6),
        "adaptive": AdaptiveDetector(),
        "adaptive-t5": AdaptiveDetector(adaptive_threshold=5),
        "adaptive-3.5-w3-0.6s": AdaptiveDetector(adaptive_threshold=3.5, window_width=3, min_scene_len=0.6),
        "threshold": ThresholdDetector(),
    }


class Each(SceneDetector):
    """Hands every frame to all detectors and writes down what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.detectors = detectors()
        self.cuts: dict[str, list[Any]] = {name: [] for name in self.detectors}
        self.scores: list[float] = []
        self.seconds: list[float] = []

    def process_frame(self, timecode: Any, frame_img: Any) -> list[Any]:
        for name, detector in self.detectors.items():
            self.cuts[name] += detector.process_frame(timecode, frame_img)
        self.scores.append(float(self.detectors["content"]._frame_score))
        self.seconds.append(timecode.seconds)
        return []

    def post_process(self, timecode: Any) -> list[Any]:
        for name, detector in self.detectors.items():
            self.cuts[name] += detector.post_process(timecode)
        return []


def look(path: str) -> dict[str, Any]:
    video = open_video(path)
    manager, each = SceneManager(), Each()
    manager.add_detector(each)
    manager.detect_scenes(video)
    return {
        "path": path,
        "rate": float(video.frame_rate),
        "seconds": each.seconds,
        "scores": each.scores,
        "cuts": {name: [[cut.frame_num, cut.seconds] for cut in cuts] for name, cuts in each.cuts.items()},
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            answer = look(name)
        except Exception as error:  # a file that PySceneDetect cannot read
            answer = {"path": name, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
