"""The parts of the page, each a heading, a sentence on how to read it, and what there is to see.

Each takes the data and gives markup, or None where there is nothing to tell.
"""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np

from internvideo.curation.report.charts import FunnelRow, category_chart, funnel_chart, histogram_chart, share_bar
from internvideo.curation.report.data import Facts, ReportData
from internvideo.curation.report.figures import Figure, figures
from internvideo.curation.report.histogram import histogram, shares
from internvideo.curation.report.markup import Child, Markup, element, join, prose
from internvideo.curation.report.wording import NONE, count, duration, many, number, share, shortened

MOST_FAILURES = 100
MOST_LANGUAGES = 12
SIZES = (0, 240, 360, 480, 720, 1080, 1440, 2160, np.inf)  # of the shorter side, in pixels
# InternVid, arXiv 2307.06942, statistics of its 234 M clips: shares per bin.
INTERNVID_SECONDS = ((0, 2, 4, 10, 20, np.inf), (0.36, 0.26, 0.23, 0.08, 0.07))
INTERNVID_WORDS = ((0, 10, 20, 30, np.inf), (0.34, 0.55, 0.04, 0.07))


def section(id_: str, title: str, lead: str, *content: Child) -> Markup:
    """A part of the page that its table of contents can lead to."""
    heading = element("h2", title, id=f"{id_}-title")
    return element(
        "section", heading, element("p", prose(lead), class_="lead"), content, id=id_, aria_labelledby=f"{id_}-title"
    )


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Child]], right: Sequence[int] = ()) -> Markup:
    """A table; the first cell of a row is its heading, columns `right` hold numbers."""
    side = dict.fromkeys(right, "number")
    head = element("tr", [element("th", text, scope="col", class_=side.get(i)) for i, text in enumerate(heads)])
    body = []
    for row in rows:
        cells = [element("th", row[0], scope="row")]
        cells += [element("td", cell, class_=side.get(i)) for i, cell in enumerate(row[1:], start=1)]
        body.append(element("tr", cells))
    inner = element("table", element("caption", caption), element("thead", head), element("tbody", body))
    return element("div", inner, class_="table", tabindex=0, role="region", aria_label=caption)


# ---- the result in one sentence


def header(data: ReportData) -> Markup:
    """The name, one sentence with the result, and its five numbers."""
    kept, total = int(data.kept.sum()), data.clips.num_rows
    length = float(data.seconds[data.kept].sum())
    captioned = sum(name in data.best_captions for name, of_kept in zip(data.names, data.kept, strict=True) if of_kept)
    tiles = [
        ("films", count(data.videos.num_rows), many(data.files, "file") + " looked at"),
        (
            "shots",
            count(total),
            f"{duration(float(data.seconds.sum()))} of video" if total else "nothing to choose from",
        ),
        ("kept", count(kept), f"{share(kept, total)} of the shots" if total else "there are no shots"),
        ("kept video", duration(length), f"{number(length / kept, 's')} per clip" if kept else "nothing to watch"),
        (
            "with a caption",
            count(captioned),
            f"{share(captioned, kept)} of what was kept" if kept else "nothing was kept",
        ),
    ]
    entries = [
        element("div", element("dt", name), element("dd", element("strong", value), element("span", note)))
        for name, value, note in tiles
    ]
    return element(
        "header",
        element("p", "Dataset report", element("span", f"view {data.view}"), class_="over"),
        element("h1", element("bdi", data.name)),
        element("p", result(data), class_="result"),
        element("dl", entries, class_="tiles"),
    )


def result(data: ReportData) -> str:
    """One sentence: what came in, what was kept, what failed."""
    kept, total = int(data.kept.sum()), data.clips.num_rows
    found = f"{many(data.videos.num_rows, 'film')}, {many(total, 'shot')}"
    if not total:
        said = f"{many(data.videos.num_rows, 'film')} and not one shot: there is nothing to choose from"
    elif not kept:
        worst = max(data.funnel, key=lambda step: step.dropped, default=None)
        why = f": “{worst.rule}” dropped the most ({count(worst.dropped)})" if worst and worst.dropped else ""
        said = f"{found}, none kept{why}"
    else:
        length = duration(float(data.seconds[data.kept].sum()))
        said = f"{found}, {count(kept)} kept ({share(kept, total)}): {length} of video"
    failed = f"; {many(len(data.failures), 'failure')}" if data.failures else ""
    return said + failed + "."


# ---- the funnel


