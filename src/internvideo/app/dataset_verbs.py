"""`internvideo dataset ...`: looking into a dataset, checking it, taking things out of it."""

import argparse

from internvideo.app.verb import Verb, json_option, show


def _dataset_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder")
    json_option(parser)


def _status(given: argparse.Namespace) -> int:
    from internvideo.jobs.dataset import say_status, status

    found = status(given.dataset)
    show(found, given.as_json, lambda: say_status(found))
    return 0


def _why_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder")
    parser.add_argument(
        "clip", metavar="CLIP", help="a clip's name, a video's hash (or its start), a path, or PATH@SECONDS"
    )
    json_option(parser)


def _why(given: argparse.Namespace) -> int:
    from internvideo.jobs.dataset import say_why, why

    found = why(given.dataset, given.clip)
    show(found, given.as_json, lambda: say_why(found))
    return 0


def _verify_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    parser.add_argument(
        "--repair", action="store_true", help="mend what can be mended; what was lost becomes due again"
    )


def _verify(given: argparse.Namespace) -> int:
    from internvideo.jobs.dataset import say_verify, verify

    found = verify(given.dataset, repair=given.repair)
    show(found, given.as_json, lambda: say_verify(found))
    return 0 if found["sound"] else 1


def _retry_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    parser.add_argument("--class", dest="kind", metavar="CLASS", help="only failures of this class, e.g. truncated")
    parser.add_argument("--video", metavar="VIDEO", help="only this video: its hash (or its start) or a path")


def _retry(given: argparse.Namespace) -> int:
    from internvideo.jobs.dataset import retry, say_retry

    found = retry(given.dataset, kind=given.kind, video=given.video)
    show(found, given.as_json, lambda: say_retry(found))
    return 0


def _report_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    parser.add_argument("--view", metavar="V", help="the subset to show (default: the recipe's first)")
    parser.add_argument("--out", metavar="FILE", help="where to write the page (default: DATASET/report.html)")


def _report(given: argparse.Namespace) -> int:
    from internvideo.jobs.dataset import report

    page = report(given.dataset, view=given.view, out=given.out)
    show({"report": str(page), "link": page.as_uri()}, given.as_json, page.as_uri)
    return 0


def _export_options(parser: argparse.ArgumentParser) -> None:
    from internvideo.jobs.formats import FORMATS

    parser.add_argument("dataset", metavar="DATASET", help="dataset folder")
    told = "settings of the format, such as cut.mode=keyframes, clips_per_shard=500, options.form=joined"
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help=told)
    json_option(parser)
    parser.add_argument(
        "--format", required=True, choices=sorted(FORMATS), help="; ".join(f"{k}: {v}" for k, v in FORMATS.items())
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder that receives the export; a killed one goes on"
    )
    parser.add_argument("--view", metavar="V", help="the subset to export (default: the recipe's first)")


def _export(given: argparse.Namespace) -> int:
    from internvideo.jobs.export import export, say_export

    found = export(given.dataset, given.format, given.out, view=given.view, settings=given.overrides)
    show(found, given.as_json, lambda: say_export(found))
    return 1 if found["skipped"] else 0


