"""What a word of the command line is made of, and what all of them share."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from internvideo.errors import UsageError


@dataclass(frozen=True)
class Verb:
    """One word of the command line: what it takes, what it calls, one example."""

    name: str
    summary: str
    example: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]

    def add_to(self, verbs: Any) -> None:
        """Add this verb to a group of subparsers."""
        parser = verbs.add_parser(
            self.name,
            help=self.summary,
            description=self.summary,
            epilog=f"Example: {self.example}",
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.options(parser)
        parser.set_defaults(run=self.run)


def show(data: Any, as_json: bool, text: Callable[[], str]) -> None:
    """Data to stdout: JSON when asked for, else the text."""
    print(json.dumps(data, ensure_ascii=False, default=str) if as_json else text())


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON instead of text")


def is_override(word: str) -> bool:
    """`operators.shots.threshold=30`, and no file of that name."""
    from pathlib import Path

    head, equals, _ = word.partition("=")
    is_path = all(part.replace("-", "").replace("_", "").isalnum() for part in head.split("."))
    return bool(equals) and is_path and not Path(word).exists()


def precision_option(parser: argparse.ArgumentParser) -> None:
    told = "fp32 (default), bf16, int8 (CPU), fp16 (GPU), or best: the fastest here that stays near fp32"
    parser.add_argument("--precision", default="fp32", type=_precision, metavar="P", help=told)


def _precision(word: str) -> str:
    if word != "best":
        return word
    from internvideo.models.precision import advised

    return advised()


def group(name: str, summary: str, example: str, verbs: Sequence[Verb]) -> Verb:
    """A word that is followed by one of several others."""

    def options(parser: argparse.ArgumentParser) -> None:
        inner = parser.add_subparsers(dest=f"{name}_verb", metavar="VERB", required=True, parser_class=type(parser))
        for verb in verbs:
            verb.add_to(inner)

    def run(given: argparse.Namespace) -> int:
        raise UsageError(f"`internvideo {name}` is followed by a verb", f"`internvideo {name} --help` shows them")

    return Verb(name, summary, example, options, run)
