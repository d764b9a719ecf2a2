"""`internvideo evaluate`: the verb that marks networks."""

import argparse
from typing import Any

from internvideo.app.inference_verbs import model_options
from internvideo.app.verb import Verb, show
from internvideo.errors import UsageError

TASK_NAMES = "recognition, zero-shot-recognition, multiple-choice, retrieval, question-answering, open-set ..."


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", nargs="?", metavar="TASK", help=TASK_NAMES)
    words = "switches of the protocol, such as clips=4 or dual_softmax=true; data.key=value for the reader of the list"
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=words)
    parser.add_argument("--data", required=True, metavar="D", help="a list, a folder of classes, or moving_shapes")
    suite = "instead of TASK: zero-shot (of moving_shapes), or a file such as configs/evaluate/zero_shot.py"
    parser.add_argument("--suite", metavar="S", help=suite)
    parser.add_argument("--format", default="", metavar="F", help="how the list is written, such as msrvtt")
    parser.add_argument("--root", default="", metavar="DIR", help="where the videos lie (default: beside the list)")
    parser.add_argument("--split", default="", metavar="S", help="part of the list, or a list of its videos")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, in the order of their numbers")
    parser.add_argument("--predictions", metavar="FILE", help="mark this file, or an ensemble a.jsonl:0.6,b.jsonl:0.4")
    published = "paper: every published switch"
    parser.add_argument("--protocol", choices=["default", "paper"], default="default", help=published)
    parser.add_argument("--out", metavar="DIR", help="keep predictions and report there; the same command goes on")
    parser.add_argument("--dump", action="store_true", help="also a line per example, samples.jsonl")
    model_options(parser)


def _evaluate(given: argparse.Namespace) -> int:
    from internvideo.jobs.evaluate import run_evaluate
    from internvideo.jobs.labels import read_labels
    from internvideo.tasks.data import Data

    words = [*([given.task] if given.suite and given.task else []), *given.overrides]
    reader = {word[5:].partition("=")[0]: word.partition("=")[2] for word in words if word.startswith("data.")}
    options = [word for word in words if not word.startswith("data.")]
    if given.suite is not None:
        return _suite(given, reader, options)
    if given.task is None:
        raise UsageError("which task?", "internvideo evaluate retrieval --data D --model M, or --suite zero-shot")
    classes = read_labels(given.classes) if given.classes else ()
    data = Data(
        place=given.data, reader=given.format, root=given.root, split=given.split, classes=classes, options=reader
    )
    found = run_evaluate(
        given.task,
        data,
        options=options,
        model=given.model,
        weights=given.weights,
        predictions=given.predictions,
        paper=given.protocol == "paper",
        out=given.out,
        dump=given.dump,
        precision=given.precision,
        device=given.device,
        lanes=given.lanes,
    )
    if found is None:  # another process tells
        return 0
    show(found.as_row(), given.as_json, found.as_text)
    return found.exit_code


def _suite(given: argparse.Namespace, reader: dict[str, str], options: list[str]) -> int:
    from internvideo.jobs.suite import run_suite

    if options:
        raise UsageError(f"`{options[0]}`: switches belong to one task", "write them into the file of the suite")
    table = run_suite(
        given.suite,
        given.data,
        model=given.model,
        weights=given.weights,
        paper=given.protocol == "paper",
        out=given.out,
        precision=given.precision,
        device=given.device,
        lanes=given.lanes,
        more=reader,
    )
    if table is None:
        return 0
    show(table.as_row(), given.as_json, table.as_text)
    return table.exit_code


def _localise_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    parser.add_argument("--head", required=True, metavar="W", help="weights of the head: run/model of a training")
    parser.add_argument("--head-model", default="actionformer-thumos14", metavar="M", help="name of the head's network")
    parser.add_argument("--labels", metavar="FILE", help="names of the classes, in the order of their numbers")
    parser.add_argument("--window", type=int, metavar="N", help="frames per row of features, as the head was trained")
    parser.add_argument("--stride", type=int, metavar="N", help="frames from row to row")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="how many segments at most (default 20)")
    parser.add_argument("--least", type=float, default=0.1, metavar="S", help="lowest score that is told (default 0.1)")
    parser.add_argument("--plot", default="", metavar="FILE.png", help="draw the segments on a timeline of the video")
    parser.add_argument("--video", default="", metavar="FILE.mp4", help="write the video with what was found drawn in")
    parser.add_argument("--ask", default="", metavar="TEXT", help="what to look for, of a head that reads words")
    parser.add_argument("--boxes", default="", metavar="FILE", help="boxes of persons, of a head that names actions")
    model_options(parser)


def _localise(given: argparse.Namespace) -> int:
    from internvideo.jobs.features import Windows
    from internvideo.jobs.labels import read_labels
    from internvideo.jobs.localise import run_localise

    if given.labels and given.labels.endswith(".pbtxt"):
        from internvideo.datasets.ava import read_label_map

        labels: Any = read_label_map(given.labels)
    else:
        labels = read_labels(given.labels) if given.labels else ()
    found, code = run_localise(
        given.videos, head=given.head, head_name=given.head_model, model=given.model, weights=given.weights,
        windows=Windows(window=given.window, stride=given.stride),
        labels=labels,
        top=given.top, least=given.least, picture=given.plot, film=given.video, ask=given.ask, boxes=given.boxes,
        device=given.device,
    )  # fmt: skip
    for one in found:
        show(one.as_row(), given.as_json, lambda one=one: f"{one.video}\n{one.as_text()}")  # type: ignore[misc]
    return code


EVALUATION_VERBS = (
    Verb("localise", "Find when which action happens in videos of yours, and draw it on a timeline.",
         "internvideo localise film.mp4 --model videomae-b-16-k400 --head run/model --stride 4 --plot film.png",
         _localise_options, _localise),
    Verb("evaluate", "Mark a network, or a file of predictions, on a task.",
         "internvideo evaluate retrieval --data moving_shapes --model viclip-b-16-debug --json",
         _evaluate_options, _evaluate),
)  # fmt: skip
