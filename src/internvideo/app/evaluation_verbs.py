"""`internvideo evaluate`: the verb that marks networks."""

import argparse

from internvideo.app.inference_verbs import model_options
from internvideo.app.verb import Verb, show


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "task", metavar="TASK", help="recognition, zero-shot-recognition, multiple-choice, retrieval ..."
    )
    words = "switches of the protocol, such as clips=4 or dual_softmax=true; data.key=value for the reader of the list"
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=words)
    parser.add_argument("--data", required=True, metavar="D", help="a list, a folder of classes, or moving_shapes")
    parser.add_argument("--format", default="", metavar="F", help="how the list is written, such as msrvtt")
    parser.add_argument("--root", default="", metavar="DIR", help="where the videos lie (default: beside the list)")
    parser.add_argument("--split", default="", metavar="S", help="part of the list, or a list of its videos")
    parser.add_argument("--classes", metavar="FILE", help="names of the classes, in the order of their numbers")
    parser.add_argument("--predictions", metavar="FILE", help="mark this file; no model is asked")
    parser.add_argument("--protocol", choices=["default", "paper"], default="default",
                        help="paper: every published switch")  # fmt: skip
    parser.add_argument("--out", metavar="DIR", help="keep predictions and report there; the same command goes on")
    parser.add_argument("--dump", action="store_true", help="also a line per example, samples.jsonl")
    model_options(parser)


def _evaluate(given: argparse.Namespace) -> int:
    from internvideo.jobs.evaluate import run_evaluate
    from internvideo.jobs.labels import read_labels
    from internvideo.tasks.data import Data

    reader = {
        word[5:].partition("=")[0]: word.partition("=")[2] for word in given.overrides if word.startswith("data.")
    }
    classes = read_labels(given.classes) if given.classes else ()
    data = Data(
        place=given.data, reader=given.format, root=given.root, split=given.split, classes=classes, options=reader
    )
    found = run_evaluate(
        given.task,
        data,
        options=[word for word in given.overrides if not word.startswith("data.")],
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


EVALUATION_VERBS = (
    Verb("evaluate", "Mark a network, or a file of predictions, on a task.",
         "internvideo evaluate retrieval --data moving_shapes --model viclip-b-16-debug --json",
         _evaluate_options, _evaluate),
)  # fmt: skip
