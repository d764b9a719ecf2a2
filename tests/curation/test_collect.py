"""Collecting: what a list names comes once, whole, with its rights; nobody is asked who does not want it."""

import csv
import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internvideo.curation.clip_tables import clips_of
from internvideo.curation.collect import plugins, web
from internvideo.curation.collect.fetch import JOURNAL, FetchRecipe
from internvideo.curation.collect.plan import SearchApi, plan
from internvideo.curation.collect.quotas import Room, parse_quotas
from internvideo.curation.collect.sources import Address, Source, file_name, read_sources
from internvideo.errors import UsageError
from internvideo.jobs.collect import fetch
from internvideo.jobs.curate import curate
from internvideo.jobs.upkeep import addresses_alive
from internvideo.store import Dataset, journal_lines
from internvideo.video.render import write_video
from tests.curation.web_mock import hosting

QUICK = {"pause": 0.0, "private": True}


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> dict[str, bytes]:
    folder, found = tmp_path_factory.mktemp("films"), {}
    for name, level in (("a", 20), ("b", 120), ("c", 220)):
        frames = [np.full((48, 64, 3), level + t, np.uint8) for t in range(8)]
        write_video(folder / f"{name}.mp4", frames, fps=Fraction(8))
        found[f"/{name}.mp4"] = (folder / f"{name}.mp4").read_bytes()
    return found


def listed(path, site, names, **columns):
    """An address list; every column is a value for all rows or a list."""
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, ["url", *columns])
        table.writeheader()
        for place, name in enumerate(names):
            more = {key: value[place] if isinstance(value, list) else value for key, value in columns.items()}
            table.writerow({"url": site.url(name), **more})
    return str(path)


def lines(folder):
    return {line["url"].rpartition("/")[2]: line for line in journal_lines.read(folder / JOURNAL)[0]}


def run(place, out, **options):
    asked = {name: options.pop(name) for name in ("quotas", "exclude", "by", "again") if name in options}
    return fetch([str(place)], out, FetchRecipe(**{**QUICK, **options}), quiet=True, **asked)


def test_videos_come_with_their_rights_and_a_second_run_asks_nobody(films, tmp_path):
    subtitles = b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello there\n"
    with hosting({**films, "/a.vtt": subtitles, "/robots.txt": b"User-agent: *\nDisallow: /private/"}) as site:
        rights = {"licence": ["CC-BY-4.0", "", ""], "title": ["Film A", "", ""], "category": "news", "language": "en"}
        rights["subtitles_de"] = [site.url("/a.vtt"), "", ""]
        site.more["/b.mp4"] = {"Link": '<https://creativecommons.org/licenses/by/4.0/>; rel="license"'}
        place = listed(tmp_path / "list.csv", site, films, **rights)
        found = run(place, tmp_path / "out")
        asked = len(site.asked)
        again = run(place, tmp_path / "out")
        assert len(site.asked) == asked
    assert (found["here"], found["left"], found["without_licence"]) == (3, [], 1)
    assert found["now"] == {"here": 3} and again["now"] == {}
    for name, data in films.items():
        assert (tmp_path / "out" / name[1:]).read_bytes() == data
    known = lines(tmp_path / "out")
    assert known["a.mp4"]["evidence"] == "list.csv:2" and known["a.mp4"]["robots"].startswith("allowed by http")
    assert known["b.mp4"]["licence"].endswith("/by/4.0/") and "Link header" in known["b.mp4"]["evidence"]
    assert not list((tmp_path / "out").glob("*.part*"))
    curate([tmp_path / "out"], tmp_path / "dataset", workers=1, quiet=True)
    rows = {row["title"]: row for row in Dataset(tmp_path / "dataset").rows("sidecars").to_pylist()}
    assert (
        rows["Film A"]["licence"] == "CC-BY-4.0" and ".info.json: license (http" in rows["Film A"]["licence_evidence"]
    )
    assert rows["Film A"]["language"] == "en"
    clips = clips_of(Dataset(tmp_path / "dataset"), "shots").to_pylist()
    licences = {row["path"].rpartition("/")[2]: row["licence"] for row in clips}
    assert licences["a.mp4"] == "CC-BY-4.0" and licences["c.mp4"] is None and "by/4.0" in licences["b.mp4"]
    assert all(".info.json: license" in row["evidence"] for row in clips if row["licence"])
    words = Dataset(tmp_path / "dataset").rows("transcript")
    assert words["text"][0].as_py() == "hello there" and words["language"][0].as_py() == "de"


