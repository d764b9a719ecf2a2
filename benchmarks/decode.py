"""Eight uniform frames of a film as 224 x 224 RGB: this package against OpenCV, PyAV and torchcodec.

    python benchmarks/decode.py            # five rounds of four films; makes the films on first use
    python benchmarks/decode.py --quick    # three rounds, without the film of five minutes

Every call opens the file, reads the frames and closes it, with one decoder thread. Before anything is timed, the frame
number burnt into every picture is read back: a method that gives a wrong frame is reported as wrong and not timed.
Ratios are medians of CPU seconds, taken in turns; wall seconds are kept beside them.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from films import FILMS, Film, film, read_number
from internvideo.video.reader import open_video
from internvideo.video.sampling import middle
from pairing import Peer, circumstances, median, paired, spread, write

SIDE, COUNT = 224, 8
TARGETS = {"10s-gop250": 1.5, "60s-gop250": 2.5, "300s-gop250": 12.0, "60s-gop48": 8.0}  # against reading everything


def ours(path: Path, numbers: list[int]) -> list[int]:
    """The numbers that the frames show."""
    with open_video(path) as video:
        return [read_number(picture) for picture in video.frames(numbers, size=(SIDE, SIDE))]


def measure(wanted: Film, peer: Peer, methods: list[str], rounds: int) -> list[dict[str, object]]:
    """One row per method that gives the right frames."""
    path = film(wanted)
    numbers = middle(wanted.frames, COUNT)
    if (read := ours(path, numbers)) != numbers:
        sys.exit(f"{wanted.name}: frames {numbers} asked for, {read} given")
    calls = {"internvideo": partial(ours, path, numbers)}
    for method in methods:
        read = peer.ask(method=method, path=str(path), numbers=numbers)["read"]
        if read == numbers:
            calls[method] = partial(peer.seconds, method=method, path=str(path), numbers=numbers)
        else:
            print(f"{wanted.name}: {method} gives the wrong frames {read}", file=sys.stderr)
    taken = paired(calls, rounds, warm=True)
    mbits = path.stat().st_size * 8 / wanted.seconds / 1e6
    return [
        {
            "film": wanted.name,
            "mbit_per_s": round(mbits, 2),
            "method": name,
            "cpu_ms": round(1000 * median(seconds), 1),
            "wall_ms": round(1000 * median(seconds, "wall"), 1),
            "spread": round(spread(seconds), 3),
            "times_ours": round(median(seconds) / median(taken["internvideo"]), 2),
        }
        for name, seconds in taken.items()
    ]


def show(rows: list[dict[str, object]]) -> None:
    """A table, and whether the targets are met."""
    print(f"{'film':<13}{'Mbit/s':>7}  {'method':<16}{'CPU ms':>9}{'wall ms':>9}{'spread':>8}{'x ours':>8}")
    for row in rows:
        print(
            f"{row['film']:<13}{row['mbit_per_s']:>7}  {row['method']:<16}{row['cpu_ms']:>9}{row['wall_ms']:>9}"
            f"{row['spread']:>8}{row['times_ours']:>8}"
        )
    for name, target in TARGETS.items():
        times = {str(row["method"]): float(str(row["times_ours"])) for row in rows if row["film"] == name}
        if "opencv_read_all" in times:
            best = min(times[method] for method in times if method != "internvideo")
            met = times["opencv_read_all"] >= target and best >= 0.95
            verdict = "met" if met else "MISSED"
            print(f"{name}: {times['opencv_read_all']} x reading everything (target {target}), "
                  f"{best} x the best peer (target 0.95): {verdict}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="three rounds, films up to a minute")
    parser.add_argument("--film", choices=[each.name for each in FILMS], help="only this one")
    parser.add_argument("--rounds", type=int, help="how often each method runs (default: 5, with --quick 3)")
    given = parser.parse_args()
    chosen = [each for each in FILMS if given.film in (None, each.name) and not (given.quick and each.seconds > 60)]
    before = circumstances()
    rows: list[dict[str, object]] = []
    with Peer(Path(__file__).with_name("decode_peer.py")) as peer:
        greeting = peer.ask()
        methods = [str(method) for method in list(greeting["methods"])]  # type: ignore[call-overload]
        for wanted in chosen:
            rows += measure(wanted, peer, methods, given.rounds or (3 if given.quick else 5))
    before |= {"peer_opencv": greeting["opencv"], "peer_av": greeting["av"]}
    print({**before, "load_after": circumstances()["load"]})
    show(rows)
    write("decode-quick" if given.quick else "decode", [{**before, **row} for row in rows])


if __name__ == "__main__":
    main()
