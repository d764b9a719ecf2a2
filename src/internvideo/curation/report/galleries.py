"""The parts of the page that show clips: contact sheets, clips at the thresholds, duplicates, captions side by side.

First says which clips are wanted, so that their pictures can be read in one go; then draws them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from internvideo.curation.report.data import Member, ReportData, Threshold
from internvideo.curation.report.figures import title_of
from internvideo.curation.report.markup import Child, Markup, element
from internvideo.curation.report.pictures import Cards, strip
from internvideo.curation.report.samples import around, spread
from internvideo.curation.report.sections import section
from internvideo.curation.report.wording import count, many, number, share, shortened

MOST_KEPT = 60
MOST_DROPPED, ROW = 40, 5  # cards in a row on a wide screen
MOST_THRESHOLDS, MOST_PER_SIDE = 8, 4
MOST_GROUPS, MOST_MEMBERS = 12, 6
MOST_EXAMPLES, LONGEST_EXAMPLE = 4, 500


@dataclass(frozen=True)
class Border:
    """A threshold with the clips next to it, in ascending order of value on either side."""

    threshold: Threshold
    failing: np.ndarray
    passing: np.ndarray


@dataclass(frozen=True)
class Choice:
    """The rows that a page shows."""

    kept: np.ndarray
    dropped: dict[str, np.ndarray] = field(default_factory=dict)  # rule -> rows
    borders: Sequence[Border] = ()
    groups: Sequence[Sequence[Member]] = ()
    captioned: Sequence[int] = ()

    def rows(self) -> list[int]:
        """Every row once, in the order of their first use."""
        shown = [*self.kept.tolist(), *(row for rows in self.dropped.values() for row in rows.tolist())]
        shown += [row for border in self.borders for rows in (border.failing, border.passing) for row in rows.tolist()]
        shown += [member.clip for group in self.groups for member in group]
        return list(dict.fromkeys([*shown, *self.captioned]))


def choose(data: ReportData) -> Choice:
    """The clips to show, the same for the same data."""
    sources = data.clips["source"].to_pylist()
    reasons = data.clips["dropped_by"].to_pylist()
    rules = [step.rule for step in data.funnel if step.dropped]
    rules += sorted({reason for reason in reasons if reason} - {*rules})
    by_rule: dict[str, list[int]] = {rule: [] for rule in rules}
    for row, reason in enumerate(reasons):
        if reason:
            by_rule[reason].append(row)
    each = 2 * ROW if 2 * ROW * len(rules) <= MOST_DROPPED else ROW
    borders = [
        Border(threshold, *around(data.numbers(threshold.column), threshold, MOST_PER_SIDE))
        for threshold in data.thresholds
    ]
    groups = sorted(data.groups, key=lambda group: -len(group))[:MOST_GROUPS]
    return Choice(
        kept=spread(sources, np.flatnonzero(data.kept), MOST_KEPT),
        dropped={rule: spread(sources, np.array(rows, np.int64), each) for rule, rows in by_rule.items() if rows},
        borders=[border for border in borders if len(border.failing) and len(border.passing)][:MOST_THRESHOLDS],
        groups=[sorted(group, key=lambda member: not member.keeper)[:MOST_MEMBERS] for group in groups],
        captioned=_captioned(data),
    )


def _captioned(data: ReportData) -> list[int]:
    """The clips with the most kinds of text, of different sources where there are."""
    scales: dict[str, set[str]] = {}
    for clip, scale in zip(data.captions["clip"].to_pylist(), data.captions["scale"].to_pylist(), strict=True):
        scales.setdefault(clip, set()).add(scale)
    order = sorted(range(len(data.names)), key=lambda row: (not data.kept[row], -len(scales.get(data.names[row], ()))))
    chosen: dict[str, int] = {}
    sources = data.clips["source"]
    for row in order[:2000]:
        if data.names[row] in scales:
            chosen.setdefault(sources[row].as_py(), row)
        if len(chosen) == MOST_EXAMPLES:
            break
    return sorted(chosen.values())


def kept_clips(data: ReportData, choice: Choice, cards: Cards) -> Markup:
    """The contact sheet of what is in the view."""
    total = int(data.kept.sum())
    if not total:
        return section(
            "kept", "Kept clips", "No clip passed all rules. The dropped ones below show what the rules met."
        )
    shown = len(choice.kept)
    which = "All of them" if shown == total else f"{count(shown)} of {count(total)}, spread evenly over the sources"
    lead = f"{which}: the middle frame of each. Point at a picture, or move to it with the tab key, to see its scores."
    return section("kept", "Kept clips", lead, cards.sheet(choice.kept.tolist(), "Kept clips"))


def dropped_clips(data: ReportData, choice: Choice, cards: Cards) -> Markup | None:
    """Some of what each rule dropped."""
    if not choice.dropped:
        return None
    totals = {step.rule: step.dropped for step in data.funnel}
    parts: list[Child] = []
    for rule, rows in choice.dropped.items():
        total = totals.get(rule, len(rows))
        of = f"{count(len(rows))} of {count(total)}" if total > len(rows) else count(total)
        parts.append(element("h3", rule, element("span", of, class_="aside")))
        parts.append(cards.sheet(rows.tolist(), f"Dropped by {rule}"))
    lead = "Under the first rule that dropped it. If something good is here, that rule is too strict."
    return section("dropped", "Dropped clips", lead, parts)


def borderline(data: ReportData, choice: Choice, cards: Cards) -> Markup | None:
    """The clips on either side of each threshold that has clips on both."""
    if not data.thresholds:
        return None
    parts: list[Child] = []
    for border in choice.borders:
        threshold, title = border.threshold, title_of(border.threshold.column, data)
        values = data.numbers(threshold.column)
        sides = [("drop", "fails", border.failing), ("keep", "passes", border.passing)]
        shown = []
        for class_, word, rows in sides if threshold.keeps_above else reversed(sides):
            notes = [element("p", number(float(values[row]), title.unit), class_=f"value {class_}") for row in rows]
            small = [cards.card(int(row), note, small=True) for row, note in zip(rows, notes, strict=True)]
            cards_shown = strip(small, f"{title.name}: {word} this rule")
            shown.append(element("div", element("p", word, class_=f"side {class_}"), cards_shown))
        heading = element("h3", title.name, element("span", _asked(threshold, data, named=False), class_="aside"))
        parts += [heading, element("div", shown, class_="border")]
    divided = {id(border.threshold) for border in choice.borders}
    others = [_asked(threshold, data) for threshold in data.thresholds if id(threshold) not in divided]
    if others:
        said = f"Not shown, as all clips with a value are on one side, or for lack of room: {'; '.join(others)}."
        parts.append(element("p", said, class_="note"))
    lead = "The clips nearest to each threshold, by value. Where both sides look alike, the threshold decides little."
    return section("borderline", "At the thresholds", lead, parts)


def _asked(threshold: Threshold, data: ReportData, *, named: bool = True) -> str:
    title = title_of(threshold.column, data)
    asked = f"{threshold.words} {number(threshold.value, title.unit)}"
    return f"{title.name.lower()} {asked}" if named else asked


def duplicates(data: ReportData, choice: Choice, cards: Cards) -> Markup:
    """Groups of clips that show the same."""
    if not data.groups:
        return section("duplicates", "Near-duplicates", "No two clips look the same.")
    parts: list[Child] = []
    for place, group in enumerate(choice.groups, start=1):
        whole = next(len(other) for other in data.groups if _same(other, group))
        heading = element("h3", f"Group {place}", element("span", f"{count(whole)} clips", class_="aside"))
        small = [cards.card(member.clip, _badge(member), small=True) for member in group]
        parts.append(element("div", heading, strip(small, f"Group {place}")))
    members = sum(len(group) for group in data.groups)
    said = f"{many(len(data.groups), 'group')} with {count(members)} clips"
    more = f"; the {len(choice.groups)} largest are shown" if len(data.groups) > len(choice.groups) else ""
    kept = "Nothing is deleted: a view keeps the marked clip of each group; the percentages compare the others with it."
    lead = f"{said}{more}. {kept}"
    return section("duplicates", "Near-duplicates", lead, element("div", parts, class_="groups"))


def _same(group: Sequence[Member], shown: Sequence[Member]) -> bool:
    return shown[0] in group


def _badge(member: Member) -> Markup:
    if member.keeper:
        return element("p", "kept for the group", class_="value keep")
    text = "double" if member.similarity is None else f"{share(round(member.similarity * 1000), 1000)} alike"
    return element("p", text, class_="value drop")


def caption_examples(data: ReportData, choice: Choice, cards: Cards) -> Markup | None:
    """All texts of a few clips, side by side."""
    if not choice.captioned:
        return None
    by_clip: dict[str, list[int]] = {data.names[row]: [] for row in choice.captioned}
    for place, clip in enumerate(data.captions["clip"].to_pylist()):
        if clip in by_clip and len(by_clip[clip]) < 8:
            by_clip[clip].append(place)
    shown = []
    for row in choice.captioned:
        texts = [data.captions.slice(place, 1).to_pylist()[0] for place in by_clip[data.names[row]]]
        entries = [_text(text) for text in texts]
        shown.append(
            element(
                "div",
                element("ul", cards.card(row, small=True), class_="strip"),
                element("dl", entries),
                class_="example",
            )
        )
    return element("div", element("h3", "All texts of a few clips"), shown)


def _text(row: dict[str, str]) -> Markup:
    language = row["language"] or None
    said = shortened(row["text"] or "", LONGEST_EXAMPLE)
    scale = element("dt", row["scale"], element("span", language) if language else None)
    return element("div", scale, element("dd", said, dir="auto", lang=language))