def funnel(data: ReportData) -> Markup:
    """From files to kept clips, as a chart and as a table."""
    rows = _funnel_rows(data)
    cells: list[Sequence[Child]] = []
    for row in rows:
        gone = row.came - row.kept
        cells.append(
            [row.label, count(row.came), count(row.kept), count(gone) if gone else NONE, share(row.kept, row.total)]
        )
    unknown = {step.rule: step.unknown for step in data.funnel if step.unknown}
    note = None
    if unknown:
        told = "; ".join(f"“{rule}”: {count(clips)}" for rule, clips in unknown.items())
        note = element("p", f"Clips for which a rule's value is not known: {told}.", class_="note")
    lead = (
        "Rules apply from top to bottom. Each bar shows what a step kept and what it dropped; the rest was gone before."
    )
    return section(
        "funnel",
        "What came in, what stayed",
        lead,
        legend(),
        funnel_chart(rows, narrow=False),
        funnel_chart(rows, narrow=True),
        table("The same in numbers", ("Step", "In", "Kept", "Dropped", "Share"), cells, right=(1, 2, 3, 4)),
        note,
    )


def _funnel_rows(data: ReportData) -> list[FunnelRow]:
    rows = [FunnelRow("Files", data.files, data.files, data.files, "found", head=True)]
    left = data.files
    if data.copies:
        rows.append(FunnelRow("Copies of another file", left, left - data.copies, data.files))
        left -= data.copies
    videos = data.videos.num_rows
    if left > videos:
        rows.append(FunnelRow("Readable videos", left, videos, data.files))
    total = data.clips.num_rows
    rows.append(FunnelRow("Shots", total, total, total, f"in {many(videos, 'film')}", head=True))
    rows += [FunnelRow(step.rule, step.came, step.kept, total) for step in data.funnel]
    kept = int(data.kept.sum())
    rows.append(FunnelRow(f"Kept in “{data.view}”", kept, kept, total, share(kept, total), head=True))
    return rows


def legend(*, lines: bool = False) -> Markup:
    """What the two colours mean, and the two kinds of lines."""
    kinds = [("kept", "kept"), ("dropped", "dropped")]
    kinds += [("median", "median"), ("rule", "threshold of the view")] if lines else []
    keys = [element("span", element("i", class_=f"key {kind}", aria_hidden="true"), text) for kind, text in kinds]
    return element("p", keys, class_="legend")


# ---- distributions


def distributions(data: ReportData) -> Markup:
    """A histogram of everything that has numbers, and InternVid's own shares beside ours."""
    shown = [_figure(figure) for figure in figures(data)]
    lead = (
        "Bars count all clips, those of the view in the stronger colour. Values beyond an axis are in its outer bars."
    )
    return section(
        "distributions",
        "What the clips are like",
        lead,
        legend(lines=True),
        element("div", shown, class_="figures"),
        _beside_internvid(data),
    )


def _figure(figure: Figure) -> Markup:
    bars = histogram(
        figure.values, figure.kept, marks=[threshold.value for threshold in figure.thresholds], whole=figure.whole
    )
    beyond = bars.below + bars.above
    notes = [figure.title.meaning] if figure.title.meaning else []
    notes += [f"{many(bars.missing, figure.subject.removesuffix('s'))} without a value."] if bars.missing else []
    classes = figure.column == "short_side"
    notes += [f"{count(beyond)} beyond the axis, up to {number(bars.highest)}."] if beyond and not classes else []
    chart = _sizes(figure) if classes else histogram_chart(figure, bars)
    heading = element("h3", figure.title.name)
    return element("figure", heading, chart, element("figcaption", " ".join(notes)) if notes else None)


def _sizes(figure: Figure) -> Markup:
    """Resolution in the classes that people know."""
    rows = []
    for low, high in itertools.pairwise(SIZES):
        inside = (figure.values >= low) & (figure.values < high)
        label = f"< {high:.0f}" if not low else f"{low:.0f}+"
        rows.append((label, int((inside & figure.kept).sum()), int((inside & ~figure.kept).sum())))
    filled = [place for place, (_, kept, dropped) in enumerate(rows) if kept + dropped]
    rows = rows[max(0, filled[0] - 1) : filled[-1] + 2]
    return category_chart(figure.title.name, figure.subject, "px, shorter side", rows)


def _beside_internvid(data: ReportData) -> Markup | None:
    if not data.kept.any():
        return None
    words = [
        data.caption_words[data.best_captions[n]] for n in np.array(data.names)[data.kept] if n in data.best_captions
    ]
    lengths = _shares_table("Clip length", "s", data.seconds[data.kept], *INTERNVID_SECONDS)
    captions = (
        _shares_table("Caption length", "words", np.array(words, np.float64), *INTERNVID_WORDS) if words else None
    )
    note = (
        "For orientation: shares of kept clips next to those that the InternVid paper (arXiv 2307.06942) gives for its"
        " 234 million clips. They describe that collection; they are no goal."
    )
    return join(
        [
            element("h3", "Next to InternVid"),
            element("p", note, class_="note"),
            element("div", lengths, captions, class_="pair"),
        ]
    )


