"""Clips as small cards: picture, words, place in the film, and scores that appear when one points at it."""

import base64
from collections.abc import Iterable, Mapping, Sequence

from internvideo.curation.report.data import ReportData
from internvideo.curation.report.figures import score_columns, title_of
from internvideo.curation.report.markup import Child, Markup, element
from internvideo.curation.report.thumbnails import Thumbnail
from internvideo.curation.report.wording import clock, file_name, number, shortened

LONGEST_CAPTION = 280  # characters on a card
MOST_SCORES = 8
PICTURE_BYTES = 3_300_000  # of all JPEG data on the page; base64 makes a third more of it
UNKNOWN = Thumbnail(problem="no picture")


class Cards:
    """Makes the cards of one page, and keeps count of the bytes of their pictures."""

    def __init__(self, data: ReportData, pictures: Mapping[str, Thumbnail]) -> None:
        self._data, self._pictures = data, pictures
        self._left = PICTURE_BYTES
        self._scores = [(name, title_of(name, data)) for name in score_columns(data)][:MOST_SCORES]
        columns = {name: data.clips[name] for name in ("name", "start_seconds", "end_seconds")}
        self._columns = columns
        self._texts, self._languages = data.captions["text"], data.captions["language"]

    def sheet(self, rows: Iterable[int], label: str) -> Markup:
        """A contact sheet."""
        cards = [self.card(row) for row in rows]
        return element("ul", cards, class_="sheet", aria_label=label)

    def card(self, row: int, *notes: Child, small: bool = False) -> Markup:
        """One clip of the table. notes: shown below the picture; small: nothing but picture, notes and place."""
        name, where = str(self._columns["name"][row].as_py() or ""), self._place(row)
        text, language = self._caption(row)
        shown = element(
            "p", text or "no caption", class_="said" if text else "said none", dir="auto", lang=language or None
        )
        scores = self._scores_of(row)
        return element(
            "li",
            element("div", self._picture(row, text or f"{file_name(name)}, {where}"), class_="frame"),
            scores,
            notes,
            None if small else shown,
            element("p", element("bdi", file_name(name, 34), title=name), " ", element("span", where), class_="where"),
            class_="card small" if small else "card",
            tabindex=0 if scores else None,
        )

    def _place(self, row: int) -> str:
        start, end = (self._columns[name][row].as_py() for name in ("start_seconds", "end_seconds"))
        return f"{clock(start)}–{clock(end)}"

    def _caption(self, row: int) -> tuple[str, str]:
        best = self._data.best_captions.get(self._data.names[row])
        if best is None:
            return "", ""
        return shortened(self._texts[best].as_py() or "", LONGEST_CAPTION), self._languages[best].as_py() or ""

    def _scores_of(self, row: int) -> Markup | None:
        entries = []
        for name, title in self._scores:
            value = self._data.clips[name][row].as_py()
            entries.append((element("dt", title.name), element("dd", number(value, title.unit))))
        return element("dl", entries, class_="scores") if entries else None

    def _picture(self, row: int, alternative: str) -> Markup:
        picture = self._pictures.get(self._data.names[row], UNKNOWN)
        problem = picture.problem
        if picture.jpeg and len(picture.jpeg) > self._left:
            problem = "left out to keep the page small"
        if problem:
            return element("div", problem, class_="gone", role="img", aria_label=f"No picture: {problem}")
        self._left -= len(picture.jpeg)
        source = "data:image/jpeg;base64," + base64.b64encode(picture.jpeg).decode("ascii")
        return element(
            "img",
            src=source,
            width=picture.width,
            height=picture.height,
            alt=shortened(alternative, 120),
            loading="lazy",
        )


def strip(cards: Sequence[Markup], label: str) -> Markup:
    """A row of small cards."""
    return element("ul", cards, class_="strip", aria_label=label)
