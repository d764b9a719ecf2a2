"""Generated pages are fresh, links lead somewhere, and no page names a machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_the_command_line_reference_is_fresh():
    from internvideo.app.reference import reference

    page = ROOT / "docs" / "reference" / "cli.md"
    assert page.read_text("utf-8") == reference(), "stale: run `make docs`"


def test_the_page_of_recipes_is_fresh():
    """Costs take a minute to count, so what every recipe says is compared, and the costs of two."""
    from internvideo.app.recipe_page import files, fingerprint, row

    lines = (ROOT / "docs" / "recipes.md").read_text("utf-8").splitlines()
    rows = {line.split("[")[1].split("]")[0]: line for line in lines if line.startswith("| [")}
    recipes = files(ROOT / "configs")
    assert list(rows) == [file.stem for file in recipes], "stale: run `make docs`"
    for file in recipes:
        assert fingerprint(file) in rows[file.stem], f"{file.stem} is stale: run `make docs`"
    for file in recipes[:: len(recipes) - 1]:
        assert rows[file.stem] == row(file), f"{file.stem} is stale: run `make docs`"


def test_every_verb_has_an_example_in_its_help():
    import argparse

    from internvideo.app.cli import build_parser
    from internvideo.app.reference import _walk

    for parser in _walk(build_parser()):
        if parser.prog.count(" ") and not any(isinstance(a, argparse._SubParsersAction) for a in parser._actions):
            assert parser.epilog and "Example: internvideo" in parser.epilog, parser.prog


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{target} in {page.name}"


COMMAND = re.compile(r"(?:(?<=[`/ \"])|^)internvideo (?=((?:\\\n|[^`\n])+))", re.MULTILINE)
QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'")
ENDS = re.compile(r"[;|>#()\"]|&& |\s{3,}")
PROSE = {"as", "bytes", "exact", "internvideo"}  # words that follow the name of the package or of an image


def commands_in(text: str) -> list[list[str]]:
    """Words of every command `internvideo VERB ...` that a page shows, up to what ends it in a shell."""
    shown = (QUOTED.sub("X", line.replace("\\\n", " ")) for line in COMMAND.findall(text))
    return [ENDS.split(line)[0].split() for line in shown]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_pages_have_verbs_and_flags_that_exist(page):
    """Those of a container file and a systemd unit too, which nothing here runs."""
    import argparse

    from internvideo.app.cli import build_parser

    for words in commands_in(page.read_text("utf-8")):
        parser, known = build_parser(), True
        while known and (verbs := [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]):
            known = bool(words) and words[0] in verbs[0].choices
            parser, words = (verbs[0].choices[words[0]], words[1:]) if known else (parser, words)
        flags = {flag.partition("=")[0].strip(".,:)") for flag in words if re.match(r"--?[a-z]", flag)}
        missing = flags - {option for action in parser._actions for option in action.option_strings}
        assert not missing, f"{parser.prog} has no {missing}: {page.name}"
        if not known and words:
            assert not re.fullmatch(r"[a-z]+", words[0]) or words[0] in PROSE, f"{parser.prog} {words[0]}: {page.name}"
