"""`internvideo index`, `search` and `serve`: verbs that find moments."""

import argparse
from typing import Any

from internvideo.app.verb import Verb, is_override, json_option, precision_option, show


def _index_options(parser: argparse.ArgumentParser) -> None:
    words = "folders with videos (or files); for a new dataset also changes of the recipe, as in `curate`"
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help=words)
    parser.add_argument("--out", required=True, metavar="DATASET", help="dataset folder: made, or brought up to date")
    parser.add_argument(
        "--model", metavar="M", help="a network of videos and texts (default: the dataset's, or the best here)"
    )
    parser.add_argument("--weights", metavar="W", help="a weights file, a name of the zoo, hub id or address")
    precision_option(parser)
    parser.add_argument("--device", choices=["cpu", "cuda"], help="where to compute (default: a GPU if there is one)")
    parser.add_argument(
        "--recipe", metavar="R", help="of a new dataset: search (default), default, internvid, or a file"
    )
    parser.add_argument("--beside", action="store_true", help="a second index by another model; the first one stays")
    parser.add_argument("--graph", action="store_true", help="also an approximate index, with its recall (extra `ann`)")
    parser.add_argument("--watch", action="store_true", help="go on, and index what comes, changes and goes")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core)")
    json_option(parser)


def _index(given: argparse.Namespace) -> int:
    from internvideo.jobs.index import Indexed, index, say_indexed, watch

    folders = [word for word in given.folders if not is_override(word)]
    overrides = [word for word in given.folders if is_override(word)]

    def again() -> Indexed:
        return index(
            folders,
            given.out,
            model=given.model,
            weights=given.weights,
            precision=given.precision,
            device=given.device,
            recipe=given.recipe,
            overrides=overrides,
            beside=given.beside,
            graph=given.graph,
            workers=given.workers,
        )

    def tell(found: Indexed) -> None:
        show(found.as_row(), given.as_json, lambda: say_indexed(found))

    found = again()
    tell(found)
    if given.watch:
        watch(folders, again, tell)
    return found.summary.exit_code


def _search_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", default="", metavar="QUERY", help="words, or a picture or video file")
    parser.add_argument("--dataset", required=True, metavar="DATASET", help="dataset folder that `index` made")
    parser.add_argument("--like", metavar="VIDEO@SECONDS", help="moments like this one, such as film.mp4@12.5")
    parser.add_argument("--top", type=int, default=20, metavar="N", help="how many to show at most (default 20)")
    parser.add_argument(
        "--cut-off", type=float, default=0.5, metavar="P", help="least likely score shown (default 0.5)"
    )
    parser.add_argument("--nearest", action="store_true", help="also what is below the cut-off")
    parser.add_argument("--folder", default="", metavar="F", help="only videos in this folder")
    parser.add_argument("--since", default="", metavar="DAY", help="only videos from this day on, like 2024-05-31")
    parser.add_argument("--until", default="", metavar="DAY", help="only videos up to this day")
    parser.add_argument("--min-seconds", type=float, default=0.0, metavar="S", help="only moments at least so long")
    parser.add_argument(
        "--max-seconds", type=float, default=float("inf"), metavar="S", help="only moments at most so long"
    )
    parser.add_argument("--language", default="", metavar="L", help="only videos of this language, like en")
    parser.add_argument("--licence", default="", metavar="L", help="only videos whose licence has these words")
    parser.add_argument(
        "--where", action="append", default=[], metavar="RULE", help="only moments with, say, 'motion_score>=0.2'"
    )
    parser.add_argument("--model", metavar="M", help="which of several indexes (default: the one made last)")
    parser.add_argument(
        "--weights", metavar="W", help="the weights that the index was made with, if they are elsewhere"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], help="where to compute")
    parser.add_argument("--translate", metavar="COMMAND", help="makes English of the query: stdin to stdout")
    parser.add_argument("--export", choices=["csv", "edl", "ffmpeg"], help="print the hits as a cut list")
    json_option(parser)


def _search(given: argparse.Namespace) -> int:
    from internvideo.jobs.search import run_search
    from internvideo.search.filters import Filters

    filters = Filters(
        folder=given.folder,
        since=given.since,
        until=given.until,
        seconds=(given.min_seconds, given.max_seconds),
        language=given.language,
        licence=given.licence,
        where=tuple(given.where),
    )
    return run_search(
        given.dataset,
        given.query,
        like=given.like,
        filters=filters,
        top=given.top,
        cut_off=given.cut_off,
        model=given.model,
        weights=given.weights,
        device=given.device,
        translate=given.translate,
        export=given.export,
        nearest=given.nearest,
        as_json=given.as_json,
    )


def _serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset", nargs="?", default="demo/dataset", metavar="DATASET", help="dataset folder (default: the demo's)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="address to bind; others than loopback ask for a token"
    )
    parser.add_argument("--port", type=int, default=8765, metavar="P", help="port (default 8765; 0: any that is free)")
    parser.add_argument("--model", metavar="M", help="which of several indexes (default: the one made last)")
    parser.add_argument(
        "--weights", metavar="W", help="the weights that the index was made with, if they are elsewhere"
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], help="where to compute")
    parser.add_argument("--upload-megabytes", type=int, default=2048, metavar="N", help="largest upload (default 2048)")
    parser.add_argument("--once", action="store_true", help="answer one request to itself and end")


def serve_dataset(folder: str, **how: Any) -> int:
    """Serve the page and the HTTP interface; see `jobs.serve.serve`. Raises MissingExtra without the extra `serve`."""
    from internvideo.errors import MissingExtra
    from internvideo.jobs.serve import serve

    try:
        from internvideo.app.server import make_app
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "serve") from None
    return serve(make_app, folder, **how)


def _serve(given: argparse.Namespace) -> int:
    return serve_dataset(
        given.dataset,
        host=given.host,
        port=given.port,
        model=given.model,
        weights=given.weights,
        device=given.device,
        upload_megabytes=given.upload_megabytes,
        once=given.once,
    )


SEARCH_VERBS = (
    Verb("index", "Make folders of videos searchable, or bring a dataset up to date.",
         "internvideo index ~/Videos --out my-dataset --model clip-b-16", _index_options, _index),
    Verb("search", "Find moments by words, a picture, a clip or another moment.",
         'internvideo search "a dog catches a frisbee" --dataset my-dataset', _search_options, _search),
    Verb("serve", "Serve a dataset as a page and over HTTP, on this machine only unless told otherwise.",
         "internvideo serve my-dataset", _serve_options, _serve),
)  # fmt: skip
