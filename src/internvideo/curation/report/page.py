"""One self-contained HTML page from a report's data: no scripts, no addresses, nothing fetched.

Its content security policy forbids everything but its own style and the pictures inside it. No date is in it: the same
data give the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

from internvideo import __version__
from internvideo.curation.report import galleries, sections
from internvideo.curation.report.data import ReportData
from internvideo.curation.report.markup import Child, Markup, element
from internvideo.curation.report.pictures import Cards
from internvideo.curation.report.thumbnails import Thumbnail

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
PARTS = (
    ("funnel", "Funnel"),
    ("distributions", "Distributions"),
    ("kept", "Kept"),
    ("dropped", "Dropped"),
    ("borderline", "Thresholds"),
    ("duplicates", "Duplicates"),
    ("failures", "Failures"),
    ("captions", "Captions"),
    ("made", "How it was made"),
)
Pictures = Callable[[Sequence[int]], Mapping[str, Thumbnail]]


def render(data: ReportData, pictures: Pictures) -> str:
    """The page. pictures: gives, for rows of `data.clips`, their pictures by clip name; called once."""
    choice = galleries.choose(data)
    cards = Cards(data, pictures(choice.rows()))
    examples = galleries.caption_examples(data, choice, cards)
    parts: dict[str, Child] = {
        "funnel": sections.funnel(data),
        "distributions": sections.distributions(data),
        "kept": galleries.kept_clips(data, choice, cards),
        "dropped": galleries.dropped_clips(data, choice, cards),
        "borderline": galleries.borderline(data, choice, cards),
        "duplicates": galleries.duplicates(data, choice, cards),
        "failures": sections.failures(data),
        "captions": sections.captions(data, examples),
        "made": sections.facts(data),
    }
    links = [element("a", title, href=f"#{id_}") for id_, title in PARTS if parts[id_]]
    body = element(
        "body",
        element("a", "Skip to the funnel", href="#funnel", class_="skip"),
        element("div", sections.header(data), element("nav", links, aria_label="Parts of this page"), class_="top"),
        element("main", parts.values()),
        element(
            "footer",
            element("p", f"Made by internvideo {__version__}. This file needs nothing else and fetches nothing."),
        ),
    )
    return "<!doctype html>\n" + element("html", _head(data), body, lang="en") + "\n"


def _head(data: ReportData) -> Markup:
    style = files("internvideo.curation.report").joinpath("report.css").read_text("utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{data.name}: dataset report"),
        element("style", Markup(style)),
    )
