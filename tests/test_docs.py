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
