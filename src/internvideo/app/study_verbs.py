"""`internvideo dataset similar, propose, leaks, fingerprints`: what to look at before thresholds are fixed."""

import argparse

from internvideo.app.verb import Verb, json_option, show


def _similar_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder with vectors of its clips")
    parser.add_argument("--clip-set", metavar="S", help="which clips (default: those of the main view)")
    parser.add_argument("--examples", type=int, default=3, metavar="N", help="pairs shown per level (default 3)")
    json_option(parser)


def _similar(given: argparse.Namespace) -> int:
    from internvideo.jobs.proposals import say_similar, similar

    found = similar(given.dataset, clip_set=given.clip_set, examples=given.examples)
    show(found, given.as_json, lambda: say_similar(found))
    return 0


def _propose_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder with verdicts")
    parser.add_argument("--column", default="", metavar="C", help="only this score, such as sharpness_median")
    parser.add_argument("--precision", type=float, default=0.9, metavar="P", help="share of good clips (default 0.9)")
    parser.add_argument("--clip-set", metavar="S", help="which clips (default: those of the main view)")
    json_option(parser)


def _propose(given: argparse.Namespace) -> int:
    from internvideo.jobs.proposals import proposals, say_proposals

    found = proposals(given.dataset, clip_set=given.clip_set, column=given.column, precision=given.precision)
    show(found, given.as_json, lambda: say_proposals(found))
    return 0


def _leaks_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder")
    parser.add_argument(
        "--against", nargs="+", required=True, metavar="SET", help="folders of videos, datasets, files of fingerprints"
    )
    parser.add_argument("--clip-set", default="shots", metavar="S", help="which clips (default: shots)")
    json_option(parser)


def _leaks(given: argparse.Namespace) -> int:
    from internvideo.jobs.evaluation_sets import leaks, say_leaks

    found = leaks(given.dataset, given.against, clip_set=given.clip_set, quiet=given.as_json)
    show(found, given.as_json, lambda: say_leaks(found))
    return 1 if found["leaks"] else 0


def _fingerprints_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SET", help="a folder of videos, or a dataset")
    parser.add_argument("--out", required=True, metavar="FILE", help="Parquet file: hashes, no pictures")
    json_option(parser)


def _fingerprints(given: argparse.Namespace) -> int:
    from internvideo.jobs.evaluation_sets import write_fingerprints

    found = write_fingerprints(given.source, given.out, quiet=given.as_json)
    show(found, given.as_json, lambda: f"{found['videos']:,} videos, {found['frames']:,} frames: {found['out']}")
    return 0


STUDY_VERBS = (
    Verb("similar", "How many clips mean the same at each threshold, with pairs to look at.",
         "internvideo dataset similar my-dataset", _similar_options, _similar),
    Verb("propose", "Thresholds that people's verdicts ask for, and how sure they are.",
         "internvideo dataset propose my-dataset --precision 0.95", _propose_options, _propose),
    Verb("leaks", "Clips that show what an evaluation set shows, by fingerprints.",
         "internvideo dataset leaks my-dataset --against msrvtt-test", _leaks_options, _leaks),
    Verb("fingerprints", "Keep the fingerprints of an evaluation set, for leak checks elsewhere.",
         "internvideo dataset fingerprints msrvtt-test --out test.parquet", _fingerprints_options, _fingerprints),
)  # fmt: skip