def _shares_table(title: str, unit: str, values: np.ndarray, edges: Sequence[float], theirs: Sequence[float]) -> Markup:
    ours = shares(values, edges)
    rows: list[Sequence[Child]] = []
    for i, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        label = f"{edges[i]:.0f} or more" if np.isinf(edges[i + 1]) else f"{edges[i]:.0f} to {edges[i + 1]:.0f}"
        rows.append(
            [
                f"{label} {unit}",
                share_bar(round(own * 1000), 1000),
                share(round(own * 1000), 1000),
                share(round(other * 1000), 1000),
            ]
        )
    return table(title, (title, "", "here", "InternVid"), rows, right=(2, 3))


# ---- failures, captions, facts


def failures(data: ReportData) -> Markup:
    """What could not be used, by class, and what to do about it."""
    if not data.failures:
        return section(
            "failures", "Failures", "None: every file that was found could be read, and every operator came through."
        )
    kinds = Counter(failure.kind for failure in data.failures)
    summary = ", ".join(f"{kind} {count(number_)}" for kind, number_ in sorted(kinds.items()))
    rows: list[Sequence[Child]] = [
        [
            element("bdi", shortened(failure.name, 160)),
            element("code", failure.kind),
            prose(shortened(failure.message, 300)),
            prose(failure.advice or NONE),
        ]
        for failure in data.failures[:MOST_FAILURES]
    ]
    more = len(data.failures) - len(rows)
    note = f"{many(more, 'more failure')} not shown: `internvideo dataset status` lists all." if more else None
    lead = (
        f"{many(len(data.failures), 'failure')} by class: {summary}. Everything else was kept;"
        " `internvideo dataset retry` tries a class again."
    )
    listed = table("Failures", ("File", "Class", "What happened", "What to do"), rows)
    return section("failures", "Failures", lead, listed, element("p", prose(note), class_="note") if note else None)


def captions(data: ReportData, examples: Child) -> Markup:
    """How many texts of which kind and language there are."""
    if not data.captions.num_rows:
        lead = "There are none yet. Text in files beside the videos (.txt, .json, .vtt, .srt) is read by the next run."
        return section("captions", "Captions", lead)
    scales, languages = (data.captions[name].to_pylist() for name in ("scale", "language"))
    words = data.caption_words
    rows: list[Sequence[Child]] = []
    for scale, texts in sorted(Counter(scales).items(), key=lambda item: (-item[1], item[0])):
        mine = np.array([one == scale for one in scales])
        clips = len(set(np.array(data.captions["clip"].to_pylist(), object)[mine].tolist()))
        rows.append([scale, count(texts), count(clips), number(float(np.median(words[mine])))])
    spoken = Counter(language or "not stated" for language in languages)
    tongues: list[Sequence[Child]] = [
        [language, share_bar(texts, data.captions.num_rows), count(texts), share(texts, data.captions.num_rows)]
        for language, texts in sorted(spoken.items(), key=lambda item: (-item[1], item[0]))[:MOST_LANGUAGES]
    ]
    by_scale = table("Texts by scale", ("Scale", "Texts", "Clips", "Median words"), rows, right=(1, 2, 3))
    by_language = table("Texts by language", ("Language", "", "Texts", "Share"), tongues, right=(2, 3))
    lead = (
        "Every text is kept, with its origin; which one stands for a clip is decided when it is shown or exported."
        " Languages are those that the source states, else what the script alone tells."
    )
    return section("captions", "Captions", lead, element("div", by_scale, by_language, class_="pair"), examples)


def facts(data: ReportData) -> Markup:
    """How it was made: rates and costs, versions, and the recipe in full."""
    lists = [_fact_list(entry) for entry in data.facts if entry.rows]
    folded = []
    if data.operators:
        rows: list[Sequence[Child]] = [[name, element("code", key)] for name, key in data.operators]
        listed = table("Version and fingerprint of all that an operator's values depend on", ("Operator", "Key"), rows)
        folded.append(element("details", element("summary", "The operators, with their versions"), listed))
    if data.recipe:
        recipe = element("pre", element("code", data.recipe), tabindex=0)
        folded.append(element("details", element("summary", "The recipe, in full"), recipe))
    lead = "The same videos, recipe and versions give the same dataset. Changing a threshold computes nothing again."
    return section("made", "How it was made", lead, element("div", lists, class_="facts"), folded)


def _fact_list(entry: Facts) -> Markup:
    rows = [(element("dt", name), element("dd", value)) for name, value in entry.rows]
    note = element("p", entry.note, class_="note") if entry.note else None
    return element("div", element("h3", entry.title), element("dl", rows), note)
