"""`internvideo models ...`: networks and their weights."""

import argparse

from internvideo.app.verb import Verb, json_option, show


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "word", nargs="?", default="", metavar="WORD", help="only names with this in them, and their weights"
    )
    json_option(parser)


def _list(given: argparse.Namespace) -> int:
    from internvideo.jobs.models import list_models, say_list

    found = list_models(given.word)
    show(found, given.as_json, lambda: say_list(found, given.word))
    return 0


def _show_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a network or a checkpoint, as `models list` names them")
    json_option(parser)


def _show(given: argparse.Namespace) -> int:
    from internvideo.jobs.models import say_show
    from internvideo.jobs.models import show as show_model

    found = show_model(given.name)
    show(found, given.as_json, lambda: say_show(found))
    return 0


def _fetch_options(parser: argparse.ArgumentParser) -> None:
    words = "a checkpoint, a network (its first checkpoint), or https://..., hf://owner/repo/file, owner/repo"
    parser.add_argument("name", metavar="NAME", help=words)
    json_option(parser)


def _fetch(given: argparse.Namespace) -> int:
    from internvideo.jobs.models import fetch, say_fetch

    found = fetch(given.name)
    show(found, given.as_json, lambda: say_fetch(found))
    return 0


def _convert_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="IN", help="weights in any known layout")
    parser.add_argument("out", metavar="OUT", help="new file: .safetensors, .pth, .pt, .bin, .ckpt or .pyth")
    parser.add_argument("--model", metavar="M", help="the network (default: recognised by names and shapes)")
    words = "ours, official, hf, or a layout that `models show` names (default: ours)"
    parser.add_argument("--to", default="ours", metavar="LAYOUT", help=words)
    json_option(parser)


def _convert(given: argparse.Namespace) -> int:
    from internvideo.jobs.models import convert, say_convert

    found = convert(given.source, given.out, model=given.model, to=given.to)
    show(found, given.as_json, lambda: say_convert(found))
    return 0 if found["converted"] else 1


def _verify_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a file of weights")
    parser.add_argument("--model", metavar="M", help="the network it must fit (default: recognised)")
    json_option(parser)


def _verify(given: argparse.Namespace) -> int:
    from internvideo.jobs.models import say_verify, verify

    found = verify(given.file, model=given.model)
    show(found, given.as_json, lambda: say_verify(found))
    return 0 if found["sound"] else 1


MODEL_VERBS = (
    Verb("list", "The networks: size, licence, which weights are here.",
         "internvideo models list viclip", _list_options, _list),
    Verb("show", "One network: parameters, compute, memory, preprocessing, sources, licence.",
         "internvideo models show clip-b-16", _show_options, _show),
    Verb("fetch", "Download published weights into the cache; a stopped download goes on.",
         "internvideo models fetch clip-b-16", _fetch_options, _fetch),
    Verb("convert", "Weights from any known layout into ours, or back.",
         "internvideo models convert ViClip-InternVid-10M-FLT.pth viclip.safetensors", _convert_options, _convert),
    Verb("verify", "Check a file of weights: layout, every name, shapes, numbers, hash.",
         "internvideo models verify vit_b_hybrid_pt_800e_k710_ft.pth", _verify_options, _verify),
)  # fmt: skip