@pytest.mark.parametrize("fault", [700, (503, {}), (429, {"Retry-After": "0"})])
def test_what_may_pass_is_tried_again_and_goes_on_where_it_was(films, tmp_path, fault):
    with hosting(films, faults={"/a.mp4": [fault, fault]}) as site:
        found = run(listed(tmp_path / "list.csv", site, ["/a.mp4"]), tmp_path / "out")
        ranges = [headers.get("Range") for path, headers in site.asked if path == "/a.mp4"]
    assert found["here"] == 1 and (tmp_path / "out" / "a.mp4").read_bytes() == films["/a.mp4"]
    assert ranges == ([None, "bytes=700-", "bytes=1400-"] if fault == 700 else [None] * 3)


def test_a_server_without_ranges_begins_again_and_a_changed_file_is_not_mixed(films, tmp_path):
    with hosting(films, faults={"/a.mp4": [700] * 3}, ranges=False) as site:
        place = listed(tmp_path / "list.csv", site, ["/a.mp4"])
        assert run(place, tmp_path / "out")["left"][0]["kind"] == "network"
        assert run(place, tmp_path / "out")["here"] == 1, "the next run tries it again"
    with hosting(films, faults={"/b.mp4": [700, *[(503, {})] * 3]}) as site:
        place = listed(tmp_path / "more.csv", site, ["/b.mp4"])
        assert run(place, tmp_path / "more")["here"] == 0
        site.files = {"/b.mp4": films["/c.mp4"]}
        assert run(place, tmp_path / "more")["here"] == 1
    assert (tmp_path / "more" / "b.mp4").read_bytes() == films["/c.mp4"]


def test_who_does_not_want_it_is_not_taken(films, tmp_path):
    robots = b"User-agent: *\nDisallow: /a*.mp4$\nCrawl-delay: 0\n"
    headers = {"/b.mp4": {"X-Robots-Tag": "otherbot: noindex, noai"}, "/c.mp4": {"TDM-Reservation": "1"}}
    with hosting({**films, "/robots.txt": robots}, headers=headers) as site:
        place = listed(tmp_path / "list.csv", site, films)
        found = run(place, tmp_path / "out")
        assert "/a.mp4" not in site.paths()
        asked = len(site.asked)
        run(place, tmp_path / "out")
        assert len(site.asked) == asked, "a refusal is remembered"
        assert run(place, tmp_path / "out", robots=False, again=["refused"])["here"] == 3, "their owner may say so"
    assert {one["kind"] for one in found["left"]} == {"refused"} and found["here"] == 0
    said = " ".join(one["message"] for one in found["left"])
    assert "robots.txt" in said and "noai" in said and "TDM-Reservation" in said


def test_a_site_whose_robots_cannot_be_had_is_not_entered(films, tmp_path):
    with hosting(films, faults={"/robots.txt": [(500, {})] * 9}) as site:
        found = run(listed(tmp_path / "list.csv", site, ["/a.mp4"]), tmp_path / "out")
        assert site.paths() == ["/robots.txt"]
    assert found["left"][0]["kind"] == "network" and "robots.txt" in found["left"][0]["message"]


