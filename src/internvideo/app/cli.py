"""The command line: a thin skin. Every verb is one call of `internvideo.jobs`.

Data goes to stdout, talk to stderr. Exit codes: 0 all good, 1 some inputs failed and the rest was kept, 2 usage,
3 nothing could be done, 130 interrupted. Nothing heavy is imported before a verb is chosen.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from internvideo import __version__
from internvideo.app.verbs import VERBS
from internvideo.errors import InternVideoError, UsageError, nearest


class _Parser(argparse.ArgumentParser):
    """argparse with our errors: the nearest valid word, exit code 2."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{self.prog}: {message}", f"`{self.prog} --help` shows an example")


def build_parser() -> argparse.ArgumentParser:
    """The whole grammar; `internvideo.app.reference` prints it as a page."""
    parser = _Parser(
        prog="internvideo",
        description="Curate, pre-train, evaluate and search video.",
        epilog="`internvideo VERB --help` shows an example for each.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"internvideo {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=_Parser)
    for verb in VERBS:
        verb.add_to(verbs)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except InternVideoError as error:
        print(f"error: {error.problem}", file=sys.stderr)
        if error.hint:
            print(f"hint:  {error.hint}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone: nobody is there to be told
        return 0
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


def _run(given: list[str]) -> int:
    names = [verb.name for verb in VERBS]
    if given and not given[0].startswith("-") and given[0] not in names:
        raise UsageError(f"no verb `{given[0]}`", nearest(given[0], names))
    parser = build_parser()
    chosen, rest = parser.parse_known_args(given)
    words = [word for word in rest if not word.startswith("-")]
    many = next((name for name in ("folders", "videos", "overrides") if hasattr(chosen, name)), None)
    if len(words) < len(rest) or (rest and many is None):
        raise UsageError(f"not understood: {' '.join(rest)}", f"`internvideo {chosen.verb} --help` shows an example")
    if rest and many is not None:
        getattr(chosen, many).extend(words)  # argparse takes words behind an option for strangers
    run: Callable[[argparse.Namespace], int] | None = getattr(chosen, "run", None)
    if run is None:
        parser.print_help()
        return 0 if not given else 2
    return run(chosen)


if __name__ == "__main__":
    sys.exit(main())
