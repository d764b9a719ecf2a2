"""The process that `benchmarks/shots.py` times: finds the cuts of one film with one decoder thread and prints them.

python benchmarks/shots_ours.py content|adaptive FILE
"""

import sys

from internvideo.curation.measures import DensePass
from internvideo.curation.segmenters import Shots
from internvideo.video.reader import open_video

AS_TOOL = {  # with the defaults of the command line tool: shots of 0.6 s
    "content": Shots(detector="content"),
    "adaptive": Shots(detector="adaptive", ratio=3.0, window=2),
}


def main(setting: str, path: str) -> None:
    dense = DensePass(["change"])
    with open_video(path) as video:
        for picture in video.pictures():
            dense.feed(picture)
        change = dense.result()["change"]
        print(AS_TOOL[setting].cuts(change, change, video.time_base).tolist())


if __name__ == "__main__":
    main(*sys.argv[1:])
