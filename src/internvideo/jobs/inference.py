"""The verbs `classify` and `features`: choose a model, go through the videos, say what came out and what failed.

Data goes to stdout as it comes, talk to stderr. Exit codes: 0 all good, 1 some videos failed, 3 all did.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from internvideo.errors import UsageError, VideoError
from internvideo.jobs.choice import choose_model, say_model
from internvideo.jobs.classify import Answer, Question, each_answer, say_answer
from internvideo.jobs.named_videos import find_videos
from internvideo.jobs.prepare import card_of
from internvideo.jobs.talk import CountTalk, note


def run_classify(
    videos: Sequence[str],
    labels: str | None,
    *,
    model: str | None = None,
    weights: str | None = None,
    prompts: str = "name",
    segments: str | None = None,
    top: int = 5,
    temperature: float = 1.0,
    plot: str | None = None,
    precision: str = "fp32",
    device: str | None = None,
    lanes: int | None = None,
    as_json: bool = False,
) -> int:
    """`internvideo classify`: see `jobs.classify.classify`. Returns the exit code."""
    from internvideo.jobs.answer_picture import FRAMES, MOST, check_picture_name, draw_answers

    _check_counts(top=top, lanes=lanes)
    picture = None if plot is None else Path(plot)
    if picture is not None:
        check_picture_name(picture)
    places = find_videos(videos)
    network = choose_model(model, weights, precision=precision, device=device)
    say_model(network)
    ask = Question(network, labels, prompts, temperature)
    drawn: list[Answer] = []
    failed = 0
    with CountTalk("classify", "videos") as talk:
        for done, answer in enumerate(
            each_answer(places, ask, segments, pictures=FRAMES if picture else 0, lanes=lanes), start=1
        ):
            talk(done, len(places), answer.video)
            failed += _failed(answer.video, answer.problem)
            if as_json:
                print(json.dumps(answer.as_row(top), ensure_ascii=False), flush=True)
            elif answer.problem is None:
                print(say_answer(answer, top), flush=True)
            if len(drawn) < MOST and picture is not None and answer.problem is None:
                drawn.append(answer)
    if picture is not None and drawn:
        draw_answers(drawn, picture, f"internvideo · {card_of(network).name}")
        note(f"picture: {picture}" + (f" (the first {MOST} videos)" if len(places) - failed > MOST else ""))
    return _exit_code(failed, len(places))


def run_features(
    videos: Sequence[str],
    out: str,
    *,
    model: str | None = None,
    weights: str | None = None,
    window: int | None = None,
    stride: int | None = None,
    fps: float | None = None,
    whole: bool = False,
    dense: bool = False,
    precision: str = "fp32",
    device: str | None = None,
    lanes: int | None = None,
    as_json: bool = False,
) -> int:
    """`internvideo features`: see `jobs.features.features`. Returns the exit code."""
    from internvideo.jobs.features import Windows, each_written

    _check_counts(lanes=lanes)
    windows = Windows(window=window, stride=stride, fps=fps, whole=whole)
    places = find_videos(videos)
    network = choose_model(model, weights, precision=precision, device=device)
    say_model(network)
    failed = new = 0
    with CountTalk("features", "videos") as talk:
        for done, written in enumerate(
            each_written(places, out, network, windows=windows, dense=dense, lanes=lanes), start=1
        ):
            talk(done, len(places), written.video)
            failed += _failed(written.video, written.problem)
            new += written.new
            if as_json:
                print(json.dumps(written.as_row(), ensure_ascii=False), flush=True)
            elif written.new:
                print(f"{written.path}  {written.rows} rows", flush=True)
    note(f"{new} new, {len(places) - new - failed} unchanged, {failed} failed; in {out}")
    return _exit_code(failed, len(places))


def _failed(video: str, problem: VideoError | None) -> bool:
    if problem is not None:
        note(f"failed: {video}: {problem.kind}: {problem.problem}")
    return problem is not None


def _check_counts(**counts: int | None) -> None:
    for name, value in counts.items():
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}", f"for example --{name} 1")


def _exit_code(failed: int, count: int) -> int:
    return 0 if not failed else 1 if failed < count else 3
