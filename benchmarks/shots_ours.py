"""The process that `benchmarks/shots.py` times: finds the cuts of one film with one decoder thread and prints them.

    python benchmarks/shots_ours.py content|adaptive FILE

It looks at the film as a worker of `internvideo curate` does when shots are all that is due.
"""

import sys

from internvideo.curation.measures import DensePass
from internvideo.curation.segmenters import Shots
from internvideo.curation.threshold_pass import threshold_pass
from internvideo.video.reader import open_video

AS_TOOL = {  # with the defaults of the command line tool: shots of 0.6 s
    "content": Shots(detector="content"),
    "adaptive": Shots(detector="adaptive", ratio=3.0, window=2),
}


def main(setting: str, path: str) -> None:
    shots = AS_TOOL[setting]
    with open_video(path) as video:
        if shots.frames.threshold is not None:
            series = threshold_pass(video, shots.frames.threshold)
        else:
            dense = DensePass(shots.frames.measures)
            for picture in video.pictures():
                dense.feed(picture)
            series = dense.result()
        print(shots.cuts(series, video.time_base).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
