"""The verbs of the command line and their options. A verb's body is one call of `internvideo.jobs`."""

import argparse

from internvideo.app.collect_verbs import COLLECT_VERBS
from internvideo.app.dataset_verbs import DATASET_VERBS
from internvideo.app.evaluation_verbs import EVALUATION_VERBS
from internvideo.app.inference_verbs import INFERENCE_VERBS
from internvideo.app.model_verbs import MODEL_VERBS
from internvideo.app.search_verbs import SEARCH_VERBS
from internvideo.app.study_verbs import STUDY_VERBS
from internvideo.app.training_verbs import TRAINING_VERBS
from internvideo.app.verb import Verb, group, is_override, json_option, show
from internvideo.errors import UsageError


def _curate_options(parser: argparse.ArgumentParser) -> None:
    words = "folders with videos (or files); and changes of the recipe such as operators.shots.threshold=30"
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=words)
    parser.add_argument("--out", metavar="DATASET", help="dataset folder: made, or brought up to date")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core)")
    named = "default, internvid, longtake, or a Python file"
    parser.add_argument("--recipe", default="default", metavar="R", help=named)
    parser.add_argument("--runner", choices=["local", "ray"], default="local", help="who executes the work")
    parser.add_argument("--shard", metavar="I/N", help="only this share of the files; `dataset merge` joins all shares")
    parser.add_argument("--estimate", action="store_true", help="print what it will cost, and stop")
    parser.add_argument(
        "--assume", metavar="A=N,..", help="with --estimate: of a corpus that is not here, like clips=234M,gpus=64"
    )
    json_option(parser)


def _curate(given: argparse.Namespace) -> int:
    from internvideo.jobs.curate import curate
    from internvideo.jobs.summary import say_summary

    if given.assume is not None:
        return _assume(given)
    folders = [word for word in given.folders if not is_override(word)]
    overrides = [word for word in given.folders if is_override(word)]
    if not folders or given.out is None:
        raise UsageError("`curate` takes folders and --out", "internvideo curate ~/Videos --out my-dataset")
    if given.estimate:
        from internvideo.jobs.curate import estimate
        from internvideo.jobs.estimate import say_estimate

        cost = estimate(
            folders, given.out, recipe=given.recipe, overrides=overrides, workers=given.workers, shard=given.shard
        )
        show(cost.as_row(), given.as_json, lambda: say_estimate(cost))
        return 0
    summary = curate(
        folders,
        given.out,
        recipe=given.recipe,
        overrides=overrides,
        workers=given.workers,
        runner=given.runner,
        shard=given.shard,
    )
    show(summary.as_row(), given.as_json, lambda: say_summary(summary))
    return summary.exit_code


def _assume(given: argparse.Namespace) -> int:
    from internvideo.jobs.corpus_cost import assumed, corpus_row, say_corpus

    if not given.estimate or given.folders:
        raise UsageError("--assume goes with --estimate and without folders", "--estimate --assume clips=234M,gpus=64")
    corpus = assumed(given.assume)
    show(corpus_row(corpus), given.as_json, lambda: say_corpus(corpus))
    return 0


def _demo_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="your own videos; without it a small world is rendered"
    )
    parser.add_argument("--out", default="demo", metavar="DIR", help="where everything goes (default: ./demo)")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core)")


def _demo(given: argparse.Namespace) -> int:
    from internvideo.app.search_verbs import serve_dataset
    from internvideo.jobs.demo import demo

    return demo(
        given.folder, given.out, workers=given.workers, serve=lambda folder, once: serve_dataset(folder, once=once)
    )


def _doctor(given: argparse.Namespace) -> int:
    from internvideo.jobs.doctor import doctor

    report = doctor()
    show(report.as_row(), given.as_json, report.as_text)
    return report.exit_code


VERBS = (
    Verb("demo", "The main job on a small rendered world, or on a folder of yours, from nothing to a report.",
         "internvideo demo ~/Videos", _demo_options, _demo),
    Verb("curate", "Turn folders of raw videos into a dataset: shots, scores, captions, duplicates, subsets.",
         "internvideo curate ~/Videos --out my-dataset operators.shots.min_seconds=1", _curate_options, _curate),
    group("collect", "Make lists of what to look for, plan a search, fetch videos by address.",
          "internvideo collect fetch films.csv --out films", COLLECT_VERBS),
    group("dataset", "Look into a dataset, check it, repair it, export it.",
          "internvideo dataset status my-dataset", (*DATASET_VERBS, *STUDY_VERBS)),
    *TRAINING_VERBS,
    *EVALUATION_VERBS,
    *INFERENCE_VERBS,
    *SEARCH_VERBS,
    group("models", "Networks and their weights: list, show, fetch, convert, verify.",
          "internvideo models list", MODEL_VERBS),
    Verb("doctor", "Check this machine: versions, codecs, a decode self-test, memory, GPU.",
         "internvideo doctor", json_option, _doctor),
)  # fmt: skip