def test_addresses_of_this_machine_are_refused_unless_allowed_also_behind_a_redirect(films, tmp_path, monkeypatch):
    with hosting(films, moved={"/away.mp4": "http://169.254.169.254/latest/meta-data"}) as site:
        place = listed(tmp_path / "list.csv", site, ["/a.mp4"])
        found = run(place, tmp_path / "out", private=False)
        assert found["left"][0]["kind"] == "refused" and "127.0.0.1" in found["left"][0]["message"] and not site.asked
        monkeypatch.setattr(web, "is_public", lambda address: address == "127.0.0.1")  # as if the site were outside
        place = listed(tmp_path / "moved.csv", site, ["/away.mp4"])
        found = run(place, tmp_path / "more", private=False)
        assert "169.254.169.254" in found["left"][0]["message"]
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        assert run(listed(tmp_path / "b.csv", site, ["/a.mp4"]), tmp_path / "b", private=False)["here"] == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/a.mp4", "memory://a.mp4", "http://", "no address", "http://[::1"]
)
def test_what_is_no_address_of_the_web_is_one_lines_trouble(films, tmp_path, url):
    with hosting(films) as site:
        (tmp_path / "list.txt").write_text(f"{url}\n{site.url('/a.mp4')}\n")
        found = run(tmp_path / "list.txt", tmp_path / "out")
    assert found["here"] == 1 and len(found["left"]) == 1


def test_limits_of_size_and_of_everything_together(films, tmp_path):
    with hosting(films) as site:
        place = listed(tmp_path / "list.csv", site, films)
        found = run(place, tmp_path / "out", largest=500)
        assert {one["kind"] for one in found["left"]} == {"refused"} and "limit of 500" in found["left"][0]["message"]
        found = run(place, tmp_path / "some", most=1, at_once=1)
        assert found["now"] == {"here": 1, "over the limit of bytes": 2}
        began = time.monotonic()
        run(listed(tmp_path / "one.csv", site, ["/a.mp4"]), tmp_path / "slow", rate=len(films["/a.mp4"]) * 2.0)
        assert time.monotonic() - began > 0.4
        began = time.monotonic()
        site.asked.clear()
        run(place, tmp_path / "polite", pause=0.2)
        assert time.monotonic() - began >= 0.6, "robots.txt, then three files: three pauses"
        assert Counter(site.paths()) == {"/robots.txt": 1, **dict.fromkeys(films, 1)}


def test_what_was_here_before_counts_for_no_rate(films, tmp_path):
    data = films["/a.mp4"] + bytes(3_000_000)
    with hosting({"/big.mp4": data}, faults={"/big.mp4": [2_900_000, *[(503, {})] * 3]}) as site:
        place = listed(tmp_path / "list.csv", site, ["/big.mp4"])
        assert run(place, tmp_path / "out")["here"] == 0
        began = time.monotonic()
        assert run(place, tmp_path / "out", rate=200_000.0)["here"] == 1
        assert time.monotonic() - began < 10, "0.5 s for the rest, 15 s for all of it"


def test_web_pages_and_broken_videos_are_not_kept(films, tmp_path):
    files = {"/page.mp4": b"<html>", "/text.mp4": b"this is no video at all" * 9, "/a.mp4": films["/a.mp4"]}
    with hosting(files, headers={"/page.mp4": {"Content-Type": "text/html"}}) as site:
        found = run(listed(tmp_path / "list.csv", site, [*files, "/gone.mp4"]), tmp_path / "out")
    assert {one["url"].rpartition("/")[2]: one["kind"] for one in found["left"]} == {
        "page.mp4": "network",
        "text.mp4": "not-a-video",
        "gone.mp4": "gone",
    }
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.info.json", "a.mp4", JOURNAL]


