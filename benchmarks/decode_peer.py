"""The other side of `benchmarks/decode.py`: runs in `.venv-bench`, one JSON request per line in, one answer out.

Each method opens a file, gives the frames with some numbers as 224 x 224 RGB, and closes it; one decoder thread each.
The time stamps that the peers seek by are computed from the constant frame rate of the films. The answer tells the
numbers that are burnt into the pictures, so that a fast but wrong frame shows.
"""

import json
import sys
import time

import av
import cv2
import numpy as np

from films import read_number

SIDE = 224
cv2.setNumThreads(1)


def _capture(path: str) -> cv2.VideoCapture:
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])


def _small(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.resize(frame, (SIDE, SIDE)), cv2.COLOR_BGR2RGB)


def opencv_read_all(path: str, numbers: list[int]) -> list[np.ndarray]:
    """Every frame is read, as in the demo of the reference; only the wanted ones are kept (the demo keeps all)."""
    capture, wanted, kept, number = _capture(path), set(numbers), [], 0
    while True:
        more, frame = capture.read()
        if not more:
            break
        if number in wanted:
            kept.append(_small(frame))
        number += 1
    capture.release()
    return kept


def opencv_forward(path: str, numbers: list[int]) -> list[np.ndarray]:
    """Frames between are grabbed (decoded) but not converted; nothing behind the last one is read."""
    capture, kept, number = _capture(path), [], 0
    for wanted in numbers:
        while number <= wanted:
            capture.grab()
            number += 1
        kept.append(_small(capture.retrieve()[1]))
    capture.release()
    return kept


def opencv_seek(path: str, numbers: list[int]) -> list[np.ndarray]:
    """A seek for each frame."""
    capture, kept = _capture(path), []
    for wanted in numbers:
        capture.set(cv2.CAP_PROP_POS_FRAMES, wanted)
        kept.append(_small(capture.read()[1]))
    capture.release()
    return kept


def pyav_smart(path: str, numbers: list[int]) -> list[np.ndarray]:
    """Forward inside a group of pictures, a seek across groups, by the index of the container."""
    kept = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        step = round(1 / (stream.average_rate * stream.time_base))
        entries, reached, frames = stream.index_entries, -(10**9), iter(())
        for wanted in numbers:
            tick = wanted * step
            key = entries[entries.search_timestamp(tick)].timestamp
            if key > reached:
                container.seek(tick, stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                if frame.pts >= tick:
                    kept.append(frame.reformat(SIDE, SIDE, "rgb24").to_ndarray())
                    reached = frame.pts
                    break
    return kept


METHODS = {call.__name__: call for call in (opencv_read_all, opencv_forward, opencv_seek, pyav_smart)}
try:
    from torchcodec.decoders import VideoDecoder

    def torchcodec(path: str, numbers: list[int]) -> list[np.ndarray]:
        """Its exact mode; the resize is OpenCV's."""
        batch = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NHWC").get_frames_at(numbers).data.numpy()
        return [cv2.resize(frame, (SIDE, SIDE)) for frame in batch]

    METHODS["torchcodec"] = torchcodec
except Exception as failure:
    print(f"torchcodec is left out: {str(failure).splitlines()[0]}", file=sys.stderr)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if not request:  # asked for what there is
            print(json.dumps({"methods": list(METHODS), "opencv": cv2.__version__, "av": av.__version__}), flush=True)
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        pictures = METHODS[request["method"]](request["path"], request["numbers"])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"wall": wall, "cpu": cpu, "read": [read_number(p) for p in pictures]}), flush=True)


if __name__ == "__main__":
    main()