def endpoint_options(parser: argparse.ArgumentParser) -> None:
    """Who is asked; the rest is set by `key=value`."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, such as token_budget=1000000")
    parser.add_argument("--endpoint", default="", metavar="URL", help="an OpenAI-compatible address, up to /v1")
    parser.add_argument("--llm", default="", metavar="NAME", help="the model that answers there")


def endpoint_overrides(given: argparse.Namespace) -> list[str]:
    return [f"endpoint.url={given.endpoint}", f"endpoint.model={given.llm}", *given.overrides]


def _instruct_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    endpoint_options(parser)
    parser.add_argument("--view", metavar="V", help="only its clips (default: the recipe's first)")


def _instruct(given: argparse.Namespace) -> int:
    from internvideo.config import override
    from internvideo.curation.language.instructions import InstructionRecipe
    from internvideo.jobs.instructions import make_instructions, say_instructions

    recipe = override(InstructionRecipe(view=given.view), endpoint_overrides(given))
    found = make_instructions(given.dataset, recipe, quiet=given.as_json)
    show(found, given.as_json, lambda: say_instructions(found))
    return 1 if found["failed"] or found["stopped"] else 0


def _transcribe_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings, such as over=yes fetch=yes")
    parser.add_argument(
        "--model", default="", metavar="M", help="a folder of Whisper for CTranslate2, or a name (small)"
    )
    parser.add_argument("--language", default="", metavar="L", help="what is spoken (default: found out per video)")


def _transcribe(given: argparse.Namespace) -> int:
    from internvideo.config import override
    from internvideo.curation.speech import SpeechRecipe
    from internvideo.jobs.speech import say_transcribe, transcribe

    recipe = override(SpeechRecipe(model=given.model, language=given.language), given.overrides)
    found = transcribe(given.dataset, recipe, quiet=given.as_json)
    show(found, given.as_json, lambda: say_transcribe(found))
    return 1 if found["failed"] else 0


def _translate_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    endpoint_options(parser)
    parser.add_argument("--to", default="en", metavar="L", help="language (default en)")


def _translate(given: argparse.Namespace) -> int:
    from internvideo.config import override
    from internvideo.curation.language.translation import TranslationRecipe
    from internvideo.jobs.speech import say_translate, translate_transcripts

    recipe = override(TranslationRecipe(to=given.to), endpoint_overrides(given))
    found = translate_transcripts(given.dataset, recipe, quiet=given.as_json)
    show(found, given.as_json, lambda: say_translate(found))
    return 1 if found["failed"] or found["stopped"] else 0


def _gc_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    parser.add_argument("--delete", action="store_true", help="remove what is listed")


def _gc(given: argparse.Namespace) -> int:
    from internvideo.jobs.dataset import gc, say_gc

    found = gc(given.dataset, delete=given.delete)
    show(found, given.as_json, lambda: say_gc(found))
    return 0


def _merge(given: argparse.Namespace) -> int:
    from internvideo.jobs.curate import merge
    from internvideo.jobs.summary import say_summary

    summary = merge(given.dataset)
    show(summary.as_row(), given.as_json, lambda: say_summary(summary))
    return summary.exit_code


def _forget_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder")
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="a hash (or its start), a path, or source:NAME")
    parser.add_argument("--reason", default="", metavar="WORDS", help="why, for those who look at the list later")
    parser.add_argument("--date", metavar="DAY", help="of the request, like 2026-11-27 (default: today)")
    json_option(parser)


def _forget(given: argparse.Namespace) -> int:
    from internvideo.jobs.upkeep import forget, say_forget

    found = forget(given.dataset, given.videos, reason=given.reason, date=given.date, quiet=given.as_json)
    show(found, given.as_json, lambda: say_forget(found))
    return 0


def _diff_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="dataset folder")
    parser.add_argument("other", metavar="OTHER", help="another one")
    json_option(parser)


def _diff(given: argparse.Namespace) -> int:
    from internvideo.jobs.upkeep import diff, say_diff

    found = diff(given.dataset, given.other)
    show(found, given.as_json, lambda: say_diff(found))
    return 0 if found["same"] else 1


def _alive_options(parser: argparse.ArgumentParser) -> None:
    _dataset_option(parser)
    parser.add_argument(
        "--addresses", action="store_true", help="ask the addresses that the videos came from instead, over the network"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of asking: pause=1 agent=me robots=no")


def _alive(given: argparse.Namespace) -> int:
    from internvideo.config import override
    from internvideo.curation.collect.fetch import FetchRecipe
    from internvideo.jobs.upkeep import addresses_alive, alive, say_addresses, say_alive

    if given.addresses:
        asked = addresses_alive(given.dataset, override(FetchRecipe(), given.overrides).web(), quiet=given.as_json)
        show(asked, given.as_json, lambda: say_addresses(asked))
        return 1 if asked["gone"] or asked["silent"] else 0
    found = alive(given.dataset)
    show(found, given.as_json, lambda: say_alive(found))
    return 1 if found["gone"] or found["changed"] else 0


DATASET_VERBS = (
    Verb("status", "What is due, done, failed and kept.",
         "internvideo dataset status my-dataset", _dataset_option, _status),
    Verb("why", "Everything known of one clip or video, and why it is or is not in a subset.",
         "internvideo dataset why my-dataset films/holiday.mp4@12.5", _why_options, _why),
    Verb("verify", "Check every file of the dataset against the ledger.",
         "internvideo dataset verify my-dataset --repair", _verify_options, _verify),
    Verb("retry", "Make failures due again; the next `curate` tries them.",
         "internvideo dataset retry my-dataset --class truncated", _retry_options, _retry),
    Verb("report", "Write the report, one self-contained page.",
         "internvideo dataset report my-dataset", _report_options, _report),
    Verb("export", "Take a subset out: lists, WebDataset shards, cut clips.",
         "internvideo dataset export my-dataset --format webdataset --out shards", _export_options, _export),
    Verb("instruct", "Have a language model write instruction data: descriptions, conversations, questions.",
         "internvideo dataset instruct my-dataset --endpoint http://127.0.0.1:8000/v1 --llm qwen3", _instruct_options,
         _instruct),
    Verb("transcribe", "Listen to the videos that have no transcript in a file: words, their times, the language.",
         "internvideo dataset transcribe my-dataset --model whisper-small-ct2", _transcribe_options, _transcribe),
    Verb("translate", "Have a language model translate transcripts; the originals stay beside them.",
         "internvideo dataset translate my-dataset --to en --endpoint http://127.0.0.1:8000/v1 --llm qwen3",
         _translate_options, _translate),
    Verb("gc", "List values that no recipe, view or index names; --delete removes them.",
         "internvideo dataset gc my-dataset --delete", _gc_options, _gc),
    Verb("merge", "Join the parts that `curate --shard` made, then group and choose over all of it.",
         "internvideo dataset merge my-dataset", _dataset_option, _merge),
    Verb("forget", "Take videos out for ever: rows, vectors, pictures, exports; a list of removals stays.",
         "internvideo dataset forget my-dataset films/holiday.mp4 --reason 'asked for'", _forget_options, _forget),
    Verb("diff", "What differs between two datasets: videos, values, views.",
         "internvideo dataset diff my-dataset other-dataset", _diff_options, _diff),
    Verb("alive", "Look whether all files are still there; mark those that are gone.",
         "internvideo dataset alive my-dataset", _alive_options, _alive),
)  # fmt: skip