def test_what_is_excluded_by_name_bytes_or_pictures_is_not_taken(films, tmp_path):
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "copy.mp4").write_bytes(films["/c.mp4"])
    curate([tmp_path / "known"], tmp_path / "dataset", workers=1, quiet=True)
    digest = hashlib.sha256(films["/b.mp4"]).hexdigest()
    (tmp_path / "not.txt").write_text(f"# not these\na\n{digest.upper()}\n")
    import av

    with av.open(tmp_path / "known" / "copy.mp4") as source, av.open(tmp_path / "re.mkv", "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    files = {**films, "/re.mkv": (tmp_path / "re.mkv").read_bytes()}
    with hosting(files) as site:
        place = listed(tmp_path / "list.csv", site, files)
        exclude = [str(tmp_path / "not.txt"), str(tmp_path / "dataset")]
        found = run(place, tmp_path / "out", exclude=exclude)
        assert "/a.mp4" not in site.paths(), "a name needs no download"
    assert found["here"] == 0 and {one["kind"] for one in found["left"]} == {"excluded"}
    said = {one["url"].rpartition("/")[2]: one["message"] for one in found["left"]}
    assert said["a.mp4"] == "listed in not.txt" and said["b.mp4"] == "the bytes of a video in not.txt"
    assert "bytes" in said["c.mp4"] and "pictures" in said["re.mkv"]


def test_quotas_hold_and_what_could_not_be_had_leaves_its_place_to_others(films, tmp_path):
    names = ["/gone.mp4", *films]
    with hosting(films) as site:
        place = listed(tmp_path / "list.csv", site, names, language=["en", "en", "en", "de"])
        found = run(place, tmp_path / "out", quotas=["language:en=1", "language:de=0"], at_once=1)
        assert found["now"] == {
            "gone": 1,
            "here": 1,
            "quota language:en=1 is full": 1,
            "quota language:de=0 is full": 1,
        }
        found = run(place, tmp_path / "out", quotas=["language:en=1"], at_once=1)
        assert found["now"] == {"quota language:en=1 is full": 1, "here": 1}, "what is here counts"
        licensed = run(place, tmp_path / "cc", licences=("cc*",))
    assert {one["kind"] for one in licensed["left"]} == {"licence"}


GROUP = st.sampled_from(["en", "de", "fr"])


@given(st.lists(st.tuples(GROUP, st.booleans()), max_size=40), st.dictionaries(GROUP, st.integers(0, 5)))
def test_room_never_lets_in_more_than_the_quota(wishes, limits):
    room, here = Room({("language", value): most for value, most in limits.items()}), Counter()
    for place, (language, comes) in enumerate(wishes):
        address = Address(f"http://x/{place}", str(place), {"language": language})
        if room.take(address):
            assert here[language] == limits[language]
        elif comes:
            here[language] += 1
        else:
            room.give_back(address)
    assert all(here[value] <= most for value, most in limits.items())


def test_an_object_store_is_copied_and_gone_on_with(films, tmp_path):
    import fsspec

    store = fsspec.filesystem("memory")
    for name, data in films.items():
        store.pipe(f"/bucket/deep{name}", data)
    store.pipe("/bucket/deep/notes.txt", b"no video")
    found = run("memory://bucket/deep", tmp_path / "out")
    assert found["here"] == 3 and (tmp_path / "out" / "b.mp4").read_bytes() == films["/b.mp4"]
    assert run("memory://bucket/deep", tmp_path / "out")["now"] == {}
    with pytest.raises(UsageError, match="no videos below"):
        run("memory://bucket/empty", tmp_path / "out")


def test_a_killed_fetch_goes_on_with_its_bytes(films, tmp_path):
    data = films["/a.mp4"] + bytes(3_000_000)  # a free box behind the film: still a film
    with hosting({"/big.mp4": data}) as site:
        place = listed(tmp_path / "list.csv", site, ["/big.mp4"])
        words = [sys.executable, "-m", "internvideo", "collect", "fetch", place, "--out", str(tmp_path / "out")]
        process = subprocess.Popen([*words, "private=yes", "rate=1000000", "pause=0"], stderr=subprocess.PIPE)
        part = tmp_path / "out" / "big.part"
        while not (part.exists() and part.stat().st_size > 500_000):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert run(place, tmp_path / "out")["here"] == 1
        ranges = [headers.get("Range") for path, headers in site.asked if path == "/big.mp4"]
    assert ranges[0] is None and int(ranges[1].removeprefix("bytes=").rstrip("-")) > 500_000
    assert (tmp_path / "out" / "big.mp4").read_bytes() == data


def test_a_collector_that_somebody_installed_is_held_to_the_same_rules(films, tmp_path, monkeypatch):
    def collect(source, folder, want):
        for name, data in list(films.items())[:want]:
            (folder / name[1:]).write_bytes(data)
            yield {"url": f"https://videos.example/{name}", "file": name[1:], "licence": "CC0-1.0", "language": "en"}

    class Point:
        name = "mine"

        @staticmethod
        def load():
            return collect

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Point] if group == plugins.GROUP else [])
    (tmp_path / "queries.txt").write_text("peel an orange\n")
    found = run(tmp_path / "queries.txt", tmp_path / "out", by="mine", quotas=["language:en=2"])
    assert found["now"] == {"here": 2, "over quota": 1} and not (tmp_path / "out" / "c.mp4").exists()
    assert lines(tmp_path / "out")["a.mp4"]["evidence"] == "query peel an orange"
    with pytest.raises(UsageError, match="collector `yours`"):
        run(tmp_path / "queries.txt", tmp_path / "out", by="yours")


