"""`internvideo collect ...`: what to look for, what it would take, fetching what a list names."""

import argparse

from internvideo.app.dataset_verbs import endpoint_options, endpoint_overrides
from internvideo.app.verb import Verb, json_option, show

LISTS = "tables (.jsonl, .json, .csv, .tsv, .parquet) or texts with one per line"


def _plan_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="LIST", help=f"source lists: {LISTS}; and KEY=VALUE of the API")
    json_option(parser)


def _plan(given: argparse.Namespace) -> int:
    from internvideo.app.verb import is_override
    from internvideo.config import override
    from internvideo.curation.collect.plan import SearchApi
    from internvideo.jobs.collect import plan_sources, say_plan

    lists = [word for word in given.videos if not is_override(word)]
    found = plan_sources(lists, override(SearchApi(), [word for word in given.videos if is_override(word)]))
    show(found, given.as_json, lambda: say_plan(found))
    return 0


def _queries_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--classes", nargs="+", default=[], metavar="FILE", help="class lists, as `--labels` takes them"
    )
    parser.add_argument("--captions", nargs="+", default=[], metavar="FILE", help="files with captions, or datasets")
    parser.add_argument("--out", required=True, metavar="FILE", help="the source list to write, JSON Lines")
    endpoint_options(parser)
    json_option(parser)


def _queries(given: argparse.Namespace) -> int:
    from internvideo.config import override
    from internvideo.curation.collect.queries import QueryRecipe
    from internvideo.jobs.collect import make_queries, say_queries

    recipe = override(QueryRecipe(), endpoint_overrides(given))
    found = make_queries(given.out, given.classes, given.captions, recipe, quiet=given.as_json)
    show(found, given.as_json, lambda: say_queries(found))
    return 0


def _fetch_options(parser: argparse.ArgumentParser) -> None:
    told = (
        f"address lists: {LISTS}; places of object stores such as s3://films/2024; KEY=VALUE such as pause=2 rate=1e6"
    )
    parser.add_argument("videos", nargs="+", metavar="LIST", help=told)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="where the videos go; a killed fetch goes on")
    parser.add_argument(
        "--quota",
        action="append",
        default=[],
        metavar="G:V=N",
        help="at most N videos of a category, language, country",
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="X", help="a list of ids, addresses or SHA-256s; or a dataset"
    )
    parser.add_argument(
        "--again", action="append", default=[], metavar="CLASS", help="try this class of failures again"
    )
    parser.add_argument("--by", metavar="NAME", help="a collector that you installed; then LIST are source lists")
    json_option(parser)


def _fetch(given: argparse.Namespace) -> int:
    from internvideo.app.verb import is_override
    from internvideo.config import override
    from internvideo.curation.collect.fetch import FetchRecipe
    from internvideo.jobs.collect import fetch, say_fetch

    recipe = override(FetchRecipe(), [word for word in given.videos if is_override(word)])
    found = fetch(
        [word for word in given.videos if not is_override(word)],
        given.out,
        recipe,
        quotas=given.quota,
        exclude=given.exclude,
        by=given.by,
        again=given.again,
        quiet=given.as_json,
    )
    show(found, given.as_json, lambda: say_fetch(found))
    return 0 if not found["left"] else 1 if found["here"] else 3


COLLECT_VERBS = (
    Verb("plan", "What a search API's quota would allow, and how long it takes. Asks nobody.",
         "internvideo collect plan queries.jsonl searches_per_day=100", _plan_options, _plan),
    Verb("queries", "Make a source list from names of classes and from captions; a language model may widen it.",
         "internvideo collect queries --classes kinetics.csv --captions my-dataset --out queries.jsonl",
         _queries_options, _queries),
    Verb("fetch", "Fetch the videos of address lists and object stores, politely; a killed one goes on.",
         "internvideo collect fetch films.csv --out films --quota language:en=100", _fetch_options, _fetch),
)  # fmt: skip
