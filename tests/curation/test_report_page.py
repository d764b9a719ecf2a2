"""The page is one sound, safe, accessible file, whatever the dataset is like."""

import base64
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pyarrow as pa
import pytest

from internvideo.curation.report.data import Facts, FailedFile, Member, ReportData, Step, Threshold
from internvideo.curation.report.page import PARTS, render
from internvideo.curation.report.pictures import PICTURE_BYTES
from internvideo.curation.report.thumbnails import Thumbnail

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>"
VOID = {"meta", "img", "rect", "line", "br"}
CAPTIONS = pa.schema([("clip", pa.string()), ("text", pa.string()), ("scale", pa.string()), ("language", pa.string())])


class Page(HTMLParser):
    """Reads a page back; fails where tags are not nested rightly."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.said.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).replace("\u00a0", " ").split())


def clip_rows(count: int, *, kept: bool = True) -> list[dict]:
    rows = []
    for i in range(count):
        motion = None if i % 7 == 3 else i / 10
        drop = not kept or (motion is not None and motion < 0.5)
        rows.append(
            {
                "video": f"{i % 5:064x}",
                "stream": 0,
                "start": 1000 * i,
                "end": 1000 * i + 900,
                "start_seconds": i * 1.0,
                "end_seconds": i + 0.9,
                "kept": not drop,
                "dropped_by": "it moves" if drop else None,
                "name": EVIL + ".mp4" if i % 5 == 1 else f"/films/film {i % 5}.mp4",
                "source": f"channel {i % 3}",
                "motion_flow_mean": motion,
                "sharpness_median": float(i * i),
                "text_area": i / 99,
                "odd_score": float(i),
                "decoding_missing": i,
                "duplicates_group": i // 2,
            }
        )
    return rows


def report(count: int = 40, *, kept: bool = True, captions: bool = True, **changes) -> ReportData:
    rows = clip_rows(count, kept=kept)
    names = [f"{row['video'][:12]}.0.{row['start']}-{row['end']}" for row in rows]
    said = [
        {"clip": name, "text": EVIL if i % 4 == 0 else f"clip number {i}", "scale": "clip", "language": "en"}
        for i, name in enumerate(names)
        if i % 3
    ]
    said += [{"clip": name, "text": "一只狗在跑", "scale": "transcript", "language": ""} for name in names[::5]]
    videos = [
        {"video": f"{i:064x}", "seconds": 60.0 + i, "width": 1280, "height": 720, "source": "c"} for i in range(5)
    ]
    schema = pa.Table.from_pylist(clip_rows(8)).schema
    data = ReportData(
        name="films & <b>more</b>",
        view="default",
        clips=pa.Table.from_pylist(rows, schema=schema),
        captions=pa.Table.from_pylist(said if captions else [], schema=CAPTIONS),
        videos=pa.Table.from_pylist(videos),
        files=7,
        copies=1,
        failures=[FailedFile(EVIL, "truncated", f"`{EVIL}` is cut off", "fetch it again")],
        funnel=[Step("it moves", count, sum(row["kept"] for row in rows), unknown=3)],
        thresholds=[Threshold("it moves", "motion_flow_mean", ">=", 0.5)],
        groups=[[Member(0, True), Member(1, False, 0.93)]] if count > 1 else [],
        recipe='{"class": "</script>"}',
        facts=[Facts("The run", [("Speed", "512 frames/s")])],
    )
    return replace(data, **changes)


def pictures_of(data: ReportData, jpeg: bytes = b"\xff\xd8jpeg"):
    return lambda rows: {data.names[row]: Thumbnail(jpeg, 208, 117) for row in rows}


@pytest.fixture(scope="module")
def page() -> Page:
    data = report()
    return Page(render(data, pictures_of(data)))


def test_the_page_has_all_parts_in_order_and_its_links_lead_to_them(page):
    ids = [attributes["id"] for attributes in page.all("section")]
    assert ids == [id_ for id_, _ in PARTS]
    assert [link["href"] for link in page.all("a")[1:]] == [f"#{id_}" for id_ in ids]


def test_nothing_on_the_page_is_fetched_or_run(page):
    assert not {"script", "link", "iframe", "object", "embed", "form"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("data:image/jpeg;base64,", "#"))
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_names_captions_and_messages_are_text_wherever_they_stand(page):
    assert page.text.count("<script>alert('x')</script>") >= 3
    assert "films & <b>more</b>" in page.text


def test_the_style_fetches_nothing_either(page):
    data = report(4)
    text = render(data, pictures_of(data))
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style


def test_people_who_do_not_see_it_can_read_it(page):
    assert page.all("html")[0]["lang"] == "en"
    assert all(image.get("alt") for image in page.all("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") == "true" for svg in page.all("svg"))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert all(cell.get("scope") in {"col", "row"} for cell in page.all("th"))
    headings = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3"}]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert all(attributes["aria-labelledby"] in ids for attributes in page.all("section"))
    assert all(card.get("tabindex") == "0" for card in page.all("li") if card.get("class") == "card")


def test_the_first_sentence_tells_the_result(page):
    data = report()
    kept = int(data.kept.sum())
    assert f"5 films, 40 shots, {kept} kept ({100 * kept / 40:.0f} %)" in page.text
    assert "1 failure." in page.text


def test_the_funnel_adds_up(page):
    kept = int(report().kept.sum())
    assert f"it moves 40 {kept} {40 - kept}" in page.text
    assert "“it moves”: 3" in page.text
    assert "Copies of another file 7 6 1" in page.text and "Readable videos 6 5 1" in page.text


def test_thresholds_are_drawn_where_they_belong():
    data = report()
    text = render(data, pictures_of(data))
    assert "at least 0.5" in text.replace("\u00a0", " ") and 'class="cut"' in text
    plain = report(thresholds=[])
    assert 'class="cut"' not in render(plain, pictures_of(plain))


def test_the_same_data_give_the_same_page():
    data, again = report(), report()
    assert render(data, pictures_of(data)) == render(again, pictures_of(again))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (report(kept=False), "40 shots, none kept: “it moves” dropped the most (40)"),
        (report(0, groups=[], funnel=[], thresholds=[]), "and not one shot"),
        (report(captions=False), "There are none yet"),
        (report(failures=[]), "every file that was found could be read"),
        (report(groups=[]), "No two clips look the same"),
        (report(1), "1 shot"),
    ],
)
def test_whatever_is_missing_is_said(data, said):
    page = Page(render(data, pictures_of(data)))
    assert said in page.text


def test_a_clip_without_a_picture_says_why():
    data = report(6)
    text = render(data, lambda rows: {data.names[row]: Thumbnail(problem="the file is gone") for row in rows})
    assert "the file is gone" in text and "<img" not in text


def test_a_page_of_many_clips_with_large_pictures_stays_small():
    data = report(5000)
    text = render(data, pictures_of(data, b"\xff" * 60_000))
    assert len(text.encode()) < 5_000_000
    assert "left out to keep the page small" in text
    shown = sum(len(base64.b64decode(image["src"].partition(",")[2])) for image in Page(text).all("img"))
    assert 0.9 * PICTURE_BYTES < shown <= PICTURE_BYTES


def test_ids_are_not_drawn_as_scores_and_unknown_scores_are(page):
    assert "Duplicates group" not in page.text
    for titles, told in (({}, "Odd score"), ({"odd_score": "Very strange"}, "Very strange")):
        data = report(12, titles=titles)
        text = Page(render(data, pictures_of(data))).text
        assert told in text and "Writing" in text and "Motion" in text and "ecoding" not in text


def test_a_table_without_a_needed_column_is_refused():
    with pytest.raises(ValueError, match="`kept`"):
        report(4, clips=report(4).clips.drop_columns(["kept"]))
    with pytest.raises(ValueError, match="no_such"):
        report(4, thresholds=[Threshold("x", "no_such", ">", 1.0)])