def test_addresses_that_no_longer_answer_are_named_and_nothing_is_noted(films, tmp_path):
    with hosting(dict(films)) as site:
        run(listed(tmp_path / "list.csv", site, films), tmp_path / "out")
        curate([tmp_path / "out"], tmp_path / "dataset", workers=1, quiet=True)
        del site.files["/b.mp4"]
        site.faults["/c.mp4"] = [(500, {})]
        site.asked.clear()
        found = addresses_alive(tmp_path / "dataset", web.Web(private=True, pause=0.0), quiet=True)
        assert all(h.get("Range") == "bytes=0-0" for path, h in site.asked if path != "/robots.txt")
    assert [len(found[state]) for state in ("there", "gone", "silent", "refused")] == [1, 1, 1, 0]
    assert "/b.mp4: 404" in found["gone"][0] and "/c.mp4: 500" in found["silent"][0]
    assert Dataset(tmp_path / "dataset").status().gone == 0, "the files are here"


# ---- lists and plans


def test_the_plan_of_the_papers_collection():
    """6,104 queries of one page at 100 searches a day, and 5.1 million results at 50 a page: spec section 4.3."""
    queries = [Source("query", f"action {n}") for n in range(6104)]
    made = plan(queries, SearchApi())
    assert (made.searches, round(made.days)) == (6104, 61)
    results = plan([Source("query", "x", videos=5_100_000)], SearchApi(most_results=5_100_000))
    assert (results.searches, round(results.days)) == (102_000, 1020)
    assert plan([Source("query", "x", videos=700)], SearchApi()).short == 200
    channel = plan([Source("channel", "y", videos=500, language="en")], SearchApi())
    assert (channel.searches, channel.calls) == (0, 20) and channel.groups["language"] == {"en": 500}


def test_lists_are_read_whatever_their_form(tmp_path):
    (tmp_path / "a.csv").write_text("text,language,videos\npeel an orange,en,5\nPeel an orange,en,7\nfly,,\n")
    assert [(one.text, one.videos) for one in read_sources(tmp_path / "a.csv")] == [("peel an orange", 5), ("fly", 0)]
    (tmp_path / "queries.jsonl").write_text(json.dumps({"en": "dance", "zh": "跳舞"}) + "\n")
    assert read_sources(tmp_path / "queries.jsonl")[0].text == "dance"
    (tmp_path / "bad.csv").write_text("text,kind\nx,playlist\n")
    with pytest.raises(UsageError, match="line 2 is no source"):
        read_sources(tmp_path / "bad.csv")
    for word in ("language=en", "langauge:en=3", "language:en=many"):
        with pytest.raises(UsageError):
            parse_quotas([word])


@given(st.text(max_size=200), st.text(max_size=60))
def test_file_names_stay_in_their_folder(name, path):
    made = file_name(name, f"https://example.org/{path}")
    assert 0 < len(made) <= 80 and not set(made) & set("/\\.: \0") and made.isascii()
